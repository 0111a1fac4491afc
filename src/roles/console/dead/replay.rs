//! `dead replay`: what still stands as failed goes out again, once for each letter, however often the command is given, cut off or given by two
//! at once. The ledger is what makes it so: a letter reopens its conversion only if that has failed exactly as often as the letter says.

use std::{collections::HashSet, io::Write, num::NonZeroU32};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::{
    Tools,
    choice::{Choice, DeadQueue},
    forecast,
    letter::{Content, Letter},
    lock, progress,
    walk::{WINDOW, Walk, original_headers},
};
use crate::{
    broker::Outgoing,
    domain::{Directory, Dispatch, DispatchKey},
    platform::adapter,
    roles::{
        console::{ConsoleError, Exit, words::grouped},
        messages::{Lane, dispatch_message},
    },
    store::replay::{Reopened, Reopening},
};

/// What to replay, and how.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Do it; without this, only foretell what it would do
    #[arg(long)]
    yes: bool,
    /// Also what the platform may have counted already: it may then count twice
    #[arg(long)]
    pub(super) accept_duplicates: bool,
    /// At most so many a second [default: as fast as they are confirmed]
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// At most so many altogether
    #[arg(long)]
    limit: Option<u32>,
}

/// What became of the letters of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    out: i64,
    of_the_past: i64,
    too_late: i64,
    may_be_counted: i64,
    unreadable: i64,
    unknown: i64,
    not_meant: i64,
}

/// A replay of one queue.
struct Run<'a> {
    args: &'a ReplayArgs,
    tools: Tools<'a>,
    directory: &'a Directory,
    pace: Option<&'a DefaultDirectRateLimiter>,
    walk: Walk<'a>,
    tally: Tally,
}

pub(super) async fn run(
    args: &ReplayArgs,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let directory = tools.console.store.directory().await?;
    if !args.yes {
        return forecast::replay(args, &directory, tools, out).await;
    }
    let pace = args.rate.map(|rate| RateLimiter::direct(Quota::per_second(rate)));
    let mut left = args.limit;
    let mut exit = Exit::Success;
    for queue in args.choice.queues() {
        if left == Some(0) {
            break;
        }
        let Some(_lock) = lock(queue, tools, out).await? else {
            exit = Exit::Attention;
            continue;
        };
        let mut run = Run {
            args,
            tools,
            directory: &directory,
            pace: pace.as_ref(),
            walk: Walk::begin(tools, queue).await?,
            tally: Tally::default(),
        };
        run.all(queue, &mut left).await?;
        run.walk.end().await;
        writeln!(out, "{}: {}", queue.as_str(), run.tally)?;
        out.flush()?;
    }
    Ok(exit)
}

