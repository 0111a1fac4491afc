//! The rules of one ad account, in the order in which a person would ask. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::attribution::{Remembered, is_too_old};
use crate::{
    domain::{
        Account, Cause, ClickKind, Dispatch, EventRecord, Mode, Platform, State,
        account::{ConsentMissing, WithoutClick},
        event::Permission,
    },
    platform::{Rejection, adapter},
};

/// What a rule says about a dispatch.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub(super) state: State,
    pub(super) cause: Option<Cause>,
    pub(super) detail: Option<String>,
    pub(super) due: Option<DateTime<Utc>>,
}

impl Ruling {
    pub(super) fn not_sent(cause: Cause) -> Self {
        Self {
            state: State::NotSent,
            cause: Some(cause),
            detail: None,
            due: None,
        }
    }

    pub(super) fn waiting(due: DateTime<Utc>, cause: Cause) -> Self {
        Self {
            state: State::Waiting,
            cause: Some(cause),
            detail: None,
            due: Some(due),
        }
    }

    fn queued() -> Self {
        Self {
            state: State::Queued,
            cause: None,
            detail: None,
            due: None,
        }
    }

    fn failed(cause: Cause, detail: Option<&str>) -> Self {
        Self {
            state: State::Failed,
            cause: Some(cause),
            detail: detail.map(str::to_owned),
            due: None,
        }
    }
}

/// The rules in the order in which a person would ask: does it belong here, is it allowed, is there a click, would the platform take it, is it
/// in time, is it to be sent now.
pub(super) fn rule(dispatch: &Dispatch, account: &Account, remembered: &Remembered, now: DateTime<Utc>) -> Ruling {
    let record = &dispatch.event;
    let rules = &account.rules;
    if rules.live_from.is_some_and(|from| record.time < from) {
        return Ruling::not_sent(Cause::BeforeLiveFrom);
    }
    if !is_host_wanted(record, account) {
        return Ruling::not_sent(Cause::HostNotWanted);
    }
    if let Some(cause) = consent_refusal(record, account) {
        return Ruling::not_sent(cause);
    }
    match &dispatch.click {
        Some(click) if is_too_old(click, record, account) => return Ruling::not_sent(Cause::ClickTooOld),
        Some(_) => {}
        None => {
            if let Some(due) = waits_for_click(dispatch, account, remembered, now) {
                return Ruling::waiting(due, Cause::WaitingForClick);
            }
            if !may_go_without_click(record, account) {
                return Ruling::not_sent(missing_click_cause(record, account));
            }
        }
    }
    match adapter(account.platform).check(dispatch, account) {
        Err(Rejection::NotSent(cause)) => return Ruling::not_sent(cause),
        Err(Rejection::Failed(cause, detail)) => return Ruling::failed(cause, detail),
        Ok(()) => {}
    }
    if dispatch.deadline <= now {
        return Ruling::failed(Cause::EventTooOld, None);
    }
    if account.mode_at(now) == Mode::Shadow {
        return Ruling::not_sent(Cause::Shadow);
    }
    match first_due(dispatch, account, now) {
        Some((due, cause)) => Ruling::waiting(due, cause),
        None => Ruling::queued(),
    }
}

/// How long before its deadline a conversion is decided at the latest: so that it can still go out without a click.
const BEFORE_DEADLINE: TimeDelta = TimeDelta::minutes(1);

/// The end of a wait that would last until `due`, if it lies ahead: nothing waits up to its deadline.
pub(super) fn end_of_wait(due: DateTime<Utc>, dispatch: &Dispatch, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let due = due.min(dispatch.deadline - BEFORE_DEADLINE);
    (now < due).then_some(due)
}

/// Until when the ad account waits for a click to become known, if it still does: from when the relay first saw the event, for the click comes
/// by the same way. Of a person whom nothing identifies none ever will, and of a chat none that the publisher has not seen.
fn waits_for_click(
    dispatch: &Dispatch,
    account: &Account,
    remembered: &Remembered,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let seconds = account.rules.wait_for_click_seconds?;
    if !remembered.may_grow || (account.rules.waba.is_some() && remembered.chats_are_known) {
        return None;
    }
    let due = dispatch.event.first_seen + TimeDelta::seconds(i64::from(seconds));
    end_of_wait(due, dispatch, now)
}

fn is_host_wanted(record: &EventRecord, account: &Account) -> bool {
    let Some(hosts) = &account.rules.hosts else { return true };
    let url = record.source_url.as_deref().and_then(|url| Url::parse(url).ok());
    // An event from no page (a CRM's, a shop's till) has no host to be filtered by.
    let Some(host) = url.as_ref().and_then(Url::host_str) else {
        return true;
    };
    hosts.iter().any(|wanted| {
        host == wanted
            || host
                .strip_suffix(wanted.as_str())
                .is_some_and(|rest| rest.ends_with('.'))
    })
}

fn consent_refusal(record: &EventRecord, account: &Account) -> Option<Cause> {
    match record.consent.ad_user_data {
        Some(Permission::Denied) => Some(Cause::ConsentDenied),
        None if account.rules.consent_missing == ConsentMissing::Skip => Some(Cause::ConsentMissing),
        _ => None,
    }
}

/// Says whether the ad account takes the conversion of a person for whom no click is known.
pub(super) fn may_go_without_click(record: &EventRecord, account: &Account) -> bool {
    // Google counts offline conversions by their click alone; a dataset of WhatsApp takes nothing without its click ID.
    if account.platform == Platform::Google || account.rules.waba.is_some() {
        return false;
    }
    match account.rules.without_click {
        WithoutClick::Skip => false,
        WithoutClick::Person => record.has_email_or_phone,
        WithoutClick::Always => true,
    }
}

fn missing_click_cause(record: &EventRecord, account: &Account) -> Cause {
    let other_kinds: &[ClickKind] = match (account.platform, &account.rules.waba) {
        (Platform::Meta, None) => &[ClickKind::CtwaClid],
        // Its own kind is elsewhere, too, where it led to another WhatsApp Business Account.
        (Platform::Meta, Some(_)) => &[ClickKind::CtwaClid, ClickKind::Fbc, ClickKind::Fbclid],
        _ => &[],
    };
    if record.clicks.first_of(other_kinds).is_some() {
        Cause::ClickKindElsewhere
    } else if account.rules.waba.is_some() {
        Cause::NoCtwaClickIdForPhone
    } else {
        Cause::NoClick
    }
}

/// When a dispatch first falls due, if not at once: the platform's own earliest time, then the ad account's next scheduled one.
fn first_due(dispatch: &Dispatch, account: &Account, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Cause)> {
    let earliest = adapter(account.platform)
        .earliest(&dispatch.event, account, dispatch.click.as_ref())
        .filter(|(due, _)| *due > now);
    let from = earliest.map_or(now, |(due, _)| due);
    let scheduled = account.rules.schedule.as_ref().and_then(|schedule| {
        let cron: croner::Cron = schedule.parse().ok()?;
        cron.find_next_occurrence(&from, true).ok()
    });
    match scheduled {
        Some(due) if due > now => Some((due, Cause::Scheduled)),
        _ => earliest,
    }
}
