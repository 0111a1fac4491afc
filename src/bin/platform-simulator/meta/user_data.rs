//! What Meta takes as `user_data`: which keys are hashed, which are not, and how few are too few.
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::errors::Problem;
use crate::batch;

const HASHED: [&str; 16] = [
    "em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", "f5first", "f5last", "fi", "dobd", "dobm", "doby",
];
/// Never hashed, but for `external_id`, where it is left to the sender.
const PLAIN: [&str; 18] = [
    "external_id",
    "client_ip_address",
    "client_user_agent",
    "fbc",
    "fbp",
    "subscription_id",
    "fb_login_id",
    "lead_id",
    "anon_id",
    "madid",
    "page_id",
    "page_scoped_user_id",
    "ctwa_clid",
    "ig_account_id",
    "ig_sid",
    "whatsapp_business_account_id",
    "partner_id",
    "partner_name",
];
/// Whoever is known by no more than one of these sets could be anyone.
const TOO_BROAD: [&[&str]; 4] = [
    &["ct", "country", "st", "zp", "ge", "client_user_agent"],
    &["db", "client_user_agent"],
    &["fn", "ge"],
    &["ln", "ge"],
];
/// Two-character appendices of older parameter builders.
const OLD_APPENDICES: [&str; 6] = ["AQ", "Ag", "Aw", "BA", "BQ", "Bg"];
/// What the SHA-256 of nothing looks like: matches nobody.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Judges `user_data`; tells whether something in it does no good.
pub fn check(user: &Map<String, Value>, strict: bool) -> Result<bool, Problem> {
    let mut warned = false;
    for (key, value) in user {
        let name = key.as_str();
        if HASHED.contains(&name) {
            warned |= check_hashed(name, value)?;
        } else if PLAIN.contains(&name) {
            warned |= check_plain(name, value)?;
        } else if strict {
            return Err(Problem::field(
                format!("user_data.{name}"),
                "is not a customer information parameter",
            ));
        }
    }
    check_enough(user)?;
    Ok(warned)
}

fn check_hashed(key: &str, value: &Value) -> Result<bool, Problem> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        other => std::slice::from_ref(other),
    };
    let mut warned = false;
    for value in values {
        let hash = value
            .as_str()
            .map(without_appendix)
            .filter(|text| batch::is_sha256_hex(text));
        let hash = hash.ok_or_else(|| Problem::NotHashed { key: key.to_owned() })?;
        warned |= hash == HASH_OF_NOTHING;
    }
    Ok(warned)
}

fn check_plain(key: &str, value: &Value) -> Result<bool, Problem> {
    let text = match (key, value) {
        ("external_id", Value::Array(ids)) if ids.iter().all(|id| id.as_str().is_some_and(|id| !id.is_empty())) => {
            return Ok(false);
        }
        ("lead_id" | "fb_login_id" | "whatsapp_business_account_id" | "page_id", Value::Number(number)) => {
            number.to_string()
        }
        (_, Value::String(text)) if !text.is_empty() => text.clone(),
        _ => {
            return Err(Problem::field(format!("user_data.{key}"), "must be a non-empty string"));
        }
    };
    match key {
        "client_ip_address" => {
            let address = without_appendix(&text).parse::<IpAddr>();
            address
                .map(batch::is_private)
                .map_err(|_| Problem::field("user_data.client_ip_address", "must be an IP address"))
        }
        "fbc" if !is_click_id(&text) => Err(Problem::BadClickId),
        "fbp" => Ok(!is_click_id(&text)),
        "lead_id" if !(15..=17).contains(&text.len()) || !is_digits(&text) => Err(Problem::BadLeadId),
        // Hashed by habit: harmless to Meta, worthless to the advertiser.
        "client_user_agent" | "fbc" | "ctwa_clid" => Ok(batch::is_sha256_hex(&text)),
        _ => Ok(false),
    }
}

/// `fb.{subdomain index}.{milliseconds}.{id}`, with an appendix or without.
fn is_click_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        ["fb", index, milliseconds, id, appendix @ ..] => {
            is_digits(index)
                && index.len() <= 2
                && is_digits(milliseconds)
                && milliseconds.len() == 13
                && !id.is_empty()
                && matches!(appendix, [] | [_])
                && appendix.iter().all(|part| is_appendix(part))
        }
        _ => false,
    }
}

fn without_appendix(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((value, appendix)) if is_appendix(appendix) => value,
        _ => text,
    }
}

fn is_appendix(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    OLD_APPENDICES.contains(&text) || (text.len() == 8 && text.bytes().all(is_base64url))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_enough(user: &Map<String, Value>) -> Result<(), Problem> {
    let is_given =
        |value: &Value| !matches!(value, Value::Null) && value.as_array().is_none_or(|list| !list.is_empty());
    let keys: Vec<&str> = user
        .iter()
        .filter(|(_, value)| is_given(value))
        .map(|(key, _)| key.as_str())
        .collect();
    let is_too_broad = TOO_BROAD.iter().any(|set| keys.iter().all(|key| set.contains(key)));
    if keys.is_empty() || is_too_broad {
        Err(Problem::TooLittleCustomerData)
    } else {
        Ok(())
    }
}
