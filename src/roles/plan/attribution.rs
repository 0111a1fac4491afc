//! Which click a conversion is attributed to: the one that came with the event, else the newest that the click ledger remembers of its person. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{ruling::may_go_without_click, wants};
use crate::{
    domain::{
        Account, Click, ClickIds, ClickKind, ClickSource, ClientId, EventRecord, Platform,
        event::{Event, Permission},
    },
    platform::meta::{cookie_fbclid, cookie_time},
    store::clicks::ClickQuestion,
};

/// How far the clocks of those who tell of clicks and of sales may be apart: a click may seem to come so long after its sale.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// A click that was first seen as shortly before an event was seen with it; what tells of it may also keep less of a time than the event does.
const SAME_MOMENT: TimeDelta = TimeDelta::seconds(1);

/// What the click ledger remembers of an event's person.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// The newest clicks, the latest first.
    pub clicks: Vec<Click>,
    /// Whether more may become known: the person has an identity by which clicks are found.
    pub may_grow: bool,
    /// Whether the publisher has asked for clicks of WhatsApp chats itself, and told somebody what came of it: no other is looked for.
    pub chats_are_known: bool,
}

/// What attribution goes by, of an event as it came in or as it is kept.
#[derive(Clone, Copy)]
pub struct Visit<'a> {
    client: &'a ClientId,
    name: &'a str,
    time: DateTime<Utc>,
    clicks: &'a ClickIds,
}

impl<'a> Visit<'a> {
    /// The advertiser.
    pub fn client(self) -> &'a ClientId {
        self.client
    }
}

impl<'a> From<&'a Event> for Visit<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            client: &event.client,
            name: &event.name,
            time: event.time,
            clicks: &event.clicks,
        }
    }
}

impl<'a> From<&'a EventRecord> for Visit<'a> {
    fn from(record: &'a EventRecord) -> Self {
        Self {
            client: &record.client,
            name: &record.name,
            time: record.time,
            clicks: &record.clicks,
        }
    }
}

/// The clicks that came with an event, for the ledger. Of a person who denied the use of their data none is remembered.
pub fn clicks_of(event: &Event) -> Vec<Click> {
    if event.consent.ad_user_data == Some(Permission::Denied) {
        return Vec::new();
    }
    ClickKind::ALL
        .into_iter()
        .filter_map(|kind| {
            let mut click = own(event.into(), kind)?;
            if kind == ClickKind::Fbc {
                // The cookie says itself when it was set; one that says nothing sensible is none.
                click.first_seen = cookie_time(&click.value)?.min(event.time);
                click.time_is_known = true;
            }
            Some(click)
        })
        .collect()
}

/// What the ledger is to be asked about an event; nothing if no ad account that wants it would gain by an answer. `identities`: all digests under
/// which the person may be known.
pub fn question<'a>(
    visit: Visit<'_>,
    accounts: impl IntoIterator<Item = &'a Account>,
    identities: &[Uuid],
) -> Option<ClickQuestion> {
    if identities.is_empty() {
        return None;
    }
    let mut sources = Vec::new();
    let mut patience = 0;
    for account in accounts.into_iter().filter(|account| wants(account, visit.name)) {
        // With an own click of a known time there is nothing to ask.
        if own_of(visit, account).is_some_and(|click| click.time_is_known) {
            continue;
        }
        patience = patience.max(account.rules.wait_for_click_seconds.unwrap_or(0));
        sources.extend(sources_of(account));
    }
    sources.sort_unstable();
    sources.dedup();
    (!sources.is_empty()).then(|| ClickQuestion {
        client: visit.client.clone(),
        identities: identities.to_vec(),
        sources,
        until: visit.time + CLOCK_TOLERANCE + TimeDelta::seconds(i64::from(patience)),
    })
}

/// The click that an ad account takes: the event's own, else the newest that is remembered. One that by the ledger is older than the ad account's
/// look-back is given only where nothing goes out without a click, so that it is the reason.
pub(super) fn click_for(record: &EventRecord, account: &Account, remembered: &Remembered) -> Option<Click> {
    let click = match own_of(record.into(), account) {
        // Whoever publishes says themselves how old it is.
        Some(own) if own.time_is_known => return Some(own),
        Some(own) => since_when(own, remembered),
        None => recalled(record, account, remembered)?,
    };
    let is_of_use = !is_too_old(&click, record, account) || !may_go_without_click(record, account);
    is_of_use.then_some(click)
}

