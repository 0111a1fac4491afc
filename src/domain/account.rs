//! Clients, their ad accounts, and the logins that serve them, as the senders and the router need them.

use std::{collections::BTreeMap, collections::BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    click::ClickKind,
    ids::{AccountId, ClientId},
    platform::Platform,
};

pub use super::{secret::SecretRef, webhook::WebhookSource};

/// An advertiser, with the defaults that its events fall back on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The `client_id` of its events.
    pub id: ClientId,
    /// Its name for people.
    pub name: String,
    /// ISO 3166 alpha-2, upper case: for phone numbers without a country code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// ISO 4217, upper case: for events with a value and no currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// IANA name; for reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Where its webhooks come from, by source: `whatsapp`, `shopify`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub webhooks: BTreeMap<String, WebhookSource>,
}

/// What an ad account does with what it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All is built and recorded, nothing is sent.
    #[default]
    Shadow,
    /// All is sent.
    Live,
    /// All is sent with the platform's test code and never counts as sent; ends by itself after 60 minutes.
    Test,
}

/// What to do with a conversion for which no click is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WithoutClick {
    /// It is not sent.
    #[default]
    Skip,
    /// It is sent if there is an e-mail address or a phone number. Not at Google.
    Person,
    /// It is sent. Not at Google.
    Always,
}

/// What to do when nothing is known of the person's consent. A denied one is always obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentMissing {
    /// It is sent, and nothing is claimed about consent.
    #[default]
    Send,
    /// It is not sent.
    Skip,
}

/// Which platforms hear of a sale that several of them brought a click for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credit {
    /// All of them.
    #[default]
    EveryPlatform,
    /// Only the one with the latest click.
    LatestClick,
}

/// Google's interface that an ad account is served through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Data Manager API, `events:ingest`.
    #[default]
    DataManager,
    /// Google Ads API, `uploadClickConversions`: only for those whom Google still admits.
    AdsApi,
}

/// What becomes of a conversion that the platform may have taken although nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterAmbiguity {
    /// It is sent again under the same event ID; where the platform recognises no repetitions, it may count twice.
    #[default]
    Resend,
    /// It is never sent again by itself, and fails as `may_be_counted`: at most once, at the price of perhaps not at all.
    Never,
}

/// What goes out as the platform's transaction or order ID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionId {
    /// The event ID.
    #[default]
    EventId,
    /// The order ID, where the event has one.
    OrderId,
}

/// How an ad account wants things done; each has a default, so that a minimal file is short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccountRules {
    /// What it does with what it gets.
    pub mode: Mode,
    /// When test mode ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_until: Option<DateTime<Utc>>,
    /// The platform's test code, for test mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_code: Option<String>,
    /// What happened before belongs to the former tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live_from: Option<DateTime<Utc>>,
    /// What to do without a click.
    pub without_click: WithoutClick,
    /// What to do without a known consent.
    pub consent_missing: ConsentMissing,
    /// Who gets the credit.
    pub credit: Credit,
    /// Names of the events it wants (before `rename`); none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<BTreeSet<String>>,
    /// Hosts of the pages it wants events from (and their subdomains); none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<BTreeSet<String>>,
    /// Event names that it calls otherwise.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rename: BTreeMap<String, String>,
    /// How many days back a click may lie; none: the platform's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_back_days: Option<u32>,
    /// When it sends, as a cron expression in UTC; none: at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// At most so many conversions a second; none: as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// How many seconds an event without a click waits for one to become known; none: it does not wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_for_click_seconds: Option<u32>,
    /// Google: the login's manager account, digits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// Google: the conversion action's ID by event name (before `rename`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, String>,
    /// Google: the custom conversion variable by key of the event's `custom`: its name for Data Manager, its ID for the Ads API.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Google: which interface.
    pub transport: Transport,
    /// Google: what goes out as transaction ID.
    pub transaction_id: TransactionId,
    /// Meta: the WhatsApp Business Account whose clicks this dataset takes; none: it is a pixel and takes fbc and fbclid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waba: Option<String>,
    /// Meta: what becomes of a conversion after an attempt without an answer. A business-messaging event is not recognised when it is repeated.
    /// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/business-messaging>
    pub after_ambiguity: AfterAmbiguity,
    /// Meta: name of the agency's software, if Meta gave one (`partner_agent`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_agent: Option<String>,
    /// TikTok: how old an event may be, in days; none: 7. Other platforms say so themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
}

/// One destination on a platform, of one client, served by one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number in this relay.
    pub id: AccountId,
    /// Its client.
    pub client: ClientId,
    /// Its name among the client's ad accounts, as in the file: `meta`, `google`, `whatsapp`.
    pub name: String,
    /// Its platform.
    pub platform: Platform,
    /// Meta pixel or dataset, Google customer (digits only), TikTok pixel code.
    pub destination: String,
    /// The login that serves it.
    pub login: String,
    /// How it wants things done.
    pub rules: AccountRules,
    /// Whether it was removed; its row stays as a tombstone.
    pub removed: bool,
}

impl Account {
    /// The mode at a time: test mode ends by itself.
    pub fn mode_at(&self, now: DateTime<Utc>) -> Mode {
        match (self.rules.mode, self.rules.test_until) {
            (Mode::Test, Some(until)) if now >= until => Mode::Shadow,
            (mode, _) => mode,
        }
    }

    /// The kinds of click ID that it takes, the preferred first.
    pub fn click_kinds(&self) -> &'static [ClickKind] {
        match (self.platform, &self.rules.waba) {
            (Platform::Meta, None) => &[ClickKind::Fbc, ClickKind::Fbclid],
            (Platform::Meta, Some(_)) => &[ClickKind::CtwaClid],
            (Platform::Google, _) => &[ClickKind::Gclid, ClickKind::Gbraid, ClickKind::Wbraid],
            (Platform::Tiktok, _) => &[ClickKind::Ttclid],
        }
    }

    /// The name under which the platform gets events of this name.
    pub fn renamed<'a>(&'a self, event_name: &'a str) -> &'a str {
        self.rules.rename.get(event_name).map_or(event_name, String::as_str)
    }

    /// `client/name`, as people refer to it.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.name)
    }
}

/// How a login proves itself to its platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A token that is sent as it is (Meta, TikTok).
    Token(SecretRef),
    /// A Google service account's JSON key.
    ServiceAccount(SecretRef),
    /// A Google OAuth grant: a JSON object with `client_id`, `client_secret` and `refresh_token`.
    RefreshToken(SecretRef),
}

/// A credential that serves one or many ad accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its name, as in the file.
    pub name: String,
    /// The platform that it proves itself to.
    pub platform: Platform,
    /// How it proves itself.
    pub credential: Credential,
    /// Google: the manager account that the credential's user belongs to, digits only.
    pub manager: Option<String>,
    /// Meta: the app secret, where the app demands `appsecret_proof`.
    pub app_secret: Option<SecretRef>,
    /// Google: name of the Cloud project's quota that it shares with other logins; none: its own.
    pub quota: Option<String>,
    /// Counts up with every change, so that a changed secret is read anew.
    pub revision: i32,
}

impl Login {
    /// The quota that it draws on: a shared one, or its own under its own name.
    pub fn quota_name(&self) -> &str {
        self.quota.as_deref().unwrap_or(&self.name)
    }
}
