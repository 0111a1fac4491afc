//! Reads a request of Google's as its message, with each of its events kept as the text that was received.
use serde_json::{Map, Value};

use super::errors::{self, Mismatch};
use super::schema::{Place, Schema};
use crate::answer::Answer;
use crate::batch::{self, Items};

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

/// Reads `body` as the root message of `schema`; its events are in the field `items_name`.
pub fn read<'a>(schema: &Schema, body: &'a [u8], items_name: &str) -> Result<Message<'a>, Answer> {
    let batch = batch::read(body, items_name).map_err(|error| {
        let description = format!("Invalid JSON payload received. {error}");
        errors::not_the_message(&[Mismatch {
            path: String::new(),
            description,
        }])
    })?;
    let mut found = Vec::new();
    for (name, value) in &batch.fields {
        let place = Place::Field(&Place::Root, name);
        match schema.field_type(&schema.root, name) {
            Some(of_type) => schema.check(of_type, value, place, &mut found),
            None => found.push(Schema::unknown_field(name, Place::Root)),
        }
    }
    let place = Place::Field(&Place::Root, items_name);
    let texts = match batch.items {
        Items::List(texts) => texts,
        Items::Absent => Vec::new(),
        Items::NotAList => {
            found.push(Schema::not_a_list(place));
            Vec::new()
        }
    };
    let items: Vec<Item<'_>> = texts
        .into_iter()
        .map(|raw| Item {
            value: batch::value(raw),
            text: raw.get(),
        })
        .collect();
    let item_type = schema
        .field_type(&schema.root, items_name)
        .unwrap_or_default()
        .trim_matches(['[', ']']);
    for (index, item) in items.iter().enumerate() {
        schema.check(item_type, &item.value, Place::Index(&place, index), &mut found);
    }
    if found.is_empty() {
        Ok(Message {
            fields: batch.fields,
            items,
        })
    } else {
        Err(errors::not_the_message(&found))
    }
}
