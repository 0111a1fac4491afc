//! What the Google Ads API takes as a click conversion, beyond its fields and their types.
//!
//! <https://developers.google.com/google-ads/api/docs/conversions/upload-offline> (read 2026-11-21)
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::errors;
use crate::batch;

const MOST_IDENTIFIERS: usize = 5;
/// Google names no bound for what lies ahead of its clock.
const MOST_AHEAD: TimeDelta = TimeDelta::minutes(10);
const BRAIDS: [&str; 2] = ["gbraid", "wbraid"];

/// Why one row is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    pub category: &'static str,
    pub value: String,
    /// The field, in snake_case; `None`: the conversion itself.
    pub field: Option<&'static str>,
}

impl RowError {
    /// A `conversionUploadError`.
    pub fn upload(value: &str, field: Option<&'static str>) -> Self {
        Self {
            category: "conversionUploadError",
            value: value.to_owned(),
            field,
        }
    }

    fn field(category: &'static str, value: &str, field: &'static str) -> Self {
        Self {
            category,
            value: value.to_owned(),
            field: Some(field),
        }
    }

    /// The error as it stands in the answer.
    pub fn json(&self, index: usize) -> Value {
        let mut path = vec![json!({"fieldName": "conversions", "index": index})];
        path.extend(self.field.map(|field| json!({"fieldName": field})));
        errors::ads_error(self.category, &self.value, json!(path))
    }
}

/// A row that is well-formed.
#[derive(Debug)]
pub struct Row<'a> {
    pub action: &'a str,
    pub happened_at: DateTime<Utc>,
    pub date_time: &'a str,
    pub order_id: Option<&'a str>,
    pub click: Option<&'a str>,
}

/// Judges one row.
pub fn check(row: &Value, now: DateTime<Utc>) -> Result<Row<'_>, RowError> {
    let text = |key: &str| row[key].as_str().filter(|text| !text.is_empty());
    let resource =
        text("conversionAction").ok_or_else(|| RowError::field("fieldError", "REQUIRED", "conversion_action"))?;
    let action = action_id(resource)
        .ok_or_else(|| RowError::field("requestError", "RESOURCE_NAME_MALFORMED", "conversion_action"))?;
    let date_time =
        text("conversionDateTime").ok_or_else(|| RowError::field("fieldError", "REQUIRED", "conversion_date_time"))?;
    let happened_at = parse_date_time(date_time).ok_or_else(|| {
        RowError::field(
            "dateError",
            "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
            "conversion_date_time",
        )
    })?;
    if happened_at > now + MOST_AHEAD {
        return Err(RowError::field(
            "dateError",
            "LATER_THAN_MAXIMUM_DATE",
            "conversion_date_time",
        ));
    }
    if text("currencyCode").is_some_and(|code| !batch::is_currency(code) || code.to_uppercase() != code) {
        return Err(RowError::field("currencyCodeError", "UNSUPPORTED", "currency_code"));
    }
    if text("orderId").is_some_and(|id| id.contains('@')) {
        return Err(RowError::upload("ORDER_ID_CONTAINS_PII", Some("order_id")));
    }
    if !row["consent"]["adPersonalization"].is_null() {
        return Err(RowError::field("fieldError", "VALUE_MUST_BE_UNSET", "consent"));
    }
    check_identifiers(row)?;
    Ok(Row {
        action,
        happened_at,
        date_time,
        order_id: text("orderId"),
        click: super::click_id(row),
    })
}

fn check_identifiers(row: &Value) -> Result<(), RowError> {
    let has = |key: &str| row[key].as_str().is_some_and(|text| !text.is_empty());
    let identifiers = row["userIdentifiers"].as_array().map_or(&[][..], Vec::as_slice);
    let has_braid = BRAIDS.into_iter().any(has);
    if BRAIDS.into_iter().all(has) {
        return Err(RowError::upload("GBRAID_WBRAID_BOTH_SET", None));
    }
    if has("gclid") && has_braid {
        return Err(RowError::field("fieldError", "VALUE_MUST_BE_UNSET", "gclid"));
    }
    if has_braid && !identifiers.is_empty() {
        return Err(RowError::field("fieldError", "VALUE_MUST_BE_UNSET", "user_identifiers"));
    }
    if !has("gclid") && !has_braid && identifiers.is_empty() {
        return Err(RowError::field("fieldError", "REQUIRED", "gclid"));
    }
    if identifiers.len() > MOST_IDENTIFIERS {
        return Err(RowError::field("collectionSizeError", "TOO_MANY", "user_identifiers"));
    }
    for identifier in identifiers {
        let hash = identifier["hashedEmail"]
            .as_str()
            .or(identifier["hashedPhoneNumber"].as_str());
        match hash {
            Some(hash) if batch::is_sha256_hex(hash) => {}
            Some(_) => {
                return Err(RowError::upload("INVALID_USER_IDENTIFIER", Some("user_identifiers")));
            }
            None => {
                return Err(RowError::upload(
                    "UNSUPPORTED_USER_IDENTIFIER",
                    Some("user_identifiers"),
                ));
            }
        }
    }
    Ok(())
}

/// `customers/{customer}/conversionActions/{action}`; the customer is not looked at.
fn action_id(resource: &str) -> Option<&str> {
    let parts: Vec<&str> = resource.split('/').collect();
    match parts.as_slice() {
        ["customers", customer, "conversionActions", action] => {
            let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            (is_digits(customer) && is_digits(action)).then_some(*action)
        }
        _ => None,
    }
}

/// `yyyy-mm-dd hh:mm:ss+hh:mm`, and nothing else.
fn parse_date_time(text: &str) -> Option<DateTime<Utc>> {
    if text.len() != "2026-11-21 10:00:00+00:00".len() {
        return None;
    }
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z")
        .ok()
        .map(|time| time.to_utc())
}

/// What the Google Ads API calls a reason of the Data Manager API.
pub fn upload_error_of(processing_reason: &str) -> &str {
    match processing_reason {
        "TOO_RECENT_CLICK" => "TOO_RECENT_EVENT",
        "CLICK_NOT_FOUND" | "INVALID_CLICK" => "EVENT_NOT_FOUND",
        "CONVERSION_PRECEDES_CLICK" => "CONVERSION_PRECEDES_EVENT",
        "EVENT_TOO_OLD" => "EXPIRED_EVENT",
        "INVALID_GCLID" => "UNPARSEABLE_GCLID",
        "INVALID_GBRAID" => "UNPARSEABLE_GBRAID",
        "INVALID_WBRAID" => "UNPARSEABLE_WBRAID",
        other => other,
    }
}
