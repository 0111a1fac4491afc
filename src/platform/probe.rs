//! Probes: conversions of nobody that show whether login and ad account work, and that count nothing.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::{Account, Dispatch, EventId, EventRecord};

/// A request that counts nothing, before it is built.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What it holds; all to the ad account.
    pub dispatches: Vec<Dispatch>,
    /// The test code that goes with it, where the platform counts nothing because of that.
    pub test_code: Option<String>,
}

/// A conversion of nobody: without click, value and person, seen on a page of the ad account's own host if it names one.
pub(super) fn nobody(account: &Account, name: &str, time: DateTime<Utc>) -> Dispatch {
    let host = account.rules.hosts.as_ref().and_then(|hosts| hosts.first());
    let host = host.map_or("conversion-relay.example", String::as_str);
    let id = format!("conversion-relay-check-{}", time.timestamp());
    let event_id = EventId::parse(&id).expect("visible characters, and few of them");
    let event = EventRecord {
        source_url: Some(format!("https://{host}/")),
        ..EventRecord::bare(account.client.clone(), event_id, name, time)
    };
    Dispatch {
        account: account.id,
        platform: account.platform,
        destination: account.destination.clone(),
        click: None,
        deadline: time + TimeDelta::days(30),
        event,
    }
}