impl Run<'_> {
    async fn all(&mut self, queue: DeadQueue, left: &mut Option<u32>) -> Result<(), ConsoleError> {
        let progress = progress(queue, self.walk.total());
        loop {
            let letters = self.walk.next(self.window(*left)).await;
            if letters.is_empty() {
                break;
            }
            let went_out = match queue {
                DeadQueue::Platform(_) => self.conversions(letters).await?,
                DeadQueue::Events | DeadQueue::Webhooks => self.messages(queue, letters).await?,
            };
            *left = left.map(|left| left.saturating_sub(went_out));
            progress.set_position(u64::from(self.walk.met()));
            progress.set_message(format!("{} out", grouped(self.tally.out)));
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// So many letters can be taken now without more going out than may.
    fn window(&self, left: Option<u32>) -> usize {
        let most = [left, self.args.rate.map(NonZeroU32::get)].into_iter().flatten().min();
        most.map_or(WINDOW, |most| usize::try_from(most).unwrap_or(WINDOW).min(WINDOW))
    }

    /// Handles conversions: reopened in the ledger first, published then, acked last. Gives how many went out.
    async fn conversions(&mut self, letters: Vec<Letter>) -> Result<u32, ConsoleError> {
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        let mut asked: Vec<(Letter, Reopening)> = Vec::new();
        let mut seen = HashSet::new();
        for letter in letters {
            let Content::Conversion(dispatch) = &letter.content else {
                self.tally.unreadable += 1;
                kept.push(letter);
                continue;
            };
            if !self.args.choice.takes(&letter.facts, self.tools.console.now) {
                self.tally.not_meant += 1;
                kept.push(letter);
            } else if seen.insert(dispatch.key()) {
                let reopening = self.reopening(dispatch, letter.facts.dead_count);
                asked.push((letter, reopening));
            } else {
                // Two copies of one failure: the first speaks for both.
                self.tally.of_the_past += 1;
                done.push(letter);
            }
        }
        let reopenings: Vec<Reopening> = asked.iter().map(|(_, reopening)| *reopening).collect();
        let mut reopened = self.tools.console.store.reopen(&reopenings).await?;
        crate::crash_point!("replay.after_update");
        let mut outgoing: Vec<Dispatch> = Vec::new();
        for (letter, reopening) in asked {
            let (counted, pile) = match reopened.remove(&reopening.key).unwrap_or(Reopened::Unknown) {
                Reopened::Out(dispatch) => {
                    outgoing.push(*dispatch);
                    (&mut self.tally.out, &mut done)
                }
                Reopened::MovedOn => (&mut self.tally.of_the_past, &mut done),
                Reopened::TooLate => (&mut self.tally.too_late, &mut kept),
                Reopened::MayBeCounted => (&mut self.tally.may_be_counted, &mut kept),
                Reopened::Unknown => (&mut self.tally.unknown, &mut kept),
            };
            *counted += 1;
            pile.push(letter);
        }
        let topology = self.tools.topology;
        let messages: Vec<Outgoing> = outgoing
            .iter()
            .map(|dispatch| dispatch_message(topology, dispatch, Lane::Replay))
            .collect();
        let went_out = self.publish(messages, &kept).await?;
        crate::crash_point!("replay.after_publish");
        let keys: Vec<DispatchKey> = outgoing.iter().map(Dispatch::key).collect();
        self.tools.console.store.published(&keys, self.tools.silence).await?;
        crate::crash_point!("replay.before_ack");
        self.walk.settle(done, kept);
        Ok(went_out)
    }

    /// Handles messages from outside: those that can be read now go back to where they came in. The router absorbs one that comes twice.
    async fn messages(&mut self, queue: DeadQueue, letters: Vec<Letter>) -> Result<u32, ConsoleError> {
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        let mut messages = Vec::new();
        for letter in letters {
            let key = routing_key(queue, &letter);
            if !self.args.choice.takes(&letter.facts, self.tools.console.now) {
                self.tally.not_meant += 1;
                kept.push(letter);
            } else if let Some(key) = key
                && letter.is_readable(self.directory)
            {
                messages.push(self.as_it_came(&letter, key));
                self.tally.out += 1;
                done.push(letter);
            } else {
                self.tally.unreadable += 1;
                kept.push(letter);
            }
        }
        let went_out = self.publish(messages, &kept).await?;
        crate::crash_point!("replay.after_publish");
        self.walk.settle(done, kept);
        Ok(went_out)
    }

    /// Publishes what goes out, at the pace that was asked for, and the copies of what is kept.
    async fn publish(&self, mut messages: Vec<Outgoing>, kept: &[Letter]) -> Result<u32, ConsoleError> {
        let went_out = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        if let (Some(pace), Some(count)) = (self.pace, NonZeroU32::new(went_out)) {
            // A window is never larger than what a second takes, so this always ends.
            let _ = pace.until_n_ready(count).await;
        }
        messages.extend(kept.iter().map(|letter| self.walk.copy(letter)));
        self.walk
            .publish(messages)
            .await
            .map_err(|source| ConsoleError::Unconfirmed {
                done: self.tally.to_string(),
                source,
            })?;
        Ok(went_out)
    }

    fn reopening(&self, dispatch: &Dispatch, dead_count: Option<i32>) -> Reopening {
        let account = self.directory.account(dispatch.account);
        // The ledger's deadline ended with the doubt; whoever accepts a duplicate may use the platform's own.
        let duplicate_until = account
            .filter(|_| self.args.accept_duplicates)
            .map(|account| adapter(dispatch.platform).deadline(&dispatch.event, account, dispatch.click.as_ref()));
        Reopening {
            key: dispatch.key(),
            // One that the broker put aside itself tells no count and reopens nothing: the ledger looks after it.
            dead_count: dead_count.unwrap_or(-1),
            duplicate_until,
        }
    }

    /// A message byte for byte as it was published, without what the relay wrote beside it.
    fn as_it_came(&self, letter: &Letter, routing_key: String) -> Outgoing {
        Outgoing {
            exchange: self.tools.topology.events(),
            routing_key,
            message_id: letter.delivery.message_id.clone().unwrap_or_default(),
            body: letter.delivery.body.clone(),
            headers: original_headers(letter),
            timestamp_seconds: letter.delivery.timestamp_seconds,
            message_type: None,
        }
    }
}

/// The key under which a message is published again: its own. An event that the broker put aside has lost it, and needs none in particular; a
/// webhook says in it where it comes from.
pub(super) fn routing_key(queue: DeadQueue, letter: &Letter) -> Option<String> {
    let own = letter.facts.routing_key.clone();
    match queue {
        DeadQueue::Events => Some(own.unwrap_or_else(|| "events.replay".to_owned())),
        DeadQueue::Webhooks | DeadQueue::Platform(_) => own,
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (self.of_the_past, "of the past dropped (sent or replayed since)"),
            (self.too_late, "too late for the platform, kept"),
            (
                self.may_be_counted,
                "may have been counted, kept (--accept-duplicates sends them all the same)",
            ),
            (self.unreadable, "cannot be read, kept"),
            (self.unknown, "unknown to the ledger, kept (publish the event again)"),
            (self.not_meant, "not asked for, kept"),
        ];
        write!(formatter, "{} went out", grouped(self.out))?;
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(formatter, "; {} {what}", grouped(count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_names_what_there_was_and_nothing_else() {
        let tally = Tally {
            out: 4_300,
            of_the_past: 110,
            too_late: 402,
            may_be_counted: 3,
            not_meant: 20,
            ..Tally::default()
        };

        insta::assert_snapshot!(tally.to_string(), @"4,300 went out; 110 of the past dropped (sent or replayed since); 402 too late for the platform, kept; 3 may have been counted, kept (--accept-duplicates sends them all the same); 20 not asked for, kept");
        assert_eq!(Tally::default().to_string(), "0 went out");
    }
}
