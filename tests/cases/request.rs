//! The request half of a case: events in, one request out, or the reason why there is none.

use std::sync::Arc;

use conversion_relay::{
    domain::{Dispatch, Mode, State},
    platform::{
        Endpoints, Request, Sending, adapter,
        request::{Method, TokenHeader},
    },
    roles::plan::{Plan, Recipients, Remembered, plan},
    store::routing::NewDispatch,
    wire::event::{Envelope, parse},
};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::case::Case;

/// Compares what goes out with `request.json`.
pub fn check(case: &Case) -> Result<(), String> {
    let Some(expected) = &case.request else { return Ok(()) };
    let (said, dispatches) = route(case);
    let mut given = match dispatches.as_slice() {
        [] => json!({}),
        dispatches => described(&built(case, dispatches)),
    };
    let fields = given.as_object_mut().expect("an object");
    for (index, remark) in said {
        if case.events.len() == 1 {
            fields.extend(remark);
        } else {
            let others = fields.entry("others").or_insert_with(|| json!({}));
            others[index.to_string()] = Value::Object(remark);
        }
    }
    let (given, expected) = (numbered(&given), numbered(expected));
    if given == expected {
        return Ok(());
    }
    let mut differences = Vec::new();
    compare("", &given, &expected, &mut differences);
    Err(differences.join("\n"))
}

/// The index of an event and what is said about it.
pub type Remark = (usize, Map<String, Value>);

/// What is said about events that do not go out at once, by index; and the dispatches that go out.
pub fn route(case: &Case) -> (Vec<Remark>, Vec<Dispatch>) {
    let mut said = Vec::new();
    let mut dispatches = Vec::new();
    for (index, event) in case.events.iter().enumerate() {
        let (remark, dispatch) = decide(case, event);
        if !remark.is_empty() {
            said.push((index, remark));
        }
        dispatches.extend(dispatch);
    }
    (said, dispatches)
}

fn decide(case: &Case, event: &Value) -> (Map<String, Value>, Option<Dispatch>) {
    let envelope = Envelope {
        message_id: None,
        timestamp: None,
        now: case.now,
    };
    let recipients = Recipients {
        client: Some(&case.client),
        accounts: &[Arc::clone(&case.account)],
    };
    let planned = parse(event.to_string().as_bytes(), envelope)
        .and_then(|event| plan(&event, recipients, &Remembered::default(), case.now));
    let planned = match planned {
        Err(malformed) => {
            let mut remark = remark("malformed", json!(malformed.cause));
            remark.extend(malformed.field.map(|field| ("field".to_owned(), json!(field))));
            return (remark, None);
        }
        Ok(Plan::Unwanted) => return (remark("unwanted", json!(true)), None),
        Ok(Plan::Store(planned)) => planned,
    };
    let Some(new) = planned.dispatches.into_iter().next() else {
        return (remark("not_sent", json!(planned.cause)), None);
    };
    let dispatch = Dispatch {
        account: new.account,
        platform: new.platform,
        destination: new.destination.clone(),
        click: new.click.clone(),
        deadline: new.deadline,
        event: planned.record.for_platform(new.platform),
    };
    let goes_out = matches!(new.state, State::Queued | State::Waiting);
    (remarks(&new), goes_out.then_some(dispatch))
}

fn remarks(new: &NewDispatch) -> Map<String, Value> {
    match new.state {
        State::Queued => Map::new(),
        State::Waiting => {
            let mut remark = remark("waiting", json!(new.cause));
            remark.insert("due".to_owned(), json!(new.due));
            remark
        }
        State::NotSent => remark("not_sent", json!(new.cause)),
        _ => {
            let mut remark = remark("failed", json!(new.cause));
            remark.extend(new.detail.clone().map(|detail| ("field".to_owned(), json!(detail))));
            remark
        }
    }
}

fn remark(key: &str, value: Value) -> Map<String, Value> {
    [(key.to_owned(), value)].into_iter().collect()
}

/// The request of the dispatches, to the real platforms' addresses.
pub fn built(case: &Case, dispatches: &[Dispatch]) -> Request {
    let account = case.account.as_ref();
    let test_code = match account.mode_at(case.now) {
        Mode::Test => Some(account.rules.test_code.as_deref().unwrap_or("TEST")),
        _ => None,
    };
    let sending = Sending {
        account,
        endpoints: &Endpoints::default(),
        test_code,
    };
    adapter(account.platform).build(&dispatches.iter().collect::<Vec<_>>(), &sending)
}

fn described(request: &Request) -> Value {
    let mut headers: Map<String, Value> = request
        .headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let (name, token) = match request.token {
        TokenHeader::Bearer | TokenHeader::BearerWithProof(_) => ("authorization", "Bearer <token>"),
        TokenHeader::AccessToken => ("access-token", "<token>"),
    };
    headers.insert(name.to_owned(), json!(token));
    let method = match request.method {
        Method::Post => "POST",
        Method::Get => "GET",
    };
    let body: Value = serde_json::from_slice(&request.body).expect("the body is JSON");
    json!({"method": method, "url": request.url, "headers": headers, "body": body})
}

/// The value with every number in its shortest form: 59.90 is 59.9, but `"59.9"` is no number.
fn numbered(value: &Value) -> Value {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            let shortest = text.parse::<Decimal>().map(|number| number.normalize().to_string());
            Value::Number(shortest.unwrap_or(text).parse().expect("a number"))
        }
        Value::Array(values) => values.iter().map(numbered).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), numbered(value)))
            .collect(),
        other => other.clone(),
    }
}

fn compare(path: &str, given: &Value, expected: &Value, differences: &mut Vec<String>) {
    match (given, expected) {
        (Value::Object(given), Value::Object(expected)) => {
            for (key, value) in given {
                let path = format!("{path}/{key}");
                compare(&path, value, expected.get(key).unwrap_or(&Value::Null), differences);
            }
            for (key, value) in expected.iter().filter(|(key, _)| !given.contains_key(*key)) {
                compare(&format!("{path}/{key}"), &Value::Null, value, differences);
            }
        }
        (Value::Array(given), Value::Array(expected)) if given.len() == expected.len() => {
            for (index, (given, expected)) in given.iter().zip(expected).enumerate() {
                compare(&format!("{path}/{index}"), given, expected, differences);
            }
        }
        (given, expected) if given != expected => {
            differences.push(format!("  {path}: sent {given}, expected {expected}"));
        }
        _ => {}
    }
}
