//! Callers of a gateway under load, what they were told, and whether the ledger says the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use chrono::Utc;
use conversion_relay::domain::EventId;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    gateway::{Answer, Gateway, answer, hub_signature},
    relay::Relay,
    wait::until,
    world::{PATIENCE, World},
};

/// How many callers there are at a time, and in how many ways they call.
const CALLERS: usize = 6;
const WAYS: usize = 5;
/// The way of webhooks: an automatic event of WhatsApp, signed.
const WEBHOOK: usize = 4;
/// The dataset and the phone number of a report that finds its click; the other finds none.
pub const CLICKED: &str = "+5491155551234";
pub const NOT_CLICKED: &str = "+5491155550000";

/// What callers were told, by event ID.
#[derive(Default)]
pub struct Told {
    pub taken: BTreeSet<String>,
    pub refused: BTreeSet<String>,
    /// How often no answer came, or a 503.
    pub open: usize,
}

/// The ID of the event that is good, and of the one that is none.
fn ids(number: usize) -> (String, String) {
    let good = if number % WAYS == WEBHOOK {
        EventId::from_wamid(&wamid(number)).to_string()
    } else {
        format!("load-{number}")
    };
    (good, format!("bad-{number}"))
}

fn wamid(number: usize) -> String {
    format!("wamid.load-{number}")
}

/// What Meta sends of a lead that it saw itself.
fn automatic_event(number: usize, timestamp: i64) -> Value {
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [{"field": "automatic_events", "value": {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "automatic_events": [
            {"id": wamid(number), "event_name": "LeadSubmitted", "timestamp": timestamp, "ctwa_clid": format!("ARAload{number}")}
        ]
    }}]}]})
}

impl Told {
    /// Takes an answer down; says whether the caller is done with this one.
    fn hear(&mut self, number: usize, answered: Option<Answer>) -> bool {
        let (id, bad) = ids(number);
        match answered.as_ref().map_or(0, |answer| answer.status) {
            200 | 202 | 207 => {
                self.taken.insert(id);
                if number.is_multiple_of(WAYS) {
                    self.refused.insert(bad);
                }
                true
            }
            400 => {
                self.refused.insert(bad);
                true
            }
            0 | 503 => {
                self.open += 1;
                false
            }
            other => panic!("{other}: {answered:?}"),
        }
    }
}

/// Callers that send until they are told to stop, and never give up on an event that they were not answered for.
pub struct Load {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    target: Arc<Mutex<Arc<Gateway>>>,
    callers: JoinSet<()>,
}

impl Load {
    pub fn on(gateway: Gateway, key: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told: Arc<Mutex<Told>> = Arc::default();
        let target = Arc::new(Mutex::new(Arc::new(gateway)));
        let number = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (stop, told, target, number) = (
                Arc::clone(&stop),
                Arc::clone(&told),
                Arc::clone(&target),
                Arc::clone(&number),
            );
            let key = key.to_owned();
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    call(number, &key, &target, &told).await;
                }
            });
        }
        Self {
            stop,
            told,
            target,
            callers,
        }
    }

    fn taken(&self) -> usize {
        self.told.lock().expect("no caller panics").taken.len()
    }

    /// Waits until so many more were taken.
    pub async fn goes_on(&self, more: usize) {
        let from = self.taken();
        until("the gateway takes events", PATIENCE, async || {
            let taken = self.taken();
            if taken >= from + more {
                Ok(())
            } else {
                Err(format!("{taken} from {from}"))
            }
        })
        .await;
    }

    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.target.lock().expect("no caller panics"))
    }

    pub fn goes_to(&self, gateway: Gateway) {
        *self.target.lock().expect("no caller panics") = Arc::new(gateway);
    }

    pub async fn end(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("no caller panics");
        }
        std::mem::take(&mut self.told.lock().expect("no caller panics"))
    }
}

