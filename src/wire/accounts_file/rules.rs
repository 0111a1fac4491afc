//! Rules that defaults, a client and an ad account may each say; the nearest one holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use toml::de::DeValue;

use super::{section::Section, values};
use crate::domain::{
    Mode, Platform,
    account::{AccountRules, AfterAmbiguity, ConsentMissing, Credit, TransactionId, Transport, WithoutClick},
};

/// The longest that an event may wait for its click.
const WAIT_FOR_CLICK_MAX: Duration = Duration::from_hours(7 * 24);

/// Words of `mode`.
const MODES: [(&str, Mode); 3] = [("shadow", Mode::Shadow), ("live", Mode::Live), ("test", Mode::Test)];

/// What one layer says; `None`: it says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleLayer {
    pub mode: Option<Mode>,
    pub without_click: Option<WithoutClick>,
    pub transaction_id: Option<TransactionId>,
    pub transport: Option<Transport>,
    pub partner_agent: Option<String>,
    pub after_ambiguity: Option<AfterAmbiguity>,
    pub max_age_days: Option<u32>,
    consent_missing: Option<ConsentMissing>,
    credit: Option<Credit>,
    live_from: Option<DateTime<Utc>>,
    // The inner `None` is "all", "at once" or "0s".
    events: Option<Option<BTreeSet<String>>>,
    hosts: Option<Option<BTreeSet<String>>>,
    schedule: Option<Option<String>>,
    wait_for_click_seconds: Option<Option<u32>>,
    rename: Option<BTreeMap<String, String>>,
    look_back_days: Option<u32>,
    rate: Option<u32>,
}

impl RuleLayer {
    /// Takes the keys of rules out of a table.
    pub fn read(section: &mut Section<'_>) -> Self {
        let without_click = [
            ("skip", WithoutClick::Skip),
            ("person", WithoutClick::Person),
            ("always", WithoutClick::Always),
        ];
        let consent_missing = [("send", ConsentMissing::Send), ("skip", ConsentMissing::Skip)];
        let credit = [
            ("every_platform", Credit::EveryPlatform),
            ("latest_click", Credit::LatestClick),
        ];
        let transaction_id = [
            ("event_id", TransactionId::EventId),
            ("order_id", TransactionId::OrderId),
        ];
        let after_ambiguity = [("resend", AfterAmbiguity::Resend), ("never", AfterAmbiguity::Never)];
        let transport = [("data_manager", Transport::DataManager), ("ads_api", Transport::AdsApi)];
        Self {
            mode: section.take("mode", values::word(&MODES)),
            without_click: section.take("without_click", values::word(&without_click)),
            consent_missing: section.take("consent_missing", values::word(&consent_missing)),
            credit: section.take("credit", values::word(&credit)),
            live_from: section.take("live_from", values::moment),
            events: section.take("events", values::list_or_all(|name| Ok(name.to_owned()))),
            hosts: section.take("hosts", values::list_or_all(values::host)),
            rename: section.take("rename", values::by_name(|| values::text)),
            look_back_days: section.take("look_back", values::days),
            schedule: section.take("schedule", schedule),
            rate: section.take("rate", values::count),
            wait_for_click_seconds: section.take("wait_for_click", values::seconds(WAIT_FOR_CLICK_MAX)),
            transaction_id: section.take("transaction_id", values::word(&transaction_id)),
            transport: section.take("transport", values::word(&transport)),
            partner_agent: section.take("partner_agent", values::text),
            after_ambiguity: section.take("after_ambiguity", values::word(&after_ambiguity)),
            max_age_days: section.take("max_age", values::days),
        }
    }

    /// What holds where `nearer` says something, and what this says where it says nothing.
    pub fn overridden_by(&self, nearer: &Self) -> Self {
        let nearer = nearer.clone();
        Self {
            mode: nearer.mode.or(self.mode),
            without_click: nearer.without_click.or(self.without_click),
            consent_missing: nearer.consent_missing.or(self.consent_missing),
            credit: nearer.credit.or(self.credit),
            live_from: nearer.live_from.or(self.live_from),
            events: nearer.events.or_else(|| self.events.clone()),
            hosts: nearer.hosts.or_else(|| self.hosts.clone()),
            rename: nearer.rename.or_else(|| self.rename.clone()),
            look_back_days: nearer.look_back_days.or(self.look_back_days),
            schedule: nearer.schedule.or_else(|| self.schedule.clone()),
            rate: nearer.rate.or(self.rate),
            wait_for_click_seconds: nearer.wait_for_click_seconds.or(self.wait_for_click_seconds),
            transaction_id: nearer.transaction_id.or(self.transaction_id),
            transport: nearer.transport.or(self.transport),
            partner_agent: nearer.partner_agent.or_else(|| self.partner_agent.clone()),
            after_ambiguity: nearer.after_ambiguity.or(self.after_ambiguity),
            max_age_days: nearer.max_age_days.or(self.max_age_days),
        }
    }

    /// The rules of an ad account at a platform; what concerns only other platforms is left out.
    pub fn rules_at(self, platform: Platform) -> AccountRules {
        let mut rules = AccountRules {
            mode: self.mode.unwrap_or_default(),
            without_click: self.without_click.unwrap_or_default(),
            consent_missing: self.consent_missing.unwrap_or_default(),
            credit: self.credit.unwrap_or_default(),
            live_from: self.live_from,
            events: self.events.flatten(),
            hosts: self.hosts.flatten(),
            rename: self.rename.unwrap_or_default(),
            look_back_days: self.look_back_days,
            schedule: self.schedule.flatten(),
            rate: self.rate,
            wait_for_click_seconds: self.wait_for_click_seconds.flatten(),
            ..AccountRules::default()
        };
        match platform {
            Platform::Meta => rules.partner_agent = self.partner_agent,
            Platform::Google => {
                // Google takes nothing without a click, whatever the others do.
                rules.without_click = WithoutClick::Skip;
                rules.transaction_id = self.transaction_id.unwrap_or_default();
                rules.transport = self.transport.unwrap_or_default();
            }
            Platform::Tiktok => rules.max_age_days = self.max_age_days,
        }
        rules
    }
}

/// A cron expression of five fields that comes true at some time, or `"at once"`, which gives `None`.
fn schedule(value: &DeValue<'_>) -> Result<Option<String>, String> {
    let wrong = || "must be \"at once\" or a cron expression of five fields in UTC, such as \"0 3 * * *\"".to_owned();
    let text = values::text(value).map_err(|_| wrong())?;
    if text == "at once" {
        return Ok(None);
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build();
    let cron = parser.parse(&text).map_err(|_| wrong())?;
    // 30 February is well written and never comes.
    cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false)
        .map_err(|_| "names a time that never comes".to_owned())?;
    Ok(Some(text))
}
