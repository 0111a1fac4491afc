//! What becomes of one event: which ad accounts hear of it, which do not and why. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use crate::{
    domain::{
        Account, Cause, Click, ClickKind, Dispatch, EventRecord, Mode, PerPlatform, Platform, State,
        account::{Client, ConsentMissing, WithoutClick},
        event::{Event, Permission, VALUED_EVENTS},
    },
    platform::{Rejection, adapter},
    store::routing::{NewDispatch, NewEvent},
    wire::event::Malformed,
};

/// How long an event is kept after its last deadline.
const KEPT_AFTER_DEADLINE: TimeDelta = TimeDelta::days(30);
/// How long an event is kept that concerns no ad account.
const KEPT_WITHOUT_ACCOUNT: TimeDelta = TimeDelta::days(90);

/// What becomes of an event.
#[derive(Clone, Debug)]
pub enum Plan {
    /// It is stored with a dispatch for each ad account that wants it.
    Store(Box<NewEvent>),
    /// No ad account of the client wants events of this name: it is counted.
    Unwanted,
}

/// What is known about the event's client.
#[derive(Clone, Copy, Debug)]
pub struct Recipients<'a> {
    /// The client, if there is one.
    pub client: Option<&'a Client>,
    /// Its ad accounts.
    pub accounts: &'a [std::sync::Arc<Account>],
}

/// Decides what becomes of an event. `Err` says what is wrong with it in a way that only the client's defaults tell.
pub fn plan(event: &Event, recipients: Recipients<'_>, now: DateTime<Utc>) -> Result<Plan, Malformed> {
    let client = recipients.client;
    let currency = client.and_then(|client| client.currency.as_deref());
    if client.is_some()
        && VALUED_EVENTS.contains(&event.name.as_str())
        && event.currency.is_none()
        && currency.is_none()
    {
        return Err(Malformed {
            cause: Cause::MissingField,
            field: Some("currency".to_owned()),
        });
    }
    let country = country(event, client);
    let identities = PerPlatform::from_fn(|platform| adapter(platform).identity(&event.person, country.as_deref()));
    let record = EventRecord::from_event(event, currency, identities);
    let wanting: Vec<&Account> = recipients
        .accounts
        .iter()
        .map(AsRef::as_ref)
        .filter(|account| wants(account, &event.name))
        .collect();
    if wanting.is_empty() && !recipients.accounts.is_empty() {
        return Ok(Plan::Unwanted);
    }
    let dispatches: Vec<NewDispatch> = wanting.iter().map(|account| decide(&record, account, now)).collect();
    let cause = match (client, dispatches.is_empty()) {
        (None, _) => Some(Cause::UnknownClient),
        (Some(_), true) => Some(Cause::NoAdAccount),
        (Some(_), false) => None,
    };
    let last_deadline = dispatches.iter().map(|dispatch| dispatch.deadline).max();
    let keep_until = match last_deadline {
        Some(deadline) => deadline.max(now) + KEPT_AFTER_DEADLINE,
        None => now + KEPT_WITHOUT_ACCOUNT,
    };
    Ok(Plan::Store(Box::new(NewEvent {
        record,
        fingerprint: event.fingerprint,
        identities: Vec::new(),
        cause,
        keep_until,
        dispatches,
    })))
}

/// The country that phone numbers without a country code are taken to be of: the event's own, else the client's.
pub fn country(event: &Event, client: Option<&Client>) -> Option<String> {
    let own = event
        .person
        .country
        .as_ref()
        .map(|country| country.expose().trim().to_ascii_uppercase());
    let own = own.filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    own.or_else(|| client.and_then(|client| client.country.clone()))
}

/// Says whether an ad account wants events of this name at all.
pub fn wants(account: &Account, event_name: &str) -> bool {
    account
        .rules
        .events
        .as_ref()
        .is_none_or(|events| events.contains(event_name))
}

/// What a rule says about a dispatch.
struct Ruling {
    state: State,
    cause: Option<Cause>,
    detail: Option<String>,
    due: Option<DateTime<Utc>>,
}

impl Ruling {
    fn not_sent(cause: Cause) -> Self {
        Self {
            state: State::NotSent,
            cause: Some(cause),
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

/// Decides what becomes of an event at one ad account.
pub fn decide(record: &EventRecord, account: &Account, now: DateTime<Utc>) -> NewDispatch {
    let click = click_of(record, account);
    let adapter = adapter(account.platform);
    let deadline = adapter.deadline(record, account, click.as_ref());
    let dispatch = Dispatch {
        account: account.id,
        platform: account.platform,
        destination: account.destination.clone(),
        click,
        deadline,
        event: record.for_platform(account.platform),
    };
    let ruling = rule(&dispatch, account, now);
    NewDispatch {
        account: account.id,
        platform: account.platform,
        destination: dispatch.destination,
        state: ruling.state,
        cause: ruling.cause,
        detail: ruling.detail,
        due: ruling.due.map(|due| due.min(deadline)),
        deadline,
        click: dispatch.click,
    }
}

/// The rules in the order in which a person would ask: does it belong here, is it allowed, is there a click, would the platform take it, is it
/// in time, is it to be sent now.
fn rule(dispatch: &Dispatch, account: &Account, now: DateTime<Utc>) -> Ruling {
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
    if dispatch.click.is_none() && !may_go_without_click(record, account) {
        return Ruling::not_sent(missing_click_cause(record, account));
    }
    if is_click_too_old(dispatch, account) {
        return Ruling::not_sent(Cause::ClickTooOld);
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
        Some((due, cause)) => Ruling {
            state: State::Waiting,
            cause: Some(cause),
            detail: None,
            due: Some(due),
        },
        None => Ruling {
            state: State::Queued,
            cause: None,
            detail: None,
            due: None,
        },
    }
}

/// The click that the ad account takes, from those that came with the event.
fn click_of(record: &EventRecord, account: &Account) -> Option<Click> {
    let (kind, value) = record.clicks.first_of(account.click_kinds())?;
    let value = value.to_owned();
    // Without the click's own time the event's stands for it: the page that the event came from bore the click ID at that time.
    let first_seen = record.clicks.clicked_at.unwrap_or(record.time).min(record.time);
    Some(Click {
        kind,
        value,
        first_seen,
        time_is_known: record.clicks.clicked_at.is_some(),
        waba: account.rules.waba.clone(),
    })
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

fn may_go_without_click(record: &EventRecord, account: &Account) -> bool {
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
        (Platform::Meta, Some(_)) => &[ClickKind::Fbc, ClickKind::Fbclid],
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

fn is_click_too_old(dispatch: &Dispatch, account: &Account) -> bool {
    let Some(click) = &dispatch.click else { return false };
    let days = account.rules.look_back_days.unwrap_or(match account.platform {
        Platform::Meta | Platform::Google => 90,
        Platform::Tiktok => 28,
    });
    click.time_is_known && dispatch.event.time - click.first_seen > TimeDelta::days(i64::from(days))
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
