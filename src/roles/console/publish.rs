//! `publish`: events from a file or standard input into the queue, each checked first and confirmed by the broker.

use std::{io::Write, path::PathBuf, time::Duration};

use chrono::Utc;
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    ConsoleError, Exit,
    connect::connected,
    lines::{Checking, Line, Lines, Refused, Source},
    words::{count, grouped},
};
use crate::broker::{Broker, Headers, Outgoing, topology::Topology};

/// Key of what this command publishes.
const ROUTING_KEY: &str = "events.cli";
/// How many messages are on their way at a time.
const WINDOW: usize = 500;
/// How long a window may take to be confirmed.
const PATIENCE: Duration = Duration::from_secs(30);
/// So many refused lines are named in the summary.
const NAMED_MAX: usize = 5;

const EXAMPLES: &str = "\
Examples:
  publish events.ndjson              a JSON object a line, as in schemas/examples/event.json
  producer | conversion-relay publish
  publish --strict events.ndjson     all or nothing: first every line is checked
  publish --raw broken.txt           as they are, to see what the relay makes of them

Publishing a file twice counts nothing twice: an event without an ID gets the same one each time.";

/// What to publish.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A file with a JSON object a line; - or nothing: standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Publish nothing unless every line is good
    #[arg(long, conflicts_with = "raw")]
    strict: bool,
    /// Do not look into the lines
    #[arg(long)]
    raw: bool,
}

/// What the command works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// RabbitMQ.
    pub broker: &'a Broker,
    /// The names there.
    pub topology: &'a Topology,
}

/// Publishes; a line that was refused needs attention.
pub async fn run(args: &Args, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let checking = if args.raw { Checking::Off } else { Checking::On };
    let mut source = Source::given(args.file.as_deref());
    let mut refused = Vec::new();
    if args.strict {
        source = source
            .kept()
            .await
            .map_err(|failure| unread(&Source::StandardInput, failure))?;
        let mut lines = open(&source, checking).await?;
        while let Some(line) = lines.next().await.map_err(|failure| unread(&source, failure))? {
            refused.extend(line.err());
        }
    }
    for fault in &refused {
        report(fault, out)?;
    }
    if !refused.is_empty() {
        writeln!(out, "nothing published: {}", summary(&refused))?;
        return Ok(Exit::Attention);
    }
    let lines = open(&source, checking).await?;
    connected(tools.broker).await?;
    send(&source, lines, tools, out).await
}

async fn open(source: &Source, checking: Checking) -> Result<Lines, ConsoleError> {
    source.lines(checking).await.map_err(|failure| unread(source, failure))
}

fn unread(source: &Source, failure: std::io::Error) -> ConsoleError {
    let path = match source {
        Source::File(path) => path.clone(),
        Source::StandardInput | Source::Memory(_) => "standard input".into(),
    };
    ConsoleError::Read { path, source: failure }
}

async fn send(
    source: &Source,
    mut lines: Lines,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let publisher = tools.broker.publisher("console");
    let progress = progress(lines.bytes());
    let mut published = 0;
    let mut refused = Vec::new();
    let mut is_over = false;
    while !is_over {
        let mut window = Vec::with_capacity(WINDOW);
        while window.len() < WINDOW && !is_over {
            match lines.next().await.map_err(|failure| unread(source, failure))? {
                Some(Ok(line)) => window.push(message(line, tools.topology)),
                Some(Err(fault)) => {
                    progress.suspend(|| report(&fault, out))?;
                    refused.push(fault);
                }
                None => is_over = true,
            }
        }
        let confirmed = i64::try_from(window.len()).unwrap_or(i64::MAX);
        publisher
            .publish(window, PATIENCE)
            .await
            .map_err(|source| ConsoleError::Unconfirmed {
                done: count(published, "event") + " published",
                source,
            })?;
        published += confirmed;
        progress.set_position(lines.bytes_read());
        progress.set_message(count(published, "event"));
    }
    progress.finish_and_clear();
    let published = format!("{} published", grouped(published));
    if refused.is_empty() {
        writeln!(out, "{published}")?;
        return Ok(Exit::Success);
    }
    writeln!(out, "{published}, {}", summary(&refused))?;
    Ok(Exit::Attention)
}

fn message(line: Line, topology: &Topology) -> Outgoing {
    Outgoing {
        exchange: topology.events(),
        routing_key: ROUTING_KEY.to_owned(),
        message_id: line.id,
        body: line.body,
        headers: Headers::new(),
        timestamp_seconds: u64::try_from(Utc::now().timestamp()).ok(),
        message_type: None,
    }
}

fn report(refused: &Refused, out: &mut (dyn Write + Send)) -> std::io::Result<()> {
    let sentence = refused.cause.sentence();
    let sentence = sentence.replace(": {detail}", "");
    writeln!(out, "{refused}. {sentence} {}", refused.cause.action())
}

/// `2 refused (line 7: missing_field client_id; line 9: malformed_json)`
fn summary(refused: &[Refused]) -> String {
    let mut named: Vec<String> = refused.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if refused.len() > NAMED_MAX {
        named.push(format!("and {} more", refused.len() - NAMED_MAX));
    }
    let number = i64::try_from(refused.len()).unwrap_or(i64::MAX);
    format!("{} refused ({})", grouped(number), named.join("; "))
}

/// A bar on standard error, if that is a terminal; without a known length, a count.
fn progress(bytes: Option<u64>) -> ProgressBar {
    match bytes {
        Some(bytes) => {
            let style = ProgressStyle::with_template("{bar:40} {percent}%  {msg}  {eta} left");
            ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }
        None => ProgressBar::new_spinner(),
    }
}