/// An event's own click, since when the ledger knows it.
fn since_when(own: Click, remembered: &Remembered) -> Click {
    let seen = remembered
        .clicks
        .iter()
        .filter(|click| click.kind == own.kind && click.value == own.value)
        .filter(|click| own.first_seen - click.first_seen >= SAME_MOMENT)
        .map(|click| click.first_seen)
        .min();
    match seen {
        Some(first_seen) => Click {
            first_seen,
            time_is_known: true,
            ..own
        },
        None => own,
    }
}

/// The newest click of before the sale; where there is none, one that was told of later.
fn recalled(record: &EventRecord, account: &Account, remembered: &Remembered) -> Option<Click> {
    let sources = sources_of(account);
    let mut fitting = remembered
        .clicks
        .iter()
        .filter(|click| sources.contains(&ClickSource::of(click.kind, click.waba.as_deref())));
    let newest = fitting
        .clone()
        .find(|click| click.first_seen <= record.time + CLOCK_TOLERANCE)
        .or_else(|| fitting.find(|click| is_told_later(click, record, account)))?;
    Some(Click {
        first_seen: newest.first_seen.min(record.time),
        // The page was reached by it then, if it was another event that bore it.
        time_is_known: newest.time_is_known || record.time - newest.first_seen >= SAME_MOMENT,
        waba: newest.waba.clone().or_else(|| account.rules.waba.clone()),
        ..newest.clone()
    })
}

/// A click whose time is only that of the event that bore it may have been told of later than the sale, by as much as the ad account waits.
fn is_told_later(click: &Click, record: &EventRecord, account: &Account) -> bool {
    let Some(seconds) = account.rules.wait_for_click_seconds else {
        return false;
    };
    !click.time_is_known && click.first_seen <= record.time + TimeDelta::seconds(i64::from(seconds))
}

/// Says whether a click is older than the ad account's look-back, as far as its time is known.
pub(super) fn is_too_old(click: &Click, record: &EventRecord, account: &Account) -> bool {
    let days = account.rules.look_back_days.unwrap_or(match account.platform {
        Platform::Meta | Platform::Google => 90,
        Platform::Tiktok => 28,
    });
    click.time_is_known && record.time - click.first_seen > TimeDelta::days(i64::from(days))
}

/// When the person clicked, as nearly as is known: what the latest click is judged by.
pub(super) fn clicked_at(click: &Click) -> DateTime<Utc> {
    match click.kind {
        ClickKind::Fbc => cookie_time(&click.value).map_or(click.first_seen, |set| set.min(click.first_seen)),
        _ => click.first_seen,
    }
}

/// The click of this kind that came with an event.
fn own(visit: Visit<'_>, kind: ClickKind) -> Option<Click> {
    let clicked_at = visit.clicks.clicked_at;
    Some(Click {
        kind,
        value: visit.clicks.get(kind)?.to_owned(),
        // Without the click's own time the event's stands for it: the page that the event came from bore the click ID at that time.
        first_seen: clicked_at.unwrap_or(visit.time).min(visit.time),
        time_is_known: clicked_at.is_some(),
        waba: visit.clicks.waba.clone().filter(|_| kind == ClickKind::CtwaClid),
    })
}

fn own_of(visit: Visit<'_>, account: &Account) -> Option<Click> {
    let (kind, value) = visit.clicks.first_of(account.click_kinds())?;
    // The page was reached by a newer click than the cookie knows.
    let newer = visit.clicks.fbclid.as_deref().filter(|_| kind == ClickKind::Fbc);
    let kind = match newer {
        Some(fbclid) if cookie_fbclid(value) != Some(fbclid) => ClickKind::Fbclid,
        _ => kind,
    };
    // A click that is known to lead to one WhatsApp Business Account is none of another's.
    let own = own(visit, kind).filter(|click| click.waba.is_none() || click.waba == account.rules.waba)?;
    Some(Click {
        waba: account.rules.waba.clone(),
        ..own
    })
}

fn sources_of(account: &Account) -> Vec<ClickSource> {
    match (account.platform, &account.rules.waba) {
        (Platform::Meta, None) => vec![ClickSource::Meta],
        (Platform::Meta, Some(waba)) => vec![ClickSource::Whatsapp(None), ClickSource::Whatsapp(Some(waba.clone()))],
        (Platform::Google, _) => vec![ClickSource::Google],
        (Platform::Tiktok, _) => vec![ClickSource::Tiktok],
    }
}