/// One event, by one of the ways, until it is answered for.
async fn call(number: usize, key: &str, target: &Mutex<Arc<Gateway>>, told: &Mutex<Told>) {
    let (id, bad) = ids(number);
    let now = Utc::now().timestamp();
    loop {
        let gateway = Arc::clone(&target.lock().expect("no caller panics"));
        let request = match number % WAYS {
            0 => gateway.request("POST", "/v1/events").json(&json!([
                {"event_id": id, "event_name": "Lead", "user": {"email": "jane@customers.example"}},
                {"event_id": bad, "event_name": "Purchase"}
            ])),
            1 => gateway.request("POST", "/v1/events").json(&json!({"event_id": bad, "event_name": "Lead", "client_id": "globex"})),
            WEBHOOK => {
                let body = automatic_event(number, now).to_string();
                let signature = hub_signature(body.as_bytes());
                gateway.request("POST", "/webhooks/whatsapp/acme").header("x-hub-signature-256", signature).body(body)
            }
            way => gateway.request("POST", SEND_EVENT).json(&json!({
                "event_id": id, "event_name": "LeadSubmitted", "phone_number": if way == 2 { CLICKED } else { NOT_CLICKED }
            })),
        };
        let answered: Option<Answer> = answer(request.bearer_auth(key)).await.ok();
        if told.lock().expect("no caller panics").hear(number, answered) {
            return;
        }
        // Its turn comes again when the others have had theirs.
        tokio::task::yield_now().await;
    }
}

pub const SEND_EVENT: &str = "/api/v1/app/meta-ads/capi/send-event";

/// ACME with a WhatsApp dataset, and a person whose click is known.
pub async fn prepare(world: &World) -> String {
    world.add_dataset().await;
    world.add_webhooks().await;
    world
        .publish(&[json!({
            "event_id": "chat", "client_id": "acme", "event_name": "Contact", "action_source": "business_messaging",
            "user": {"phone": CLICKED}, "click": {"ctwa_clid": "ARAkLkA8rmlF"}
        })])
        .await;
    world.key_of("acme").await
}

pub async fn router(world: &World) -> Relay {
    world.relay().role("router").start().ready().await
}

/// Asserts that the ledger says what the callers were told.
pub async fn assert_kept(world: &World, told: &Told) {
    assert!(
        told.taken.len() > 100 && told.refused.len() > 20,
        "too little has happened"
    );
    let client = world.schema.client().await;
    let read = async || -> BTreeMap<String, Vec<String>> {
        let rows = client
            .query(
                "SELECT event_id, array_remove(array_agg(state || coalesce(' ' || dispatch.cause, '') ORDER BY account_id)
                            FILTER (WHERE destination = '4000000001'), NULL)
                 FROM events LEFT JOIN dispatches dispatch ON event_key = key GROUP BY key, event_id",
                &[],
            )
            .await
            .expect("the ledger can be read");
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &rows {
            let states: Option<Vec<String>> = row.get(1);
            found.insert(row.get(0), states.unwrap_or_default());
        }
        found
    };
    let found = until("everything that was taken is in the ledger", PATIENCE, async || {
        let found = read().await;
        let missing: Vec<&String> = told.taken.iter().filter(|id| !found.contains_key(*id)).collect();
        if missing.is_empty() {
            Ok(found)
        } else {
            Err(format!("{} are missing: {:?}", missing.len(), missing.first()))
        }
    })
    .await;
    let refused: Vec<&String> = told.refused.iter().filter(|id| found.contains_key(*id)).collect();
    assert!(refused.is_empty(), "refused, and yet there: {refused:?}");
    // Whatever was sent again lies there under the ID that it had before.
    let of_nobody: Vec<&String> = found
        .keys()
        .filter(|id| !told.taken.contains(*id) && *id != "chat")
        .collect();
    assert!(of_nobody.is_empty(), "nobody was told of {of_nobody:?}");
    for id in &told.taken {
        let Some(number) = id.strip_prefix("load-") else {
            continue;
        };
        let number: usize = number.parse().expect("a number");
        let without_click = ["not_sent no_ctwa_click_id_for_phone".to_owned()];
        let at_dataset = &found[id];
        match number % WAYS {
            2 => assert!(
                at_dataset.len() == 1 && at_dataset[0] != without_click[0],
                "{id}: {at_dataset:?}"
            ),
            3 => assert_eq!(at_dataset.as_slice(), without_click, "{id}"),
            _ => {}
        }
    }
    assert_eq!(world.depth("dead.events").await, 0);
    assert_eq!(world.depth("dead.webhooks").await, 0);
}
