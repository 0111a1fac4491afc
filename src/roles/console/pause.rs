//! `pause` and `resume`: by hand, for a login, an ad account, a quota or a whole platform.

use std::{io::Write, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Console, ConsoleError, Exit,
    holding::{Holding, counted},
    moment::{moment, parse_until},
    scope,
};
use crate::{
    domain::{Directory, Scope},
    store::pauses::{HandPause, Paused},
};

/// What to pause, for how long and why.
#[derive(Clone, Debug, clap::Args)]
pub struct PauseArgs {
    /// login:NAME, account:NUMBER, account:CLIENT/NAME, quota:NAME or platform:meta|google|tiktok
    pub scope: String,
    #[command(flatten)]
    pub terms: Terms,
}

/// For how long, and why.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Terms {
    /// When it ends by itself: 2026-11-27T09:00:00Z, or 09:00 for the next time that it is nine o'clock UTC
    #[arg(long, value_name = "TIME", conflicts_with = "lasting")]
    pub until: Option<String>,
    /// After which time it ends by itself: 30m, 2h, 3days
    #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub lasting: Option<Duration>,
    /// Why; `audit` shows it to everyone who asks
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What to resume.
#[derive(Clone, Debug, clap::Args)]
pub struct ResumeArgs {
    /// login:NAME, account:NUMBER, account:CLIENT/NAME, quota:NAME or platform:meta|google|tiktok
    pub scope: String,
}

/// Runs `pause SCOPE`. Conversions wait meanwhile, and go out in order of their deadlines when it ends.
pub async fn pause(args: PauseArgs, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let directory = console.store.directory().await?;
    let scope = scope::known(&args.scope, &directory)?;
    begin(scope, args.terms, (console, &directory), out).await
}

/// Runs `resume SCOPE`: ends a pause, whoever made it.
pub async fn resume(args: ResumeArgs, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let directory = console.store.directory().await?;
    let scope = scope::known(&args.scope, &directory)?;
    end(&scope, (console, &directory), out).await
}

pub(super) async fn begin(
    scope: Scope,
    terms: Terms,
    (console, directory): (&Console, &Directory),
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    let until = terms.ends_at(console.now)?;
    let pause = HandPause {
        scope,
        reason: terms.reason,
        until,
    };
    let paused = console.store.pause(&pause).await?;
    let ends = match until {
        Some(until) => format!("until {} UTC", moment(until, console.now)),
        None => format!("until `resume {}`", pause.scope),
    };
    let verb = match paused {
        Paused::Began => "Paused",
        Paused::Renewed | Paused::Kept => "Already paused by hand; now paused",
    };
    let backlog = console.store.paused_backlog().await?;
    let holding = Holding {
        directory,
        backlog: &backlog,
        now: console.now,
    };
    let accounts = holding.accounts(&pause.scope);
    let count = i64::try_from(accounts.len()).unwrap_or(i64::MAX);
    writeln!(
        out,
        "{verb} {} {ends}: {} {} back, nothing is lost ({}).",
        pause.scope,
        counted(count, "ad account"),
        if count == 1 { "holds" } else { "hold" },
        holding.waiting_words(&accounts)
    )?;
    Ok(Exit::Success)
}

pub(super) async fn end(
    scope: &Scope,
    (console, directory): (&Console, &Directory),
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    let backlog = console.store.paused_backlog().await?;
    let Some(ended) = console
        .store
        .resume(scope)
        .await?
        .filter(|pause| pause.holds_at(console.now))
    else {
        writeln!(out, "{scope} was not paused.")?;
        return Ok(Exit::Success);
    };
    let holding = Holding {
        directory,
        backlog: &backlog,
        now: console.now,
    };
    let accounts = holding.accounts(scope);
    writeln!(
        out,
        "Resumed {scope}, paused since {} ({}): {}.",
        moment(ended.since, console.now),
        ended.cause,
        holding.waiting_words(&accounts)
    )?;
    let others = accounts.iter().flat_map(|account| holding.pauses_of(account));
    let mut others: Vec<&Scope> = others
        .map(|pause| &pause.scope)
        .filter(|other| *other != scope)
        .collect();
    others.sort();
    others.dedup();
    for other in others {
        writeln!(out, "{other} is still paused.")?;
    }
    Ok(Exit::Success)
}

impl Terms {
    fn ends_at(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, ConsoleError> {
        if let Some(text) = &self.until {
            let at = parse_until(text, now).ok_or_else(|| {
                let message = "--until wants a time to come, such as 2026-11-27T09:00:00Z, or 09:00 (UTC)";
                ConsoleError::Usage(message.to_owned())
            })?;
            return Ok(Some(at));
        }
        let Some(lasting) = self.lasting else { return Ok(None) };
        let end = TimeDelta::from_std(lasting)
            .ok()
            .and_then(|lasting| now.checked_add_signed(lasting));
        end.map(Some)
            .ok_or_else(|| ConsoleError::Usage("--for is longer than time is counted".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_at(until: Option<&str>, lasting: Option<u64>) -> Result<Option<i64>, ConsoleError> {
        let terms = Terms {
            until: until.map(str::to_owned),
            lasting: lasting.map(Duration::from_secs),
            reason: None,
        };
        let end = terms.ends_at(DateTime::UNIX_EPOCH)?;
        Ok(end.map(|end| end.timestamp()))
    }

    #[test]
    fn a_pause_ends_at_a_time_after_a_time_or_by_hand() {
        assert_eq!(ends_at(None, None).unwrap(), None);
        assert_eq!(ends_at(None, Some(7200)).unwrap(), Some(7200));
        assert_eq!(ends_at(Some("1970-01-01T01:00:00Z"), None).unwrap(), Some(3600));
    }

    #[test]
    fn a_pause_never_ends_before_it_begins_nor_beyond_all_time() {
        assert!(ends_at(Some("1969-12-31T23:00:00Z"), None).is_err());
        assert!(ends_at(None, Some(u64::MAX)).is_err());
    }
}
