//! What Meta takes as an event, by platforms' own documents and by what it was seen to refuse.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event> (read 2026-11-21)
use serde_json::{Map, Value};

use super::errors::Problem;
use super::user_data;
use crate::batch;
use crate::settings::Settings;

const DAY: i64 = 24 * 3600;
/// How far ahead of our clock an event may be. Meta names no bound; it was seen to refuse what lies far ahead.
const MOST_AHEAD: i64 = 600;

const EVENT_KEYS: [&str; 19] = [
    "event_name",
    "event_time",
    "user_data",
    "action_source",
    "event_source_url",
    "event_id",
    "custom_data",
    "referrer_url",
    "opt_out",
    "data_processing_options",
    "data_processing_options_country",
    "data_processing_options_state",
    "app_data",
    "messaging_channel",
    "messaging_outcome_data",
    "original_event_data",
    "attribution_data",
    "customer_segmentation",
    "advanced_measurement_table",
];
const ACTION_SOURCES: [&str; 9] = [
    "email",
    "website",
    "app",
    "phone_call",
    "chat",
    "physical_store",
    "system_generated",
    "business_messaging",
    "other",
];
/// The only names that business messaging takes.
const MESSAGING_NAMES: [&str; 14] = [
    "Purchase",
    "LeadSubmitted",
    "InitiateCheckout",
    "AddToCart",
    "ViewContent",
    "OrderCreated",
    "OrderShipped",
    "OrderDelivered",
    "OrderCanceled",
    "OrderReturned",
    "CartAbandoned",
    "QualifiedLead",
    "RatingProvided",
    "ReviewProvided",
];

/// By what an event is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Unix seconds.
    pub now: i64,
    /// Refuse unknown keys.
    pub strict: bool,
    pub settings: &'a Settings,
    pub dataset: &'a str,
}

/// An event that Meta takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    pub name: String,
    pub id: Option<String>,
    pub is_messaging: bool,
    /// It carries something that does no good.
    pub warned: bool,
}

/// Judges one event.
pub fn check(event: &Value, rules: &Rules<'_>) -> Result<Checked, Problem> {
    let event = event
        .as_object()
        .ok_or_else(|| Problem::field("data", "must hold objects"))?;
    if let Some(unknown) = event.keys().find(|key| !EVENT_KEYS.contains(&key.as_str()))
        && rules.strict
    {
        return Err(Problem::field(unknown, "is not a parameter of an event"));
    }
    let name = required_text(event, "event_name")?;
    let source = required_text(event, "action_source")?;
    if !ACTION_SOURCES.contains(&source) {
        return Err(Problem::field("action_source", "must be one of the action sources"));
    }
    check_time(event, source, rules.now)?;
    let id = optional_text(event, "event_id")?;
    check_extras(event)?;

    let user = event
        .get("user_data")
        .and_then(Value::as_object)
        .ok_or_else(|| Problem::field("user_data", "is required and must be an object"))?;
    let warned = user_data::check(user, rules.strict)?;
    check_custom_data(event.get("custom_data"), name)?;
    match source {
        "website" => {
            required_text(event, "event_source_url")?;
        }
        "app" => check_app(event)?,
        "business_messaging" => check_messaging(event, user, name, rules)?,
        _ => {}
    }
    Ok(Checked {
        name: name.to_owned(),
        id: id.map(str::to_owned),
        is_messaging: source == "business_messaging",
        warned,
    })
}

fn check_time(event: &Map<String, Value>, source: &str, now: i64) -> Result<(), Problem> {
    let time = event
        .get("event_time")
        .and_then(Value::as_i64)
        .ok_or_else(|| Problem::field("event_time", "is required and must be an integer of seconds"))?;
    if time > now + MOST_AHEAD {
        return Err(Problem::field(
            "event_time",
            "must not be in the future; it is in seconds",
        ));
    }
    let days = if source == "physical_store" { 62 } else { 7 };
    if time < now - days * DAY {
        Err(Problem::TooOld)
    } else {
        Ok(())
    }
}

fn check_extras(event: &Map<String, Value>) -> Result<(), Problem> {
    for key in ["event_source_url", "referrer_url", "messaging_channel"] {
        optional_text(event, key)?;
    }
    if event.get("opt_out").is_some_and(|value| !value.is_boolean()) {
        return Err(Problem::field("opt_out", "must be a boolean"));
    }
    let Some(options) = event.get("data_processing_options") else {
        return Ok(());
    };
    let options = options
        .as_array()
        .ok_or_else(|| Problem::field("data_processing_options", "must be an array of strings"))?;
    if options.iter().any(|option| option != "LDU") {
        return Err(Problem::field("data_processing_options", "knows only LDU"));
    }
    for key in ["data_processing_options_country", "data_processing_options_state"] {
        if !options.is_empty() && event.get(key).and_then(Value::as_i64).is_none() {
            return Err(Problem::field(key, "is required with LDU and must be an integer"));
        }
    }
    Ok(())
}

