//! What is written down beside the code, compared with the code: schemas, examples, lists.

mod examples;
mod generated;
mod messages;

use std::{fs, path::Path};

use chrono::{DateTime, Utc};
use conversion_relay::{
    domain::event::Event,
    wire::event::{Envelope, Malformed, parse},
};
use jsonschema::Validator;
use serde_json::Value;

/// The text of a file of the repository.
fn file(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A schema of `schemas/messages`.
fn schema(name: &str) -> Value {
    serde_json::from_str(&file(&format!("schemas/messages/{name}"))).expect("a schema is JSON")
}

/// What judges by that schema.
fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).expect("a schema is a schema")
}

/// The time at which these tests take place.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_262_400, 0).expect("a time of 2026")
}

/// Reads an event as the router does.
fn read(body: &str) -> Result<Event, Malformed> {
    let envelope = Envelope {
        message_id: None,
        timestamp: None,
        now: now(),
    };
    parse(body.as_bytes(), envelope)
}
