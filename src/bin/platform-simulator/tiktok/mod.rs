//! TikTok's Events API 2.0: `POST /open_api/v1.3/event/track/`.
mod errors;
mod event;
mod user;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::answer::Handled;
use crate::batch::{self, Items};
use crate::call::{Call, Platform};
use crate::copies::{Key, Memory, TWO_DAYS};
use crate::ledger::Accepted;
use crate::settings::Access;
use crate::world::World;

pub use errors::{bad_token, rate_limited, route_not_found, server_error};

use errors::Problem;
use event::{Checked, Rules, Source};

const MOST_EVENTS: usize = 1000;
const REQUEST_KEYS: [&str; 4] = ["event_source", "event_source_id", "test_event_code", "partner_name"];

/// Answers one request to track events.
pub fn answer(world: &World, call: &Call) -> Handled {
    let mut handled = Handled::unread(server_error());
    handled.answer = match take(world, call, &mut handled.accounts, &mut handled.events) {
        Ok(()) => errors::ok(),
        Err(problem) => errors::refused(&problem),
    };
    handled
}

fn take(world: &World, call: &Call, accounts: &mut Vec<String>, event_count: &mut usize) -> Result<(), Problem> {
    if !call.is_post {
        return Err(Problem::NotImplemented);
    }
    let token = call
        .header("access-token")
        .filter(|token| !token.is_empty())
        .ok_or(Problem::NoToken)?;
    // The header holds the bare token.
    if token.starts_with("Bearer ") {
        return Err(Problem::BadToken);
    }
    let settings = world.settings();
    let batch = batch::read(&call.body, "data");
    let pixel = batch
        .as_ref()
        .ok()
        .and_then(|batch| text(&batch.fields, "event_source_id"));
    accounts.extend(pixel.clone());
    match settings.access(token, pixel.as_deref().unwrap_or_default()) {
        Access::BadToken => return Err(Problem::BadToken),
        Access::NotForAccount if pixel.is_some() => {
            return Err(Problem::NoPermission {
                pixel: pixel.unwrap_or_default(),
            });
        }
        Access::NotForAccount | Access::Granted => {}
    }
    let batch = batch.map_err(|_| Problem::param("body", "not a JSON object"))?;
    if !call.has_content_type("application/json") {
        return Err(Problem::param("Content-Type", "must be application/json"));
    }

    let rules = Rules {
        now: call.received_at.timestamp(),
        strict: world.options.strict,
        source: check_fields(&batch.fields, world.options.strict)?,
    };
    let pixel = pixel.ok_or_else(|| Problem::param("event_source_id", "not a valid string"))?;
    let texts = events_of(batch.items)?;
    *event_count = texts.len();
    let mut events = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        events.push(event::check(&batch::value(text), &rules).map_err(|problem| problem.of_event(index))?);
    }

    let mut ledger = world.ledger();
    if batch.fields.contains_key("test_event_code") {
        // Shown among the test events, and not processed.
        let totals = ledger.totals(Platform::Tiktok, &pixel);
        totals.events_accepted += events.len() as u64;
        totals.test_events += events.len() as u64;
        return Ok(());
    }
    let accepted: Vec<Accepted<'_>> = events
        .iter()
        .zip(&texts)
        .map(|(event, text)| accepted(event, text.get()))
        .collect();
    ledger.accept(Platform::Tiktok, &pixel, &accepted, call.received_at);
    ledger.totals(Platform::Tiktok, &pixel).warnings += events.iter().filter(|event| event.warned).count() as u64;
    Ok(())
}

fn accepted<'a>(event: &'a Checked, body: &'a str) -> Accepted<'a> {
    let id = event.id.as_deref();
    Accepted {
        name: &event.name,
        id,
        key: Key::of(&[&event.name, id.unwrap_or(body)]),
        memory: if id.is_some() { TWO_DAYS } else { Memory::None },
        body,
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Option<String> {
    fields
        .get(key)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn check_fields(fields: &Map<String, Value>, strict: bool) -> Result<Source, Problem> {
    if let Some(unknown) = fields.keys().find(|key| !REQUEST_KEYS.contains(&key.as_str()))
        && strict
    {
        return Err(Problem::param(unknown, "unknown field"));
    }
    let source = match text(fields, "event_source").as_deref() {
        Some("web") => Source::Web,
        Some("app") => Source::App,
        Some("offline") => Source::Offline,
        Some("crm") => Source::Crm,
        _ => {
            return Err(Problem::param("event_source", "must be web, app or offline"));
        }
    };
    if fields.contains_key("partner_name") {
        return Err(Problem::BadPartnerName);
    }
    if fields.contains_key("test_event_code") && text(fields, "test_event_code").is_none() {
        return Err(Problem::param("test_event_code", "not a valid string"));
    }
    Ok(source)
}

fn events_of(items: Items<'_>) -> Result<Vec<&RawValue>, Problem> {
    match items {
        Items::Absent | Items::NotAList => Err(Problem::param("data", "not a valid list")),
        Items::List(events) if events.is_empty() => Err(Problem::param("data", "must not be empty")),
        Items::List(events) if events.len() > MOST_EVENTS => Err(Problem::TooManyEvents),
        Items::List(events) => Ok(events),
    }
}

/// The body of every answer.
fn body(code: u32, message: &str) -> Value {
    json!({"code": code, "message": message, "request_id": errors::request_id(), "data": {}})
}

#[cfg(test)]
mod tests;
