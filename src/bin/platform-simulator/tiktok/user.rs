//! What TikTok takes as `user`: which keys are hashed and which are plain.
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::errors::Problem;
use crate::batch;

/// Hashed, one or many.
const HASHED_LISTS: [&str; 3] = ["email", "phone", "external_id"];
const HASHED: [&str; 3] = ["first_name", "last_name", "zip_code"];
const PLAIN: [&str; 12] = [
    "ttclid",
    "ttp",
    "ip",
    "user_agent",
    "locale",
    "city",
    "state",
    "country",
    "idfa",
    "idfv",
    "gaid",
    "att_status",
];
const LONGEST_CLICK_ID: usize = 1000;
/// What the SHA-256 of nothing looks like: matches nobody.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Judges `user`; tells whether something in it does no good.
pub fn check(user: &Map<String, Value>, strict: bool) -> Result<bool, Problem> {
    let mut warned = false;
    for (key, value) in user {
        let name = key.as_str();
        let field = || format!("user.{name}");
        if HASHED_LISTS.contains(&name) {
            for value in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
                warned |= check_hash(value, field)?;
            }
        } else if HASHED.contains(&name) {
            warned |= check_hash(value, field)?;
        } else if PLAIN.contains(&name) {
            let text = value
                .as_str()
                .ok_or_else(|| Problem::param(field(), "not a valid string"))?;
            warned |= is_useless(name, text);
        } else if strict {
            return Err(Problem::param(field(), "unknown field"));
        }
    }
    Ok(warned)
}

fn check_hash(value: &Value, field: impl FnOnce() -> String) -> Result<bool, Problem> {
    match value.as_str() {
        None => Err(Problem::param(field(), "not a valid string")),
        // An empty value is tolerated and matches nobody.
        Some("" | HASH_OF_NOTHING) => Ok(true),
        Some(hash) if batch::is_sha256_hex(hash) => Ok(false),
        Some(_) => Err(Problem::NotHashed { field: field() }),
    }
}

/// Whether a plain value does no good: hashed by habit, private, or not in the form that is matched.
fn is_useless(key: &str, text: &str) -> bool {
    match key {
        _ if text.is_empty() || batch::is_sha256_hex(text) => true,
        "ip" => text.parse::<IpAddr>().map_or(true, batch::is_private),
        "ttclid" => text.len() > LONGEST_CLICK_ID,
        "city" | "state" => text
            .chars()
            .any(|letter| letter.is_uppercase() || letter.is_whitespace()),
        "country" => text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_lowercase()),
        _ => false,
    }
}
