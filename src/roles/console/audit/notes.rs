//! The numbered sentences below a table: why things stand as they stand, who must act, and what they do.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{
    domain::{Cause, Directory, Pause, Scope, State, Who},
    roles::console::{
        clock::Clock,
        footnotes::{Footnotes, Note},
        words::{Blanks, count, grouped},
    },
    store::audit::{AuditEntry, AuditEvent, ScopeBacklog},
};

/// What every part of a screen looks at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) directory: &'a Directory,
    pub(super) backlogs: &'a HashMap<Scope, ScopeBacklog>,
    pub(super) clock: Clock,
}

/// The notes of one screen.
pub(super) struct Notes<'a> {
    view: View<'a>,
    notes: Footnotes,
}

/// The pause that holds an entry back, the widest first.
pub(super) fn pause_of<'a>(entry: &AuditEntry, directory: &'a Directory, now: DateTime<Utc>) -> Option<&'a Pause> {
    if entry.state != State::Paused {
        return None;
    }
    let account = directory.account(entry.account)?;
    let holding = |scope: Scope| directory.pause(&scope).filter(|pause| pause.holds_at(now));
    let mut pauses = directory.scopes_of(account).into_iter().filter_map(holding);
    pauses.find(|pause| Some(pause.cause) == entry.cause)
}

impl<'a> Notes<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        Self {
            view,
            notes: Footnotes::default(),
        }
    }

    /// The number of the note about how an event stands at an ad account; none if the cell says it all.
    pub(super) fn about_entry(&mut self, event: &AuditEvent, entry: &AuditEntry) -> Option<usize> {
        let cause = entry.cause?;
        if entry.state == State::NotSent && cause.who() == Who::Nobody {
            return None;
        }
        let blanks = self.view.blanks(event, entry);
        let mut sentence = blanks.sentence(cause);
        if let Some(pause) = pause_of(entry, self.view.directory, self.view.clock.now()) {
            sentence = self.view.with_pause(&sentence, pause);
        }
        Some(self.notes.number(Note {
            cause,
            sentence,
            action: blanks.action(cause),
        }))
    }

    /// The number of the note about an event itself.
    pub(super) fn about_event(&mut self, event: &AuditEvent, cause: Cause) -> usize {
        let client = self.view.directory.client(&event.client);
        let blanks = Blanks {
            client: client.map(|client| client.name.as_str()),
            ..Blanks::default()
        };
        self.notes.number(Note {
            cause,
            sentence: blanks.sentence(cause),
            action: blanks.action(cause),
        })
    }

    /// The number of the note that an event's person was forgotten then.
    pub(super) fn about_forgetting(&mut self, at: DateTime<Utc>) -> usize {
        self.notes.number(Note {
            cause: Cause::Forgotten,
            sentence: format!("Its person was forgotten {}.", self.view.clock.with_date(at)),
            action: "nobody needs to act".to_owned(),
        })
    }

    /// The notes, a line each.
    pub(super) fn render(&self) -> String {
        self.notes.render()
    }
}

impl<'a> View<'a> {
    /// What fills the blanks of a cause of this entry.
    pub(super) fn blanks(&self, event: &AuditEvent, entry: &'a AuditEntry) -> Blanks<'a> {
        let client = self.directory.client(&event.client);
        Blanks {
            platform: Some(entry.platform),
            client: client.map(|client| client.name.as_str()),
            account: self.directory.account(entry.account).map(AsRef::as_ref),
            detail: entry.detail.as_deref(),
        }
    }

    /// `Meta refuses login agency-meta since 09:17: 38 conversions of 12 clients wait, the first expires 27 Nov 09:17.`
    fn with_pause(&self, sentence: &str, pause: &Pause) -> String {
        let since = self.clock.short(pause.since);
        let until = pause
            .until
            .map(|until| format!(" until {}", self.clock.short(until)))
            .unwrap_or_default();
        let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
        let start = if sentence.contains([':', ';']) {
            format!("{sentence}. Since {since}{until}")
        } else {
            format!("{sentence} since {since}{until}")
        };
        let Some(backlog) = self.backlogs.get(&pause.scope) else {
            return format!("{start}.");
        };
        let first = self.clock.with_date(backlog.first_deadline);
        let of_clients = if backlog.clients == 1 {
            String::new()
        } else {
            format!(" of {} clients", grouped(backlog.clients))
        };
        match backlog.conversions {
            1 => format!("{start}: 1 conversion waits, it expires {first}."),
            many => format!(
                "{start}: {}{of_clients} wait, the first expires {first}.",
                count(many, "conversion")
            ),
        }
    }
}
