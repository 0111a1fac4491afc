//! `explain`: what would be sent where for an event, exactly, and why not elsewhere. It sends nothing and changes nothing.

mod body;
mod export;
mod ledger;
mod memory;
mod page;
mod person;
mod signals;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use self::verdict::Desk;
use super::{
    ConsoleError, Exit, files,
    lines::{Checking, Refused, Source},
    words::Blanks,
};
use crate::{
    domain::{ClientId, Directory, desired::DesiredDirectory, directory::DirectoryParts, search_key::SearchKeys},
    platform::Endpoints,
    store::Store,
    wire::event::{EVENT_BYTES_MAX, Malformed},
};

const EXAMPLES: &str = "\
Examples:
  explain event.json -f accounts.toml           neither database nor broker is needed
  explain event.json                            with the ad accounts that the database holds
  explain 10482                                 an order or event ID that the ledger knows
  explain --json -f accounts.toml < events.ndjson > requests.ndjson

For people, personal values are masked; --json gives each request byte for byte, with what a platform demands plain.";

/// What to explain.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A file with one event, or with an event a line; - or nothing for standard input; or an order or event ID that the ledger knows
    #[arg(value_name = "EVENT.json|ORDER|-", default_value = "-")]
    what: String,
    /// Take clients and ad accounts from this file or folder, not from the database
    #[arg(short = 'f', long = "file", value_name = "FILE|FOLDER")]
    accounts: Option<PathBuf>,
    /// Only events of this client, where an order is looked up
    #[arg(long, value_parser = client_id)]
    client: Option<ClientId>,
    /// Write a JSON object a line
    #[arg(long)]
    json: bool,
    /// Explain as of this time, RFC 3339 or Unix seconds [default: now; for an event of the ledger, when it came in]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    now: Option<DateTime<Utc>>,
}

/// What the command works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Postgres, where [`Args::needs_database`].
    pub store: Option<&'a Store>,
    /// The keys by which the click ledger knows people, if they are set.
    pub keys: Option<&'a SearchKeys>,
    /// Where the platforms are.
    pub endpoints: &'a Endpoints,
    /// The time at which the command was given.
    pub now: DateTime<Utc>,
}

/// Where the events come from.
enum Subject {
    Input(Source),
    Ledger(String),
}

impl Args {
    /// Says whether the database is needed: for the ad accounts, or for an event of the ledger.
    pub fn needs_database(&self) -> bool {
        self.accounts.is_none() || matches!(self.subject(), Subject::Ledger(_))
    }

    fn subject(&self) -> Subject {
        let path = Path::new(&self.what);
        let is_named_as_file = path
            .extension()
            .is_some_and(|extension| extension == "json" || extension == "ndjson" || extension == "jsonl");
        if self.what == "-" || is_named_as_file || (path.exists() && !path.is_dir()) {
            Subject::Input(Source::given(Some(path)))
        } else {
            Subject::Ledger(self.what.clone())
        }
    }
}

/// Explains. For people, an input that is no event needs attention; for machines it is a line like any other.
pub async fn run(args: &Args, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let directory = directory(args, tools).await?;
    let desk = Desk {
        directory: &directory,
        endpoints: tools.endpoints,
        now: args.now.unwrap_or(tools.now),
    };
    match args.subject() {
        Subject::Ledger(id) => ledger::explain(&id, args, desk, tools, out).await,
        Subject::Input(source) if args.json => stream(&source, desk, tools, out).await,
        Subject::Input(source) => tell(&source, desk, tools, out).await,
    }
}

async fn directory(args: &Args, tools: Tools<'_>) -> Result<Directory, ConsoleError> {
    match (&args.accounts, tools.store) {
        (Some(path), _) => Ok(of_file(files::read(path)?)),
        (None, Some(store)) => Ok(store.directory().await?),
        (None, None) => Err(ConsoleError::Usage(
            "without a database, -f says which file the ad accounts are in".to_owned(),
        )),
    }
}

/// The directory that the files would give, with made-up numbers.
fn of_file(desired: DesiredDirectory) -> Directory {
    let accounts = (1..)
        .zip(&desired.accounts)
        .map(|(number, account)| account.standing(number));
    Directory::new(DirectoryParts {
        accounts: accounts.collect(),
        clients: desired.clients.into_values().collect(),
        logins: desired.logins.into_values().collect(),
        ..DirectoryParts::default()
    })
}

