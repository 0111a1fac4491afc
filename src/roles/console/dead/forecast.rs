//! What a replay or a drop would do: from the ledger for conversions, from the letters themselves for messages from outside. Nothing is sent.

use std::{collections::BTreeMap, io::Write};

use super::{
    Tools,
    choice::{Choice, DeadQueue},
    lock, progress,
    replay::{ReplayArgs, routing_key},
    walk::{WINDOW, Walk},
};
use crate::{
    domain::{Cause, Directory, Platform},
    roles::console::{
        ConsoleError, Exit,
        table::{Column, one_line, render},
        words::{count, grouped},
    },
    store::replay::FailedGroup,
};

/// Letters of one client and cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Line {
    letters: i64,
    would_go_out: i64,
    too_late: i64,
    may_be_counted: i64,
    unreadable: i64,
}

type Lines = BTreeMap<(String, Option<Cause>), Line>;

pub(super) async fn replay(
    args: &ReplayArgs,
    directory: &Directory,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let filter = args.choice.of_ledger(tools.console.now);
    let failed = tools.console.store.failed_groups(&filter).await?;
    let mut exit = Exit::Success;
    for queue in args.choice.queues() {
        let depth = depth(queue, tools).await?;
        let (lines, of_the_past) = match queue {
            DeadQueue::Platform(platform) => {
                let lines = conversions(&failed, platform);
                let standing: i64 = lines.values().map(|line| line.letters).sum();
                // Letters beyond those that stand as failed can only be of the past; with a filter, nobody knows which those are.
                let of_the_past = if args.choice.is_everything() {
                    (depth - standing).max(0)
                } else {
                    0
                };
                (lines, of_the_past)
            }
            DeadQueue::Events | DeadQueue::Webhooks => {
                match messages(queue, &args.choice, Some(directory), tools, out).await? {
                    Some(lines) => (lines, 0),
                    None => {
                        exit = Exit::Attention;
                        continue;
                    }
                }
            }
        };
        let forecast = Forecast {
            queue,
            depth,
            lines,
            of_the_past,
            accept_duplicates: args.accept_duplicates,
        };
        write!(out, "{}", forecast.render())?;
    }
    writeln!(out, "Nothing was done. With --yes it is.")?;
    Ok(exit)
}

pub(super) async fn drop(
    choice: &Choice,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let failed = tools
        .console
        .store
        .failed_groups(&choice.of_ledger(tools.console.now))
        .await?;
    let mut exit = Exit::Success;
    for queue in choice.queues() {
        let letters = match queue {
            // Without a filter it is all that lies there, also what is of the past.
            _ if choice.is_everything() => depth(queue, tools).await?,
            DeadQueue::Platform(platform) => conversions(&failed, platform).values().map(|line| line.letters).sum(),
            DeadQueue::Events | DeadQueue::Webhooks => match messages(queue, choice, None, tools, out).await? {
                Some(lines) => lines.values().map(|line| line.letters).sum(),
                None => {
                    exit = Exit::Attention;
                    continue;
                }
            },
        };
        writeln!(out, "{}: {} would be dropped", queue.as_str(), count(letters, "letter"))?;
    }
    writeln!(
        out,
        "Nothing was done. With --yes it is; conversions then still stand as failed, and `audit` shows them."
    )?;
    Ok(exit)
}

async fn depth(queue: DeadQueue, tools: Tools<'_>) -> Result<i64, ConsoleError> {
    let name = tools.topology.dead_queue(queue.as_str());
    Ok(i64::from(tools.broker.queue_depth(&name).await?))
}

fn conversions(failed: &[FailedGroup], platform: Platform) -> Lines {
    let of_platform = failed.iter().filter(|group| group.platform == platform);
    let lines = of_platform.map(|group| {
        let line = Line {
            letters: group.count,
            would_go_out: group.in_time,
            too_late: group.too_late,
            may_be_counted: group.may_be_counted,
            unreadable: 0,
        };
        ((group.client.to_string(), Some(group.cause)), line)
    });
    lines.collect()
}

