//! How one field of an event is filled: `"/id"`, a table that says more, or a list of such of which the first counts that leads to something.

use serde_json::Value;
use toml::de::DeValue;

use super::{
    section::{Given, Section},
    values,
};
use crate::domain::mapping::{Conversion, FieldRule, Find, Source, Unit};

/// Sources of a value.
const SOURCES: [&str; 4] = ["pointer", "first", "header", "constant"];

/// Reads a rule; `None` if something of it is wrong.
pub(super) fn read(given: Given<'_>) -> Option<FieldRule> {
    match given.value() {
        DeValue::Table(_) => table(given.section()?),
        DeValue::Array(items) if !items.is_empty() => {
            let rules: Vec<Option<FieldRule>> = given.items().into_iter().map(read).collect();
            let rules = rules.into_iter().rev().collect::<Option<Vec<FieldRule>>>()?;
            rules.into_iter().reduce(|otherwise, rule| FieldRule {
                required: rule.required || otherwise.required,
                otherwise: Some(Box::new(otherwise)),
                ..rule
            })
        }
        value => match pointer(value) {
            Ok(pointer) => Some(Source::Pointers(vec![pointer]).into()),
            Err(problem) => {
                given.wrong(format!("{problem}; a fixed value is {{ constant = \"…\" }}"));
                None
            }
        },
    }
}

fn table(mut section: Section<'_>) -> Option<FieldRule> {
    let source = source(&mut section, &SOURCES);
    let find = find(&mut section);
    let query = section.take("query", values::text);
    let conversion = conversion(&mut section);
    let words = section
        .take("words", values::by_name(|| values::text))
        .unwrap_or_default();
    let lower_case = section.take("lower_case", values::flag).unwrap_or_default();
    let prefix = section.take("prefix", values::text);
    let default = section.take("default", constant);
    let required = section.take("required", values::flag).unwrap_or_default();
    section.refuse(
        "optional",
        "is so for every field that the event can do without; required = true makes one indispensable",
    );
    section.finish();
    Some(FieldRule {
        find,
        query,
        conversion,
        words,
        lower_case,
        prefix,
        default,
        required,
        ..FieldRule::from(source?)
    })
}

/// Reads the one source that a table names.
pub(super) fn source(section: &mut Section<'_>, allowed: &[&str]) -> Option<Source> {
    let given = allowed.iter().filter(|key| section.has(key)).count();
    if given != 1 {
        let names = allowed.join(", ");
        section.wrong(format!("needs one of {names}: where the value comes from"));
    }
    let found = [
        section
            .take("pointer", pointer)
            .map(|pointer| Source::Pointers(vec![pointer])),
        section.take("first", pointers).map(Source::Pointers),
        section
            .take("header", values::text)
            .map(|name| Source::Header(name.to_ascii_lowercase())),
        if allowed.contains(&"constant") {
            section.take("constant", constant).map(Source::Constant)
        } else {
            None
        },
    ];
    found.into_iter().flatten().next().filter(|_| given == 1)
}

fn find(section: &mut Section<'_>) -> Option<Find> {
    let has = [section.has("find"), section.has("take")];
    let members = section.take("find", values::by_name(|| values::text));
    let take = section.take("take", pointer);
    if has[0] != has[1] {
        section.wrong("find and take go together: which object of a list, and what of it");
    }
    Some(Find {
        members: members?,
        take: take?,
    })
}

fn conversion(section: &mut Section<'_>) -> Option<Conversion> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Word {
        UnixSeconds,
        UnixMilliseconds,
        DateTime,
        Url,
        MinorUnits,
    }
    let words = [
        ("unix_seconds", Word::UnixSeconds),
        ("unix_milliseconds", Word::UnixMilliseconds),
        ("date_time", Word::DateTime),
        ("url", Word::Url),
        ("minor_units", Word::MinorUnits),
    ];
    let word = section.take("as", values::word(&words));
    let currency = section.take("currency", pointer).map(Unit::CurrencyAt);
    let decimals = section.take("decimals", decimals).map(Unit::Decimals);
    match (word, currency, decimals) {
        (Some(Word::MinorUnits), Some(unit), None) | (Some(Word::MinorUnits), None, Some(unit)) => {
            Some(Conversion::MinorUnits(unit))
        }
        (Some(Word::MinorUnits), ..) => {
            section.wrong(
                "as = \"minor_units\" needs either currency = \"/…\" (where the currency stands) or decimals = 2",
            );
            None
        }
        (_, Some(_), _) | (_, _, Some(_)) => {
            section.wrong("currency and decimals are for as = \"minor_units\"");
            None
        }
        (Some(Word::UnixSeconds), ..) => Some(Conversion::UnixSeconds),
        (Some(Word::UnixMilliseconds), ..) => Some(Conversion::UnixMilliseconds),
        (Some(Word::DateTime), ..) => Some(Conversion::DateTime),
        (Some(Word::Url), ..) => Some(Conversion::Url),
        (None, ..) => None,
    }
}

/// A JSON Pointer that leads to somewhere within.
pub(super) fn pointer(value: &DeValue<'_>) -> Result<String, String> {
    let wrong = || "must be a JSON pointer such as \"/data/object/id\"".to_owned();
    let DeValue::String(text) = value else {
        return Err(wrong());
    };
    let escapes_are_right = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    (text.starts_with('/') && escapes_are_right)
        .then(|| text.to_string())
        .ok_or_else(wrong)
}

/// A JSON Pointer, or `""` for all.
pub(super) fn root_or_pointer(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.is_empty() => Ok(String::new()),
        other => pointer(other).map_err(|problem| format!("{problem}, or \"\" for the whole payload")),
    }
}

fn pointers(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| pointer(item.get_ref())).collect(),
        _ => Err("must be a list of JSON pointers, of which the first counts that leads to something".to_owned()),
    }
}

/// One text or a list of them; numbers and booleans count as they are written.
pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let text = |value: &DeValue<'_>| match constant(value)? {
        Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    };
    match value {
        DeValue::Array(items) if !items.is_empty() => items.iter().map(|item| text(item.get_ref())).collect(),
        other => Ok(vec![text(other)?]),
    }
}

/// A text, a number, true or false.
fn constant(value: &DeValue<'_>) -> Result<Value, String> {
    let number = |text: &str| serde_json::from_str(&text.replace('_', "")).ok();
    let found = match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Integer(integer) if integer.radix() == 10 => number(integer.as_str()),
        DeValue::Float(float) => number(float.as_str()),
        _ => None,
    };
    found.ok_or_else(|| "must be a text in quotes, a number, true or false".to_owned())
}

fn decimals(value: &DeValue<'_>) -> Result<u32, String> {
    let wrong = || "must be how many digits stand behind the decimal point, from 0 to 6".to_owned();
    let DeValue::Integer(integer) = value else {
        return Err(wrong());
    };
    integer
        .as_str()
        .parse()
        .ok()
        .filter(|decimals| integer.radix() == 10 && *decimals <= 6)
        .ok_or_else(wrong)
}
