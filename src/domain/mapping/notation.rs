//! Rules in the notation of the accounts file, as plans show them.

use std::fmt::{self, Formatter};

use serde_json::Value;

use super::{Condition, ContentsRule, Conversion, FieldRule, Source, Test, Unit};

impl fmt::Display for FieldRule {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let Some(otherwise) = &self.otherwise else {
            return formatter.write_str(&self.alone());
        };
        let mut rules = vec![self.alone()];
        let mut next = Some(otherwise);
        while let Some(rule) = next {
            rules.push(rule.alone());
            next = rule.otherwise.as_ref();
        }
        write!(formatter, "[{}]", rules.join(", "))
    }
}

impl FieldRule {
    /// The rule without what counts otherwise.
    fn alone(&self) -> String {
        let mut pairs = vec![pair_of(&self.source)];
        if let Some(find) = &self.find {
            let members = find
                .members
                .iter()
                .map(|(name, text)| format!("{name} = {}", quoted(text)));
            pairs.push(format!("find = {}", table(members)));
            pairs.push(format!("take = {}", quoted(&find.take)));
        }
        pairs.extend(self.query.iter().map(|name| format!("query = {}", quoted(name))));
        pairs.extend(self.conversion.iter().map(pair_of_conversion));
        if !self.words.is_empty() {
            let words = self.words.iter().map(|(from, to)| format!("{from} = {}", quoted(to)));
            pairs.push(format!("words = {}", table(words)));
        }
        pairs.extend(self.lower_case.then(|| "lower_case = true".to_owned()));
        pairs.extend(self.prefix.iter().map(|prefix| format!("prefix = {}", quoted(prefix))));
        pairs.extend(self.default.iter().map(|default| format!("default = {default}")));
        pairs.extend(self.required.then(|| "required = true".to_owned()));
        match (&self.source, pairs.len()) {
            (Source::Pointers(pointers), 1) if pointers.len() == 1 => quoted(&pointers[0]),
            _ => table(pairs),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let test = match &self.test {
            Test::Is(texts) => format!("is = {}", list(texts)),
            Test::IsNot(texts) => format!("is_not = {}", list(texts)),
            Test::Exists(wanted) => format!("exists = {wanted}"),
        };
        formatter.write_str(&table([pair_of(&self.source), test]))
    }
}

impl fmt::Display for ContentsRule {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let each = format!("each = {}", quoted(&self.each));
        let fields = self.fields.iter().map(|(name, rule)| format!("{name} = {rule}"));
        formatter.write_str(&table(std::iter::once(each).chain(fields)))
    }
}

fn pair_of(source: &Source) -> String {
    match source {
        Source::Constant(value) => format!("constant = {value}"),
        Source::Header(name) => format!("header = {}", quoted(name)),
        Source::Pointers(pointers) => match pointers.as_slice() {
            [only] => format!("pointer = {}", quoted(only)),
            several => format!("first = {}", list(several)),
        },
    }
}

fn pair_of_conversion(conversion: &Conversion) -> String {
    match conversion {
        Conversion::UnixSeconds => "as = \"unix_seconds\"".to_owned(),
        Conversion::UnixMilliseconds => "as = \"unix_milliseconds\"".to_owned(),
        Conversion::DateTime => "as = \"date_time\"".to_owned(),
        Conversion::Url => "as = \"url\"".to_owned(),
        Conversion::MinorUnits(Unit::Decimals(decimals)) => format!("as = \"minor_units\", decimals = {decimals}"),
        Conversion::MinorUnits(Unit::CurrencyAt(pointer)) => {
            format!("as = \"minor_units\", currency = {}", quoted(pointer))
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    match texts {
        [only] => quoted(only),
        several => {
            let texts: Vec<String> = several.iter().map(|text| quoted(text)).collect();
            format!("[{}]", texts.join(", "))
        }
    }
}

fn table(pairs: impl IntoIterator<Item = String>) -> String {
    let pairs: Vec<String> = pairs.into_iter().collect();
    format!("{{ {} }}", pairs.join(", "))
}
