//! The JSON Schemas of all messages, made from the types that read and write them: what lies in `schemas/messages`.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use super::{
    dispatch::{Message, VERSION, header},
    event::FunnelEvent,
};
use crate::domain::Cause;

/// Every schema with its file's name.
pub fn documents() -> Vec<(&'static str, Value)> {
    vec![
        (
            "event.json",
            of::<FunnelEvent>(SchemaSettings::draft2020_12().for_deserialize()),
        ),
        (
            "dispatch.json",
            of::<Message<'_>>(SchemaSettings::draft2020_12().for_serialize()),
        ),
        (
            "dispatch-headers.json",
            headers("DispatchHeaders", DISPATCH, &[header::TRACE]),
        ),
        (
            "dead-dispatch-headers.json",
            headers(
                "DeadDispatchHeaders",
                &[
                    DISPATCH,
                    &[header::CAUSE, header::DEAD_COUNT, header::ATTEMPTS, header::FAILED_AT],
                ]
                .concat(),
                &[header::DETAIL, header::TRACE],
            ),
        ),
        (
            "dead-inbound-headers.json",
            headers(
                "DeadInboundHeaders",
                &[header::CAUSE, header::ROUTING_KEY],
                &[header::FAILED_AT, header::DETAIL],
            ),
        ),
    ]
}

fn of<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with_transform(RecursiveTransform(plainly));
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}

/// A description on one line, and no default that says nothing.
fn plainly(schema: &mut Schema) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    if schema
        .get("default")
        .is_some_and(|default| default.is_null() || *default == json!({}))
    {
        schema.remove("default");
    }
}

/// The headers of every dispatch.
const DISPATCH: &[&str] = &[header::VERSION, header::CLIENT, header::ACCOUNT, header::FIRST_SEEN];

/// The schema of a message's headers. Others may stand beside them: a producer's own, and those of the broker.
fn headers(title: &str, required: &[&str], optional: &[&str]) -> Value {
    let properties: Map<String, Value> = required
        .iter()
        .chain(optional)
        .map(|name| ((*name).to_owned(), header(name)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

fn header(name: &str) -> Value {
    let time = |description: &str| json!({ "description": description, "type": "string", "format": "date-time" });
    let count = |description: &str| json!({ "description": description, "type": "integer", "minimum": 0 });
    let text = |description: &str| json!({ "description": description, "type": "string" });
    match name {
        header::VERSION => json!({ "description": "Version of the body's form.", "type": "integer", "const": VERSION }),
        header::CLIENT => text("The client."),
        header::ACCOUNT => json!({ "description": "The ad account's number.", "type": "integer" }),
        header::FIRST_SEEN => time("When the event was first seen."),
        header::DEAD_COUNT => count("How often the dispatch has failed; a copy of an earlier failure is stale."),
        header::ATTEMPTS => count("How many attempts there were."),
        header::FAILED_AT => time("When it was put aside."),
        header::CAUSE => {
            let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
            json!({ "description": "Why; docs/CAUSES.md says what to do about it.", "type": "string", "enum": names })
        }
        header::DETAIL => {
            text("The platform's code and words, cleaned; of an inbound message, the field that is wrong.")
        }
        header::TRACE => text("The trace that the event's producer named: a traceparent of W3C Trace Context."),
        header::ROUTING_KEY => text("The key under which the message came."),
        _ => unreachable!("every header of `header` is described here"),
    }
}
