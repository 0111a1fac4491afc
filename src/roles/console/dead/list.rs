//! `dead list`: how many lie where, by cause and client, with the sentence that says who must act. It only looks.

use std::{collections::BTreeMap, io::Write};

use chrono::{DateTime, Utc};

use super::{
    Tools,
    choice::{Choice, DeadQueue},
    letter::Facts,
    lock, progress,
    walk::{WINDOW, Walk},
};
use crate::{
    domain::{Cause, Directory},
    roles::console::{
        ConsoleError, Exit,
        clock::Clock,
        footnotes::{Footnotes, Note},
        table::{Column, one_line, render},
        words::{Blanks, count, grouped},
    },
    store::replay::FailedGroup,
};

/// Letters of one queue, cause and client.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    queue: DeadQueue,
    cause: Option<Cause>,
    client: Option<String>,
    count: i64,
    oldest: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
}

pub(super) async fn run(choice: &Choice, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let store = &tools.console.store;
    let now = tools.console.now;
    let directory = store.directory().await?;
    let mut exit = Exit::Success;
    let failed = store.failed_groups(&choice.of_ledger(now)).await?;
    let mut groups: Vec<Group> = failed.iter().map(Group::of_ledger).collect();
    for queue in choice.queues() {
        if queue.platform().is_none() {
            match inbound(queue, choice, tools, out).await? {
                Some(found) => groups.extend(found),
                None => exit = Exit::Attention,
            }
        }
    }
    if groups.is_empty() {
        writeln!(
            out,
            "No dead letters{}.",
            if choice.is_everything() { "" } else { " that fit" }
        )?;
    } else {
        let client = choice.client.as_ref().and_then(|id| directory.client(id));
        let clock = Clock::of_clients([client], now);
        write!(out, "{}", page(&groups, &directory, clock))?;
    }
    if choice.is_everything() {
        for platform in choice.platforms() {
            let queue = tools.topology.dead_queue(platform.as_str());
            let letters = i64::from(tools.broker.queue_depth(&queue).await?);
            let of_platform = failed.iter().filter(|group| group.platform == platform);
            let standing = of_platform.map(|group| group.count).sum();
            if let Some(remark) = remark(letters, standing) {
                writeln!(out, "{platform}: {remark}")?;
            }
        }
    }
    Ok(exit)
}

/// Says what it means that the queue and the ledger hold different numbers.
fn remark(letters: i64, standing: i64) -> Option<String> {
    let difference = letters - standing;
    match difference {
        0 => None,
        1.. => Some(format!(
            "{} in the queue {} of the past: sent or replayed since; `dead replay` drops what is",
            count(difference, "more letter"),
            if difference == 1 { "is" } else { "are" }
        )),
        _ => Some(format!(
            "{} of these {} no letter in the queue: dropped by hand, or on its way there",
            grouped(-difference),
            if difference == -1 { "has" } else { "have" }
        )),
    }
}

