//! The Data Manager API: `events:ingest` refuses a request whole or queues it whole; `requestStatus:retrieve` tells later.
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::access::{self, DATA_MANAGER_SCOPE};
use super::destination::{self, Destination};
use super::errors::{self, Violation};
use super::event::{self, Encoding, Rules};
use super::receipts::Processed;
use super::request::{self, Item};
use super::schema::SCHEMAS;
use crate::answer::{Answer, Handled};
use crate::call::{Call, Platform};
use crate::copies::{Key, Memory};
use crate::ledger::{Accepted, Counted};
use crate::settings::{GoogleClick, Settings};
use crate::world::World;

const MOST_EVENTS: usize = 2000;
const YOUNGEST_CLICK: TimeDelta = TimeDelta::hours(6);
const OLDEST_CLICK: TimeDelta = TimeDelta::days(90);

/// Answers `POST /v1/events:ingest`.
pub fn ingest(world: &World, call: &Call) -> Handled {
    let mut handled = Handled::unread(errors::unavailable());
    handled.answer = take(world, call, &mut handled.accounts, &mut handled.events).unwrap_or_else(|refusal| refusal);
    handled
}

/// Answers `GET /v1/requestStatus:retrieve`.
pub fn request_status(world: &World, call: &Call) -> Answer {
    let settings = world.settings();
    let caller = match access::caller(world, &settings, call, DATA_MANAGER_SCOPE) {
        Ok(caller) => caller,
        Err(refusal) => return refusal,
    };
    // The same service, so in all likelihood the same quota.
    if let Err(seconds) = access::charge(world, &settings.google, &caller.project, call.received_at) {
        return errors::resource_exhausted(seconds);
    }
    let request_id = call.query_value("requestId").unwrap_or_default();
    match world.google().receipts.status(&request_id, call.received_at) {
        Some(status) => Answer::taken(&status),
        None => {
            let violation = Violation {
                field: "request_id".to_owned(),
                reason: "INVALID_REQUEST_ID",
            };
            errors::violations(&new_request_id('t'), &[violation])
        }
    }
}

fn take(world: &World, call: &Call, accounts: &mut Vec<String>, event_count: &mut usize) -> Result<Answer, Answer> {
    if !call.is_post {
        return Err(errors::not_found());
    }
    let settings = world.settings();
    let caller = access::caller(world, &settings, call, DATA_MANAGER_SCOPE)?;
    access::charge(world, &settings.google, &caller.project, call.received_at).map_err(errors::resource_exhausted)?;
    let message = request::read(&SCHEMAS.data_manager, &call.body, "events")?;
    let is_dry_run = message.fields.get("validateOnly") == Some(&Value::Bool(true));
    let request_id = new_request_id(if is_dry_run { 'v' } else { 't' });
    *event_count = message.items.len();

    let mut found = Vec::new();
    let destinations = destination::read(&message.fields, &settings, &mut found);
    let named: BTreeSet<&str> = destinations.iter().map(|destination| destination.account).collect();
    accounts.extend(named.into_iter().map(str::to_owned));
    if !destinations
        .iter()
        .all(|destination| destination.is_reachable(&caller, &settings))
    {
        return Err(errors::permission_denied(&request_id));
    }
    check_events(
        &message.fields,
        &message.items,
        &destinations,
        call.received_at,
        &mut found,
    );
    if !found.is_empty() {
        return Err(errors::violations(&request_id, &found));
    }

    if !is_dry_run {
        let denied = message.fields.get("consent").is_some_and(is_denied);
        let processed: Vec<Processed> = destinations
            .iter()
            .map(|destination| process(world, &settings, call.received_at, destination, &message.items, denied))
            .collect();
        let delay = i64::try_from(settings.google.receipt_delay_ms).unwrap_or(i64::MAX / 2_000_000);
        let ready_at = call.received_at + TimeDelta::milliseconds(delay);
        world.google().receipts.add(&request_id, ready_at, processed);
    }
    let warnings = warnings(&message.items);
    let mut body = json!({"requestId": request_id});
    if !warnings.is_empty() {
        body["fieldWarnings"] = json!(warnings);
    }
    Ok(Answer::taken(&body))
}

