//! What the relay keeps and sends of an event: everything past the router is made from this.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    click::ClickIds,
    event::{ActionSource, Consent, Content, Event},
    hash::Identity,
    ids::{ClientId, EventId, EventKey},
    platform::{PerPlatform, Platform},
    trace::TraceParent,
};

/// An event without its person in plain text: identities are hashed, in each platform's own form. Plain are only the client IP,
/// the user agent, click IDs, and what a platform demands plain. It serialises to the body of the ledger's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventRecord {
    /// The advertiser.
    pub client: ClientId,
    /// Identity, together with client and name.
    pub event_id: EventId,
    /// Meta's standard name, or a custom one.
    pub name: String,
    /// When it happened; clamped once if it claimed to lie ahead.
    pub time: DateTime<Utc>,
    /// When the relay first saw it.
    pub first_seen: DateTime<Utc>,
    /// Where it happened.
    pub action_source: ActionSource,
    /// The page's URL, without what looks like personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_url: Option<String>,
    /// The URL of the page before, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_url: Option<String>,
    /// Click IDs that came with it.
    #[serde(default)]
    pub clicks: ClickIds,
    /// What it is worth, in `currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// ISO 4217, upper case; the client's default where the event had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The advertiser's order number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// What was bought or looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
    /// What the person allowed.
    #[serde(default)]
    pub consent: Consent,
    /// Further properties.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub custom: serde_json::Map<String, serde_json::Value>,
    /// The browser's public IP address, plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The browser's user agent, plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Whether the event came with an e-mail address or a phone number that can be matched.
    #[serde(default)]
    pub has_email_or_phone: bool,
    /// The trace that its producer named, passed on with every message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
    /// The person in each platform's own form.
    #[serde(default)]
    pub identities: PerPlatform<Identity>,
}

impl EventRecord {
    /// An event on a web page of which nothing else is known.
    pub fn bare(client: ClientId, event_id: EventId, name: &str, time: DateTime<Utc>) -> Self {
        Self {
            client,
            event_id,
            name: name.to_owned(),
            time,
            first_seen: time,
            action_source: ActionSource::Website,
            source_url: None,
            referrer_url: None,
            clicks: ClickIds::default(),
            value: None,
            currency: None,
            order_id: None,
            contents: Vec::new(),
            consent: Consent::default(),
            custom: serde_json::Map::new(),
            ip: None,
            user_agent: None,
            has_email_or_phone: false,
            trace: None,
            identities: PerPlatform::default(),
        }
    }

    /// What is kept when the person is forgotten: which event it was, when, and where it happened.
    pub fn forgotten(&self) -> Self {
        Self {
            first_seen: self.first_seen,
            action_source: self.action_source,
            ..Self::bare(self.client.clone(), self.event_id.clone(), &self.name, self.time)
        }
    }

    /// Leaves the plain person behind; `identity` makes each platform's form of it.
    pub fn from_event(event: &Event, currency_default: Option<&str>, identities: PerPlatform<Identity>) -> Self {
        Self {
            client: event.client.clone(),
            event_id: event.event_id.clone(),
            name: event.name.clone(),
            time: event.time,
            first_seen: event.first_seen,
            action_source: event.action_source,
            source_url: event.source_url.clone(),
            referrer_url: event.referrer_url.clone(),
            clicks: event.clicks.clone(),
            value: event.value,
            currency: event
                .currency
                .clone()
                .or_else(|| event.value.and(currency_default).map(str::to_owned)),
            order_id: event.order_id.clone(),
            contents: event.contents.clone(),
            consent: event.consent,
            custom: event.custom.clone(),
            ip: event.person.ip,
            user_agent: event.person.user_agent.clone(),
            has_email_or_phone: event.person.has_email_or_phone(),
            trace: None,
            identities,
        }
    }

    /// The key under which it is stored.
    pub fn key(&self) -> EventKey {
        EventKey::derive(&self.client, &self.event_id, &self.name)
    }

    /// The same with the identities of one platform only: what travels to that platform's sender.
    pub fn for_platform(&self, platform: Platform) -> Self {
        let mut identities = PerPlatform::default();
        *identities.get_mut(platform) = self.identities.get(platform).clone();
        // Field by field: a clone of the whole would copy the other platforms' identities only to drop them.
        Self {
            client: self.client.clone(),
            event_id: self.event_id.clone(),
            name: self.name.clone(),
            time: self.time,
            first_seen: self.first_seen,
            action_source: self.action_source,
            source_url: self.source_url.clone(),
            referrer_url: self.referrer_url.clone(),
            clicks: self.clicks.clone(),
            value: self.value,
            currency: self.currency.clone(),
            order_id: self.order_id.clone(),
            contents: self.contents.clone(),
            consent: self.consent,
            custom: self.custom.clone(),
            ip: self.ip,
            user_agent: self.user_agent.clone(),
            has_email_or_phone: self.has_email_or_phone,
            trace: self.trace.clone(),
            identities,
        }
    }
}