fn check_custom_data(custom_data: Option<&Value>, name: &str) -> Result<(), Problem> {
    let empty = Map::new();
    let custom = match custom_data {
        Some(value) => value
            .as_object()
            .ok_or_else(|| Problem::field("custom_data", "must be an object"))?,
        None => &empty,
    };
    for key in ["value", "predicted_ltv", "net_revenue"] {
        if custom.get(key).is_some_and(|value| !value.is_number()) {
            return Err(Problem::field(format!("custom_data.{key}"), "must be a number"));
        }
    }
    let currency = custom
        .get("currency")
        .map(|value| value.as_str().is_some_and(batch::is_currency));
    if currency == Some(false) {
        return Err(Problem::field("custom_data.currency", "must be an ISO 4217 code"));
    }
    if name == "Purchase" && (currency.is_none() || !custom.contains_key("value")) {
        return Err(Problem::NoPurchaseValue);
    }
    for key in [
        "content_type",
        "content_name",
        "content_category",
        "order_id",
        "search_string",
    ] {
        if custom.get(key).is_some_and(|value| !value.is_string()) {
            return Err(Problem::field(format!("custom_data.{key}"), "must be a string"));
        }
    }
    if custom.get("num_items").is_some_and(|value| value.as_i64().is_none()) {
        return Err(Problem::field("custom_data.num_items", "must be an integer"));
    }
    let ids = custom.get("content_ids").map(Value::as_array);
    if ids.is_some_and(|ids| ids.is_none_or(|ids| !ids.iter().all(Value::is_string))) {
        return Err(Problem::field("custom_data.content_ids", "must be an array of strings"));
    }
    match custom.get("contents") {
        Some(Value::Array(contents)) => contents.iter().try_for_each(check_content),
        Some(_) => Err(Problem::field("custom_data.contents", "must be an array of objects")),
        None => Ok(()),
    }
}

fn check_content(content: &Value) -> Result<(), Problem> {
    if content["id"].as_str().is_none_or(str::is_empty) {
        return Err(Problem::field(
            "custom_data.contents[].id",
            "is required and must be a string",
        ));
    }
    let is_number = |value: Option<&Value>| value.is_none_or(Value::is_number);
    if !is_number(content.get("item_price")) {
        return Err(Problem::field("custom_data.contents[].item_price", "must be a number"));
    }
    match content.get("quantity") {
        Some(quantity) if quantity.as_i64().is_none() => {
            Err(Problem::field("custom_data.contents[].quantity", "must be an integer"))
        }
        _ => Ok(()),
    }
}

fn check_app(event: &Map<String, Value>) -> Result<(), Problem> {
    let extinfo = event.get("app_data").and_then(|data| data["extinfo"].as_array());
    let extinfo = extinfo.filter(|values| values.len() == 16 && (values[0] == "a2" || values[0] == "i2"));
    let extinfo = extinfo
        .ok_or_else(|| Problem::field("app_data.extinfo", "is required and must hold 16 values after a2 or i2"))?;
    if extinfo[4].as_str().is_none_or(str::is_empty) {
        Err(Problem::NoOsVersion)
    } else {
        Ok(())
    }
}

fn check_messaging(
    event: &Map<String, Value>,
    user: &Map<String, Value>,
    name: &str,
    rules: &Rules<'_>,
) -> Result<(), Problem> {
    if !MESSAGING_NAMES.contains(&name) {
        return Err(Problem::NameNotForMessaging);
    }
    let has = |key: &str| user.get(key).is_some_and(|value| value.as_str() != Some(""));
    match required_text(event, "messaging_channel")? {
        "whatsapp" => {}
        "messenger" if has("page_id") && has("page_scoped_user_id") => return Ok(()),
        "messenger" => {
            return Err(Problem::field(
                "user_data.page_scoped_user_id",
                "and page_id are required",
            ));
        }
        "instagram" if has("ig_account_id") && has("ig_sid") => return Ok(()),
        "instagram" => return Err(Problem::NoInstagramAccount),
        _ => {
            return Err(Problem::field(
                "messaging_channel",
                "must be whatsapp, messenger or instagram",
            ));
        }
    }

    if has("page_id") {
        return Err(Problem::PageNotOfDataset);
    }
    if !has("whatsapp_business_account_id") {
        return Err(Problem::NoPageNorWhatsappAccount);
    }
    let clid = user
        .get("ctwa_clid")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    let clid = clid.ok_or_else(|| Problem::field("user_data.ctwa_clid", "is required and must be a string"))?;
    if let Some(datasets) = &rules.settings.meta.waba_datasets {
        let named = user["whatsapp_business_account_id"].to_string();
        if datasets
            .get(rules.dataset)
            .is_none_or(|waba| waba != named.trim_matches('"'))
        {
            return Err(Problem::DatasetWithoutWhatsappAccount);
        }
    }
    match &rules.settings.clicks.meta_ctwa {
        Some(real) if !real.iter().any(|one| one == clid) => Err(Problem::UnknownCtwaClid),
        _ => Ok(()),
    }
}

fn required_text<'a>(event: &'a Map<String, Value>, key: &str) -> Result<&'a str, Problem> {
    optional_text(event, key)?.ok_or_else(|| Problem::field(key, "is required"))
}

fn optional_text<'a>(event: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Problem> {
    match event.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Problem::field(key, "must be a non-empty string")),
    }
}
