//! The description of the gateway's pages, as OpenAPI 3.1: what `/openapi.json` serves and `schemas/openapi.json` holds.

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::body;
use crate::{
    metrics::gateway::Refusal,
    wire::{schema, submission::EVENTS_MAX},
};

/// The document, in bytes.
static BYTES: LazyLock<Vec<u8>> =
    LazyLock::new(|| serde_json::to_vec(&document()).expect("a document of texts is JSON"));

pub(super) async fn get() -> Response {
    let mut response = BYTES.as_slice().into_response();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "conversion-relay gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "Events and webhooks over HTTP into conversion-relay's queue. What is answered 202 or 200 lies in the queue, on disk; \
                            what is answered 503 is to be sent again, under the event IDs that the answer names.",
        },
        "servers": [{ "url": "http://127.0.0.1:8080", "description": "RELAY_GATEWAY_ADDRESS" }],
        "security": [{ "bearer": [] }, { "basic": [] }],
        "paths": {
            "/v1/events": { "post": events() },
            "/api/v1/app/meta-ads/capi/send-event": { "post": send_event() },
            "/webhooks/whatsapp/{client}": { "get": handshake(), "post": webhook("whatsapp", &[client()]) },
            "/webhooks/{source}/{client}": { "post": webhook("webhook", &[source(), client()]) },
            "/openapi.json": { "get": this() },
        },
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "A key of `conversion-relay keys create`." },
                "basic": { "type": "http", "scheme": "basic", "description": "The key as password, or as user without a password." },
            },
            "schemas": schemas(),
            "responses": { "problem": problem("What is not taken, and why.") },
        },
    })
}

fn events() -> Value {
    let one_or_many = json!({ "oneOf": [
        { "$ref": "#/components/schemas/FunnelEvent" },
        { "type": "array", "items": { "$ref": "#/components/schemas/FunnelEvent" }, "minItems": 1, "maxItems": EVENTS_MAX },
    ] });
    let taken = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Taken" } } });
    let mut responses = problems(&[400, 401, 408, 413, 415, 429, 500, 503]);
    responses.insert(
        "202".to_owned(),
        json!({ "description": "All of it lies in the queue.", "content": taken }),
    );
    responses.insert(
        "207".to_owned(),
        json!({ "description": "What has the status 202 lies in the queue; the rest is no event.", "content": taken }),
    );
    json!({
        "operationId": "postEvents",
        "summary": "Hand in events: one, a list, or one a line",
        "description": format!(
            "At most {EVENTS_MAX} events and {} MiB. Each counts once, however often it comes: by its `event_id`, else by its `order_id`, else by the \
             request's `Idempotency-Key`. One without any of them is given an ID by chance, which the answer names. A missing `client_id` is the key's client.",
            body::BYTES_MAX / 1024 / 1024
        ),
        "parameters": [idempotency_key()],
        "requestBody": {
            "required": true,
            "content": {
                "application/json": { "schema": one_or_many },
                "application/x-ndjson": { "schema": { "type": "string", "description": "An event a line." } },
            },
        },
        "responses": responses,
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": false,
        "schema": { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$" },
        "description": "Tells this request from your others: events with neither `event_id` nor `order_id` are given IDs that are derived from it and \
                        their place, so that the same request, sent again, gives them the same.",
    })
}

fn send_event() -> Value {
    let mut responses = problems(&[400, 401, 408, 413, 415, 429, 500, 503]);
    responses.insert(
        "200".to_owned(),
        json!({
            "description": "It lies in the queue: with the click that it is attached to, or to be kept as not sent and why. \
                            With `event_name_not_taken` nobody wants it, and it is only counted.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/SendEventAnswer" } } },
        }),
    );
    json!({
        "operationId": "sendEvent",
        "summary": "Report what a WhatsApp contact did, attached to the ad click that their chat began with",
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/SendEvent" } } },
        },
        "responses": responses,
    })
}

fn handshake() -> Value {
    let query = |name: &str| json!({ "name": name, "in": "query", "required": true, "schema": { "type": "string" } });
    let mut responses = problems(&[403, 404, 500, 503]);
    responses.insert(
        "200".to_owned(),
        json!({ "description": "The challenge, bare.", "content": { "text/plain": { "schema": { "type": "string" } } } }),
    );
    json!({
        "operationId": "handshakeWhatsapp",
        "summary": "Meta's handshake before it sends webhooks",
        "security": [],
        "parameters": [client(), query("hub.mode"), query("hub.verify_token"), query("hub.challenge")],
        "responses": responses,
    })
}

fn webhook(name: &str, parameters: &[Value]) -> Value {
    let mut responses = problems(&[400, 401, 404, 408, 413, 415, 500, 503]);
    responses.insert(
        "200".to_owned(),
        json!({ "description": "It lies in the queue, byte for byte." }),
    );
    json!({
        "operationId": format!("post{}{}", name[..1].to_ascii_uppercase(), &name[1..]),
        "summary": "Take a webhook of a source that the client has, signed as its provider signs",
        "security": [],
        "parameters": parameters,
        "requestBody": { "required": true, "content": { "application/json": { "schema": {} } } },
        "responses": responses,
    })
}

