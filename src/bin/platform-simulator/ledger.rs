//! What the platforms would have counted: every ad account's totals and its events, de-duplicated as the platform does.
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hasher};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::call::Platform;
use crate::copies::{Key, Memory};

/// Later accounts share the totals of `OTHER_ACCOUNTS`.
const ACCOUNTS: usize = 10_000;
const OTHER_ACCOUNTS: &str = "(other accounts)";
/// Later events are counted, but their copies are no longer recognised.
const REMEMBERED_EVENTS: usize = 2_000_000;
/// Later events are de-duplicated and counted, but not listed.
const LISTED_EVENTS: usize = 100_000;
/// Later events are listed without their body.
const BODY_BYTES: usize = 128 * 1024 * 1024;

/// An event that a platform accepted.
#[derive(Debug)]
pub struct Accepted<'a> {
    /// The event's name, or the conversion action's id at Google.
    pub name: &'a str,
    pub id: Option<&'a str>,
    pub key: Key,
    pub memory: Memory,
    /// The event as received.
    pub body: &'a str,
}

/// Whether an accepted event counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    New,
    Duplicate,
}

/// The totals of one ad account.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    pub requests: u64,
    /// Events in requests that were taken, copies included.
    pub events_accepted: u64,
    /// Events that the platform would show: accepted, without copies and without what it dropped later.
    pub counted: u64,
    pub duplicates: u64,
    pub refused_requests: u64,
    /// Rows refused in a request that was taken (Google Ads API), or dropped in processing (Data Manager).
    pub refused_events: u64,
    pub test_events: u64,
    /// Accepted events with something in them that does no good, such as a private address.
    pub warnings: u64,
}

/// One event of the list.
#[derive(Debug, Serialize)]
pub struct ListedEvent<'a> {
    platform: Platform,
    account: &'a str,
    event_name: &'a str,
    event_id: Option<&'a str>,
    /// How many times it was accepted.
    count: u32,
    /// How many times the platform would have counted it.
    counted: u32,
    /// Copies that were not the same bytes as the first.
    differing_copies: u32,
    first_body: Option<&'a RawValue>,
}

#[derive(Debug)]
struct Remembered {
    first_accepted: i64,
    memory: Memory,
    count: u32,
    counted: u32,
    differing_copies: u32,
    body_hash: u64,
    listed: Option<Box<Listed>>,
}

#[derive(Debug)]
struct Listed {
    position: usize,
    name: Box<str>,
    id: Option<Box<str>>,
    first_body: Option<Box<RawValue>>,
}

#[derive(Debug, Default)]
struct Account {
    totals: Totals,
    events: HashMap<Key, Remembered>,
}

/// Everything counted so far; its memory is bounded.
#[derive(Debug)]
pub struct Ledger {
    accounts: BTreeMap<(Platform, String), Account>,
    room: Room,
}

/// How much is kept, against the limits.
#[derive(Debug, Default)]
struct Room {
    keep_bodies: bool,
    remembered: usize,
    listed: usize,
    body_bytes: usize,
}

impl Ledger {
    pub fn new(keep_bodies: bool) -> Self {
        Self {
            accounts: BTreeMap::new(),
            room: Room {
                keep_bodies,
                ..Room::default()
            },
        }
    }

    /// The totals of an ad account, to be added to.
    pub fn totals(&mut self, platform: Platform, account: &str) -> &mut Totals {
        &mut account_of(&mut self.accounts, platform, account).totals
    }

    /// Whether a copy of the event would be recognised now.
    pub fn recognises(&mut self, platform: Platform, account: &str, key: Key, at: DateTime<Utc>) -> bool {
        let events = &account_of(&mut self.accounts, platform, account).events;
        events
            .get(&key)
            .is_some_and(|event| event.recognises_copy_at(at.timestamp()))
    }

    /// Counts events that were accepted; the answer is in their order.
    pub fn accept(
        &mut self,
        platform: Platform,
        account: &str,
        events: &[Accepted<'_>],
        at: DateTime<Utc>,
    ) -> Vec<Counted> {
        let at = at.timestamp();
        if self.room.remembered + events.len() > REMEMBERED_EVENTS {
            self.forget_expired(at);
        }
        let account = account_of(&mut self.accounts, platform, account);
        let verdicts: Vec<Counted> = events
            .iter()
            .map(|event| account.accept(&mut self.room, event, at))
            .collect();

        let duplicates = verdicts
            .iter()
            .filter(|verdict| **verdict == Counted::Duplicate)
            .count() as u64;
        let accepted = verdicts.len() as u64;
        account.totals.events_accepted += accepted;
        account.totals.duplicates += duplicates;
        account.totals.counted += accepted - duplicates;
        verdicts
    }

    /// The totals by platform and ad account.
    pub fn counts(&self) -> BTreeMap<Platform, BTreeMap<&str, &Totals>> {
        let mut counts = BTreeMap::from([Platform::Meta, Platform::Google, Platform::Tiktok].map(|platform| {
            let none: BTreeMap<&str, &Totals> = BTreeMap::new();
            (platform, none)
        }));
        for ((platform, account), content) in &self.accounts {
            counts.entry(*platform).or_default().insert(account, &content.totals);
        }
        counts
    }

    /// The events of a platform or an ad account, in the order of their first copies; and how many are not listed.
    pub fn events(&self, platform: Option<Platform>, account: Option<&str>) -> (Vec<ListedEvent<'_>>, usize) {
        let mut events = Vec::new();
        let mut unlisted = 0;
        for ((of_platform, of_account), content) in &self.accounts {
            if platform.is_some_and(|wanted| wanted != *of_platform)
                || account.is_some_and(|wanted| wanted != of_account)
            {
                continue;
            }
            for event in content.events.values() {
                let Some(listed) = &event.listed else {
                    unlisted += 1;
                    continue;
                };
                let line = ListedEvent {
                    platform: *of_platform,
                    account: of_account,
                    event_name: &listed.name,
                    event_id: listed.id.as_deref(),
                    count: event.count,
                    counted: event.counted,
                    differing_copies: event.differing_copies,
                    first_body: listed.first_body.as_deref(),
                };
                events.push((listed.position, line));
            }
        }
        events.sort_by_key(|(position, _)| *position);
        (events.into_iter().map(|(_, event)| event).collect(), unlisted)
    }

    fn forget_expired(&mut self, at: i64) {
        for account in self.accounts.values_mut() {
            account.events.retain(|_, event| event.recognises_copy_at(at));
        }
        self.room.remembered = self.accounts.values().map(|account| account.events.len()).sum();
    }
}

fn account_of<'a>(
    accounts: &'a mut BTreeMap<(Platform, String), Account>,
    platform: Platform,
    account: &str,
) -> &'a mut Account {
    let key = (platform, account.to_owned());
    let is_room = accounts.len() < ACCOUNTS || accounts.contains_key(&key);
    let key = if is_room {
        key
    } else {
        (platform, OTHER_ACCOUNTS.to_owned())
    };
    accounts.entry(key).or_default()
}