/// Walks an inbound queue; `None` if somebody else does.
async fn inbound(
    queue: DeadQueue,
    choice: &Choice,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Option<Vec<Group>>, ConsoleError> {
    let Some(_lock) = lock(queue, tools, out).await? else {
        return Ok(None);
    };
    let mut walk = Walk::begin(tools, queue).await?;
    let progress = progress(queue, walk.total());
    let mut groups: BTreeMap<(Option<Cause>, Option<String>), Group> = BTreeMap::new();
    loop {
        let letters = walk.next(WINDOW).await;
        if letters.is_empty() {
            break;
        }
        for letter in &letters {
            if choice.takes(&letter.facts, tools.console.now) {
                let key = (letter.facts.cause, letter.facts.client.clone());
                groups
                    .entry(key)
                    .or_insert_with(|| Group::new(queue, &letter.facts))
                    .add(letter.facts.failed_at);
            }
        }
        walk.keep(letters).await?;
        progress.set_position(u64::from(walk.met()));
    }
    progress.finish_and_clear();
    walk.end().await;
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(Some(groups))
}

fn page(groups: &[Group], directory: &Directory, clock: Clock) -> String {
    let zone = if clock.is_fallback() { " UTC" } else { "" };
    let columns = [
        Column::left("QUEUE"),
        Column::left("CAUSE"),
        Column::left("CLIENT"),
        Column::right("COUNT"),
        Column::left(format!("OLDEST{zone}")),
        Column::left(format!("NEWEST{zone}")),
    ];
    let mut notes = Footnotes::default();
    let time = |at: Option<DateTime<Utc>>| at.map_or_else(|| "-".to_owned(), |at| clock.short(at));
    let rows = groups.iter().map(|group| {
        let cause = match group.cause {
            Some(cause) => format!("{cause} ({})", notes.number(group.note(cause, directory))),
            None => "came back too often".to_owned(),
        };
        vec![
            group.queue.as_str().to_owned(),
            cause,
            one_line(group.client.as_deref().unwrap_or("-")),
            grouped(group.count),
            time(group.oldest),
            time(group.newest),
        ]
    });
    let rows = rows.collect();
    format!("{}{}", render(&columns, rows), notes.render())
}

impl Group {
    fn of_ledger(failed: &FailedGroup) -> Self {
        Self {
            queue: DeadQueue::Platform(failed.platform),
            cause: Some(failed.cause),
            client: Some(failed.client.to_string()),
            count: failed.count,
            oldest: Some(failed.oldest),
            newest: Some(failed.newest),
        }
    }

    fn new(queue: DeadQueue, facts: &Facts) -> Self {
        Self {
            queue,
            cause: facts.cause,
            client: facts.client.clone(),
            count: 0,
            oldest: None,
            newest: None,
        }
    }

    fn add(&mut self, failed_at: Option<DateTime<Utc>>) {
        self.count += 1;
        self.oldest = self.oldest.into_iter().chain(failed_at).min();
        self.newest = self.newest.into_iter().chain(failed_at).max();
    }

    fn note(&self, cause: Cause, directory: &Directory) -> Note {
        let names_client = cause.sentence().contains("{client}") || cause.who() == crate::domain::Who::Client;
        let client = directory
            .clients()
            .find(|client| Some(client.id.as_str()) == self.client.as_deref());
        let blanks = Blanks {
            platform: self.queue.platform(),
            client: client.filter(|_| names_client).map(|client| client.name.as_str()),
            ..Blanks::default()
        };
        Note {
            cause,
            sentence: blanks.sentence(cause),
            action: blanks.action(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Platform;

    fn group(queue: DeadQueue, cause: Option<Cause>, client: Option<&str>, count: i64) -> Group {
        Group {
            queue,
            cause,
            client: client.map(str::to_owned),
            count,
            oldest: "2026-11-19T08:00:00Z".parse().ok(),
            newest: "2026-11-20T08:00:00Z".parse().ok(),
        }
    }

    #[test]
    fn groups_stand_below_each_other_and_each_reason_once() {
        let meta = DeadQueue::Platform(Platform::Meta);
        let groups = [
            group(meta, Some(Cause::Refused), Some("acme"), 4_812),
            group(meta, Some(Cause::Refused), Some("globex"), 2),
            group(DeadQueue::Events, Some(Cause::MissingField), Some("acme"), 1),
            group(DeadQueue::Events, None, None, 1),
        ];
        let clock = Clock::of_clients([], "2026-11-20T12:00:00Z".parse().unwrap());

        insta::assert_snapshot!(page(&groups, &Directory::default(), clock), @r"
        QUEUE   CAUSE                CLIENT  COUNT  OLDEST UTC    NEWEST UTC
        meta    refused (1)          acme    4,812  19 Nov 08:00  08:00
        meta    refused (1)          globex      2  19 Nov 08:00  08:00
        events  missing_field (2)    acme        1  19 Nov 08:00  08:00
        events  came back too often  -           1  19 Nov 08:00  08:00
        (1) refused        Meta refused the conversion for good.   developer: repair what the platform names, then `dead replay`
        (2) missing_field  The event lacks a required field.   developer: send the field with every event of this name
        ");
    }

    #[test]
    fn a_queue_that_holds_another_number_than_the_ledger_says_why() {
        assert_eq!(remark(7, 7), None);
        insta::assert_snapshot!(remark(8, 7).unwrap(), @"1 more letter in the queue is of the past: sent or replayed since; `dead replay` drops what is");
        insta::assert_snapshot!(remark(1_110, 0).unwrap(), @"1,110 more letters in the queue are of the past: sent or replayed since; `dead replay` drops what is");
        insta::assert_snapshot!(remark(6, 7).unwrap(), @"1 of these has no letter in the queue: dropped by hand, or on its way there");
        insta::assert_snapshot!(remark(0, 7).unwrap(), @"7 of these have no letter in the queue: dropped by hand, or on its way there");
    }
}
