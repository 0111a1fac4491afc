//! One value of a payload: found where its rule points, and made into what the funnel event takes.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use url::Url;

use super::money;
use crate::{
    domain::{
        Cause,
        mapping::{Conversion, FieldRule, Find, Source, Unit},
    },
    wire::{event::Malformed, fields::Amount},
};

/// Numbers from here on are milliseconds since 1970, below they are seconds.
const MILLISECONDS_FROM: i64 = 100_000_000_000;
/// What relative URLs are taken against; it never gets out.
const BASE: &str = "https://relative.invalid/";
/// The longest header or query value that is looked at, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A payload, or an item of it.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub value: &'a Value,
    /// Where it is in the payload.
    pub pointer: String,
    pub headers: &'a dyn Fn(&str) -> Option<String>,
}

/// What is at a place.
pub(super) enum Found {
    /// Something that is neither null nor blank.
    Value(Value),
    /// Nothing.
    Nothing,
}

impl Found {
    fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Found::Nothing,
            Some(Value::String(text)) if text.trim().is_empty() => Found::Nothing,
            Some(value) => Found::Value(value.clone()),
        }
    }

    /// It as a text, if it is one or a number or a boolean.
    pub fn text(&self) -> Option<String> {
        let Found::Value(value) = self else { return None };
        scalar(value)
    }
}

/// What comes of looking for a field.
pub(super) type Look = Result<Option<Value>, Malformed>;

impl<'a> Item<'a> {
    /// The items of a list within this one. What is there and is no list is the only item; `None`: the pointer leads to nothing.
    pub fn items(&self, pointer: &str) -> Option<Vec<Item<'a>>> {
        let at = |value: &'a Value, pointer: String| Item {
            value,
            pointer,
            headers: self.headers,
        };
        let place = format!("{}{pointer}", self.pointer);
        match self.value.pointer(pointer)? {
            Value::Null => None,
            Value::Array(items) => {
                let items = items.iter().enumerate();
                Some(
                    items
                        .map(|(index, item)| at(item, format!("{place}/{index}")))
                        .collect(),
                )
            }
            single => Some(vec![at(single, place)]),
        }
    }

    /// What a source leads to.
    pub fn found(&self, source: &Source) -> Found {
        match source {
            Source::Constant(value) => Found::of(Some(value)),
            Source::Header(name) => {
                let text = (self.headers)(name).filter(|text| text.len() <= TEXT_BYTES_MAX);
                Found::of(text.map(Value::String).as_ref())
            }
            Source::Pointers(pointers) => {
                let found = pointers.iter().map(|pointer| Found::of(self.value.pointer(pointer)));
                found
                    .into_iter()
                    .find(|found| matches!(found, Found::Value(_)))
                    .unwrap_or(Found::Nothing)
            }
        }
    }

    /// The value of a field; `None`: the payload does not say it.
    pub fn look(&self, field: &FieldRule) -> Look {
        let mut value = match self.found(&field.source) {
            Found::Value(value) => Some(value),
            Found::Nothing => None,
        };
        if let (Some(find), Some(list)) = (&field.find, &value) {
            value = self.pick(field, find, list)?;
        }
        if let (Some(name), Some(url)) = (&field.query, &value) {
            value = parameter(url.as_str().ok_or_else(|| self.fault(field))?, name).map(Value::String);
        }
        if let (Some(conversion), Some(given)) = (&field.conversion, &value) {
            value = self.converted(field, conversion, given)?;
        }
        if let (false, Some(given)) = (field.words.is_empty(), &value) {
            let text = scalar(given).ok_or_else(|| self.fault(field))?;
            value = field.words.get(&text).cloned().map(Value::String);
        }
        if field.lower_case {
            value = value.map(|value| each_text(value, str::to_lowercase));
        }
        if let Some(prefix) = &field.prefix {
            value = value.map(|value| each_text(value, |text| format!("{prefix}{text}")));
        }
        if let (Some(otherwise), None) = (&field.otherwise, &value) {
            value = self.look(otherwise)?;
        }
        Ok(value.or_else(|| field.default.clone()))
    }

    /// The object of a list that is meant, and what of it.
    fn pick(&self, field: &FieldRule, find: &Find, list: &Value) -> Look {
        let items = list.as_array().ok_or_else(|| self.fault(field))?;
        let is_meant = |item: &&Value| {
            let mut members = find.members.iter();
            members.all(|(name, text)| item.get(name).and_then(scalar).is_some_and(|found| found == *text))
        };
        Ok(
            match Found::of(items.iter().find(is_meant).and_then(|item| item.pointer(&find.take))) {
                Found::Value(value) => Some(value),
                Found::Nothing => None,
            },
        )
    }

    fn converted(&self, field: &FieldRule, conversion: &Conversion, given: &Value) -> Look {
        let wrong = || self.fault(field);
        let converted = match conversion {
            Conversion::UnixSeconds => json!(number(given).ok_or_else(wrong)?.to_string()),
            Conversion::UnixMilliseconds => json!(number(given).and_then(seconds).ok_or_else(wrong)?),
            Conversion::DateTime => json!(date_time(given).ok_or_else(wrong)?),
            Conversion::Url => {
                let text = given.as_str().ok_or_else(wrong)?.trim();
                let is_whole = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
                return Ok(is_whole.then(|| json!(text)));
            }
            Conversion::MinorUnits(unit) => {
                let decimals = match unit {
                    Unit::Decimals(decimals) => *decimals,
                    Unit::CurrencyAt(pointer) => {
                        let currency = Found::of(self.value.pointer(pointer)).text();
                        currency
                            .and_then(|currency| money::decimals(&currency))
                            .ok_or_else(|| self.not_mapped(pointer))?
                    }
                };
                let amount = number(given).and_then(|minor| money::in_units(minor, decimals));
                json!(amount.ok_or_else(wrong)?.to_string())
            }
        };
        Ok(Some(converted))
    }

    /// That a field is missing or cannot be read, by where it should have come from.
    pub fn fault(&self, field: &FieldRule) -> Malformed {
        Malformed::new(Cause::WebhookNotMapped, &self.origin(field))
    }

    fn not_mapped(&self, pointer: &str) -> Malformed {
        Malformed::new(Cause::WebhookNotMapped, &format!("{}{pointer}", self.pointer))
    }

    /// Where a field comes from: the pointer that leads to something, else the first; or the header.
    pub fn origin(&self, field: &FieldRule) -> String {
        let Source::Pointers(pointers) = &field.source else {
            return own_origin(field);
        };
        let leads = |pointer: &&String| matches!(Found::of(self.value.pointer(pointer)), Found::Value(_));
        let pointer = pointers.iter().find(leads).or(pointers.first());
        format!("{}{}", self.pointer, pointer.map_or("", String::as_str))
    }
}

