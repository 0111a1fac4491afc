//! The audit's table: a line a conversion, a cell a platform, the notes below.

use std::collections::BTreeSet;

use super::notes::{Notes, View};
use crate::{
    domain::{Cause, Platform, State},
    roles::console::{
        clock::Clock,
        table::{Column, one_line, render},
        words::{label, money, ordinal},
    },
    store::audit::{AuditEntry, AuditEvent},
};

/// What is shown.
pub(super) struct Page<'a> {
    pub(super) events: &'a [AuditEvent],
    /// The only platform that is shown, if one was asked for.
    pub(super) only: Option<Platform>,
    pub(super) view: View<'a>,
}

impl Page<'_> {
    /// The table and its notes.
    pub(super) fn render(&self) -> String {
        let platforms = self.platforms();
        let has_clients = self.events.iter().any(|event| event.client != self.events[0].client);
        let clock = self.view.clock;
        let is_all_today = self.events.iter().all(|event| clock.is_today(event.happened_at));
        let mut columns = vec![Column::left(if clock.is_fallback() { "TIME UTC" } else { "TIME" })];
        if has_clients {
            columns.push(Column::left("CLIENT"));
        }
        columns.extend([Column::left("ORDER"), Column::left("EVENT"), Column::right("VALUE")]);
        columns.extend(
            platforms
                .iter()
                .map(|platform| Column::left(platform.as_str().to_uppercase())),
        );
        let mut notes = Notes::new(self.view);
        let rows = self.events.iter().map(|event| {
            let time = if is_all_today {
                clock.short(event.happened_at)
            } else {
                clock.with_date(event.happened_at)
            };
            let mut row = vec![time];
            if has_clients {
                row.push(event.client.to_string());
            }
            row.push(one_line(event.order_id.as_deref().unwrap_or("-")));
            row.push(name_cell(event, &mut notes));
            row.push(money(event.value, event.currency.as_deref()));
            for (index, platform) in platforms.iter().enumerate() {
                row.push(match (index, event.cause) {
                    // What concerns no ad account has no cell of its own.
                    (0, Some(cause)) if event.entries.is_empty() => {
                        format!("not sent: {} ({})", label(cause), notes.about_event(event, cause))
                    }
                    _ => platform_cell(event, *platform, &mut notes, self.view),
                });
            }
            row
        });
        let rows = rows.collect();
        format!("{}{}", render(&columns, rows), notes.render())
    }

    /// The platforms that have a column: those that concern any of the events, or all.
    fn platforms(&self) -> Vec<Platform> {
        if let Some(only) = self.only {
            return vec![only];
        }
        let entries = self.events.iter().flat_map(|event| &event.entries);
        let concerned: BTreeSet<Platform> = entries.map(|entry| entry.platform).collect();
        let known = Platform::ALL
            .into_iter()
            .filter(|platform| concerned.contains(platform));
        let known: Vec<Platform> = known.collect();
        if known.is_empty() {
            Platform::ALL.to_vec()
        } else {
            known
        }
    }
}

fn name_cell(event: &AuditEvent, notes: &mut Notes<'_>) -> String {
    let mut name = one_line(&event.name);
    if event.differing > 0 {
        name.push_str(&format!(" ({})", notes.about_event(event, Cause::DuplicateDiffers)));
    }
    if let Some(at) = event.forgotten_at {
        name.push_str(&format!(" ({})", notes.about_forgetting(at)));
    }
    name
}

/// How the event stands at a platform; with several ad accounts there, a line each with the ad account's name behind it.
fn platform_cell(event: &AuditEvent, platform: Platform, notes: &mut Notes<'_>, view: View<'_>) -> String {
    let entries: Vec<&AuditEntry> = event
        .entries
        .iter()
        .filter(|entry| entry.platform == platform)
        .collect();
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let mut line = standing(entry, view.clock);
            if let Some(number) = notes.about_entry(event, entry) {
                line.push_str(&format!(" ({number})"));
            }
            if entries.len() > 1 {
                let account = view.directory.account(entry.account);
                line.push_str(&format!(" [{}]", account.map_or("removed", |account| &account.name)));
            }
            line
        })
        .collect();
    if lines.is_empty() {
        "-".to_owned()
    } else {
        lines.join("\n")
    }
}

/// How an event stands at an ad account, in a few words.
pub(super) fn standing(entry: &AuditEntry, clock: Clock) -> String {
    let title = entry.state.title();
    let why = entry.cause.map(label);
    match (entry.state, why) {
        (State::Waiting, _) => match entry.due {
            Some(due) if due > clock.now() => format!("{title} {}", clock.short(due)),
            _ => title.to_owned(),
        },
        (State::Paused | State::NotSent | State::Failed, Some(why)) => format!("{title}: {why}"),
        (State::Sent | State::Confirmed, _) if entry.attempts > 1 => {
            format!("{title} ({} try)", ordinal(entry.attempts))
        }
        _ => title.to_owned(),
    }
}

#[cfg(test)]
mod tests;