fn check_events(
    fields: &Map<String, Value>,
    items: &[Item<'_>],
    destinations: &[Destination<'_>],
    now: DateTime<Utc>,
    found: &mut Vec<Violation>,
) {
    let mut report = |field: &str, reason| {
        found.push(Violation {
            field: field.to_owned(),
            reason,
        })
    };
    if items.is_empty() {
        report("events", "REQUIRED_FIELD_MISSING");
    }
    if items.len() > MOST_EVENTS {
        report("events", "TOO_MANY_EVENTS");
        return;
    }
    let encoding = match fields.get("encoding").and_then(Value::as_str) {
        Some("HEX") => Some(Encoding::Hex),
        Some("BASE64") => Some(Encoding::Base64),
        _ => None,
    };
    if encoding.is_none() && items.iter().any(|item| item.value["userData"].is_object()) {
        report("encoding", "REQUIRED_FIELD_MISSING");
    }
    let references: Vec<&str> = destinations.iter().map(|destination| destination.reference).collect();
    let rules = Rules {
        now,
        encoding,
        references: &references,
    };
    for (index, item) in items.iter().enumerate() {
        event::check(index, &item.value, &rules, found);
    }
}

fn process(
    world: &World,
    settings: &Settings,
    now: DateTime<Utc>,
    destination: &Destination<'_>,
    items: &[Item<'_>],
    denied_by_default: bool,
) -> Processed {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut accepted = Vec::new();
    let mut records = 0;
    let mut dropped = 0;
    for item in items.iter().filter(|item| goes_to(&item.value, destination.reference)) {
        records += 1;
        match drop_reason(&item.value, settings, now, denied_by_default) {
            Some(reason) => {
                *reasons.entry(reason).or_default() += 1;
                dropped += 1;
            }
            None => accepted.push(as_accepted(item, destination)),
        }
    }
    let mut ledger = world.ledger();
    let verdicts = ledger.accept(Platform::Google, destination.account, &accepted, now);
    let totals = ledger.totals(Platform::Google, destination.account);
    totals.events_accepted += dropped;
    totals.refused_events += dropped;
    if settings.google.report_duplicates {
        let duplicates = accepted
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| *verdict == Counted::Duplicate);
        for (event, _) in duplicates {
            let reason = if event.id.is_some() {
                "DUPLICATE_TRANSACTION_ID"
            } else {
                "DUPLICATE_GCLID"
            };
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }
    Processed {
        destination: destination.json.clone(),
        records,
        reasons,
    }
}

fn goes_to(event: &Value, reference: &str) -> bool {
    event["destinationReferences"]
        .as_array()
        .is_some_and(|named| named.iter().any(|one| one == reference))
}

fn as_accepted<'a>(item: &'a Item<'_>, destination: &Destination<'a>) -> Accepted<'a> {
    let event = &item.value;
    let id = event["transactionId"].as_str().filter(|id| !id.is_empty());
    let key = match (id, super::click_id(&event["adIdentifiers"])) {
        // The same transaction and action is an adjustment of the conversion that is there.
        (Some(id), _) => Key::of(&[destination.action, id]),
        (None, Some(click)) => Key::of(&[
            destination.action,
            "",
            click,
            event["eventTimestamp"].as_str().unwrap_or_default(),
        ]),
        (None, None) => Key::of(&[destination.action, "", "", item.text]),
    };
    let memory = if id.is_none() && super::click_id(&event["adIdentifiers"]).is_none() {
        Memory::None
    } else {
        Memory::Always
    };
    Accepted {
        name: destination.action,
        id,
        key,
        memory,
        body: item.text,
    }
}

/// Why Google drops the event after it took the request; `None` if it does not.
fn drop_reason(event: &Value, settings: &Settings, now: DateTime<Utc>, denied_by_default: bool) -> Option<String> {
    let consent = &event["consent"];
    if is_denied(consent) || (denied_by_default && consent["adUserData"].is_null()) {
        return Some("DENIED_CONSENT".to_owned());
    }
    let happened_at = event["eventTimestamp"]
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())?;
    if happened_at < now - OLDEST_CLICK {
        return Some("EVENT_TOO_OLD".to_owned());
    }
    let click = settings.clicks.google.get(super::click_id(&event["adIdentifiers"])?)?;
    click_reason(click, happened_at.to_utc(), now)
}

/// Why Google does not take a conversion of the click; `None` if it does.
pub fn click_reason(click: &GoogleClick, happened_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    let by_age = click.clicked_at.and_then(|clicked_at| match clicked_at {
        _ if happened_at < clicked_at => Some("CONVERSION_PRECEDES_CLICK"),
        _ if now < clicked_at + YOUNGEST_CLICK => Some("TOO_RECENT_CLICK"),
        _ if happened_at > clicked_at + OLDEST_CLICK => Some("EVENT_TOO_OLD"),
        _ => None,
    });
    click.outcome.clone().or_else(|| by_age.map(str::to_owned))
}

fn is_denied(consent: &Value) -> bool {
    consent["adUserData"] == "CONSENT_DENIED"
}

fn warnings(items: &[Item<'_>]) -> Vec<Value> {
    let has_braid = |event: &Value| {
        let identifiers = &event["adIdentifiers"];
        identifiers["gbraid"].is_string() || identifiers["wbraid"].is_string()
    };
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.value["cartData"].is_object() && has_braid(&item.value))
        .map(|(index, _)| {
            json!({
                "reason": "WARNING_REASON_CART_DATA_NOT_SUPPORTED_WITH_GBRAID_OR_WBRAID",
                "description": "Cart data is not supported with gbraid or wbraid.",
                "field": format!("events.events[{index}].cart_data"),
            })
        })
        .collect()
}

fn new_request_id(kind: char) -> String {
    format!("{kind}-{}", uuid::Uuid::new_v4())
}
