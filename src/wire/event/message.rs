//! The funnel event's JSON form; the JSON Schema in `schemas/messages` is generated from it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::json;

use super::Malformed;
use crate::{
    domain::{
        Cause,
        event::{ActionSource, Permission, VALUED_EVENTS},
        json::is_plain,
    },
    wire::fields::{Amount, Moment, Object, Text, Texts, text_of_form},
};

/// The most products of one event.
pub(super) const CONTENTS_MAX: usize = 1_000;

/// One funnel step of one person. Required are `client_id` and `event_name`, and for Purchase and Subscribe `value` (and `currency`, unless the
/// client has a default). Nulls count as absent, and so do blank texts except for amounts and times; unknown fields are ignored. A whole number
/// counts as text, for shops number their orders and products.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(transform = require_value)]
pub struct FunnelEvent {
    /// 1 to 64 visible ASCII characters, equal to the browser pixel's event ID. Missing: derived from `order_id`, else the message ID, else the body.
    #[serde(default)]
    #[schemars(schema_with = "event_id_schema")]
    pub event_id: Option<Text>,
    /// The advertiser, as it is named in the accounts file.
    #[schemars(schema_with = "client_id_schema")]
    pub client_id: Text,
    /// Meta's standard name such as Purchase, Lead, AddToCart; any other is a custom event. Nothing that looks like an e-mail address or a
    /// phone number.
    #[schemars(schema_with = "event_name_schema")]
    pub event_name: Text,
    /// When it happened, in RFC 3339 or Unix seconds (never milliseconds), not before 2000 and not more than 10 minutes ahead. Missing: the
    /// message's timestamp, else when it was first seen.
    #[serde(default)]
    pub event_time: Option<Moment>,
    /// Where it happened; missing: website.
    #[serde(default)]
    pub action_source: Option<ActionSource>,
    /// The page's full URL; click IDs are read from its query.
    #[serde(default)]
    pub source_url: Option<Text>,
    /// The URL of the page before.
    #[serde(default)]
    pub referrer_url: Option<Text>,
    /// Click IDs and browser IDs; one given here beats the one in the URL.
    #[serde(default, deserialize_with = "object_or_default")]
    #[schemars(with = "Option<ClickFields>")]
    pub click: ClickFields,
    /// The person.
    #[serde(default, deserialize_with = "object_or_default")]
    #[schemars(with = "Option<UserFields>")]
    pub user: UserFields,
    /// What it is worth: a decimal number, or its digits as text. Not negative.
    #[serde(default)]
    pub value: Option<Amount>,
    /// ISO 4217.
    #[serde(default)]
    #[schemars(schema_with = "currency_schema")]
    pub currency: Option<Text>,
    /// The order's number.
    #[serde(default)]
    #[schemars(schema_with = "order_id_schema")]
    pub order_id: Option<Text>,
    /// What was bought or looked at.
    #[serde(default, deserialize_with = "objects_or_default")]
    #[schemars(with = "Option<Vec<ContentFields>>", length(max = CONTENTS_MAX))]
    pub contents: Vec<ContentFields>,
    /// What the person allowed; what is not said is not claimed.
    #[serde(default, deserialize_with = "object_or_default")]
    #[schemars(with = "Option<ConsentFields>")]
    pub consent: ConsentFields,
    /// Further properties, passed on where a platform takes such; nested at most 32 deep.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub custom: serde_json::Map<String, serde_json::Value>,
}

/// Click IDs and browser IDs, each opaque and in its own case.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClickFields {
    /// Meta's `_fbc` cookie.
    pub fbc: Option<Text>,
    /// Meta's `_fbp` cookie.
    pub fbp: Option<Text>,
    /// Meta's URL parameter.
    pub fbclid: Option<Text>,
    /// Meta's Click-to-WhatsApp click ID.
    pub ctwa_clid: Option<Text>,
    /// Google's click ID.
    pub gclid: Option<Text>,
    /// Google's, app conversions on iOS.
    pub gbraid: Option<Text>,
    /// Google's, web conversions on iOS.
    pub wbraid: Option<Text>,
    /// TikTok's click ID.
    pub ttclid: Option<Text>,
    /// TikTok's `_ttp` cookie.
    pub ttp: Option<Text>,
    /// When the person clicked, if known, in RFC 3339 or Unix seconds, not before 2000.
    pub clicked_at: Option<Moment>,
}

