//! Google's request messages as closed lists of fields, and the check that a JSON value is one.
//!
//! Proto JSON also takes snake_case names; here they are unknown, as nothing should send them.
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::errors::Mismatch;

/// The messages of both APIs.
pub static SCHEMAS: LazyLock<Schemas> =
    LazyLock::new(|| serde_json::from_str(include_str!("fields.json")).expect("fields.json has this form"));

/// A request with this many wrong fields is not looked at further.
const MOST_MISMATCHES: usize = 20;

#[derive(Debug, Deserialize)]
pub struct Schemas {
    pub data_manager: Schema,
    pub ads_api: Schema,
}

/// The messages of one API: fields by JSON name, each with its type; `[T]` is repeated.
#[derive(Debug, Deserialize)]
pub struct Schema {
    pub root: String,
    messages: HashMap<String, HashMap<String, String>>,
    enums: HashMap<String, Vec<String>>,
    oneofs: HashMap<String, HashMap<String, Vec<String>>>,
}

/// Where in a request a value stands; written out only when something is wrong there.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    Root,
    Field(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => formatter.write_str(&snake_case(name)),
            Self::Field(parent, name) => write!(formatter, "{parent}.{}", snake_case(name)),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

impl Schema {
    /// The type of a field, `None` if the message has no such field.
    pub fn field_type(&self, message: &str, field: &str) -> Option<&str> {
        self.messages.get(message)?.get(field).map(String::as_str)
    }

    /// Checks that `value` is of the type, `[T]` for a list; what is wrong goes into `found`.
    pub fn check(&self, of_type: &str, value: &Value, place: Place<'_>, found: &mut Vec<Mismatch>) {
        if found.len() >= MOST_MISMATCHES || value.is_null() {
            return;
        }
        if let Some(element) = of_type.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            match value {
                Value::Array(values) => {
                    for (index, value) in values.iter().enumerate() {
                        self.check(element, value, Place::Index(&place, index), found);
                    }
                }
                _ => found.push(Self::not_a_list(place)),
            }
        } else if self.messages.contains_key(of_type) {
            self.check_message(of_type, value, place, found);
        } else if !self.is_scalar(of_type, value) {
            found.push(invalid(place, of_type));
        }
    }

    /// Tells of a field that the message does not have.
    pub fn unknown_field(name: &str, place: Place<'_>) -> Mismatch {
        let path = place.to_string();
        let at = if path.is_empty() {
            String::new()
        } else {
            format!(" at '{path}'")
        };
        let description = format!("Invalid JSON payload received. Unknown name \"{name}\"{at}: Cannot find field.");
        Mismatch { path, description }
    }

    /// Tells of a single value where there should be a list.
    pub fn not_a_list(place: Place<'_>) -> Mismatch {
        let path = place.to_string();
        let description = format!("Invalid value at '{path}': Proto field is repeating.");
        Mismatch { path, description }
    }

    fn check_message(&self, message: &str, value: &Value, place: Place<'_>, found: &mut Vec<Mismatch>) {
        let Some(object) = value.as_object() else {
            found.push(invalid(place, message));
            return;
        };
        for (name, value) in object {
            match self.field_type(message, name) {
                Some(of_type) => self.check(of_type, value, Place::Field(&place, name), found),
                None => found.push(Self::unknown_field(name, place)),
            }
        }
        for (oneof, members) in self.oneofs.get(message).into_iter().flatten() {
            let set: Vec<&String> = members.iter().filter(|name| object.contains_key(*name)).collect();
            if let [_, second, ..] = set.as_slice() {
                let path = place.to_string();
                let description = format!(
                    "Invalid value at '{path}' (oneof), oneof field '{oneof}' is already set. Cannot set '{second}'"
                );
                found.push(Mismatch { path, description });
            }
        }
    }

    fn is_scalar(&self, of_type: &str, value: &Value) -> bool {
        match of_type {
            "string" => value.is_string(),
            "bool" => value.is_boolean(),
            "double" => value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
            "int32" | "int64" => integer(value).is_some_and(|n| of_type == "int64" || i32::try_from(n).is_ok()),
            "timestamp" => value.as_str().is_some_and(is_timestamp),
            _ => self
                .enums
                .get(of_type)
                .is_some_and(|names| value.as_str().is_some_and(|name| names.iter().any(|n| n == name))),
        }
    }
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// RFC 3339 with an offset.
fn is_timestamp(text: &str) -> bool {
    text.contains('T') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

// Google also repeats the value; it may be personal.
fn invalid(place: Place<'_>, of_type: &str) -> Mismatch {
    let path = place.to_string();
    let description = format!("Invalid value at '{path}' ({of_type})");
    Mismatch { path, description }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