/// A line of JSON for each event, as they come.
async fn stream(
    source: &Source,
    desk: Desk<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    if let Some(event) = small_file(source).await? {
        return line(&event, 1, desk, tools, out).await.map(|()| Exit::Success);
    }
    let unread = |failure| unread(source, failure);
    let mut lines = source.lines(Checking::Off).await.map_err(unread)?;
    while let Some(next) = lines.next().await.map_err(unread)? {
        match next {
            Ok(event) => line(&event.body, lines.number(), desk, tools, out).await?,
            Err(refused) => export::refused(refused.number, &fault(refused), out)?,
        }
    }
    Ok(Exit::Success)
}

async fn line(
    body: &[u8],
    number: u64,
    desk: Desk<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let remembered = memory::of_event(body, desk, tools).await?;
    match desk.explain(body, &remembered) {
        Ok(explained) => export::event(&explained, out)?,
        Err(malformed) => export::refused(number, &malformed, out)?,
    }
    Ok(())
}

/// A file that holds nothing but one event, on however many lines.
async fn small_file(source: &Source) -> Result<Option<Bytes>, ConsoleError> {
    let Source::File(path) = source else { return Ok(None) };
    let length = tokio::fs::metadata(path)
        .await
        .map_err(|failure| unread(source, failure))?
        .len();
    if length > 2 * EVENT_BYTES_MAX as u64 {
        return Ok(None);
    }
    let all = source.whole().await.map_err(|failure| unread(source, failure))?;
    Ok(is_json(&all).then_some(all))
}

/// A page for each event.
async fn tell(
    source: &Source,
    desk: Desk<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let whole = source.whole().await.map_err(|failure| unread(source, failure))?;
    let is_many = !is_json(&whole)
        && whole
            .split(|byte| *byte == b'\n')
            .any(|line| line.starts_with(b"{") && is_json(line));
    if !is_many {
        return paragraph(&whole, 1, desk, tools, out).await;
    }
    let mut exit = Exit::Success;
    let mut lines = Source::Memory(whole).lines(Checking::Off).await?;
    while let Some(next) = lines.next().await? {
        let ended = match next {
            Ok(event) => paragraph(&event.body, lines.number(), desk, tools, out).await?,
            Err(refused) => misfit(refused.number, &fault(refused), out)?,
        };
        if ended == Exit::Attention {
            exit = ended;
        }
        writeln!(out)?;
    }
    Ok(exit)
}

async fn paragraph(
    body: &[u8],
    number: u64,
    desk: Desk<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let remembered = memory::of_event(body, desk, tools).await?;
    match desk.explain(body, &remembered) {
        Ok(explained) => {
            page::Page {
                explained: &explained,
                desk,
            }
            .write(out)?;
            Ok(Exit::Success)
        }
        Err(malformed) => misfit(number, &malformed, out),
    }
}

/// Says why an input is no event.
fn misfit(number: u64, malformed: &Malformed, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let blanks = Blanks {
        detail: malformed.field.as_deref(),
        ..Blanks::default()
    };
    writeln!(
        out,
        "line {number} is no event that the relay takes ({})",
        malformed.cause
    )?;
    writeln!(out, "  why  {}", blanks.sentence(malformed.cause))?;
    writeln!(out, "  act  {}", blanks.action(malformed.cause))?;
    Ok(Exit::Attention)
}

fn fault(refused: Refused) -> Malformed {
    Malformed {
        cause: refused.cause,
        field: refused.field,
    }
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

fn unread(source: &Source, failure: std::io::Error) -> ConsoleError {
    let path = match source {
        Source::File(path) => path.clone(),
        Source::StandardInput | Source::Memory(_) => "standard input".into(),
    };
    ConsoleError::Read { path, source: failure }
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

/// A point in time: RFC 3339 or Unix seconds.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let seconds = || DateTime::from_timestamp_secs(text.parse().ok()?);
    let given = DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    given
        .or_else(seconds)
        .ok_or_else(|| "expected a time such as 2026-11-21T09:00:00Z, or Unix seconds".to_owned())
}
