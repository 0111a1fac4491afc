//! A place in the payload, with its path for errors; what has the wrong type is a fault of that place alone.

use serde_json::Value;

use crate::{
    domain::Cause,
    wire::{event::Malformed, webhook::Reading},
};

/// An object of the payload. Its keys are ours, so its path can be shown.
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    pub fn top(value: &'a Value) -> Self {
        let path = String::new();
        Self { value, path }
    }

    /// The path of a member, such as `entry[0].id`.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A member that is there and not null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    /// The objects of a list, which may be missing; what is no object is noted and left out.
    pub fn items(&self, key: &str, reading: &mut Reading) -> Vec<Node<'a>> {
        let path = self.path_of(key);
        let items = match self.get(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                reading.note(Malformed::new(Cause::WrongType, &path));
                return Vec::new();
            }
        };
        let mut nodes = Vec::with_capacity(items.len());
        for (index, value) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            if value.is_object() {
                nodes.push(Node { value, path });
            } else {
                reading.note(Malformed::new(Cause::WrongType, &path));
            }
        }
        nodes
    }

    /// An object within this one, which may be missing; one of another type is noted.
    pub fn object(&self, key: &str, reading: &mut Reading) -> Option<Node<'a>> {
        self.checked_object(key).unwrap_or_else(|fault| {
            reading.note(fault);
            None
        })
    }

    /// An object within this one, which may be missing.
    pub fn checked_object(&self, key: &str) -> Result<Option<Node<'a>>, Malformed> {
        let path = self.path_of(key);
        match self.get(key) {
            None => Ok(None),
            Some(value) if value.is_object() => Ok(Some(Node { value, path })),
            Some(_) => Err(Malformed::new(Cause::WrongType, &path)),
        }
    }

    /// A text, which may be missing or blank; one of another type is noted.
    pub fn text(&self, key: &str, reading: &mut Reading) -> Option<String> {
        self.checked_text(key).unwrap_or_else(|fault| {
            reading.note(fault);
            None
        })
    }

    /// A text, which may be missing or blank.
    pub fn checked_text(&self, key: &str) -> Result<Option<String>, Malformed> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if value.as_str().is_some_and(|text| text.trim().is_empty()) {
            return Ok(None);
        }
        let text = text(value).ok_or_else(|| Malformed::new(Cause::WrongType, &self.path_of(key)))?;
        Ok(Some(text))
    }
}

/// A value as a text that is not blank; a whole number counts as its digits.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}
