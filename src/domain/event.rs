//! An event as it was published, parsed and checked: raw side only, it holds the person in plain text.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    click::ClickIds,
    ids::{ClientId, EventId, EventKey},
    person::Person,
};

/// Names of the events that must have a value, and a currency unless the client has a default.
pub const VALUED_EVENTS: [&str; 2] = ["Purchase", "Subscribe"];

/// How far ahead of the relay's clock an event may claim to have happened; it is then clamped to now, once.
pub const FUTURE_TOLERANCE: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// The beginning of the year 2000 in Unix seconds: what is told of happened no earlier.
pub const YEAR_2000: i64 = 946_684_800;

/// One funnel step of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The advertiser.
    pub client: ClientId,
    /// Identity, together with client and name.
    pub event_id: EventId,
    /// Meta's standard name, or a custom one.
    pub name: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// When the relay first saw it; the broker's timestamp where there is one.
    pub first_seen: DateTime<Utc>,
    /// Where it happened.
    pub action_source: ActionSource,
    /// The page's URL, with what looks like personal data cut from its query.
    pub source_url: Option<String>,
    /// The URL of the page before, cut likewise.
    pub referrer_url: Option<String>,
    /// Click IDs, from `click` or else from the page's URL.
    pub clicks: ClickIds,
    /// The person in plain text.
    pub person: Person,
    /// What it is worth, in `currency`.
    pub value: Option<Decimal>,
    /// ISO 4217, upper case.
    pub currency: Option<String>,
    /// The advertiser's order number.
    pub order_id: Option<String>,
    /// What was bought or looked at.
    pub contents: Vec<Content>,
    /// What the person allowed.
    pub consent: Consent,
    /// Further properties, passed on where a platform takes such.
    pub custom: serde_json::Map<String, serde_json::Value>,
    /// Of the time (where one was given), value, currency and click IDs: tells a repetition from a contradiction.
    pub fingerprint: [u8; 16],
}

impl Event {
    /// The key under which it is stored.
    pub fn key(&self) -> EventKey {
        EventKey::derive(&self.client, &self.event_id, &self.name)
    }
}

/// Where a conversion happened: Meta's words.
/// <https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActionSource {
    /// In an e-mail.
    Email,
    /// On a web page; what is meant where nothing is said.
    #[default]
    Website,
    /// In a mobile app.
    App,
    /// On the phone.
    PhoneCall,
    /// In a chat.
    Chat,
    /// In a shop; such events may be up to 62 days old.
    PhysicalStore,
    /// By itself, such as a renewal.
    SystemGenerated,
    /// In WhatsApp, Messenger or Instagram.
    BusinessMessaging,
    /// Elsewhere.
    Other,
}

impl ActionSource {
    /// Meta's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ActionSource::Email => "email",
            ActionSource::Website => "website",
            ActionSource::App => "app",
            ActionSource::PhoneCall => "phone_call",
            ActionSource::Chat => "chat",
            ActionSource::PhysicalStore => "physical_store",
            ActionSource::SystemGenerated => "system_generated",
            ActionSource::BusinessMessaging => "business_messaging",
            ActionSource::Other => "other",
        }
    }
}

/// One product of an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Content {
    /// The product's ID in the catalogue.
    pub id: String,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// Price of one, in the event's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The product's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The product's category.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The product's brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
}

/// A yes or a no of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Yes.
    Granted,
    /// No.
    Denied,
}

/// What the person allowed; `None` means that nobody asked or told. It is never invented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Consent {
    /// To send data about them to the platform for ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_user_data: Option<Permission>,
    /// To use it for personalised ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_personalization: Option<Permission>,
    /// Meta's and TikTok's Limited Data Use; `None`: not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited_data_use: Option<bool>,
}
