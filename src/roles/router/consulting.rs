//! The click ledger's part in a batch: it remembers the clicks that came, and says what it knows of the people of the events. Three statements at
//! the most, however many events there are.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::breathe;
use crate::{
    broker::{Delivery, HeaderValue},
    domain::{Cause, ClientId, Directory, event::Event},
    metrics::clicks,
    roles::{
        context::Context,
        plan::{Remembered, clicks_of, country, question},
    },
    store::{
        StoreError,
        clicks::{ClickQuestion, NewClick},
    },
    wire::{dispatch::header, event::Malformed, webhook::PersonClick},
};

/// An event with what is known of its person.
pub(super) struct Candidate {
    /// The place of its delivery.
    pub(super) delivery: usize,
    pub(super) event: Event,
    /// The digests of its identities, as they are stored.
    pub(super) identities: Vec<Uuid>,
    pub(super) remembered: Remembered,
}

/// Asks the ledger about a batch.
pub(super) struct Consultation<'a> {
    pub(super) context: &'a Context,
    pub(super) directory: &'a Directory,
    pub(super) deliveries: &'a [Delivery],
    pub(super) now: DateTime<Utc>,
}

/// What an event gives the ledger, and asks of it.
struct Asked {
    identities: Vec<Uuid>,
    clicks: Vec<NewClick>,
    question: Option<ClickQuestion>,
    may_grow: bool,
}

impl Consultation<'_> {
    /// Remembers all clicks first, so that events of the same batch find them; events that cannot be looked at are `faults`.
    pub(super) async fn hold(
        &self,
        events: Vec<(usize, Event)>,
        person_clicks: Vec<PersonClick>,
        faults: &mut Vec<(usize, Malformed)>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut new: Vec<NewClick> = person_clicks.iter().filter_map(|click| self.clicked(click)).collect();
        let mut candidates = Vec::with_capacity(events.len());
        let mut questions = Vec::new();
        let mut askers = Vec::new();
        for (index, (delivery, event)) in events.into_iter().enumerate() {
            breathe(index).await;
            // A panic over one event is that event's bug, not the batch's.
            let Ok(asked) = catch_unwind(AssertUnwindSafe(|| self.asked(delivery, &event))) else {
                faults.push((delivery, Malformed::of(Cause::Bug)));
                continue;
            };
            new.extend(asked.clicks);
            if let Some(question) = asked.question {
                questions.push(question);
                askers.push(candidates.len());
            }
            candidates.push(Candidate {
                delivery,
                event,
                identities: asked.identities,
                remembered: Remembered {
                    clicks: Vec::new(),
                    may_grow: asked.may_grow,
                },
            });
        }
        self.remember(new).await?;
        crate::crash_point!("router.after_clicks");
        let answers = self.context.store.latest_clicks(&questions).await?;
        for (place, clicks) in askers.into_iter().zip(answers) {
            candidates[place].remembered.clicks = clicks;
        }
        Ok(candidates)
    }

    fn clicked(&self, person_click: &PersonClick) -> Option<NewClick> {
        let PersonClick { client, person, click } = person_click;
        let country = self
            .directory
            .client(client)
            .and_then(|client| client.country.as_deref());
        let digests = || self.context.search_keys.digests(person, country).stored;
        let identities = catch_unwind(AssertUnwindSafe(digests)).ok()?;
        (!identities.is_empty()).then(|| NewClick {
            client: client.clone(),
            identities,
            click: click.clone(),
        })
    }

    fn asked(&self, delivery: usize, event: &Event) -> Asked {
        let client = self.directory.client(&event.client);
        let country = country(event, client);
        let digests = self.context.search_keys.digests(&event.person, country.as_deref());
        let clicks = if digests.stored.is_empty() {
            Vec::new()
        } else {
            clicks_of(event)
        };
        // Who publishes may have asked already, and told somebody of the answer.
        let is_answered = self.deliveries[delivery]
            .headers
            .get(header::CLICKS_KNOWN)
            .and_then(HeaderValue::as_boolean)
            == Some(true);
        let accounts = self.directory.accounts_of(&event.client).iter().map(AsRef::as_ref);
        let question = question(event.into(), accounts, &digests.sought).filter(|_| !is_answered);
        Asked {
            clicks: clicks
                .into_iter()
                .map(|click| NewClick {
                    client: event.client.clone(),
                    identities: digests.stored.clone(),
                    click,
                })
                .collect(),
            question,
            may_grow: !digests.stored.is_empty() && !is_answered,
            identities: digests.stored,
        }
    }

    async fn remember(&self, mut new: Vec<NewClick>) -> Result<(), StoreError> {
        let kept = TimeDelta::from_std(self.context.pace.clicks_kept).unwrap_or(TimeDelta::MAX);
        // What is past its time would only be dropped again.
        new.retain(|new| self.now - new.click.first_seen < kept);
        if new.is_empty() {
            return Ok(());
        }
        let found = self.context.store.remember_clicks(&new).await?;
        for new in &new {
            clicks::remembered(new.click.kind);
        }
        let waiting: BTreeSet<&ClientId> = new
            .iter()
            .map(|new| &new.client)
            .filter(|client| self.is_waited_for(client))
            .collect();
        if !found.is_empty() && !waiting.is_empty() {
            let clients: Vec<&ClientId> = waiting.into_iter().collect();
            self.context.store.hasten_waits(&clients, &found).await?;
        }
        Ok(())
    }

    fn is_waited_for(&self, client: &ClientId) -> bool {
        let mut accounts = self.directory.accounts_of(client).iter();
        accounts.any(|account| account.rules.wait_for_click_seconds.is_some())
    }
}
