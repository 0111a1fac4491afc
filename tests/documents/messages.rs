//! The schemas and the code that reads and writes the messages agree.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use conversion_relay::{
    broker::{HeaderValue, Headers, topology::Topology},
    domain::{
        AccountId, Cause, Click, ClickKind, Dispatch, EventRecord, PerPlatform, Platform,
        hash::{Identity, sha256_hex},
    },
    roles::messages::{Lane, dead_message, dispatch_message},
    store::sending::DeadFacts,
    wire::{
        dispatch::{decode, encode},
        event::Malformed,
        schema,
    },
};
use proptest::{prelude::*, string::string_regex};
use serde_json::{Value, json};

use crate::{file, now, read, validator};

/// What `schemas/README.md` lists as beyond a schema: kind of fault and field.
const BEYOND_A_SCHEMA: [(Cause, &str); 4] = [
    (Cause::InvalidField, "event_name"),
    (Cause::InvalidField, "event_time"),
    (Cause::InvalidField, "click.clicked_at"),
    (Cause::EventTimeInFuture, "event_time"),
];

/// Whether no schema can say what the parser finds wrong with a value.
fn is_beyond_a_schema(value: &Value, fault: &Malformed) -> bool {
    // To JSON Schema 149.0 is a whole number.
    let is_whole = value.is_f64() && value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let is_listed = |(cause, field): &(Cause, &str)| *cause == fault.cause && fault.field.as_deref() == Some(*field);
    is_whole && fault.cause == Cause::WrongType || BEYOND_A_SCHEMA.iter().any(is_listed)
}

/// Values of every type, some of them right for one field and wrong for another.
fn values() -> Vec<Value> {
    let mut values: Vec<Value> = [
        "",
        " ",
        "text",
        "two words",
        "a@b.co",
        "+4917012345678",
        "0171 3920012",
        "7",
        "149",
        "149.00",
        " 149 ",
        "-1",
        "1e3",
        "129,00 EUR",
        "EUR",
        "eur",
        "EURO",
        "Purchase",
        "Purchase ",
        "Subscribe",
        "granted",
        "denied",
        "maybe",
        "website",
        "moon",
        "2026-11-21T10:00:00Z",
        "2026-11-21t10:00:00.123+05:30",
        "2026-11-21",
        "2026-11-21 10:00:00",
        "2026-11-21 10:00:00Z",
        "2027-01-01T00:00:00Z",
        "1999-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "1795168800",
        "1795168800000",
        "https://shop.example/?gclid=Cj0K",
        "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
        "\u{e9}",
        "\u{1}",
        "tab\tin",
        "\u{2003}x",
        "x\u{2003}",
    ]
    .map(Value::from)
    .into();
    values.extend([64, 65, 100, 101, 128, 129].map(|length| Value::from("x".repeat(length))));
    values.extend([
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(-0.5),
        json!(149.00),
        json!(4_294_967_295_u64),
        json!(4_294_967_296_u64),
        json!(1_795_168_800),
        json!(1_795_168_800.5),
        json!(1_795_168_800_000_u64),
        json!(999_999_999_999_999_999_u64),
        json!([]),
        json!(["a"]),
        json!([7, "b"]),
        json!([null]),
        json!([["a"]]),
        json!([{}]),
        json!([{"id": "sku", "quantity": 1}]),
        json!({}),
        json!({"a": 1}),
        json!({"id": "sku"}),
        json!({"email": ["a@b.co"]}),
    ]);
    values
}

/// Where a value is put: every field that the schema knows, and some that it does not.
fn places() -> Vec<Vec<String>> {
    let schema = crate::schema("event.json");
    let fields = |object: &Value| -> Vec<String> {
        object["properties"]
            .as_object()
            .expect("an object has properties")
            .keys()
            .cloned()
            .collect()
    };
    let below = |name: &str, of: &str| -> Vec<Vec<String>> {
        let path = |field: String| vec![name.to_owned(), field];
        fields(&schema["$defs"][of]).into_iter().map(path).collect()
    };
    let mut places: Vec<Vec<String>> = fields(&schema).into_iter().map(|field| vec![field]).collect();
    places.extend(below("click", "ClickFields"));
    places.extend(below("user", "UserFields"));
    places.extend(below("consent", "ConsentFields"));
    places.extend(below("contents", "ContentFields"));
    places.extend([
        vec!["unknown".to_owned()],
        vec!["user".to_owned(), "unknown".to_owned()],
    ]);
    places
}

