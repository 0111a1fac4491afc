//! The three ad platforms.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An ad platform that wants to hear of conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Meta's Conversions API.
    Meta,
    /// Google's Data Manager API, or the Google Ads API for those still admitted.
    Google,
    /// TikTok's Events API 2.0.
    Tiktok,
}

impl Platform {
    /// All of them, in the order in which screens show them.
    pub const ALL: [Platform; 3] = [Platform::Meta, Platform::Google, Platform::Tiktok];

    /// The word for it in queues, tables, metrics and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Platform::Meta => "meta",
            Platform::Google => "google",
            Platform::Tiktok => "tiktok",
        }
    }

    /// The name as people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Platform::Meta => "Meta",
            Platform::Google => "Google",
            Platform::Tiktok => "TikTok",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no platform.
#[derive(Debug, thiserror::Error)]
#[error("no platform of this name; there are meta, google and tiktok")]
pub struct UnknownPlatform;

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(name: &str) -> Result<Self, UnknownPlatform> {
        Platform::ALL
            .into_iter()
            .find(|platform| platform.as_str() == name)
            .ok_or(UnknownPlatform)
    }
}

/// One value for each platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PerPlatform<T> {
    /// Meta's.
    pub meta: T,
    /// Google's.
    pub google: T,
    /// TikTok's.
    pub tiktok: T,
}

impl<T> PerPlatform<T> {
    /// Makes the value of each platform.
    pub fn from_fn(mut make: impl FnMut(Platform) -> T) -> Self {
        PerPlatform {
            meta: make(Platform::Meta),
            google: make(Platform::Google),
            tiktok: make(Platform::Tiktok),
        }
    }

    /// The value of one platform.
    pub fn get(&self, platform: Platform) -> &T {
        match platform {
            Platform::Meta => &self.meta,
            Platform::Google => &self.google,
            Platform::Tiktok => &self.tiktok,
        }
    }

    /// The value of one platform, to be changed.
    pub fn get_mut(&mut self, platform: Platform) -> &mut T {
        match platform {
            Platform::Meta => &mut self.meta,
            Platform::Google => &mut self.google,
            Platform::Tiktok => &mut self.tiktok,
        }
    }
}
