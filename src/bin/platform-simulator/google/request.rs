//! Reads a request of Google's as its message, with each of its events kept as the text that was received.
use serde_json::{Map, Value};

use super::errors::Mismatch;
use super::schema::{Place, Schema};
use crate::answer::Answer;
use crate::batch;

/// A request whose fields are all known and of the right type.
#[derive(Debug)]
pub struct Message<'a> {
    /// All fields but the events.
    pub fields: Map<String, Value>,
    pub items: Vec<Item<'a>>,
}

/// One event or conversion.
#[derive(Debug)]
pub struct Item<'a> {
    pub value: Value,
    pub text: &'a str,
}

/// Reads `body` as the root message of `schema`; its events are in the field `items`.
pub fn read<'a>(schema: &Schema, body: &'a [u8], items: &str) -> Result<Message<'a>, Answer> {
    let members = batch::members(body).map_err(|error| {
        let description = format!("Invalid JSON payload received. {error}");
        super::errors::not_the_message(&[Mismatch {
            path: String::new(),
            description,
        }])
    })?;
    let mut message = Message {
        fields: Map::new(),
        items: Vec::new(),
    };
    let mut found = Vec::new();
    for (name, raw) in members {
        let place = Place::Field(&Place::Root, &name);
        let Some(of_type) = schema.field_type(&schema.root, &name) else {
            found.push(Schema::unknown_field(&name, Place::Root));
            continue;
        };
        match batch::elements(raw) {
            Some(elements) if name == items => {
                message.items = elements
                    .into_iter()
                    .map(|raw| Item {
                        value: batch::value(raw),
                        text: raw.get(),
                    })
                    .collect();
                for (index, item) in message.items.iter().enumerate() {
                    let element = of_type.trim_matches(['[', ']']);
                    schema.check(element, &item.value, Place::Index(&place, index), &mut found);
                }
            }
            _ => {
                let value = batch::value(raw);
                schema.check(of_type, &value, place, &mut found);
                message.fields.insert(name, value);
            }
        }
    }
    if found.is_empty() {
        Ok(message)
    } else {
        Err(super::errors::not_the_message(&found))
    }
}