impl Account {
    fn accept(&mut self, room: &mut Room, event: &Accepted<'_>, at: i64) -> Counted {
        let body_hash = hash_of(event.body);
        if let Some(known) = self.events.get_mut(&event.key) {
            return known.accept_copy(at, body_hash);
        }
        if room.remembered < REMEMBERED_EVENTS {
            room.remembered += 1;
            let first = Remembered {
                first_accepted: at,
                memory: event.memory,
                count: 1,
                counted: 1,
                differing_copies: 0,
                body_hash,
                listed: room.listing(event).map(Box::new),
            };
            self.events.insert(event.key, first);
        }
        Counted::New
    }
}

impl Room {
    fn listing(&mut self, event: &Accepted<'_>) -> Option<Listed> {
        if self.listed >= LISTED_EVENTS {
            return None;
        }
        self.listed += 1;
        let keep_body = self.keep_bodies && self.body_bytes + event.body.len() <= BODY_BYTES;
        let first_body = keep_body
            .then(|| RawValue::from_string(event.body.to_owned()).ok())
            .flatten();
        self.body_bytes += if keep_body { event.body.len() } else { 0 };
        Some(Listed {
            position: self.listed,
            name: event.name.into(),
            id: event.id.map(Into::into),
            first_body,
        })
    }
}

impl Remembered {
    fn recognises_copy_at(&self, at: i64) -> bool {
        match self.memory {
            Memory::None => false,
            Memory::Seconds(window) => at - self.first_accepted < window,
            Memory::Always => true,
        }
    }

    fn accept_copy(&mut self, at: i64, body_hash: u64) -> Counted {
        self.count += 1;
        self.differing_copies += u32::from(body_hash != self.body_hash);
        if self.recognises_copy_at(at) {
            return Counted::Duplicate;
        }
        self.counted += 1;
        self.first_accepted = at;
        Counted::New
    }
}

fn hash_of(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::copies::TWO_DAYS;

    fn accept(ledger: &mut Ledger, memory: Memory, body: &str, hours: i64) -> Counted {
        let event = Accepted {
            name: "Purchase",
            id: Some("o1"),
            key: Key::of(&["Purchase", "o1"]),
            memory,
            body,
        };
        ledger.accept(
            Platform::Meta,
            "12",
            &[event],
            DateTime::UNIX_EPOCH + TimeDelta::hours(hours),
        )[0]
    }

    #[test]
    fn a_copy_within_the_window_is_a_duplicate_and_a_later_one_counts_again() {
        let mut ledger = Ledger::new(true);

        let verdicts = [0, 47, 48].map(|hours| accept(&mut ledger, TWO_DAYS, "{}", hours));

        assert_eq!(verdicts, [Counted::New, Counted::Duplicate, Counted::New]);
        let totals = ledger.totals(Platform::Meta, "12").clone();
        assert_eq!((totals.events_accepted, totals.counted, totals.duplicates), (3, 2, 1));
    }

    #[test]
    fn without_memory_every_copy_counts() {
        let mut ledger = Ledger::new(true);

        let verdicts = [0, 0].map(|hours| accept(&mut ledger, Memory::None, "{}", hours));

        assert_eq!(verdicts, [Counted::New, Counted::New]);
        assert_eq!(ledger.events(None, None).0[0].counted, 2);
    }

    #[test]
    fn a_copy_with_other_bytes_is_told() {
        let mut ledger = Ledger::new(true);

        for body in [r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":2}"#] {
            accept(&mut ledger, TWO_DAYS, body, 0);
        }

        let (events, unlisted) = ledger.events(Some(Platform::Meta), Some("12"));
        assert_eq!((events[0].count, events[0].differing_copies, unlisted), (3, 1, 0));
        assert_eq!(events[0].first_body.map(|body| body.get()), Some(r#"{"a":1}"#));
    }

    #[test]
    fn without_bodies_the_event_is_still_listed() {
        let mut ledger = Ledger::new(false);

        accept(&mut ledger, TWO_DAYS, "{}", 0);

        let (events, _) = ledger.events(None, None);
        assert_eq!(events[0].event_id, Some("o1"));
        assert!(events[0].first_body.is_none());
    }
}
