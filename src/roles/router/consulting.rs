//! The click ledger's part in a batch: it remembers the clicks that came, and says what it knows of the people of the events. A handful of
//! statements at the most, however many events there are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{EVENTS_A_STEP, breathe};
use crate::{
    broker::{Delivery, HeaderValue},
    domain::{Account, Cause, ClientId, Directory, event::Event, search_key::Digests},
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
    /// The digests under which its person may be known.
    pub(super) identities: Vec<Uuid>,
    /// What the ledger was asked.
    pub(super) question: Option<ClickQuestion>,
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
    remembered: Remembered,
}

impl Consultation<'_> {
    /// Remembers clicks that came without an event.
    pub(super) async fn remember_people(&self, clicks: &[PersonClick]) -> Result<(), StoreError> {
        for step in clicks.chunks(EVENTS_A_STEP) {
            self.remember(step.iter().filter_map(|click| self.clicked(click)).collect())
                .await?;
        }
        Ok(())
    }

    /// Remembers the clicks of events first, so that events of the same batch find them; events that cannot be looked at are `faults`.
    pub(super) async fn hold(
        &self,
        events: Vec<(usize, Event)>,
        faults: &mut Vec<(usize, Malformed)>,
    ) -> Result<Vec<Candidate>, StoreError> {
        let mut new: Vec<NewClick> = Vec::new();
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
            if let Some(question) = &asked.question {
                questions.push(question.clone());
                askers.push(candidates.len());
            }
            candidates.push(Candidate {
                delivery,
                event,
                identities: asked.identities,
                remembered: asked.remembered,
                question: asked.question,
            });
        }
        self.remember(new).await?;
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
        let digests = || self.context.search_keys.digests(person, country).current;
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
        let Digests { current, all } = self.context.search_keys.digests(&event.person, country.as_deref());
        let clicks = if current.is_empty() {
            Vec::new()
        } else {
            clicks_of(event)
        };
        let chats_are_known = self.deliveries[delivery]
            .headers
            .get(header::CLICKS_KNOWN)
            .and_then(HeaderValue::as_boolean)
            == Some(true);
        let accounts = self.directory.accounts_of(&event.client).iter().map(AsRef::as_ref);
        let asking = accounts.filter(|account: &&Account| !chats_are_known || account.rules.waba.is_none());
        Asked {
            clicks: clicks
                .into_iter()
                .map(|click| NewClick {
                    client: event.client.clone(),
                    identities: current.clone(),
                    click,
                })
                .collect(),
            question: question(event.into(), asking, &all),
            remembered: Remembered {
                clicks: Vec::new(),
                may_grow: !all.is_empty(),
                chats_are_known,
            },
            identities: all,
        }
    }

    async fn remember(&self, mut new: Vec<NewClick>) -> Result<(), StoreError> {
        let kept = TimeDelta::from_std(self.context.pace.clicks_kept).unwrap_or(TimeDelta::MAX);
        // What is past its time would only be dropped again.
        new.retain(|new| self.now - new.click.first_seen < kept);
        if new.is_empty() {
            return Ok(());
        }
        self.context.store.remember_clicks(&new).await?;
        crate::crash_point!("router.after_clicks");
        for new in &new {
            clicks::remembered(new.click.kind);
        }
        // Also for what is not new: the router that remembered it may have died before it came to this.
        let waited_for = new.iter().filter(|new| self.is_waited_for(&new.client));
        let pairs = waited_for.flat_map(|new| new.identities.iter().map(|identity| (&new.client, *identity)));
        self.context.store.hasten_waits(&pairs.collect()).await?;
        Ok(())
    }

    /// Whether an ad account of a client waits for clicks.
    fn is_waited_for(&self, client: &ClientId) -> bool {
        let mut accounts = self.directory.accounts_of(client).iter();
        accounts.any(|account| account.rules.wait_for_click_seconds.is_some())
    }
}

/// Looks once more after events that were stored as waiting: a click that another batch remembered meanwhile found nothing yet that it could hasten.
pub(super) async fn look_again(context: &Context, waiting: &[ClickQuestion]) -> Result<(), StoreError> {
    if waiting.is_empty() {
        return Ok(());
    }
    let answers = context.store.latest_clicks(waiting).await?;
    let found = waiting.iter().zip(answers).filter(|(_, clicks)| !clicks.is_empty());
    let pairs =
        found.flat_map(|(question, _)| question.identities.iter().map(|identity| (&question.client, *identity)));
    context.store.hasten_waits(&pairs.collect()).await?;
    Ok(())
}
