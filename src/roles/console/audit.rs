//! `audit`: what became of each conversion, a line each, and the whole story of a single one.

mod export;
mod notes;
mod page;
mod search;
mod story;

use std::{collections::HashMap, io::Write};

use chrono::{DateTime, TimeDelta, Utc};

use self::{notes::View, page::Page};
use super::{
    Console, ConsoleError, Exit,
    clock::Clock,
    when::{self, When},
    words::{count, grouped},
};
use crate::{
    domain::{Cause, ClientId, Directory, Platform, Scope, State, search_key::SearchKeys},
    store::{
        StoreError,
        audit::{AuditEvent, AuditFilter, ScopeBacklog, Unwanted},
    },
};

/// How far back it looks if nothing else is asked for.
const DEFAULT_SINCE: TimeDelta = TimeDelta::hours(24);
/// How many names of unwanted events are told when nothing was found.
const UNWANTED_MAX: i64 = 5;

const EXAMPLES: &str = "\
Examples:
  audit 10482                                  what about order 10482?
  audit jane@example.com                       what came of her? (the address is hashed at once)
  audit --client acme --since 7d               the last seven days of a client
  audit --state failed --platform meta         what failed at Meta since yesterday
  audit --client acme --since 2h --csv         for a spreadsheet

A single conversion is told in full: its click, every try with the platform's words, what is next.";

/// What to look for.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An order ID, event ID, e-mail address or phone number
    #[arg(value_name = "ORDER|EVENT|EMAIL|PHONE")]
    term: Option<String>,
    /// Only this client
    #[arg(long, value_parser = client_id)]
    client: Option<ClientId>,
    /// Only conversions that this platform should hear of, and only its column: meta, google or tiktok
    #[arg(long)]
    platform: Option<Platform>,
    /// Only conversions that stand so somewhere: waiting, paused, sent, confirmed, not-sent or failed
    #[arg(long, value_parser = states)]
    state: Option<States>,
    /// Only conversions with this cause somewhere, such as no_click or login_refused
    #[arg(long)]
    cause: Option<Cause>,
    /// Only what came in since: a length of time (2h, 7d), a date or a time [default: 24h, without an ID]
    #[arg(long, value_parser = when::parse)]
    since: Option<When>,
    /// At most so many, the newest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Write CSV, for a spreadsheet
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Write a JSON object a line
    #[arg(long)]
    json: bool,
}

/// The states behind a word of the screens.
#[derive(Clone, Debug)]
struct States(Vec<State>);

/// Answers; a conversion that was named and is not there needs attention. People are found only with the keys.
pub async fn run(
    args: &Args,
    console: &Console,
    keys: Option<&SearchKeys>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let directory = console.store.directory().await?;
    let filter = filter(args, keys, &directory, console.now)?;
    let mut events = console.store.audit(&filter).await?;
    let is_cut = events.len() > args.limit as usize;
    events.truncate(args.limit as usize);
    // The newest were chosen; read they are from top to bottom.
    events.sort_by_key(|event| (event.happened_at, event.received_at));
    if args.json {
        export::json(&events, &directory, out)?;
    } else if args.csv {
        export::csv(&events, &directory, out)?;
    } else if events.is_empty() {
        return nothing(args, &filter, console, out).await;
    } else {
        show(args, &events, &directory, console, out).await?;
        if is_cut {
            writeln!(
                out,
                "There are more: these are the newest {}. Narrow it with --client, --state or --since, or raise --limit.",
                grouped(i64::from(args.limit))
            )?;
        }
    }
    Ok(Exit::Success)
}

async fn show(
    args: &Args,
    events: &[AuditEvent],
    directory: &Directory,
    console: &Console,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let clients = match &args.client {
        Some(client) => vec![directory.client(client)],
        None => events.iter().map(|event| directory.client(&event.client)).collect(),
    };
    let backlogs = backlogs(events, directory, console).await?;
    let view = View {
        directory,
        backlogs: &backlogs,
        clock: Clock::of_clients(clients, console.now),
    };
    let page = Page {
        events,
        only: args.platform,
        view,
    };
    write!(out, "{}", page.render())?;
    if let ([event], Some(_)) = (events, &args.term) {
        let record = console.store.event_record(event.key).await?;
        let attempts = console.store.attempts_of(event.key).await?;
        let story = story::Story {
            event,
            record: record.as_ref(),
            attempts: &attempts,
            view,
        };
        write!(out, "\n{}", story.render())?;
    }
    Ok(())
}

