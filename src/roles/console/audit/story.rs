//! The story of one conversion: when it came in, its click, what could be told about the person, every try, and what happens next.

use chrono::{DateTime, Utc};

use super::{notes::View, page::standing};
use crate::{
    domain::{Cause, Click, ClickKind, EventRecord, Platform, State},
    roles::console::{
        table::one_line,
        words::{Blanks, count, label, ordinal},
    },
    store::audit::{AuditAttempt, AuditEntry, AuditEvent},
};

/// Width of the first column: the longest is `27 Nov 2027 09:17:05`.
const WHEN_WIDTH: usize = 16;

/// One conversion.
pub(super) struct Story<'a> {
    pub(super) event: &'a AuditEvent,
    /// What is kept of it, if it still is.
    pub(super) record: Option<&'a EventRecord>,
    pub(super) attempts: &'a [AuditAttempt],
    pub(super) view: View<'a>,
}

impl Story<'_> {
    /// The story, a paragraph for the conversion and one for each ad account.
    pub(super) fn render(&self) -> String {
        let mut lines = self.opening();
        for entry in &self.event.entries {
            lines.push(String::new());
            lines.extend(self.chapter(entry));
        }
        let text = lines.iter().map(|line| format!("{}\n", line.trim_end()));
        text.collect()
    }

    fn opening(&self) -> Vec<String> {
        let event = self.event;
        let clock = self.view.clock;
        let client = self.view.directory.client(&event.client);
        let client = client.map_or(event.client.as_str(), |client| &client.name);
        let order = event.order_id.as_deref().map(|order| format!(", order {order}"));
        let heading = format!(
            "{} of {client}{}, event ID {} (times in {})",
            event.name,
            order.unwrap_or_default(),
            event.event_id,
            clock.zone_name()
        );
        let place = self.record.map(place).unwrap_or_default();
        let mut lines = vec![
            one_line(&heading),
            self.at(event.happened_at, &format!("happened{place}")),
            self.at(event.received_at, "came in"),
        ];
        if event.differing > 0 {
            let times = count(i64::from(event.differing), "time");
            lines.push(row(
                "",
                &format!("came again {times} with another time, value or click; the first one counts"),
            ));
        }
        if let Some(at) = event.forgotten_at {
            lines.push(self.at(
                at,
                "its person was forgotten: what told of them is gone, and nothing more is made of it",
            ));
        }
        if let Some(cause) = event.cause.filter(|_| event.entries.is_empty()) {
            let blanks = Blanks::default();
            lines.push(row("", &blanks.sentence(cause)));
            lines.push(row("next", &blanks.action(cause)));
        }
        lines
    }

    /// What became of it at one ad account.
    fn chapter(&self, entry: &AuditEntry) -> Vec<String> {
        let account = self.view.directory.account(entry.account);
        let name = account.map_or_else(|| format!("ad account {}", entry.account), |account| account.label());
        let mut lines = vec![format!(
            "{}, {name}, {} {}: {}",
            entry.platform.title(),
            destination_noun(entry.platform),
            one_line(&entry.destination),
            standing(entry, self.view.clock)
        )];
        if self.event.forgotten_at.is_none() {
            lines.push(row("click", &self.click(entry)));
        }
        if let Some(record) = self.record.filter(|_| self.event.forgotten_at.is_none()) {
            lines.push(row("signals", &signals(record, entry)));
        }
        for attempt in self.attempts.iter().filter(|attempt| attempt.account == entry.account) {
            lines.push(self.at(attempt.at, &tried(attempt, entry.platform)));
        }
        lines.extend(self.said_later(entry));
        if let Some(cause) = entry.cause {
            lines.push(row("why", &self.view.blanks(self.event, entry).sentence(cause)));
        }
        if let Some(at) = entry.first_ambiguous_at {
            lines.push(row(
                "mind",
                &format!(
                    "{} may have counted a try of {} that had no answer",
                    entry.platform.title(),
                    self.view.clock.exact(at)
                ),
            ));
        }
        if let Some(next) = self.next(entry).filter(|_| self.event.forgotten_at.is_none()) {
            lines.push(row("next", &next));
        }
        lines
    }

    /// What the platform said after it had taken the conversion, if it has.
    fn said_later(&self, entry: &AuditEntry) -> Option<String> {
        let mut tries = self
            .attempts
            .iter()
            .rev()
            .filter(|attempt| attempt.account == entry.account);
        let was_taken = tries.next().is_some_and(|attempt| attempt.outcome == "accepted");
        let request = entry.receipt.as_ref().map(|receipt| format!(" (request {receipt})"));
        let platform = entry.platform.title();
        let said = match entry.state {
            State::Confirmed => format!("{platform} confirmed it"),
            // What the relay itself decided since has no words of the platform.
            State::Failed | State::NotSent | State::Waiting if was_taken && entry.detail.is_some() => {
                let why = entry.cause.map(label).unwrap_or_default();
                format!("{platform} did not count it: {why}")
            }
            _ => return None,
        };
        Some(self.at(entry.updated_at, &format!("{said}{}", request.unwrap_or_default())))
    }

    fn click(&self, entry: &AuditEntry) -> String {
        let Some(click) = &entry.click else {
            return "none known".to_owned();
        };
        let found = self.record.map_or("", |record| found_where(record, click));
        let clock = self.view.clock;
        let time = if click.time_is_known {
            format!("clicked {}", clock.with_date(click.first_seen))
        } else {
            format!("first seen {}", clock.with_date(click.first_seen))
        };
        format!("{}{found}, {time}", click.kind.as_str())
    }

    /// What happens next and until when; none if nothing does.
    fn next(&self, entry: &AuditEntry) -> Option<String> {
        let clock = self.view.clock;
        let platform = entry.platform.title();
        let until = format!("{platform} takes it until {}", clock.with_date(entry.deadline));
        let act = entry
            .cause
            .map(|cause| self.view.blanks(self.event, entry).action(cause));
        let is_in_time = entry.deadline > clock.now();
        match entry.state {
            State::Queued | State::Sending => Some(format!("it goes out as soon as its turn comes; {until}")),
            State::Waiting if entry.cause == Some(Cause::WaitingForClick) => {
                let due = entry.due.map_or_else(|| "soon".to_owned(), |due| clock.exact(due));
                Some(format!(
                    "it is decided anew when a click becomes known, or {due}; {until}"
                ))
            }
            State::Waiting => {
                let due = entry.due.map_or_else(|| "soon".to_owned(), |due| clock.exact(due));
                Some(format!("it goes out {due}; {until}"))
            }
            State::Paused => Some(format!(
                "it goes out when the pause ends; {}; {until}",
                act.unwrap_or_default()
            )),
            State::Sent if entry.receipt.is_some() && entry.cause.is_none() => {
                let when = entry.due.filter(|due| *due > clock.now());
                let when = when.map(|due| format!("; it is asked {}", clock.exact(due)));
                Some(format!(
                    "{platform} says later whether it counts it{}",
                    when.unwrap_or_default()
                ))
            }
            State::Failed if is_in_time => Some(format!("{}; {until}", act.unwrap_or_default())),
            State::Failed => Some("it cannot be sent any more".to_owned()),
            State::NotSent => act.filter(|act| !act.starts_with("nobody")),
            State::Sent | State::Confirmed => None,
        }
    }

    fn at(&self, at: DateTime<Utc>, text: &str) -> String {
        row(&self.view.clock.exact(at), text)
    }
}

