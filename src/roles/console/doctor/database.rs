//! Postgres: does it answer, is it of a version and a schema that will do, does its clock agree with ours, and what does the directory hold?

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, Tools, why};
use crate::{
    domain::{Directory, Mode},
    roles::console::words::count,
    store::StoreError,
};

/// The oldest major version that knows every statement.
const MAJOR_MIN: i32 = 12;
/// Clocks that differ more are worth a look: leases and due times are told by Postgres's, times of events by ours.
const SKEW_LOOK: TimeDelta = TimeDelta::seconds(2);
/// Clocks that differ more make the relay wait or hurry wrongly.
const SKEW_WRONG: TimeDelta = TimeDelta::seconds(30);

/// What was found, and the directory for further checks.
pub(super) struct Found {
    pub(super) findings: Vec<Finding>,
    pub(super) directory: Option<Directory>,
}

pub(super) async fn look(tools: Tools<'_>) -> Found {
    let mut findings = Vec::new();
    let directory = match all(tools, &mut findings).await {
        Ok(directory) => directory,
        Err(failure) => {
            let text = format!("{}: see RELAY_DATABASE_URL, and that Postgres runs", why(&failure));
            findings.push(Finding::wrong("database", text));
            None
        }
    };
    Found { findings, directory }
}

async fn all(tools: Tools<'_>, findings: &mut Vec<Finding>) -> Result<Option<Directory>, StoreError> {
    let store = &tools.console.store;
    let asked = Utc::now();
    let checkup = store.checkup().await?;
    let answered = Utc::now();
    findings.push(if checkup.major < MAJOR_MIN {
        Finding::wrong(
            "database",
            format!(
                "PostgreSQL {} is too old: {MAJOR_MIN} or newer is needed",
                checkup.version
            ),
        )
    } else {
        let milliseconds = (answered - asked).num_milliseconds();
        Finding::ok(
            "database",
            format!("PostgreSQL {} answers within {milliseconds} ms", checkup.version),
        )
    });
    findings.push(clock(checkup.now - (asked + (answered - asked) / 2)));
    if !store.is_migrated().await? {
        let text = "the tables are not of this version: run `conversion-relay migrate`";
        findings.push(Finding::wrong("tables", text));
        return Ok(None);
    }
    findings.push(Finding::ok("tables", "of this version"));
    let directory = store.directory().await?;
    findings.push(clients(&directory, tools.console.now));
    findings.push(pauses(
        &directory,
        store.paused_backlog().await?.values().map(|held| held.count).sum(),
    ));
    Ok(Some(directory))
}

fn clock(skew: TimeDelta) -> Finding {
    let seconds = skew.as_seconds_f64();
    let text = format!("Postgres's clock and this machine's differ by {:.1} s", seconds.abs());
    let advice = "let both follow the same time service (NTP)";
    match skew.abs() {
        skew if skew >= SKEW_WRONG => Finding::wrong("clock", format!("{text}: {advice}")),
        skew if skew >= SKEW_LOOK => Finding::look("clock", format!("{text}: {advice}")),
        _ => Finding::ok("clock", text),
    }
}

fn clients(directory: &Directory, now: DateTime<Utc>) -> Finding {
    let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let accounts: Vec<_> = directory.accounts().filter(|account| !account.removed).collect();
    let live = accounts
        .iter()
        .filter(|account| account.mode_at(now) == Mode::Live)
        .count();
    if accounts.is_empty() {
        return Finding::look(
            "ad accounts",
            "there is none, so nothing is sent: write accounts.toml, then `accounts apply -f accounts.toml`",
        );
    }
    let text = format!(
        "{} of {}, {live} of them live",
        count(number(accounts.len()), "ad account"),
        count(number(directory.clients().count()), "client")
    );
    if live == 0 {
        return Finding::look(
            "ad accounts",
            format!("{text}: set mode = \"live\" for those that are to be sent to"),
        );
    }
    Finding::ok("ad accounts", text)
}

fn pauses(directory: &Directory, waiting: i64) -> Finding {
    let now = Utc::now();
    let scopes: Vec<String> = directory
        .pauses()
        .filter(|pause| pause.holds_at(now))
        .map(|pause| format!("{} ({})", pause.scope, pause.cause))
        .collect();
    if scopes.is_empty() {
        return Finding::ok("pauses", "nothing is held back");
    }
    let text = format!(
        "{} held back by {}: `logins list` says who must act",
        count(waiting, "conversion"),
        scopes.join(", ")
    );
    Finding::look("pauses", text)
}

#[cfg(test)]
mod tests {
    use super::{super::Grade, *};

    #[test]
    fn clocks_are_graded_by_how_far_they_differ() {
        let cases = [
            (0, Grade::Ok),
            (-1_900, Grade::Ok),
            (2_500, Grade::Look),
            (-29_000, Grade::Look),
            (31_000, Grade::Wrong),
            (-3_600_000, Grade::Wrong),
        ];
        for (milliseconds, grade) in cases {
            assert_eq!(
                clock(TimeDelta::milliseconds(milliseconds)).grade,
                grade,
                "{milliseconds}"
            );
        }
    }
}