/// The person. E-mail, phone and external ID: one value or a list, in plain text or as a SHA-256 in 64 hex digits.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UserFields {
    /// E-mail address or addresses.
    pub email: Texts,
    /// Phone number or numbers, best in E.164.
    pub phone: Texts,
    /// Your own ID or IDs of the person, the same that the browser pixel sends.
    pub external_id: Texts,
    /// WhatsApp's business-scoped user ID or IDs, such as US.13491208655302741918, of people who show no phone number: it finds their ad click.
    pub whatsapp_user_id: Texts,
    /// Given name.
    pub first_name: Option<Text>,
    /// Family name.
    pub last_name: Option<Text>,
    /// City.
    pub city: Option<Text>,
    /// State or region.
    pub state: Option<Text>,
    /// Postal code.
    pub postal_code: Option<Text>,
    /// ISO 3166 alpha-2.
    pub country: Option<Text>,
    /// YYYY-MM-DD or YYYYMMDD.
    pub date_of_birth: Option<Text>,
    /// f or m.
    pub gender: Option<Text>,
    /// The browser's public IP address.
    pub ip: Option<Text>,
    /// The browser's user agent.
    pub user_agent: Option<Text>,
}

/// One product.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContentFields {
    /// Its ID in the catalogue.
    pub id: Option<Text>,
    /// How many.
    #[schemars(range(max = u32::MAX))]
    pub quantity: Option<u32>,
    /// Price of one, not negative.
    pub price: Option<Amount>,
    /// Its name.
    pub name: Option<Text>,
    /// Its category.
    pub category: Option<Text>,
    /// Its brand.
    pub brand: Option<Text>,
}

/// What the person allowed.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConsentFields {
    /// To send data about them to the platform for ads.
    pub ad_user_data: Option<Permission>,
    /// To use it for personalised ads.
    pub ad_personalization: Option<Permission>,
    /// Meta's and TikTok's Limited Data Use.
    pub limited_data_use: Option<bool>,
}

fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn object_or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let given = Option::<Object<T>>::deserialize(deserializer)?;
    Ok(given.map(|Object(fields)| fields).unwrap_or_default())
}

fn objects_or_default<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let given = Option::<Vec<Object<T>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(given.into_iter().map(|Object(fields)| fields).collect())
}

fn nullable(mut schema: Schema) -> Schema {
    if let Some(serde_json::Value::Array(types)) = schema.get_mut("type") {
        types.push(json!("null"));
    }
    schema
}

fn event_id_schema(_: &mut SchemaGenerator) -> Schema {
    nullable(text_of_form("^[!-?A-~]{0,64}$"))
}

// Here and above: visible ASCII but for `@`, which only an e-mail address would bring.
fn client_id_schema(_: &mut SchemaGenerator) -> Schema {
    text_of_form("^[!-?A-~]{1,64}$")
}

fn event_name_schema(_: &mut SchemaGenerator) -> Schema {
    const CONTROL: &str = "\\u0000-\\u001f\\u007f-\\u009f";
    let pattern = format!("^[^\\s{CONTROL}]([^{CONTROL}]*[^\\s{CONTROL}])?$");
    json_schema!({ "type": "string", "maxLength": 100, "pattern": pattern })
}

fn order_id_schema(_: &mut SchemaGenerator) -> Schema {
    nullable(text_of_form("^[^@\\u0000-\\u001f\\u007f-\\u009f]{0,128}$"))
}

fn currency_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": "^([A-Za-z]{3})?$" })
}

/// A sale has a value.
fn require_value(schema: &mut Schema) {
    schema.insert(
        "if".to_owned(),
        json!({ "properties": { "event_name": { "enum": VALUED_EVENTS } } }),
    );
    schema.insert(
        "then".to_owned(),
        json!({ "required": ["value"], "properties": { "value": { "type": ["number", "string"] } } }),
    );
}

/// Reads a JSON object; what serde says about a value is thrown away, since it may quote it.
pub(in crate::wire) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    let malformed = || Malformed::of(Cause::MalformedJson);
    if !is_plain(body) {
        return Err(malformed());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let Object(message) = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            return malformed();
        }
        let text = error.to_string();
        match text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split_once('`'))
        {
            Some((field, _)) if path == "." => Malformed::new(Cause::MissingField, field),
            Some((field, _)) => Malformed::new(Cause::MissingField, &format!("{path}.{field}")),
            None if path == "." => Malformed::new(Cause::WrongType, "the whole message"),
            None => Malformed::new(Cause::WrongType, &known_path(&path)),
        }
    })?;
    deserializer.end().map_err(|_| malformed())?;
    Ok(message)
}

/// A path without the names that a producer chose: `custom` holds keys of its own.
fn known_path(path: &str) -> String {
    if path.starts_with("custom") {
        "custom".to_owned()
    } else {
        path.chars().take(64).collect()
    }
}