fn row(left: &str, right: &str) -> String {
    format!("  {left:<WHEN_WIDTH$}  {}", one_line(right))
}

fn place(record: &EventRecord) -> String {
    let host = record.source_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    let host = host
        .as_ref()
        .and_then(url::Url::host_str)
        .map(|host| format!(" {host}"));
    let source = record.action_source.as_str().replace('_', " ");
    format!(", {source}{}", host.unwrap_or_default())
}

fn destination_noun(platform: Platform) -> &'static str {
    match platform {
        Platform::Meta => "pixel or dataset",
        Platform::Google => "customer",
        Platform::Tiktok => "pixel",
    }
}

fn found_where(record: &EventRecord, click: &Click) -> &'static str {
    // Nobody brings such a click along: it was in the chat's first message, whoever looked it up since.
    if click.kind == ClickKind::CtwaClid {
        return " of the tap that the chat began with";
    }
    let came_with_it = record.clicks.get(click.kind) == Some(click.value.as_str());
    let in_url = || {
        let url = record.source_url.as_deref().and_then(|url| url::Url::parse(url).ok());
        url.is_some_and(|url| url.query_pairs().any(|(name, _)| name == click.kind.as_str()))
    };
    match (came_with_it, came_with_it && in_url()) {
        (true, true) => " in the page's address",
        (true, false) => " with the event",
        (false, _) => " of an earlier visit of the same person",
    }
}

