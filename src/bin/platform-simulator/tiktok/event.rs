//! What TikTok takes as an event, by its help pages and by what it was seen to refuse.
//!
//! <https://ads.tiktok.com/help/article/about-parameters> (read 2026-11-21)
use serde_json::{Map, Value};

use super::errors::Problem;
use super::user;
use crate::batch;

const EVENT_KEYS: [&str; 11] = [
    "event",
    "event_time",
    "event_id",
    "user",
    "properties",
    "page",
    "app",
    "ad",
    "lead",
    "limited_data_use",
    "device",
];
/// Offline events have these names only.
const STANDARD_NAMES: [&str; 20] = [
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "ApplicationApproval",
    "CompleteRegistration",
    "Contact",
    "CustomizeProduct",
    "Download",
    "FindLocation",
    "InitiateCheckout",
    "Lead",
    "Purchase",
    "Schedule",
    "Search",
    "StartTrial",
    "SubmitApplication",
    "Subscribe",
    "ViewContent",
    // The names of Purchase and Lead before May 2025.
    "CompletePayment",
    "SubmitForm",
];
const CURRENCIES: &str = "AED ARS AUD BDT BHD BIF BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DZD EGP EUR GBP GTQ HKD HNL \
                          HUF IDR ILS INR ISK JPY KES KHR KRW KWD KZT MAD MOP MXN MYR NGN NIO NOK NZD OMR PEN PHP PKR \
                          PLN PYG QAR RON RUB SAR SEK SGD THB TRY TWD UAH USD VES VND ZAR";
/// A later time, in the year 2100, can only be milliseconds.
const LATEST_SECONDS: i64 = 4_102_444_800;
const MOST_AHEAD: i64 = 600;
const DAY: i64 = 24 * 3600;

/// Where the events of a request come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Web,
    App,
    Offline,
    Crm,
}

/// By what an event is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Unix seconds.
    pub now: i64,
    /// Refuse unknown keys.
    pub strict: bool,
    pub source: Source,
}

/// An event that TikTok takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    pub name: String,
    pub id: Option<String>,
    /// It carries something that does no good.
    pub warned: bool,
}

/// Judges one event.
pub fn check(event: &Value, rules: &Rules) -> Result<Checked, Problem> {
    let event = event
        .as_object()
        .ok_or_else(|| Problem::param("", "not a valid object"))?;
    if let Some(unknown) = event.keys().find(|key| !EVENT_KEYS.contains(&key.as_str()))
        && rules.strict
    {
        return Err(Problem::param(unknown, "unknown field"));
    }
    let name = text(event, "event", "event")?.ok_or_else(|| Problem::param("event", "not a valid string"))?;
    let time = event.get("event_time").and_then(Value::as_i64);
    let time = time.ok_or_else(|| Problem::param("event_time", "not a valid integer"))?;
    if !(0..LATEST_SECONDS).contains(&time) {
        return Err(Problem::param("event_time", "not a valid timestamp in seconds"));
    }
    let id = text(event, "event_id", "event_id")?;
    if event.get("limited_data_use").is_some_and(|value| !value.is_boolean()) {
        return Err(Problem::param("limited_data_use", "not a valid boolean"));
    }

    // TikTok documents no age limit for web events.
    let mut warned = time > rules.now + MOST_AHEAD || time < rules.now - 28 * DAY;
    if let Some(user) = object(event, "user")? {
        warned |= user::check(user, rules.strict)?;
    }
    if let Some(properties) = object(event, "properties")? {
        warned |= check_properties(properties)?;
    }
    check_source(event, name, rules.source)?;
    Ok(Checked {
        name: name.to_owned(),
        id: id.map(str::to_owned),
        warned,
    })
}

fn check_source(event: &Map<String, Value>, name: &str, source: Source) -> Result<(), Problem> {
    match source {
        Source::Web => {
            // TikTok asks for a page with every web event, and nobody has seen it refuse one without.
            if let Some(page) = object(event, "page")? {
                text(page, "referrer", "page.referrer")?;
                text(page, "url", "page.url")?.ok_or_else(|| Problem::param("page.url", "not a valid string"))?;
            }
        }
        Source::App => {
            let app = object(event, "app")?.ok_or_else(|| Problem::param("app", "not a valid object"))?;
            text(app, "app_id", "app.app_id")?;
        }
        Source::Offline if !STANDARD_NAMES.contains(&name) => {
            return Err(Problem::param("event", "not a standard event"));
        }
        Source::Offline => {}
        Source::Crm => {
            let lead = object(event, "lead")?.ok_or_else(|| Problem::param("lead", "not a valid object"))?;
            text(lead, "lead_id", "lead.lead_id")?
                .ok_or_else(|| Problem::param("lead.lead_id", "not a valid string"))?;
        }
    }
    Ok(())
}

/// Judges `properties`; keys that TikTok does not know are tolerated here.
fn check_properties(properties: &Map<String, Value>) -> Result<bool, Problem> {
    let mut warned = false;
    for (key, value) in properties {
        let is_valid = match key.as_str() {
            "value" | "predicted_ltv" => value.is_number(),
            "num_items" => value.as_i64().is_some(),
            "currency" => {
                warned |= value.as_str().is_some_and(|code| !CURRENCIES.contains(code));
                value
                    .as_str()
                    .is_some_and(|code| batch::is_currency(code) && code.to_uppercase() == code)
            }
            "content_ids" => value.as_array().is_some_and(|ids| ids.iter().all(Value::is_string)),
            "content_type" => value == "product" || value == "product_group",
            "delivery_category" => ["in_store", "curbside", "home_delivery"].iter().any(|one| value == one),
            "order_id" | "shop_id" | "search_string" | "query" | "description" | "status" => value.is_string(),
            "contents" => {
                check_contents(value)?;
                true
            }
            _ => true,
        };
        if !is_valid {
            return Err(Problem::param(format!("properties.{key}"), "not a valid value"));
        }
    }
    Ok(warned)
}

fn check_contents(contents: &Value) -> Result<(), Problem> {
    let contents = contents
        .as_array()
        .ok_or_else(|| Problem::param("properties.contents", "not a valid list"))?;
    for (index, content) in contents.iter().enumerate() {
        let wrong = |key: &str| Problem::param(format!("properties.contents[{index}].{key}"), "not a valid value");
        let content = content.as_object().ok_or_else(|| wrong("content_id"))?;
        for (key, value) in content {
            let is_valid = match key.as_str() {
                "content_id" | "content_name" | "content_category" | "brand" => value.is_string(),
                "price" => value.is_number(),
                "quantity" => value.as_i64().is_some(),
                _ => true,
            };
            if !is_valid {
                return Err(wrong(key));
            }
        }
    }
    Ok(())
}

fn object<'a>(parent: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, Problem> {
    match parent.get(key) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Problem::param(key, "not a valid object")),
    }
}

fn text<'a>(parent: &'a Map<String, Value>, key: &str, name: &str) -> Result<Option<&'a str>, Problem> {
    match parent.get(key) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(Problem::param(name, "not a valid string")),
    }
}