/// What waits for the pauses that hold these events back.
async fn backlogs(
    events: &[AuditEvent],
    directory: &Directory,
    console: &Console,
) -> Result<HashMap<Scope, ScopeBacklog>, StoreError> {
    let mut scopes: Vec<Scope> = events
        .iter()
        .flat_map(|event| &event.entries)
        .filter_map(|entry| notes::pause_of(entry, directory, console.now))
        .map(|pause| pause.scope.clone())
        .collect();
    scopes.sort();
    scopes.dedup();
    console.store.scope_backlogs(&scopes).await
}

/// Says where a conversion could be that is not in the ledger.
async fn nothing(
    args: &Args,
    filter: &AuditFilter,
    console: &Console,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    if args.term.is_none() {
        let clock = Clock::of_clients([], console.now);
        let since = filter
            .since
            .map(|since| format!(" since {} UTC", clock.with_date(since)));
        writeln!(out, "Nothing that came in{} fits.", since.unwrap_or_default())?;
        return Ok(Exit::Success);
    }
    let yesterday = (console.now - TimeDelta::days(1)).date_naive();
    let unwanted = console
        .store
        .unwanted_since(yesterday, filter.client.as_ref(), UNWANTED_MAX)
        .await?;
    writeln!(out, "The ledger knows nothing of it. It may be")?;
    writeln!(
        out,
        "- among the messages that could not be read: `dead show --queue events` shows them, each with its error"
    )?;
    writeln!(
        out,
        "- an event of a name that no ad account wants; such are only counted{}",
        names(&unwanted)
    )?;
    writeln!(
        out,
        "- not published yet, still in its queue, or so long ago that its time of keeping is over"
    )?;
    Ok(Exit::Attention)
}

fn names(unwanted: &[Unwanted]) -> String {
    if unwanted.is_empty() {
        return "; none since yesterday".to_owned();
    }
    let names: Vec<String> = unwanted
        .iter()
        .map(|one| format!("{} of {} ({})", one.name, one.client, count(one.count, "time")))
        .collect();
    format!("; since yesterday: {}", names.join(", "))
}

fn filter(
    args: &Args,
    keys: Option<&SearchKeys>,
    directory: &Directory,
    now: DateTime<Utc>,
) -> Result<AuditFilter, ConsoleError> {
    let term = args
        .term
        .as_deref()
        .map(|text| search::term(text, keys, &search::countries(directory, args.client.as_ref())))
        .transpose()?;
    let default_since = term.is_none().then_some(now - DEFAULT_SINCE);
    Ok(AuditFilter {
        term,
        client: args.client.clone(),
        platform: args.platform,
        states: args.state.as_ref().map(|states| states.0.clone()).unwrap_or_default(),
        cause: args.cause,
        since: args.since.map(|since| since.resolve(now)).or(default_since),
        // One more than is shown tells whether there are more.
        limit: i64::from(args.limit) + 1,
    })
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

fn states(text: &str) -> Result<States, String> {
    let name = text.trim().to_ascii_lowercase().replace(['-', ' '], "_");
    let found: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| state.as_str() == name || state.title().replace(' ', "_") == name)
        .collect();
    if found.is_empty() {
        Err("there are waiting, paused, sent, confirmed, not-sent and failed".to_owned())
    } else {
        Ok(States(found))
    }
}

#[cfg(test)]
mod sample;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_screen_stands_for_its_states() {
        assert_eq!(
            states("waiting").unwrap().0,
            [State::Queued, State::Sending, State::Waiting]
        );
        assert_eq!(states("not sent").unwrap().0, [State::NotSent]);
        assert_eq!(states("Not-Sent").unwrap().0, [State::NotSent]);
        assert_eq!(states("queued").unwrap().0, [State::Queued]);
        assert!(states("dead").is_err());
    }
}