/// Walks an inbound queue and keeps everything; `None` if somebody else is at work there.
async fn messages(
    queue: DeadQueue,
    choice: &Choice,
    directory: Option<&Directory>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Option<Lines>, ConsoleError> {
    let Some(_lock) = lock(queue, tools, out).await? else {
        return Ok(None);
    };
    let mut walk = Walk::begin(tools, queue).await?;
    let progress = progress(queue, walk.total());
    let mut lines = Lines::new();
    loop {
        let letters = walk.next(WINDOW).await;
        if letters.is_empty() {
            break;
        }
        for letter in letters
            .iter()
            .filter(|letter| choice.takes(&letter.facts, tools.console.now))
        {
            let key = (
                letter.facts.client.clone().unwrap_or_else(|| "-".to_owned()),
                letter.facts.cause,
            );
            let line = lines.entry(key).or_default();
            line.letters += 1;
            let is_readable = directory.is_none_or(|directory| letter.is_readable(directory));
            if is_readable && routing_key(queue, letter).is_some() {
                line.would_go_out += 1;
            } else {
                line.unreadable += 1;
            }
        }
        walk.keep(letters).await?;
        progress.set_position(u64::from(walk.met()));
    }
    progress.finish_and_clear();
    walk.end().await;
    Ok(Some(lines))
}

struct Forecast {
    queue: DeadQueue,
    depth: i64,
    lines: Lines,
    of_the_past: i64,
    accept_duplicates: bool,
}

impl Forecast {
    fn render(&self) -> String {
        let sum = |part: fn(&Line) -> i64| self.lines.values().map(part).sum::<i64>();
        let letters = sum(|line| line.letters);
        let name = self.queue.as_str();
        if letters + self.of_the_past == 0 {
            return format!("{name}: nothing to replay\n");
        }
        let doubtful = if self.accept_duplicates {
            "may have been counted and would go out all the same, as far as the platform still takes them"
        } else {
            "may have been counted and would stay: --accept-duplicates sends them all the same"
        };
        let parts = [
            (sum(|line| line.too_late), "too late for the platform"),
            (self.of_the_past, "already handled: their letters would be dropped"),
            (sum(|line| line.may_be_counted), doubtful),
            (sum(|line| line.unreadable), "still cannot be read"),
        ];
        let mut text = format!(
            "{name}: of {}, {} would go out",
            count(letters + self.of_the_past, "letter"),
            grouped(sum(|line| line.would_go_out))
        );
        for (number, what) in parts.into_iter().filter(|(number, _)| *number > 0) {
            text.push_str(&format!(", {} {what}", grouped(number)));
        }
        text.push_str(".\n");
        if self.queue.platform().is_some() && self.depth < letters {
            text.push_str(&format!(
                "{name}: the queue holds {}: the others were dropped by hand, or are on their way there.\n",
                count(self.depth, "letter")
            ));
        }
        text.push_str(&self.table());
        text
    }

    fn table(&self) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let is_of_platform = self.queue.platform().is_some();
        let doubts: &[&str] = if is_of_platform {
            &["TOO LATE", "MAY BE COUNTED"]
        } else {
            &["UNREADABLE"]
        };
        let mut columns = vec![
            Column::left("CLIENT"),
            Column::left("CAUSE"),
            Column::right("LETTERS"),
            Column::right("WOULD GO OUT"),
        ];
        columns.extend(doubts.iter().map(|title| Column::right(*title)));
        let rows = self.lines.iter().map(|((client, cause), line)| {
            let mut numbers = vec![line.letters, line.would_go_out];
            if is_of_platform {
                numbers.extend([line.too_late, line.may_be_counted]);
            } else {
                numbers.push(line.unreadable);
            }
            let cause = cause.map_or_else(|| "came back too often".to_owned(), |cause| cause.to_string());
            [one_line(client), cause]
                .into_iter()
                .chain(numbers.into_iter().map(grouped))
                .collect()
        });
        render(&columns, rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(accept_duplicates: bool) -> Forecast {
        let line = |letters, would_go_out, too_late, may_be_counted| Line {
            letters,
            would_go_out,
            too_late,
            may_be_counted,
            unreadable: 0,
        };
        Forecast {
            queue: DeadQueue::Platform(Platform::Meta),
            depth: 4_812,
            lines: BTreeMap::from([
                (("acme".to_owned(), Some(Cause::Refused)), line(4_300, 4_300, 0, 0)),
                (("globex".to_owned(), Some(Cause::DeadlinePassed)), line(399, 0, 399, 0)),
                (("globex".to_owned(), Some(Cause::MayBeCounted)), line(3, 0, 0, 3)),
            ]),
            of_the_past: 110,
            accept_duplicates,
        }
    }

    #[test]
    fn a_forecast_says_what_would_become_of_every_letter() {
        insta::assert_snapshot!(forecast(false).render(), @r"
        meta: of 4,812 letters, 4,300 would go out, 399 too late for the platform, 110 already handled: their letters would be dropped, 3 may have been counted and would stay: --accept-duplicates sends them all the same.
        CLIENT  CAUSE            LETTERS  WOULD GO OUT  TOO LATE  MAY BE COUNTED
        acme    refused            4,300         4,300         0               0
        globex  deadline_passed      399             0       399               0
        globex  may_be_counted         3             0         0               3
        ");
    }

    #[test]
    fn a_queue_with_fewer_letters_than_failures_and_an_empty_one_say_so() {
        let fewer = Forecast {
            depth: 7,
            of_the_past: 0,
            lines: forecast(true).lines.into_iter().take(1).collect(),
            ..forecast(true)
        };
        let empty = Forecast {
            depth: 0,
            of_the_past: 0,
            lines: Lines::new(),
            ..forecast(false)
        };

        insta::assert_snapshot!(fewer.render(), @r"
        meta: of 4,300 letters, 4,300 would go out.
        meta: the queue holds 7 letters: the others were dropped by hand, or are on their way there.
        CLIENT  CAUSE    LETTERS  WOULD GO OUT  TOO LATE  MAY BE COUNTED
        acme    refused    4,300         4,300         0               0
        ");
        assert_eq!(empty.render(), "meta: nothing to replay\n");
    }

    #[test]
    fn messages_from_outside_go_out_if_they_can_be_read_now() {
        let mixed = Line {
            letters: 3,
            would_go_out: 1,
            unreadable: 2,
            ..Line::default()
        };
        let forecast = Forecast {
            queue: DeadQueue::Events,
            depth: 3,
            of_the_past: 0,
            lines: BTreeMap::from([(("-".to_owned(), Some(Cause::MalformedJson)), mixed)]),
            accept_duplicates: false,
        };

        insta::assert_snapshot!(forecast.render(), @r"
        events: of 3 letters, 1 would go out, 2 still cannot be read.
        CLIENT  CAUSE           LETTERS  WOULD GO OUT  UNREADABLE
        -       malformed_json        3             1           2
        ");
    }
}