fn with(mut event: Value, place: &[String], value: &Value) -> Value {
    match place {
        [field] => event[field] = value.clone(),
        [object, field] if object == "contents" => event[object] = json!([{ "id": "sku", field: value }]),
        [object, field] => event[object] = json!({ field: value }),
        _ => unreachable!("a place is one or two names"),
    }
    event
}

/// Whether the parser takes a value that the schema, which shows the plain form, does not; `schemas/README.md` lists such, too.
fn is_leniency(place: &[String], value: &Value) -> bool {
    let field = place.last().map_or("", String::as_str);
    match (field, value) {
        ("event_name", Value::Number(_)) => true,
        ("event_id" | "client_id" | "order_id", Value::Number(number)) => number.to_string().starts_with('-'),
        ("event_name" | "client_id" | "order_id" | "currency", Value::String(text)) => text.trim() != text,
        ("value" | "price" | "event_time" | "clicked_at", Value::String(text)) => {
            text.trim() != text || text.starts_with(['+', '-']) || text == "1e3" || text == "2026-11-21 10:00:00Z"
        }
        _ => false,
    }
}

#[test]
fn the_schema_takes_what_the_parser_takes_field_by_field() {
    let validator = validator("event.json");
    let bases = [
        json!({"client_id": "acme", "event_name": "Lead"}),
        json!({"client_id": "acme", "event_name": "Purchase", "value": 149.00}),
    ];
    let mut broken = Vec::new();
    for base in bases {
        for place in places() {
            for value in values() {
                let event = with(base.clone(), &place, &value);
                let says = read(&event.to_string());
                let agrees = match (validator.is_valid(&event), &says) {
                    (true, Ok(_)) | (false, Err(_)) => true,
                    (true, Err(fault)) => is_beyond_a_schema(&value, fault),
                    (false, Ok(_)) => is_leniency(&place, &value),
                };
                if !agrees {
                    broken.push(format!("{event}: parser: {:?}", says.err()));
                }
            }
        }
    }
    assert!(
        broken.is_empty(),
        "{} disagreements:\n{}",
        broken.len(),
        broken.join("\n")
    );
}

#[test]
fn no_missing_field_passes_the_schema() {
    let validator = validator("event.json");
    for event in [
        json!({}),
        json!([]),
        json!({"event_name": "Lead"}),
        json!({"client_id": "acme"}),
        json!({"client_id": "acme", "event_name": "Purchase"}),
        json!({"client_id": "acme", "event_name": "Subscribe", "value": null}),
        json!(["e-1", "acme", "Lead"]),
    ] {
        assert!(
            !validator.is_valid(&event) && read(&event.to_string()).is_err(),
            "{event}"
        );
    }
}

/// Texts that the schema's own pattern of a field allows.
fn texts_of(field: &str) -> impl Strategy<Value = String> + use<> {
    let schema = crate::schema("event.json");
    let found = [
        &schema["properties"][field],
        &schema["$defs"]["ClickFields"]["properties"][field],
    ];
    let pattern = found
        .iter()
        .find_map(|field| field["pattern"].as_str())
        .expect("the field has a pattern");
    string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).expect("a pattern is a pattern")
}