/// Where a field comes from, as its rule says it.
pub(super) fn own_origin(field: &FieldRule) -> String {
    match &field.source {
        Source::Pointers(pointers) => pointers.first().cloned().unwrap_or_default(),
        Source::Header(name) => format!("header {name}"),
        Source::Constant(_) => "constant".to_owned(),
    }
}

/// A text, a number or a boolean as a text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<Decimal> {
    let Amount(number) = serde_json::from_value(value.clone()).ok()?;
    Some(number)
}

/// Changes a text, a number or each of a list of them; anything else stays as it is, and the check says what is wrong with it.
fn each_text(value: Value, change: impl Fn(&str) -> String + Copy) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| each_text(item, change)).collect(),
        Value::Object(_) | Value::Null | Value::Bool(_) => value,
        other => scalar(&other).map_or(other, |text| Value::String(change(&text))),
    }
}

/// A parameter of a URL's query that is not blank.
fn parameter(url: &str, name: &str) -> Option<String> {
    if url.len() > TEXT_BYTES_MAX {
        return None;
    }
    let base = Url::parse(BASE).ok()?;
    let url = base.join(url.trim()).ok()?;
    let (_, value) = url.query_pairs().find(|(key, _)| key == name)?;
    (!value.trim().is_empty()).then(|| value.into_owned())
}

/// Milliseconds as the seconds that a funnel event takes.
fn seconds(milliseconds: Decimal) -> Option<String> {
    let seconds = milliseconds.checked_div(Decimal::ONE_THOUSAND)?;
    Some(seconds.normalize().to_string())
}

/// A time in any form that cannot be mistaken, as the funnel event takes it.
fn date_time(value: &Value) -> Option<String> {
    if let Some(number) = number(value) {
        let is_milliseconds = number >= Decimal::from(MILLISECONDS_FROM);
        return if is_milliseconds {
            seconds(number)
        } else {
            Some(number.to_string())
        };
    }
    let time = written_time(value.as_str()?.trim())?;
    Some(time.to_rfc3339())
}

fn written_time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // As ISO 8601 also allows it: 2026-11-20T10:00:00+0100.
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Some(time.to_utc());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let midnight = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    local.or_else(midnight).map(|time| time.and_utc())
}
