//! How fast, how often and how long: times and rates of senders and keeper.

use std::time::Duration;

use super::reader::Reader;

/// No platform credits a click of years ago.
const CLICKS_KEPT_MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Times and rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceConfig {
    /// `RELAY_HTTP_TIMEOUT`: how long a platform may take to answer.
    pub http_timeout: Duration,
    /// `RELAY_LEASE`: how long a sender holds what it claimed; more than twice the HTTP timeout.
    pub lease: Duration,
    /// `RELAY_PREFETCH`: unacknowledged messages a lane.
    pub prefetch: u16,
    /// `RELAY_RETRY_BASE`: the first wait.
    pub retry_base: Duration,
    /// `RELAY_RETRY_CAP`: the longest wait.
    pub retry_cap: Duration,
    /// `RELAY_KEEPER_INTERVAL`
    pub keeper_interval: Duration,
    /// `RELAY_WAKE_RATE`: dispatches a second.
    pub wake_rate: u32,
    /// `RELAY_SILENCE`: a queued dispatch without news for so long is published again.
    pub silence: Duration,
    /// `RELAY_PROBE_INTERVAL`
    pub probe_interval: Duration,
    /// `RELAY_SHUTDOWN_DEADLINE`
    pub shutdown_deadline: Duration,
    /// `RELAY_DIRECTORY_INTERVAL`
    pub directory_interval: Duration,
    /// `RELAY_CLICKS_KEPT`: how long a click is remembered.
    pub clicks_kept: Duration,
    /// Google's quota.
    pub google_quota: QuotaConfig,
}

/// What Google's Data Manager API takes from one Cloud project.
/// <https://developers.google.com/data-manager/api/devguides/limits>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// `RELAY_GOOGLE_QUOTA_PER_MINUTE`: requests a minute; 0: they are not counted at all.
    pub per_minute: u32,
    /// `RELAY_GOOGLE_QUOTA_PER_DAY`: requests a day; 0: as many as the minutes take.
    pub per_day: u32,
}

impl PaceConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let http_timeout = reader.duration("RELAY_HTTP_TIMEOUT");
        let lease = reader.duration("RELAY_LEASE");
        let prefetch = reader.checked("RELAY_PREFETCH", "a whole number from 1 to 65535", |text| {
            text.parse().ok().filter(|prefetch| *prefetch > 0)
        });
        let retry_base = reader.duration("RELAY_RETRY_BASE");
        let retry_cap = reader.duration("RELAY_RETRY_CAP");
        let keeper_interval = reader.duration("RELAY_KEEPER_INTERVAL");
        let wake_rate = reader.count("RELAY_WAKE_RATE");
        let silence = reader.duration("RELAY_SILENCE");
        let probe_interval = reader.duration("RELAY_PROBE_INTERVAL");
        let shutdown_deadline = reader.duration("RELAY_SHUTDOWN_DEADLINE");
        let directory_interval = reader.duration("RELAY_DIRECTORY_INTERVAL");
        let clicks_kept = reader.duration("RELAY_CLICKS_KEPT");
        let per_minute = quota(reader, "RELAY_GOOGLE_QUOTA_PER_MINUTE");
        let per_day = quota(reader, "RELAY_GOOGLE_QUOTA_PER_DAY");
        let pace = Self {
            http_timeout: http_timeout?,
            lease: lease?,
            prefetch: prefetch?,
            retry_base: retry_base?,
            retry_cap: retry_cap?,
            keeper_interval: keeper_interval?,
            wake_rate: u32::try_from(wake_rate?).ok()?,
            silence: silence?,
            probe_interval: probe_interval?,
            shutdown_deadline: shutdown_deadline?,
            directory_interval: directory_interval?,
            clicks_kept: clicks_kept?,
            google_quota: QuotaConfig {
                per_minute: per_minute?,
                per_day: per_day?,
            },
        };
        pace.check(reader);
        Some(pace)
    }

    fn check(&self, reader: &mut Reader) {
        // A lease must outlast a request that times out and is sent once more.
        if self.lease <= self.http_timeout.saturating_mul(2) {
            reader.wrong("RELAY_LEASE", "must be more than twice RELAY_HTTP_TIMEOUT");
        }
        if self.clicks_kept > CLICKS_KEPT_MAX {
            reader.wrong("RELAY_CLICKS_KEPT", "must not be longer than ten years");
        }
        if self.retry_cap < self.retry_base {
            reader.wrong("RELAY_RETRY_CAP", "must not be shorter than RELAY_RETRY_BASE");
        }
        if self.silence <= self.lease {
            reader.wrong("RELAY_SILENCE", "must be longer than RELAY_LEASE");
        }
    }
}

fn quota(reader: &mut Reader, name: &'static str) -> Option<u32> {
    reader.checked(name, "a whole number from 0 to 1000000000", |text| {
        text.parse().ok().filter(|number| *number <= 1_000_000_000)
    })
}