proptest! {
    #[test]
    fn every_time_that_the_schema_allows_is_read(text in texts_of("clicked_at")) {
        // 30 February has the right form, and is no day.
        let has_late_day = text.contains(['T', 't']) && text.get(8..10).is_some_and(|day| day > "28");
        let text = if has_late_day { format!("{}28{}", &text[..8], &text[10..]) } else { text };

        let event = json!({"client_id": "acme", "event_name": "Lead", "click": {"clicked_at": text}});
        // Only how long ago it may be is beyond the schema.
        let fault = read(&event.to_string()).err();
        prop_assert!(fault.as_ref().is_none_or(|fault| is_beyond_a_schema(&json!(text), fault)), "{fault:?}");
    }

    #[test]
    fn every_amount_that_the_schema_allows_is_read(text in texts_of("value"), whole in 0u64..1_000_000_000, cents in 0u8..100) {
        let number = format!("{whole}.{cents:02}");
        for value in [json!(text).to_string(), number] {
            let event = format!(r#"{{"client_id": "acme", "event_name": "Purchase", "value": {value}}}"#);
            prop_assert_eq!(read(&event).err(), None);
        }
    }

    #[test]
    fn every_event_id_that_the_schema_allows_is_read(text in texts_of("event_id")) {
        let event = json!({"client_id": "acme", "event_name": "Lead", "event_id": text});
        prop_assert_eq!(read(&event.to_string()).err(), None);
    }
}

/// A dispatch with as little, and one with as much, as there can be.
fn dispatches() -> [Dispatch; 2] {
    let event = read(&file("schemas/examples/event.json")).expect("the example is read");
    let mut identity = Identity::default();
    identity.add("em", sha256_hex("a@b.co"));
    let identities = PerPlatform {
        meta: identity,
        ..PerPlatform::default()
    };
    let full = Dispatch {
        account: AccountId(7),
        platform: Platform::Meta,
        destination: "1470258369014702".to_owned(),
        click: Some(Click {
            kind: ClickKind::CtwaClid,
            value: "ARAkLkA8rmlFeiCktEJQ".to_owned(),
            first_seen: now(),
            time_is_known: true,
            waba: Some("102290129340398".to_owned()),
        }),
        deadline: now() + TimeDelta::days(7),
        event: EventRecord {
            referrer_url: Some("https://shop.example/".to_owned()),
            ip: "203.0.113.7".parse().ok(),
            user_agent: Some("Mozilla/5.0".to_owned()),
            trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
            ..EventRecord::from_event(&event, Some("EUR"), identities)
        },
    };
    let bare = read(r#"{"client_id": "acme", "event_name": "Lead"}"#).expect("it has all that is required");
    let least = Dispatch {
        click: None,
        event: EventRecord::from_event(&bare, None, PerPlatform::default()),
        ..full.clone()
    };
    [least, full]
}

#[test]
fn every_dispatch_that_is_written_fits_its_schema_and_is_read_again() {
    let validator = validator("dispatch.json");
    for dispatch in dispatches() {
        let body = encode(&dispatch);
        let message: Value = serde_json::from_slice(&body).unwrap();

        let faults: Vec<String> = validator.iter_errors(&message).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?} in {message}");
        assert_eq!(decode(&body).unwrap(), dispatch);
    }
}

#[test]
fn a_dispatch_that_lacks_what_its_schema_requires_is_not_read() {
    let validator = validator("dispatch.json");
    let [_, full] = dispatches();
    let message: Value = serde_json::from_slice(&encode(&full)).unwrap();
    for field in ["v", "account", "platform", "destination", "deadline", "event"] {
        let mut lacking = message.clone();
        lacking.as_object_mut().unwrap().remove(field);

        assert!(
            !validator.is_valid(&lacking) && decode(lacking.to_string().as_bytes()).is_err(),
            "{field}"
        );
    }
    let mut other = message;
    other["v"] = json!(2);
    assert!(!validator.is_valid(&other) && decode(other.to_string().as_bytes()).is_err());
}

fn as_json(headers: &Headers) -> Value {
    let value = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => json!(text),
        HeaderValue::Integer(number) => json!(number),
        HeaderValue::Boolean(truth) => json!(truth),
    };
    headers
        .iter()
        .map(|(name, header)| (name.clone(), value(header)))
        .collect()
}

#[test]
fn the_headers_that_are_written_are_those_of_the_schemas() {
    let topology = Topology::default();
    let [_, dispatch] = dispatches();
    let facts = DeadFacts {
        cause: Cause::Refused,
        detail: Some("100/2804036 Invalid Lead ID".to_owned()),
        dead_count: 1,
        attempts: 3,
        failed_at: now(),
    };
    let cases = [
        (
            "dispatch-headers.json",
            dispatch_message(&topology, &dispatch, Lane::Live),
        ),
        ("dead-dispatch-headers.json", dead_message(&topology, &dispatch, &facts)),
    ];
    for (name, message) in cases {
        let headers = as_json(&message.headers);
        let described: BTreeSet<&String> = message.headers.keys().collect();
        let schema = crate::schema(name);

        assert!(validator(name).is_valid(&headers), "{name}: {headers}");
        assert_eq!(
            schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .collect::<BTreeSet<_>>(),
            described,
            "{name}"
        );
    }
}

#[test]
fn the_schemas_say_which_version_of_json_schema_they_are() {
    let documents: BTreeMap<&str, Value> = schema::documents().into_iter().collect();

    for (name, document) in documents {
        assert_eq!(
            document["$schema"], "https://json-schema.org/draft/2020-12/schema",
            "{name}"
        );
        assert!(document["title"].is_string(), "{name}");
    }
}
