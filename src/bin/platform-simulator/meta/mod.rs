//! Meta's Conversions API: `POST /{version}/{dataset}/events`.
mod errors;
mod event;
mod user_data;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::answer::{Answer, Handled};
use crate::batch::{self, Batch, Items};
use crate::call::{Call, Platform};
use crate::copies::{Key, Memory, TWO_DAYS};
use crate::ledger::Accepted;
use crate::settings::Access;
use crate::world::World;

pub use errors::{bad_token, rate_limited, server_error};

use errors::Problem;
use event::{Checked, Rules};

const MOST_EVENTS: usize = 1000;
const OLDEST_VERSION: u32 = 20;

/// Keys beside `data` that the edge takes (Python Business SDK 26.0.3, `event_request.py`).
const REQUEST_KEYS: [&str; 11] = [
    "test_event_code",
    "partner_agent",
    "access_token",
    "appsecret_proof",
    "namespace_id",
    "upload_id",
    "upload_tag",
    "upload_source",
    "platforms",
    "progress",
    "trace",
];

/// Answers one request to the events edge.
pub fn answer(world: &World, call: &Call, version: Option<&str>, dataset: &str) -> Handled {
    let mut handled = Handled {
        answer: errors::unversioned(),
        accounts: vec![dataset.to_owned()],
        events: 0,
    };
    handled.answer = match take(world, call, version, dataset, &mut handled.events) {
        Ok(()) => received(handled.events),
        Err(answer) => answer,
    };
    for (name, value) in &world.settings().meta.headers {
        handled.answer.headers.retain(|(known, _)| known != name);
        handled.answer.headers.push((name.clone().into(), value.clone()));
    }
    handled
}

fn take(
    world: &World,
    call: &Call,
    version: Option<&str>,
    dataset: &str,
    event_count: &mut usize,
) -> Result<(), Answer> {
    match version.map(major_version) {
        None => return Err(errors::unversioned()),
        Some(Some(major)) if major >= OLDEST_VERSION => {}
        Some(_) => return Err(errors::unsupported_version()),
    }
    if !call.is_post {
        return Err(errors::unsupported_method());
    }
    let batch = batch::read(&call.body, "data");
    let settings = world.settings();
    let token = token(call, batch.as_ref().ok()).ok_or_else(errors::no_token)?;
    match settings.access(&token, dataset) {
        Access::Granted => {}
        Access::BadToken => return Err(bad_token()),
        Access::NotForAccount => return Err(errors::no_access(dataset)),
    }

    if let Some(secret) = settings.meta.app_secrets.get(&token) {
        let given = call
            .query_value("appsecret_proof")
            .or_else(|| text_of(batch.as_ref().ok(), "appsecret_proof"));
        let given = given.ok_or_else(errors::no_app_secret_proof)?;
        if !is_app_secret_proof(&given, &token, secret) {
            return Err(errors::bad_app_secret_proof());
        }
    }

    let refused = |problem: &Problem| errors::refused(problem, "request");
    let batch = batch.map_err(|_| refused(&Problem::field("body", "must be a JSON object")))?;
    if !call.has_content_type("application/json") {
        return Err(refused(&Problem::field("content-type", "must be application/json")));
    }
    check_fields(&batch.fields, world.options.strict).map_err(|problem| refused(&problem))?;
    let texts = events_of(batch.items).map_err(|problem| refused(&problem))?;
    *event_count = texts.len();
    let rules = Rules {
        now: call.received_at.timestamp(),
        strict: world.options.strict,
        settings: &settings,
        dataset,
    };

    let mut events = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        let event = batch::value(text);
        let checked = event::check(&event, &rules)
            .map_err(|problem| errors::refused(&problem, format!("data[{index}]: {problem}")))?;
        events.push(checked);
    }
    let is_test = batch.fields.contains_key("test_event_code");
    let accepted: Vec<Accepted<'_>> = events
        .iter()
        .zip(&texts)
        .map(|(event, text)| accepted(event, text.get()))
        .collect();
    let mut ledger = world.ledger();
    ledger.accept(Platform::Meta, dataset, &accepted, call.received_at);
    let totals = ledger.totals(Platform::Meta, dataset);
    // Meta shows test events in their own tab and counts them all the same.
    totals.test_events += if is_test { accepted.len() as u64 } else { 0 };
    totals.warnings += events.iter().filter(|event| event.warned).count() as u64;
    Ok(())
}

fn accepted<'a>(event: &'a Checked, body: &'a str) -> Accepted<'a> {
    let id = event.id.as_deref();
    Accepted {
        name: &event.name,
        id,
        key: Key::of(&[&event.name, id.unwrap_or(body)]),
        // Meta recognises no copies of messaging events, nor of events without an ID.
        memory: if event.is_messaging || id.is_none() {
            Memory::None
        } else {
            TWO_DAYS
        },
        body,
    }
}

fn token(call: &Call, batch: Option<&Batch<'_>>) -> Option<String> {
    call.bearer()
        .map(str::to_owned)
        .or_else(|| call.query_value("access_token"))
        .or_else(|| text_of(batch, "access_token"))
}

fn text_of(batch: Option<&Batch<'_>>, key: &str) -> Option<String> {
    batch?.fields.get(key)?.as_str().map(str::to_owned)
}

/// <https://developers.facebook.com/docs/graph-api/guides/secure-requests>: HMAC-SHA256 of the token under the app's secret.
fn is_app_secret_proof(given: &str, token: &str, app_secret: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(token.as_bytes());
    let expected: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    given == expected
}

fn major_version(version: &str) -> Option<u32> {
    let (major, minor) = version.strip_prefix('v')?.split_once('.')?;
    minor.parse::<u32>().ok()?;
    major.parse().ok()
}

fn check_fields(fields: &Map<String, Value>, strict: bool) -> Result<(), Problem> {
    if let Some(unknown) = fields.keys().find(|key| !REQUEST_KEYS.contains(&key.as_str()))
        && strict
    {
        return Err(Problem::field(unknown, "is not a parameter of this edge"));
    }
    for key in ["test_event_code", "partner_agent"] {
        if fields
            .get(key)
            .is_some_and(|text| text.as_str().is_none_or(str::is_empty))
        {
            return Err(Problem::field(key, "must be a non-empty string"));
        }
    }
    Ok(())
}

fn events_of(items: Items<'_>) -> Result<Vec<&RawValue>, Problem> {
    match items {
        Items::Absent => Err(Problem::field("data", "is required")),
        Items::NotAList => Err(Problem::field("data", "must be an array")),
        Items::List(events) if events.is_empty() => Err(Problem::field("data", "must not be empty")),
        Items::List(events) if events.len() > MOST_EVENTS => {
            Err(Problem::field("data", "must hold at most 1000 events"))
        }
        Items::List(events) => Ok(events),
    }
}

fn received(events: usize) -> Answer {
    let body: Value = json!({"events_received": events, "messages": [], "fbtrace_id": errors::trace_id()});
    Answer::taken(&body)
        .with_header("x-app-usage", r#"{"call_count":1,"total_cputime":0,"total_time":1}"#)
        .with_header("facebook-api-version", "v26.0")
}

#[cfg(test)]
mod tests;