/// Which signals the platform gets to match the person by; never their values.
fn signals(record: &EventRecord, entry: &AuditEntry) -> String {
    let identity = record.identities.get(entry.platform);
    let mut words: Vec<String> = identity.iter().map(|(key, _)| signal(key)).collect();
    let mut also = |is_there: bool, word: &str| {
        if is_there {
            words.push(word.to_owned());
        }
    };
    also(record.ip.is_some(), "IP address");
    also(record.user_agent.is_some(), "browser");
    also(entry.platform == Platform::Meta && record.clicks.fbp.is_some(), "fbp");
    also(entry.platform == Platform::Tiktok && record.clicks.ttp.is_some(), "ttp");
    also(entry.click.is_some(), "click");
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// A platform's key of an identity as people call it.
fn signal(key: &str) -> String {
    let word = match key {
        "em" | "email" => "e-mail",
        "ph" | "phone" => "phone",
        "external_id" => "external ID",
        "fn" | "first_name" | "given_name" => "first name",
        "ln" | "last_name" | "family_name" => "last name",
        "db" => "date of birth",
        "ge" => "gender",
        "ct" => "city",
        "st" | "region_code" => "state",
        "zp" | "zip_code" | "postal_code" => "postal code",
        other => return other.replace('_', " "),
    };
    word.to_owned()
}

/// A try in words: how it ended, and what the platform said.
fn tried(attempt: &AuditAttempt, platform: Platform) -> String {
    let why = attempt
        .cause
        .map(label)
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    let end = match attempt.outcome.as_str() {
        "delivered" => "sent".to_owned(),
        "accepted" => format!("sent; {} says later what became of it", platform.title()),
        "deferred" => format!("put off{why}"),
        "ambiguous" => "no answer was recorded, it may have arrived".to_owned(),
        "blocked" => format!("not taken now{why}"),
        "refused" if attempt.cause == Some(Cause::Refused) => "refused".to_owned(),
        "refused" => format!("refused{why}"),
        "not_sent" => format!("not counted{why}"),
        other => other.replace('_', " "),
    };
    let said = match (&attempt.code, &attempt.message) {
        (Some(code), Some(message)) => Some(format!("\"{code} {message}\"")),
        (code, message) => code.as_ref().or(message.as_ref()).map(|words| format!("\"{words}\"")),
    };
    let facts: Vec<String> = [
        said,
        attempt.http_status.map(|status| format!("HTTP {status}")),
        attempt.request_id.as_ref().map(|id| format!("request {id}")),
        attempt.duration_ms.map(|duration| format!("{duration} ms")),
        (attempt.batch > 1).then(|| format!("with {}", count(i64::from(attempt.batch - 1), "other"))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let facts = if facts.is_empty() {
        String::new()
    } else {
        format!(" ({})", facts.join(", "))
    };
    format!("{} try: {end}{facts}", ordinal(attempt.number))
}

#[cfg(test)]
mod tests;
