//! JSON that nests without bounds, by the word with which serde_json marks raw values: refused, and never at the price of the stack.

use std::thread;

use conversion_relay::{
    domain::{Cause, ClientId, Directory, Dispatch, directory::DirectoryParts},
    platform::Answer,
    wire::{
        dispatch::{decode, encode},
        event::{Envelope, parse},
        webhook::Payload,
    },
};
use serde_json::{Value, json};

/// So many layers, each with so many lists around it: together they nest 2,000 deep, and no layer is deeper than is allowed.
const LAYERS: usize = 20;
const LISTS: usize = 100;
/// Enough for anything that nests 128 deep, and for nothing like this.
const STACK_BYTES: usize = 1024 * 1024;

/// A text as JSON; each layer of it adds a few characters to a quotation mark instead of doubling them.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\u005c").replace('"', "\\u0022");
    format!("\"{escaped}\"")
}

fn bottomless(key: &str) -> String {
    (0..LAYERS).fold("1".to_owned(), |inner, _| {
        let layer = format!("{{\"{key}\":{}}}", quoted(&inner));
        format!("{}{layer}{}", "[".repeat(LISTS), "]".repeat(LISTS))
    })
}

/// The two ways to write the word.
fn keys() -> [&'static str; 2] {
    [
        "$serde_json::private::RawValue",
        "\\u0024serde_json::private::Raw\\u0056alue",
    ]
}

fn on_a_small_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, work).expect("start a thread");
        running.join().expect("work without a panic")
    })
}

fn cause_of_event(body: &str) -> Option<Cause> {
    let now = "2026-11-28T12:00:00Z".parse().expect("a time");
    let envelope = Envelope {
        message_id: None,
        timestamp: None,
        now,
    };
    on_a_small_stack(|| parse(body.as_bytes(), envelope).err().map(|fault| fault.cause))
}

#[test]
fn an_event_without_a_bottom_is_malformed() {
    for key in keys() {
        let nested = bottomless(key);
        for field in ["custom", "event_name", "value", "event_time", "user", "other"] {
            let body = format!("{{\"client_id\":\"acme\",\"event_name\":\"Lead\",\"{field}\":{{\"a\":{nested}}}}}");

            assert_eq!(cause_of_event(&body), Some(Cause::MalformedJson), "{field}");
        }
    }
}

#[test]
fn a_webhook_without_a_bottom_is_malformed() {
    let directory = Directory::new(DirectoryParts::default());
    let acme = ClientId::parse("acme").expect("an ID");
    let now = "2026-11-28T12:00:00Z".parse().expect("a time");
    for key in keys() {
        let body = format!("{{\"entry\":{}}}", bottomless(key));
        for source in ["whatsapp", "shopify", "generic"] {
            let fault = on_a_small_stack(|| {
                let payload = Payload {
                    body: body.as_bytes(),
                    headers: &|_| None,
                    client: Some(&acme),
                };
                payload.read_of_source(source, &directory, now).fault
            });

            assert_eq!(fault.map(|fault| fault.cause), Some(Cause::MalformedJson), "{source}");
        }
    }
}

#[test]
fn an_answer_of_a_platform_without_a_bottom_is_no_json() {
    for key in keys() {
        let answer = Answer {
            status: 400,
            headers: Vec::new(),
            body: bottomless(key).into(),
        };

        assert_eq!(on_a_small_stack(|| answer.json()), None);
    }
}

fn dispatch(custom: Value) -> Result<Dispatch, Cause> {
    let body = json!({"client_id": "acme", "event_name": "Lead", "event_id": "e-1", "custom": custom}).to_string();
    if let Some(cause) = cause_of_event(&body) {
        return Err(cause);
    }
    let at = "2026-11-28T12:00:00Z";
    let event = json!({
        "client": "acme", "event_id": "e-1", "name": "Lead", "time": at, "first_seen": at, "action_source": "website", "custom": custom
    });
    let dispatch = json!({"account": 7, "platform": "meta", "destination": "1", "deadline": at, "event": event});
    Ok(serde_json::from_value(dispatch).expect("a dispatch"))
}

#[test]
fn custom_nests_only_so_deep_that_every_sender_can_read_it() {
    let nested = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));

    let deepest = dispatch(nested(32)).expect("as deep as is allowed");

    assert_eq!(decode(&encode(&deepest)).ok(), Some(deepest));
    for levels in [33, 120] {
        assert_eq!(dispatch(nested(levels)), Err(Cause::InvalidField));
    }
    let lists = (0..32).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(dispatch(json!({ "a": lists })), Err(Cause::InvalidField));
}
