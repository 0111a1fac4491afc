//! What the Data Manager API takes as an event, beyond its fields and their types.
//!
//! <https://developers.google.com/data-manager/api/devguides/concepts/understand-errors> (read 2026-11-21)
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::errors::Violation;
use crate::batch;

const MOST_IDENTIFIERS: usize = 10;
const LONGEST_TRANSACTION_ID: usize = 64;
/// Google names no bound for what lies ahead of its clock.
const MOST_AHEAD: TimeDelta = TimeDelta::minutes(10);

/// How hashes are written in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

/// By what an event is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub now: DateTime<Utc>,
    /// `None`: the request declares none.
    pub encoding: Option<Encoding>,
    /// The references of the destinations.
    pub references: &'a [&'a str],
}

/// Judges the event at `index`; all that is wrong goes into `found`.
pub fn check(index: usize, event: &Value, rules: &Rules<'_>, found: &mut Vec<Violation>) {
    let mut report = |field: &str, reason: &'static str| {
        let dot = if field.is_empty() { "" } else { "." };
        found.push(Violation {
            field: format!("events.events[{index}]{dot}{field}"),
            reason,
        });
    };

    check_destinations(&event["destinationReferences"], rules.references, &mut report);
    match event["eventTimestamp"]
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
    {
        None => report("event_timestamp", "REQUIRED_FIELD_MISSING"),
        Some(time) if time > rules.now + MOST_AHEAD => report("event_timestamp", "EVENT_TIME_INVALID"),
        Some(_) => {}
    }
    if event["transactionId"]
        .as_str()
        .is_some_and(|id| id.len() > LONGEST_TRANSACTION_ID)
    {
        report("transaction_id", "FIELD_VALUE_TOO_LONG");
    }
    if event["eventSource"]
        .as_str()
        .is_none_or(|source| source == "EVENT_SOURCE_UNSPECIFIED")
    {
        report("event_source", "REQUIRED_FIELD_MISSING");
    }
    if event["currency"]
        .as_str()
        .is_some_and(|code| !batch::is_currency(code) || code.to_uppercase() != code)
    {
        report("currency", "INVALID_CURRENCY_CODE");
    }
    let identifiers = event["userData"]["userIdentifiers"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if identifiers.is_empty() && !has_ad_identifier(&event["adIdentifiers"]) {
        report("", "NO_IDENTIFIERS_PROVIDED");
    }
    if identifiers.len() > MOST_IDENTIFIERS {
        report("user_data.user_identifiers", "TOO_MANY_USER_IDENTIFIERS");
    }
    let Some(encoding) = rules.encoding else {
        return;
    };
    for (position, identifier) in identifiers.iter().enumerate() {
        if let Err((field, reason)) = check_identifier(identifier, encoding) {
            report(&format!("user_data.user_identifiers[{position}]{field}"), reason);
        }
    }
}

fn check_destinations(named: &Value, references: &[&str], report: &mut impl FnMut(&str, &'static str)) {
    let named = named.as_array().map_or(&[][..], Vec::as_slice);
    if named.is_empty() {
        report("destination_references", "REQUIRED_FIELD_MISSING");
    }
    for (position, reference) in named.iter().enumerate() {
        if !reference
            .as_str()
            .is_some_and(|reference| references.contains(&reference))
        {
            report(&format!("destination_references[{position}]"), "INVALID_DESTINATION");
        }
    }
}

fn has_ad_identifier(identifiers: &Value) -> bool {
    let known = [
        "gclid",
        "gbraid",
        "wbraid",
        "dclid",
        "sessionAttributes",
        "mobileDeviceId",
        "impressionId",
        "matchId",
    ];
    known
        .iter()
        .any(|key| identifiers[*key].as_str().is_some_and(|text| !text.is_empty()))
}

type Wrong = (&'static str, &'static str);

fn check_identifier(identifier: &Value, encoding: Encoding) -> Result<(), Wrong> {
    for key in ["emailAddress", "phoneNumber"] {
        if let Some(hash) = identifier[key].as_str() {
            return check_hash(hash, encoding).map_err(|reason| ("", reason));
        }
    }
    let address = &identifier["address"];
    if !address.is_object() {
        return Err(("", "REQUIRED_FIELD_MISSING"));
    }
    let text = |key: &str| address[key].as_str().unwrap_or_default();
    for (key, field) in [
        ("givenName", ".address.given_name"),
        ("familyName", ".address.family_name"),
    ] {
        if text(key).is_empty() {
            return Err((field, "REQUIRED_FIELD_MISSING"));
        }
        check_hash(text(key), encoding).map_err(|reason| (field, reason))?;
    }
    let region = text("regionCode");
    if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err((".address.region_code", "INVALID_REGION_CODE"));
    }
    if text("postalCode").is_empty() {
        return Err((".address.postal_code", "REQUIRED_FIELD_MISSING"));
    }
    Ok(())
}

fn check_hash(hash: &str, encoding: Encoding) -> Result<(), &'static str> {
    match encoding {
        Encoding::Hex if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => Err("INVALID_HEX_ENCODING"),
        Encoding::Hex if !batch::is_sha256_hex(hash) => Err("INVALID_SHA256_FORMAT"),
        Encoding::Hex => Ok(()),
        Encoding::Base64 => match STANDARD.decode(hash) {
            Err(_) => Err("INVALID_BASE64_ENCODING"),
            Ok(bytes) if bytes.len() != 32 => Err("INVALID_SHA256_FORMAT"),
            Ok(_) => Ok(()),
        },
    }
}
