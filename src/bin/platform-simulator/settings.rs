//! What the control API has set: which tokens are good, which clicks are real, how Google's projects are configured.
use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::faults::Rule;

/// A token; those not named are good for everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRule {
    pub valid: bool,
    /// The ad accounts that it may write to; `None`: all.
    pub accounts: Option<Vec<String>>,
    /// Google only: what it was granted; `None`: all.
    pub scopes: Option<Vec<String>>,
}

impl Default for TokenRule {
    fn default() -> Self {
        Self {
            valid: true,
            accounts: None,
            scopes: None,
        }
    }
}

/// What a platform knows of the clicks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clicks {
    /// Google, by gclid, gbraid or wbraid; those not named are good.
    pub google: HashMap<String, GoogleClick>,
    /// The ctwa_clids that Meta takes; `None`: all.
    pub meta_ctwa: Option<Vec<String>>,
}

/// What Google does with a conversion of this click.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoogleClick {
    /// A processing reason without its prefix, such as `CLICK_NOT_FOUND`.
    pub outcome: Option<String>,
    /// When the click was made: younger than 6 hours, older than 90 days or later than the conversion is refused.
    pub clicked_at: Option<DateTime<Utc>>,
}

/// How Google is configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleSettings {
    /// Quota of a project; the real one is 300.
    pub requests_per_minute: Option<u32>,
    /// Quota of a project; the real one is 100,000.
    pub requests_per_day: Option<u32>,
    /// How long a receipt says `PROCESSING`.
    pub receipt_delay_ms: u64,
    /// How long an access token is good.
    pub expires_in_seconds: i64,
    /// Customers that may still use `uploadClickConversions`; `*` is everyone.
    pub allow_listed: Vec<String>,
    /// How others are told so: in the rows of the answer, or by refusing the request.
    pub not_allow_listed: NotAllowListed,
    /// Customers, by id; those not named have every conversion action and need no manager.
    pub customers: HashMap<String, Customer>,
    /// OAuth clients and their secrets; when empty any will do.
    pub clients: HashMap<String, String>,
    /// Service accounts and their public keys (PEM); the signatures of others are not checked.
    pub service_accounts: HashMap<String, String>,
    /// Whether receipts name repeated transactions; otherwise they are taken as adjustments in silence.
    pub report_duplicates: bool,
}

impl Default for GoogleSettings {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            requests_per_day: None,
            receipt_delay_ms: 0,
            expires_in_seconds: 3599,
            allow_listed: Vec::new(),
            not_allow_listed: NotAllowListed::Rows,
            customers: HashMap::new(),
            clients: HashMap::new(),
            service_accounts: HashMap::new(),
            report_duplicates: false,
        }
    }
}

/// The two envelopes in which Google is known to refuse a customer that is not allow-listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAllowListed {
    Rows,
    Request,
}

/// A Google Ads customer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Customer {
    /// Its conversion actions; `None`: any.
    pub actions: Option<Vec<String>>,
    /// When not empty, it is reached only through one of these managers.
    pub managers: Vec<String>,
}

/// How Meta is configured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetaSettings {
    /// Datasets linked to a WhatsApp Business account, and which; `None`: every dataset is, to any.
    pub waba_datasets: Option<HashMap<String, String>>,
    /// Tokens of apps that demand `appsecret_proof`, and the apps' secrets.
    pub app_secrets: HashMap<String, String>,
    /// Headers on every answer that the events edge itself gives, such as `x-app-usage`.
    pub headers: HashMap<String, String>,
}

/// All settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub tokens: HashMap<String, TokenRule>,
    pub clicks: Clicks,
    pub google: GoogleSettings,
    pub meta: MetaSettings,
}

/// Whether a token may write to an ad account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Granted,
    NotForAccount,
    BadToken,
}

impl Settings {
    /// What a token may do with an ad account; one that was never named may do everything.
    pub fn access(&self, token: &str, account: &str) -> Access {
        match self.tokens.get(token) {
            Some(rule) if !rule.valid => Access::BadToken,
            Some(TokenRule {
                accounts: Some(accounts),
                ..
            }) if !accounts.iter().any(|one| one == account) => Access::NotForAccount,
            Some(_) | None => Access::Granted,
        }
    }
}

/// What `--state` sets: all settings, and faults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartState {
    pub tokens: HashMap<String, TokenRule>,
    pub clicks: Clicks,
    pub google: GoogleSettings,
    pub meta: MetaSettings,
    pub faults: Vec<Rule>,
}

impl StartState {
    /// Reads the JSON file at `path`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        serde_json::from_str(&text).context("parse state")
    }

    /// The settings without the faults.
    pub fn settings(&self) -> Settings {
        Settings {
            tokens: self.tokens.clone(),
            clicks: self.clicks.clone(),
            google: self.google.clone(),
            meta: self.meta.clone(),
        }
    }
}
