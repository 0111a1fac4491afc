//! Removing the letters of a person: a walk over a queue that looks into each of them.

use std::{collections::HashSet, io::Write};

use super::{
    Tools,
    choice::DeadQueue,
    letter::{Content, Facts, Letter},
    lock, progress,
    walk::{WINDOW, Walk},
};
use crate::{
    domain::{ClientId, Directory, EventKey},
    roles::console::{ConsoleError, forget::Subject},
};

/// Whose letters, and whether they go.
#[derive(Clone, Copy)]
pub(in crate::roles::console) struct Erasing<'a> {
    /// The person.
    pub(in crate::roles::console) subject: &'a Subject<'a>,
    /// Who there is.
    pub(in crate::roles::console) directory: &'a Directory,
    /// Whether the letters are removed; otherwise they are only found.
    pub(in crate::roles::console) is_done: bool,
}

/// Finds the letters of a person in a queue, and removes them; `None` if somebody else walks it. All others are kept.
pub(in crate::roles::console) async fn erase(
    queue: DeadQueue,
    erasing: Erasing<'_>,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Option<Vec<Facts>>, ConsoleError> {
    let Some(_lock) = lock(queue, tools, out).await? else {
        return Ok(None);
    };
    let mut walk = Walk::begin(tools, queue).await?;
    let progress = progress(queue, walk.total());
    let mut found = Vec::new();
    loop {
        let letters = walk.next(WINDOW).await;
        if letters.is_empty() {
            break;
        }
        let events = erasing.events(&letters, tools).await?;
        let (theirs, others): (Vec<Letter>, Vec<Letter>) = letters
            .into_iter()
            .partition(|letter| erasing.concerns(letter, &events));
        found.extend(theirs.iter().map(|letter| letter.facts.clone()));
        if erasing.is_done {
            walk.keep(others).await?;
            crate::crash_point!("forget.before_ack");
            walk.settle(theirs, Vec::new());
        } else {
            walk.keep(theirs.into_iter().chain(others).collect()).await?;
        }
        progress.set_position(u64::from(walk.met()));
    }
    progress.finish_and_clear();
    walk.end().await;
    Ok(Some(found))
}

impl Erasing<'_> {
    /// Which of the letters' events the ledger knows to be theirs, or forgotten already.
    async fn events(&self, letters: &[Letter], tools: Tools<'_>) -> Result<HashSet<EventKey>, ConsoleError> {
        let person = &self.subject.person;
        let keys: Vec<EventKey> = letters
            .iter()
            .filter_map(|letter| match &letter.content {
                Content::Conversion(dispatch) if dispatch.event.client == person.client => Some(dispatch.event.key()),
                _ => None,
            })
            .collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        Ok(tools.console.store.events_to_forget(person, &keys).await?)
    }

    /// A conversion is the person's if the ledger says so, or if it bears their identity. Anything else is if it does, unless it is another client's:
    /// one that names no client that there is can be this one's.
    fn concerns(&self, letter: &Letter, events: &HashSet<EventKey>) -> bool {
        let client = &self.subject.person.client;
        match &letter.content {
            Content::Conversion(dispatch) => {
                dispatch.event.client == *client
                    && (events.contains(&dispatch.event.key()) || self.subject.is_in(&letter.delivery.body))
            }
            Content::Foreign | Content::Event { .. } | Content::NoEvent | Content::Webhook => {
                let named = letter
                    .facts
                    .client
                    .as_deref()
                    .and_then(|name| ClientId::parse(name).ok());
                let is_anothers =
                    named.is_some_and(|named| named != *client && self.directory.client(&named).is_some());
                !is_anothers && self.subject.is_in(&letter.delivery.body)
            }
        }
    }
}