fn this() -> Value {
    let mut responses = problems(&[500]);
    responses.insert(
        "200".to_owned(),
        json!({ "description": "This document.", "content": { "application/json": { "schema": { "type": "object" } } } }),
    );
    json!({ "operationId": "getOpenapi", "summary": "This document", "security": [], "responses": responses })
}

fn client() -> Value {
    json!({ "name": "client", "in": "path", "required": true, "description": "The client_id of its events.", "schema": { "type": "string" } })
}

fn source() -> Value {
    json!({
        "name": "source", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "A source of the client's webhooks: shopify, stripe, hubspot, or any name of the accounts file.",
    })
}

fn problems(statuses: &[u16]) -> Map<String, Value> {
    statuses
        .iter()
        .map(|status| (status.to_string(), json!({ "$ref": "#/components/responses/problem" })))
        .collect()
}

fn problem(description: &str) -> Value {
    json!({
        "description": description,
        "headers": { "Retry-After": { "description": "After so many seconds, at 429 and 503.", "schema": { "type": "integer", "minimum": 1 } } },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}

fn schemas() -> Map<String, Value> {
    let mut schemas = event();
    let kinds: Vec<String> = Refusal::ALL
        .iter()
        .map(|refusal| format!("urn:conversion-relay:problem:{}", refusal.as_str()))
        .collect();
    let fault = json!({
        "type": "object",
        "properties": {
            "cause": { "type": "string", "description": "A cause of docs/CAUSES.md, or other_client." },
            "field": { "type": "string", "description": "Its path, such as contents[2].price; never its value." },
            "index": { "type": "integer", "minimum": 0, "description": "Which of several events, from 0." },
        },
        "required": ["cause"],
        "additionalProperties": false,
    });
    let item = json!({
        "type": "object",
        "properties": {
            "event_id": { "type": "string", "description": "Give it when you send the event again." },
            "status": { "enum": [202, 400, 503] },
            "error": { "$ref": "#/components/schemas/Fault" },
        },
        "required": ["status"],
        "additionalProperties": false,
    });
    let items = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Item" }, "minItems": 1 });
    let page = json!({
        "type": "object",
        "description": "RFC 9457.",
        "properties": {
            "type": { "enum": kinds },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "request_id": { "type": "string", "description": "Also in the header X-Request-Id, and in the gateway's log." },
            "errors": { "type": "array", "items": { "$ref": "#/components/schemas/Fault" } },
            "items": items,
        },
        "required": ["type", "title", "status", "request_id"],
        "additionalProperties": false,
    });
    schemas.insert("Fault".to_owned(), fault);
    schemas.insert("Item".to_owned(), item);
    schemas.insert("Problem".to_owned(), page);
    schemas.insert(
        "Taken".to_owned(),
        json!({ "type": "object", "properties": { "items": items }, "required": ["items"], "additionalProperties": false }),
    );
    schemas.insert("SendEvent".to_owned(), sent_event());
    schemas.insert("SendEventAnswer".to_owned(), send_event_answer());
    schemas
}

fn sent_event() -> Value {
    json!({
        "type": "object",
        "properties": {
            "event_name": { "type": "string", "description": "Meta's standard name, such as Purchase or LeadSubmitted." },
            "phone_number": { "type": "string", "pattern": "^\\+", "description": "E.164, such as +5491155551234." },
            "currency": { "type": ["string", "null"], "description": "ISO 4217; required for Purchase and Subscribe." },
            "value": { "type": ["number", "string", "null"], "description": "Not negative; required for Purchase and Subscribe." },
            "event_id": {
                "type": ["string", "null"],
                "description": "1 to 64 visible ASCII characters. The same event may be sent as often as you like; it counts once. \
                                Without one each report is another.",
            },
        },
        "required": ["event_name", "phone_number"],
    })
}

fn send_event_answer() -> Value {
    json!({ "oneOf": [
        {
            "type": "object",
            "properties": { "success": { "const": true }, "event_name": { "type": "string" }, "ctwa_clid": { "type": "string" } },
            "required": ["success", "event_name", "ctwa_clid"],
            "additionalProperties": false,
        },
        {
            "type": "object",
            "properties": {
                "success": { "const": false },
                "reason": { "type": "string", "description": "A cause of docs/CAUSES.md, such as no_ctwa_click_id_for_phone." },
            },
            "required": ["success", "reason"],
            "additionalProperties": false,
        },
    ] })
}

/// The event's schema of `schemas/messages` with its parts beside it. The key says which client it is, so the event need not.
fn event() -> Map<String, Value> {
    let documents = schema::documents();
    let event = documents
        .into_iter()
        .find(|(name, _)| *name == "event.json")
        .map(|(_, event)| event);
    let text = event
        .unwrap_or_default()
        .to_string()
        .replace("#/$defs/", "#/components/schemas/");
    let mut event: Map<String, Value> = serde_json::from_str(&text).unwrap_or_default();
    event.remove("$schema");
    if let Some(Value::Array(required)) = event.get_mut("required") {
        required.retain(|field| field != "client_id");
    }
    let mut schemas = match event.remove("$defs") {
        Some(Value::Object(parts)) => parts,
        _ => Map::new(),
    };
    schemas.insert("FunnelEvent".to_owned(), event.into());
    schemas
}
