//! Which dead letters are meant: the queues, and the filters that hold in all of them.

use chrono::{DateTime, Utc};

use super::letter::Facts;
use crate::{
    domain::{Cause, ClientId, Platform},
    roles::console::when::{self, When},
    store::replay::FailedFilter,
};

/// A queue of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadQueue {
    /// Conversions that failed at a platform.
    Platform(Platform),
    /// Messages that are no event.
    Events,
    /// Webhooks that nothing could be made of.
    Webhooks,
}

impl DeadQueue {
    /// All of them, in the order in which they are shown.
    pub const ALL: [DeadQueue; 5] = [
        DeadQueue::Platform(Platform::Meta),
        DeadQueue::Platform(Platform::Google),
        DeadQueue::Platform(Platform::Tiktok),
        DeadQueue::Events,
        DeadQueue::Webhooks,
    ];

    /// The word for it in queue names and on screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            DeadQueue::Platform(platform) => platform.as_str(),
            DeadQueue::Events => "events",
            DeadQueue::Webhooks => "webhooks",
        }
    }

    /// The platform, if it is one's.
    pub const fn platform(self) -> Option<Platform> {
        match self {
            DeadQueue::Platform(platform) => Some(platform),
            DeadQueue::Events | DeadQueue::Webhooks => None,
        }
    }
}

/// A queue as it is given: by its name, or all.
#[derive(Clone, Debug)]
pub struct Queues(Vec<DeadQueue>);

/// Which dead letters are meant.
#[derive(Clone, Debug, clap::Args)]
pub struct Choice {
    /// Of this queue: meta, google, tiktok, events, webhooks or all; may be repeated [default: all]
    #[arg(long, visible_alias = "platform", value_parser = queues)]
    queue: Vec<Queues>,
    /// Of this client
    #[arg(long, value_parser = client_id)]
    pub client: Option<ClientId>,
    /// With this cause, such as refused or missing_field
    #[arg(long)]
    cause: Option<Cause>,
    /// That failed since: a length of time (2h, 7d), a date or a time
    #[arg(long, value_parser = when::parse)]
    since: Option<When>,
    /// That failed before: a length of time (2h, 7d), a date or a time
    #[arg(long, value_parser = when::parse)]
    until: Option<When>,
    /// With this event ID or order ID
    #[arg(long, value_name = "ID")]
    event: Option<String>,
}

impl Choice {
    /// The queues that are meant, each once.
    pub fn queues(&self) -> Vec<DeadQueue> {
        let named = self.queue.iter().flat_map(|queues| queues.0.iter().copied());
        let mut named: Vec<DeadQueue> = named.collect();
        named.sort_unstable();
        named.dedup();
        if named.is_empty() {
            DeadQueue::ALL.to_vec()
        } else {
            named
        }
    }

    /// The platforms among them.
    pub fn platforms(&self) -> Vec<Platform> {
        self.queues().into_iter().filter_map(DeadQueue::platform).collect()
    }

    /// Whether every letter of the queues is meant.
    pub fn is_everything(&self) -> bool {
        self.client.is_none()
            && self.cause.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.event.is_none()
    }

    /// The same for the ledger.
    pub fn of_ledger(&self, now: DateTime<Utc>) -> FailedFilter {
        FailedFilter {
            platforms: self.platforms(),
            client: self.client.clone(),
            cause: self.cause,
            since: self.since.map(|since| since.resolve(now)),
            until: self.until.map(|until| until.resolve(now)),
            event: self.event.clone(),
        }
    }

    /// Says whether a letter is meant. What it does not tell does not match.
    pub fn takes(&self, facts: &Facts, now: DateTime<Utc>) -> bool {
        let is_id = |wanted: &String| {
            let ids = [
                facts.event_id.as_ref(),
                facts.order_id.as_ref(),
                facts.message_id.as_ref(),
            ];
            ids.contains(&Some(wanted))
        };
        let since = self.since.map(|since| since.resolve(now));
        let until = self.until.map(|until| until.resolve(now));
        self.client
            .as_ref()
            .is_none_or(|client| facts.client.as_deref() == Some(client.as_str()))
            && self.cause.is_none_or(|cause| facts.cause == Some(cause))
            && since.is_none_or(|since| facts.failed_at.is_some_and(|at| at >= since))
            && until.is_none_or(|until| facts.failed_at.is_some_and(|at| at < until))
            && self.event.as_ref().is_none_or(is_id)
    }
}

fn queues(text: &str) -> Result<Queues, String> {
    if text == "all" {
        return Ok(Queues(DeadQueue::ALL.to_vec()));
    }
    let found = DeadQueue::ALL.into_iter().find(|queue| queue.as_str() == text);
    found
        .map(|queue| Queues(vec![queue]))
        .ok_or_else(|| "there are meta, google, tiktok, events, webhooks and all".to_owned())
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        choice: Choice,
    }

    fn choice(arguments: &[&str]) -> Choice {
        Command::try_parse_from([&["dead"], arguments].concat()).unwrap().choice
    }

    fn facts() -> Facts {
        Facts {
            cause: Some(Cause::Refused),
            client: Some("acme".to_owned()),
            event_id: Some("e-1".to_owned()),
            order_id: Some("10482".to_owned()),
            failed_at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            ..Facts::default()
        }
    }

    #[test]
    fn without_a_queue_all_are_meant_and_a_repeated_one_counts_once() {
        assert_eq!(choice(&[]).queues(), DeadQueue::ALL);
        assert_eq!(choice(&["--queue", "all"]).queues(), DeadQueue::ALL);
        assert_eq!(
            choice(&["--platform", "meta", "--queue", "events", "--queue", "meta"]).queues(),
            [DeadQueue::Platform(Platform::Meta), DeadQueue::Events]
        );
        assert!(Command::try_parse_from(["dead", "--queue", "email"]).is_err());
    }

    #[test]
    fn a_letter_is_meant_if_it_fits_everything_that_was_asked_for() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let cases: [(&[&str], bool); 11] = [
            (&[], true),
            (&["--client", "acme", "--cause", "refused", "--event", "10482"], true),
            (&["--event", "e-1"], true),
            (&["--event", "e-2"], false),
            (&["--client", "globex"], false),
            (&["--cause", "missing_value"], false),
            (&["--since", "3h"], true),
            (&["--since", "1h"], false),
            (&["--until", "1h"], true),
            (&["--until", "2026-11-20T10:00:00Z"], false),
            (&["--since", "2026-11-20T10:00:00Z"], true),
        ];
        for (arguments, expected) in cases {
            assert_eq!(choice(arguments).takes(&facts(), now), expected, "{arguments:?}");
        }
    }

    #[test]
    fn what_a_letter_does_not_tell_does_not_match() {
        let now = Utc::now();

        assert!(choice(&[]).takes(&Facts::default(), now));
        for arguments in [
            ["--client", "acme"],
            ["--since", "1h"],
            ["--cause", "bug"],
            ["--event", "x"],
        ] {
            assert!(!choice(&arguments).takes(&Facts::default(), now), "{arguments:?}");
        }
    }
}
