//! A database and a vhost of a test's own, conversions in them, and the binary to ask about them.

use std::{ops::Deref, process::Output, time::Duration};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use conversion_relay::{
    broker::{Arrivals, Headers, IntakeSettings, Outgoing, topology::Topology},
    domain::{
        AccountId, Cause, ClientId, DispatchKey, EventId, EventRecord, Platform, State,
        event::{ActionSource, Consent},
        person::{Person, Personal},
        search_key::SearchKeys,
    },
    roles::messages::dead_message,
    store::{
        Store,
        routing::{NewDispatch, NewEvent},
        sending::{Claim, DeadFacts, Record, Report, RequestFacts},
    },
};
use serde_json::json;
use tokio::process::Command;
use uuid::Uuid;

use crate::support::world as support;

pub const META: AccountId = AccountId(1);
pub const GOOGLE: AccountId = AccountId(2);
pub const TIKTOK: AccountId = AccountId(3);

/// The key of the shared support.
const IDENTITY_KEY: &str = "a-key-of-the-tests-that-is-long-enough";
/// Long enough for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(900);

/// A world whose ledger and queues a test fills by hand.
pub struct World {
    inner: support::World,
    pub topology: Topology,
}

impl Deref for World {
    type Target = support::World;

    fn deref(&self) -> &support::World {
        &self.inner
    }
}

impl World {
    /// An empty ledger with two clients, and empty queues.
    pub async fn new() -> Self {
        let world = Self {
            inner: support::World::new().await,
            topology: Topology::default(),
        };
        let mut changes = world.broker.changes();
        let good = tokio::time::timeout(DEADLINE, changes.wait_for(|health| health.is_good())).await;
        good.expect("it connects in time").expect("the broker is there");
        drop(changes);
        world
    }

    pub fn store(&self) -> &Store {
        &self.schema.store
    }

    /// The binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().await.expect("the binary runs"))
    }

    /// Takes all that lies in a queue.
    pub async fn take(&self, queue: &str) -> Vec<Message> {
        let depth = self.broker.queue_depth(queue).await.expect("the queue is there") as usize;
        let mut intake = self.broker.intake(IntakeSettings {
            queue: queue.to_owned(),
            prefetch: 1_000,
            role: "test",
        });
        let mut messages = Vec::with_capacity(depth);
        while messages.len() < depth {
            let arrivals = tokio::time::timeout(DEADLINE, intake.next(1_000)).await;
            let Ok(Arrivals::Deliveries(deliveries)) = arrivals else {
                panic!("{arrivals:?} after {} of {depth}", messages.len());
            };
            for delivery in deliveries {
                messages.push(Message {
                    message_id: delivery.message_id.clone(),
                    routing_key: delivery.routing_key.clone(),
                    headers: delivery.headers.clone(),
                    body: String::from_utf8_lossy(&delivery.body).into_owned(),
                });
                delivery.ack();
            }
        }
        assert!(intake.drain(DEADLINE).await.clean);
        messages
    }

    /// Publishes, confirmed.
    pub async fn put(&self, messages: Vec<Outgoing>) {
        let publisher = self.broker.publisher("test");
        publisher.publish(messages, DEADLINE).await.expect("all is confirmed");
    }

    /// Stores a sale that the platform then refused; its letter lies in the dead queue. Gives the letter.
    pub async fn refused_sale(&self, event: NewEvent, account: AccountId) -> Outgoing {
        let event = with(event, vec![part(account, State::Queued, None)]);
        let stored = self.store().store_events(std::slice::from_ref(&event), SILENCE).await;
        let dispatch = stored.expect("the event can be stored").remove(0).queued.remove(0);
        self.attempt(key(&event, account), refused).await;
        let facts = DeadFacts {
            cause: Cause::Refused,
            detail: Some("100/2804009 Invalid parameter".to_owned()),
            dead_count: 1,
            attempts: 1,
            failed_at: now(),
        };
        let letter = dead_message(&self.topology, &dispatch, &facts);
        self.put(vec![letter.clone()]).await;
        let confirmed = self.store().dead_copies_confirmed(&[dispatch.key()]).await;
        confirmed.expect("the copy is noted");
        letter
    }

    /// Runs a statement.
    pub async fn sql(&self, statement: &str) {
        let client = self.schema.client().await;
        client.batch_execute(statement).await.expect("the statement runs");
    }

    /// Stores an event.
    pub async fn store_event(&self, event: NewEvent) {
        self.store()
            .store_events(&[event], SILENCE)
            .await
            .expect("the event can be stored");
    }

    /// Claims what is queued, and records this of it.
    pub async fn attempt(&self, key: DispatchKey, how: impl Fn(Record) -> Record) {
        let lease = Uuid::now_v7();
        let claimed = self
            .store()
            .claim(&[key], lease, Duration::from_secs(90))
            .await
            .expect("the statement runs");
        assert!(matches!(claimed[0], Claim::Ours(_)), "{claimed:?}");
        let facts = RequestFacts {
            request_id: Some("AbC123".to_owned()),
            http_status: Some(400),
            duration_ms: 81,
            batch: 1,
        };
        let report = Report {
            lease,
            records: vec![how(delivered(key))],
            facts,
        };
        let recorded = self
            .store()
            .record(&report, &[], None)
            .await
            .expect("the record is taken");
        assert_eq!(recorded.len(), 1);
    }
}

