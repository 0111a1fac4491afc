//! Clicks: a click ID, its platform, and when it was first seen.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::platform::Platform;

/// The longest click ID that is kept, in bytes; longer ones are dropped, never cut.
pub const CLICK_ID_BYTES_MAX: usize = 1_000;

/// What kind of click ID it is; the platform follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClickKind {
    /// Meta's `_fbc` cookie, `fb.1.<ms>.<fbclid>`.
    Fbc,
    /// Meta's URL parameter.
    Fbclid,
    /// Meta's Click-to-WhatsApp click ID.
    #[serde(rename = "ctwa_clid")]
    CtwaClid,
    /// Google's.
    Gclid,
    /// Google's for app conversions on iOS.
    Gbraid,
    /// Google's for web conversions on iOS.
    Wbraid,
    /// TikTok's.
    Ttclid,
}

/// The text names no kind of click ID.
#[derive(Debug, thiserror::Error)]
#[error("no click ID of this name")]
pub struct UnknownClickKind;

impl FromStr for ClickKind {
    type Err = UnknownClickKind;

    fn from_str(name: &str) -> Result<Self, UnknownClickKind> {
        ClickKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == name)
            .ok_or(UnknownClickKind)
    }
}

impl ClickKind {
    /// All of them.
    pub const ALL: [ClickKind; 7] = [
        ClickKind::Fbc,
        ClickKind::Fbclid,
        ClickKind::CtwaClid,
        ClickKind::Gclid,
        ClickKind::Gbraid,
        ClickKind::Wbraid,
        ClickKind::Ttclid,
    ];

    /// The platform that gives out click IDs of this kind.
    pub const fn platform(self) -> Platform {
        match self {
            ClickKind::Fbc | ClickKind::Fbclid | ClickKind::CtwaClid => Platform::Meta,
            ClickKind::Gclid | ClickKind::Gbraid | ClickKind::Wbraid => Platform::Google,
            ClickKind::Ttclid => Platform::Tiktok,
        }
    }

    /// The parameter's name, as in URLs and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClickKind::Fbc => "fbc",
            ClickKind::Fbclid => "fbclid",
            ClickKind::CtwaClid => "ctwa_clid",
            ClickKind::Gclid => "gclid",
            ClickKind::Gbraid => "gbraid",
            ClickKind::Wbraid => "wbraid",
            ClickKind::Ttclid => "ttclid",
        }
    }
}

/// The click IDs that came with an event, in its `click` or in the query of its `source_url`; each opaque and in its own case.
/// `fbp` and `ttp` are browser IDs, not clicks: they help to match and attribute nothing.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ClickIds {
    /// Meta's click cookie, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbc: Option<String>,
    /// Meta's browser cookie, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbp: Option<String>,
    /// Meta's URL parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fbclid: Option<String>,
    /// Meta's Click-to-WhatsApp click ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ctwa_clid: Option<String>,
    /// Google's click ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gclid: Option<String>,
    /// Google's click ID for app conversions on iOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gbraid: Option<String>,
    /// Google's click ID for web conversions on iOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wbraid: Option<String>,
    /// TikTok's click ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttclid: Option<String>,
    /// TikTok's browser cookie, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttp: Option<String>,
    /// When the person clicked, if the producer knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clicked_at: Option<DateTime<Utc>>,
    /// The WhatsApp Business Account that `ctwa_clid` led to, where it is known: other accounts' datasets do not take it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waba: Option<String>,
}

impl ClickIds {
    /// The click ID of one kind.
    pub fn get(&self, kind: ClickKind) -> Option<&str> {
        match kind {
            ClickKind::Fbc => self.fbc.as_deref(),
            ClickKind::Fbclid => self.fbclid.as_deref(),
            ClickKind::CtwaClid => self.ctwa_clid.as_deref(),
            ClickKind::Gclid => self.gclid.as_deref(),
            ClickKind::Gbraid => self.gbraid.as_deref(),
            ClickKind::Wbraid => self.wbraid.as_deref(),
            ClickKind::Ttclid => self.ttclid.as_deref(),
        }
    }

    /// The first of these kinds that is there.
    pub fn first_of(&self, kinds: &[ClickKind]) -> Option<(ClickKind, &str)> {
        kinds.iter().find_map(|kind| Some((*kind, self.get(*kind)?)))
    }
}

impl fmt::Debug for ClickIds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClickIds(<redacted>)")
    }
}

/// Which ad accounts of a client take a click.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClickSource {
    /// Meta's pixels.
    Meta,
    /// Google's customers.
    Google,
    /// TikTok's pixels.
    Tiktok,
    /// Meta's Click-to-WhatsApp datasets: that of this WhatsApp Business Account, or any where nobody said which.
    Whatsapp(Option<String>),
}

impl ClickSource {
    /// Where clicks of a kind lead; `waba` matters for Click-to-WhatsApp alone.
    pub fn of(kind: ClickKind, waba: Option<&str>) -> Self {
        match kind {
            ClickKind::Fbc | ClickKind::Fbclid => ClickSource::Meta,
            ClickKind::CtwaClid => ClickSource::Whatsapp(waba.map(str::to_owned)),
            ClickKind::Gclid | ClickKind::Gbraid | ClickKind::Wbraid => ClickSource::Google,
            ClickKind::Ttclid => ClickSource::Tiktok,
        }
    }
}

/// The word for it in the ledger: `meta`, `google`, `tiktok`, `whatsapp`, `whatsapp:102290129340398`.
impl fmt::Display for ClickSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClickSource::Meta => formatter.write_str("meta"),
            ClickSource::Google => formatter.write_str("google"),
            ClickSource::Tiktok => formatter.write_str("tiktok"),
            ClickSource::Whatsapp(None) => formatter.write_str("whatsapp"),
            ClickSource::Whatsapp(Some(waba)) => write!(formatter, "whatsapp:{waba}"),
        }
    }
}

/// The ad click that a dispatch is attributed to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Click {
    /// What kind of click ID.
    pub kind: ClickKind,
    /// The click ID as the platform gave it.
    pub value: String,
    /// When it was first seen: when the person clicked, as nearly as is known. It never changes between tries.
    pub first_seen: DateTime<Utc>,
    /// Whether `first_seen` is the time of the click itself (from the producer or the click ledger) and not merely of the event.
    #[serde(default)]
    pub time_is_known: bool,
    /// The WhatsApp Business Account that the click led to; Click-to-WhatsApp only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waba: Option<String>,
}

impl fmt::Debug for Click {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Click")
            .field("kind", &self.kind)
            .field("first_seen", &self.first_seen)
            .finish()
    }
}
