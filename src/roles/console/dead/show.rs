//! `dead show`: dead letters one by one, with all that is known of them but the person.

use std::io::Write;

use super::{
    Tools,
    choice::{Choice, DeadQueue},
    letter::Letter,
    lock, progress,
    walk::{WINDOW, Walk},
};
use crate::{
    broker::HeaderValue,
    domain::Directory,
    roles::console::{
        ConsoleError, Exit,
        clock::Clock,
        mask,
        table::one_line,
        words::{Blanks, count},
    },
    store::replay::FailedDispatch,
};

/// What to show.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    #[command(flatten)]
    choice: Choice,
    /// At most so many, those that failed first
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

pub(super) async fn run(args: &ShowArgs, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let store = &tools.console.store;
    let directory = store.directory().await?;
    let client = args.choice.client.as_ref().and_then(|id| directory.client(id));
    let screen = Screen {
        directory: &directory,
        clock: Clock::of_clients([client], tools.console.now),
    };
    let filter = args.choice.of_ledger(tools.console.now);
    let failed = store.failed_dispatches(&filter, i64::from(args.limit)).await?;
    let mut shown = u32::try_from(failed.len()).unwrap_or(u32::MAX);
    for failed in &failed {
        write!(out, "{}", screen.conversion(failed))?;
    }
    let mut exit = Exit::Success;
    for queue in args.choice.queues() {
        if queue.platform().is_none()
            && shown < args.limit
            && !inbound(args, queue, &screen, tools, &mut shown, out).await?
        {
            exit = Exit::Attention;
        }
    }
    if shown == 0 {
        writeln!(out, "No dead letters that fit.")?;
    } else if shown >= args.limit {
        writeln!(
            out,
            "These are the first {}; --limit shows more, `dead list` counts all.",
            args.limit
        )?;
    }
    Ok(exit)
}

/// Shows letters of an inbound queue; false if somebody else is at work there.
///
/// The whole queue is walked, also beyond what is shown: so the order in which the letters lie stays.
async fn inbound(
    args: &ShowArgs,
    queue: DeadQueue,
    screen: &Screen<'_>,
    tools: Tools<'_>,
    shown: &mut u32,
    out: &mut (dyn Write + Send),
) -> Result<bool, ConsoleError> {
    let Some(_lock) = lock(queue, tools, out).await? else {
        return Ok(false);
    };
    let mut walk = Walk::begin(tools, queue).await?;
    let progress = progress(queue, walk.total());
    loop {
        let letters = walk.next(WINDOW).await;
        if letters.is_empty() {
            break;
        }
        for letter in &letters {
            if *shown < args.limit && args.choice.takes(&letter.facts, tools.console.now) {
                *shown += 1;
                progress.suspend(|| write!(out, "{}", screen.message(queue, letter)))?;
            }
        }
        walk.keep(letters).await?;
        progress.set_position(u64::from(walk.met()));
    }
    progress.finish_and_clear();
    walk.end().await;
    Ok(true)
}

struct Screen<'a> {
    directory: &'a Directory,
    clock: Clock,
}

impl Screen<'_> {
    /// A conversion that failed, as the ledger knows it.
    fn conversion(&self, failed: &FailedDispatch) -> String {
        let record = &failed.record;
        let account = self.directory.account(failed.account);
        let client = self.directory.client(&record.client);
        let blanks = Blanks {
            platform: Some(failed.platform),
            client: client.map(|client| client.name.as_str()),
            account: account.map(AsRef::as_ref),
            detail: failed.detail.as_deref(),
        };
        let order = record.order_id.as_deref().map(|order| format!(", order {order}"));
        let heading = format!(
            "{} of {}{}, event ID {}, to {} ({}, {})",
            record.name,
            record.client,
            order.unwrap_or_default(),
            record.event_id,
            failed.platform.title(),
            account.map_or_else(|| format!("ad account {}", failed.account), |account| account.label()),
            failed.destination
        );
        let tries = count(i64::from(failed.attempts), "attempt");
        let times = match failed.dead_count {
            1 => String::new(),
            many => format!(", for the {} time", crate::roles::console::words::ordinal(many)),
        };
        let body = serde_json::to_value(record.for_platform(failed.platform)).unwrap_or_default();
        let deadline = if failed.deadline > self.clock.now() {
            format!("until {}", self.clock.exact(failed.deadline))
        } else {
            format!("only until {}: too late", self.clock.exact(failed.deadline))
        };
        paragraph(
            &heading,
            &[
                (
                    "failed",
                    format!(
                        "{} {} after {tries}{times}",
                        self.clock.exact(failed.failed_at),
                        self.clock.zone_name()
                    ),
                ),
                ("cause", format!("{}: {}", failed.cause, blanks.sentence(failed.cause))),
                ("act", blanks.action(failed.cause)),
                ("taken", deadline),
                ("body", mask::json(body)),
            ],
        )
    }

    /// A message that could not be handled, as it came in.
    fn message(&self, queue: DeadQueue, letter: &Letter) -> String {
        let facts = &letter.facts;
        let name = facts.event_name.as_deref().unwrap_or("message");
        let id = facts.event_id.as_ref().or(facts.message_id.as_ref());
        let heading = format!(
            "{} of {}, ID {}, in {}",
            mask::plain(name),
            facts
                .client
                .as_deref()
                .map_or_else(|| "nobody known".to_owned(), mask::plain),
            id.map_or_else(|| "-".to_owned(), |id| mask::plain(id)),
            queue.as_str()
        );
        let blanks = Blanks {
            detail: facts.detail.as_deref(),
            ..Blanks::default()
        };
        let failed = facts.failed_at.map_or_else(
            || "at an unknown time".to_owned(),
            |at| format!("{} {}", self.clock.exact(at), self.clock.zone_name()),
        );
        let (cause, act) = match facts.cause {
            Some(cause) => (format!("{cause}: {}", blanks.sentence(cause)), blanks.action(cause)),
            None => (
                "none: the broker put it here, because it came back too often".to_owned(),
                "you: see the workers' log of that time, then `dead replay`".to_owned(),
            ),
        };
        let headers = letter.delivery.headers.iter().map(|(name, value)| {
            let value = match value {
                HeaderValue::Text(text) => mask::header(name, text),
                HeaderValue::Integer(number) => number.to_string(),
                HeaderValue::Boolean(truth) => truth.to_string(),
            };
            format!("{name}: {value}")
        });
        paragraph(
            &heading,
            &[
                ("failed", failed),
                ("cause", cause),
                ("act", act),
                ("headers", headers.collect::<Vec<_>>().join(", ")),
                (
                    "body",
                    format!(
                        "{} bytes: {}",
                        letter.delivery.body.len(),
                        mask::body(&letter.delivery.body)
                    ),
                ),
            ],
        )
    }
}

fn paragraph(heading: &str, rows: &[(&str, String)]) -> String {
    let mut text = format!("{}\n", one_line(heading));
    for (name, value) in rows {
        text.push_str(&format!("  {name:<8} {}\n", one_line(value)));
    }
    text.push('\n');
    text
}