/// What lay in a queue.
#[derive(Clone, Debug)]
pub struct Message {
    pub message_id: Option<String>,
    pub routing_key: String,
    pub headers: Headers,
    pub body: String,
}

/// What a command said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Ran {
    /// The output of a command that did well.
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }
}

/// Now, as exactly as Postgres tells it.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

/// A purchase of Jane's at ACME that nobody has decided about.
pub fn purchase(order: &str) -> NewEvent {
    let client = ClientId::parse("acme").expect("an ID");
    let mut record: EventRecord = serde_json::from_value(json!({
        "client": "acme", "event_id": format!("e-{order}"), "name": "Purchase", "time": now(), "first_seen": now(),
        "action_source": "website", "identities": {"meta": {"em": ["5ecr3t"]}, "google": {}, "tiktok": {}}
    }))
    .expect("a record");
    record.client = client;
    record.event_id = EventId::parse(&format!("e-{order}")).expect("an ID");
    record.order_id = Some(order.to_owned());
    record.value = Some("59.90".parse().expect("a number"));
    record.currency = Some("EUR".to_owned());
    record.action_source = ActionSource::Website;
    record.consent = Consent::default();
    NewEvent {
        record,
        fingerprint: [7; 16],
        identities: digests(&[Personal::new("jane@example.com")], &[Personal::new("0170 1234567")]),
        cause: None,
        keep_until: now() + TimeDelta::days(90),
        dispatches: vec![],
    }
}

/// The digests of a person's addresses and numbers.
pub fn digests(emails: &[Personal], phones: &[Personal]) -> Vec<Uuid> {
    let person = Person {
        emails: emails.to_vec(),
        phones: phones.to_vec(),
        ..Person::default()
    };
    let keys = SearchKeys::new(vec![IDENTITY_KEY.as_bytes().to_vec()]).expect("a key");
    keys.digests(&person, Some("DE")).current
}

/// An ad account's part of an event.
pub fn part(account: AccountId, state: State, cause: Option<Cause>) -> NewDispatch {
    let (platform, destination) = match account {
        META => (Platform::Meta, "1000000001"),
        GOOGLE => (Platform::Google, "1000000002"),
        _ => (Platform::Tiktok, "C0PIXEL0000000000001"),
    };
    NewDispatch {
        account,
        platform,
        destination: destination.to_owned(),
        state,
        cause,
        detail: None,
        due: None,
        deadline: now() + TimeDelta::days(7),
        click: None,
    }
}

/// An event with its parts.
pub fn with(event: NewEvent, dispatches: Vec<NewDispatch>) -> NewEvent {
    NewEvent { dispatches, ..event }
}

/// Which row of the ledger an event has at an ad account.
pub fn key(event: &NewEvent, account: AccountId) -> DispatchKey {
    DispatchKey {
        event: event.record.key(),
        account,
    }
}

/// The platform took it.
pub fn delivered(key: DispatchKey) -> Record {
    Record {
        key,
        state: State::Sent,
        cause: None,
        detail: None,
        due: None,
        deadline: now() + TimeDelta::days(7),
        is_deferral: false,
        is_ambiguous: false,
        receipt: None,
        outcome: Some("delivered"),
        code: None,
        message: None,
    }
}

/// The platform refused it.
pub fn refused(record: Record) -> Record {
    Record {
        state: State::Failed,
        cause: Some(Cause::Refused),
        detail: Some("100/2804009 Invalid parameter".to_owned()),
        outcome: Some("refused"),
        code: Some("100/2804009".to_owned()),
        message: Some("Invalid parameter".to_owned()),
        ..record
    }
}
