//! A table of a file, read key by key; what nobody asked for is unknown.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    SourceFile,
    error::{Place, Problems},
};
use crate::domain::spelling::closest;

/// One file, taken apart but not understood.
pub(super) struct Document<'f> {
    file: &'f SourceFile,
    root: Spanned<DeTable<'f>>,
}

impl<'f> Document<'f> {
    /// Takes a file apart, and notes every mistake of its notation.
    pub fn parse(file: &'f SourceFile, problems: &Problems) -> Self {
        let (root, errors) = DeTable::parse_recoverable(&file.text);
        let document = Self { file, root };
        for error in errors {
            let place = document.place(error.span().unwrap_or_default(), String::new());
            // Only the message: what the error shows of the line may be a secret without its quotes.
            problems.add(&place, format!("not TOML: {}", error.message()));
        }
        document
    }

    /// The outermost table.
    pub fn top<'d>(&'d self, problems: &'d Problems) -> Section<'d> {
        let place = self.place(0..0, String::new());
        Section::new(self, problems, ("", place), self.root.get_ref())
    }

    fn place(&self, span: Range<usize>, path: String) -> Place {
        let before = &self.file.text.as_bytes()[..span.start.min(self.file.text.len())];
        Place {
            file: self.file.name.clone(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            path,
        }
    }
}

/// A table.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    problems: &'d Problems,
    place: Place,
    name: &'d str,
    entries: BTreeMap<&'d str, Entry<'d>>,
    asked: Vec<&'static str>,
}

struct Entry<'d> {
    name: &'d str,
    place: Place,
    value: &'d DeValue<'d>,
}

impl<'d> Section<'d> {
    fn new(
        document: &'d Document<'d>,
        problems: &'d Problems,
        (name, place): (&'d str, Place),
        table: &'d DeTable<'d>,
    ) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let name: &str = key.get_ref();
            let path = if place.path.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", place.path)
            };
            let place = document.place(key.span(), path);
            let value = value.get_ref();
            (name, Entry { name, place, value })
        });
        Self {
            entries: entries.collect(),
            document,
            problems,
            place,
            name,
            asked: Vec::new(),
        }
    }

    /// Where it begins.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its own name: the last part of its path.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Notes a mistake of the whole table.
    pub fn wrong(&self, message: impl Into<String>) {
        self.problems.add(&self.place, message);
    }

    /// Reads a value if it is there; `read` says what is wrong with it, without showing a secret.
    pub fn take<T>(&mut self, key: &'static str, read: impl FnOnce(&DeValue<'_>) -> Result<T, String>) -> Option<T> {
        self.asked.push(key);
        let entry = self.entries.remove(key)?;
        read(entry.value)
            .map_err(|message| self.problems.add(&entry.place, message))
            .ok()
    }

    /// Notes that a key has no place here, if it is there.
    pub fn refuse(&mut self, key: &'static str, message: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.problems.add(&entry.place, message);
        }
    }

    /// Says whether a key that was not yet asked for is there.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// What stands under a key, be it a value or a table.
    pub fn given(&mut self, key: &'static str) -> Option<Given<'d>> {
        self.asked.push(key);
        let entry = self.entries.remove(key)?;
        Some(self.give(entry))
    }

    /// Everything that nobody asked for yet, be it values or tables.
    pub fn others(&mut self) -> Vec<Given<'d>> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_values().map(|entry| self.give(entry)).collect()
    }

    /// The tables of a list: `[[event]]`, or `when = [{ … }]`; a single table is a list of one.
    pub fn list(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let Some(given) = self.given(key) else {
            return Vec::new();
        };
        if !matches!(given.entry.value, DeValue::Array(_)) {
            return given.section().into_iter().collect();
        }
        given.items().into_iter().filter_map(Given::section).collect()
    }

    fn give(&self, entry: Entry<'d>) -> Given<'d> {
        Given {
            document: self.document,
            problems: self.problems,
            entry,
        }
    }

    /// A table within this one.
    pub fn table(&mut self, key: &'static str) -> Option<Section<'d>> {
        self.asked.push(key);
        let entry = self.entries.remove(key)?;
        self.section(entry)
    }

    /// The tables within the table of this name: `[key.one]`, `[key.other]`.
    pub fn tables_of(&mut self, key: &'static str) -> Vec<Section<'d>> {
        let Some(mut parent) = self.table(key) else {
            return Vec::new();
        };
        let entries = std::mem::take(&mut parent.entries);
        entries.into_values().filter_map(|entry| self.section(entry)).collect()
    }

    /// All tables that nobody asked for yet.
    pub fn other_tables(&mut self) -> Vec<Section<'d>> {
        let names: Vec<&str> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.value, DeValue::Table(_)))
            .map(|(name, _)| *name)
            .collect();
        let entries: Vec<Entry<'d>> = names.iter().filter_map(|name| self.entries.remove(name)).collect();
        entries.into_iter().filter_map(|entry| self.section(entry)).collect()
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        for (name, entry) in &self.entries {
            let message = match closest(name, self.asked.iter().copied()) {
                Some(likely) => format!("is not known here; did you mean \"{likely}\"?"),
                None => format!("is not known here; there are {}", self.asked.join(", ")),
            };
            self.problems.add(&entry.place, message);
        }
    }

    fn section(&self, entry: Entry<'d>) -> Option<Section<'d>> {
        self.give(entry).section()
    }
}

/// What stands under a key, of whatever type.
pub(super) struct Given<'d> {
    document: &'d Document<'d>,
    problems: &'d Problems,
    entry: Entry<'d>,
}

impl<'d> Given<'d> {
    /// The key.
    pub fn name(&self) -> &'d str {
        self.entry.name
    }

    /// What it says.
    pub fn value(&self) -> &'d DeValue<'d> {
        self.entry.value
    }

    /// Notes a mistake.
    pub fn wrong(&self, message: impl Into<String>) {
        self.problems.add(&self.entry.place, message);
    }

    /// What a list holds, each with its place.
    pub fn items(&self) -> Vec<Given<'d>> {
        let DeValue::Array(items) = self.entry.value else {
            return Vec::new();
        };
        let items = items.iter().enumerate().map(|(index, item)| Given {
            document: self.document,
            problems: self.problems,
            entry: Entry {
                name: self.entry.name,
                place: self
                    .document
                    .place(item.span(), format!("{}[{index}]", self.entry.place.path)),
                value: item.get_ref(),
            },
        });
        items.collect()
    }

    /// It as a table; that it is none is a mistake.
    pub fn section(self) -> Option<Section<'d>> {
        let DeValue::Table(table) = self.entry.value else {
            self.wrong(format!("must be a table: [{}]", self.entry.place.path));
            return None;
        };
        Some(Section::new(
            self.document,
            self.problems,
            (self.entry.name, self.entry.place),
            table,
        ))
    }
}
