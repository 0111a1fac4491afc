//! Whatever is killed under load: what was answered 202 or 200 is in the audit once, and what was refused is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::task::JoinSet;

use super::support::{
    gateway::{Answer, Gateway, answer},
    node::Node,
    postgres::Postgres,
    relay::Relay,
    schema::Schema,
    vhost::Vhost,
    wait::until,
    world::{PATIENCE, World},
};

/// How many callers there are at a time.
const CALLERS: usize = 6;
/// The dataset and the phone number of a report that finds its click; the other finds none.
const CLICKED: &str = "+5491155551234";
const NOT_CLICKED: &str = "+5491155550000";

/// What callers were told, by event ID.
#[derive(Default)]
struct Told {
    taken: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// How often no answer came, or a 503.
    open: usize,
}

fn ids(number: usize) -> (String, String) {
    (format!("load-{number}"), format!("bad-{number}"))
}

impl Told {
    /// Takes an answer down; says whether the caller is done with this one.
    fn hear(&mut self, number: usize, answered: Option<Answer>) -> bool {
        let (id, bad) = ids(number);
        match answered.as_ref().map_or(0, |answer| answer.status) {
            200 | 202 | 207 => {
                self.taken.insert(id);
                if number % 4 == 0 {
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
struct Load {
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    target: Arc<Mutex<Arc<Gateway>>>,
    callers: JoinSet<()>,
}

impl Load {
    fn on(gateway: Gateway, key: &str) -> Self {
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
    async fn goes_on(&self, more: usize) {
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

    fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.target.lock().expect("no caller panics"))
    }

    fn goes_to(&self, gateway: Gateway) {
        *self.target.lock().expect("no caller panics") = Arc::new(gateway);
    }

    async fn end(mut self) -> Told {
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
    loop {
        let gateway = Arc::clone(&target.lock().expect("no caller panics"));
        let request = match number % 4 {
            0 => gateway.request("POST", "/v1/events").json(&json!([
                {"event_id": id, "event_name": "Lead", "user": {"email": "jane@customers.example"}},
                {"event_id": bad, "event_name": "Purchase"}
            ])),
            1 => gateway.request("POST", "/v1/events").json(&json!({"event_id": bad, "event_name": "Lead", "client_id": "globex"})),
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

const SEND_EVENT: &str = "/api/v1/app/meta-ads/capi/send-event";

/// ACME with a WhatsApp dataset, and a person whose click is known.
async fn prepare(world: &World) -> String {
    world
        .add_ruled_account(
            "acme",
            "meta",
            "4000000001",
            "agency-meta",
            r#"{"mode":"live","waba":"102290129340398"}"#,
        )
        .await;
    world
        .publish(&[json!({
            "event_id": "chat", "client_id": "acme", "event_name": "Contact", "action_source": "business_messaging",
            "user": {"phone": CLICKED}, "click": {"ctwa_clid": "ARAkLkA8rmlF"}
        })])
        .await;
    world.key_of("acme").await
}

async fn router(world: &World) -> Relay {
    world.relay().role("router").start().ready().await
}

/// Asserts that the ledger says what the callers were told.
async fn assert_kept(world: &World, told: &Told) {
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
            let twice = found.insert(row.get(0), states.unwrap_or_default());
            assert!(twice.is_none(), "{:?} is there twice", row.get::<_, String>(0));
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
    for id in &told.taken {
        let number: usize = id.trim_start_matches("load-").parse().expect("a number");
        let without_click = ["not_sent no_ctwa_click_id_for_phone".to_owned()];
        let at_dataset = &found[id];
        match number % 4 {
            2 => assert!(
                at_dataset.len() == 1 && at_dataset[0] != without_click[0],
                "{id}: {at_dataset:?}"
            ),
            3 => assert_eq!(at_dataset.as_slice(), without_click, "{id}"),
            _ => {}
        }
    }
    assert_eq!(world.depth("dead.events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_and_a_router_that_are_killed_under_load_keep_their_word() {
    let world = World::new().await;
    let key = prepare(&world).await;
    let mut routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let load = Load::on(Gateway::start(world.gateway()).await, &key);

    for round in 0..4 {
        load.goes_on(25).await;
        if round % 2 == 0 {
            let killed = std::process::Command::new("kill")
                .args(["-9", &load.gateway().relay.pid().to_string()])
                .status();
            assert!(killed.is_ok_and(|status| status.success()));
            load.goes_to(Gateway::start(world.gateway()).await);
        } else {
            routing.kill().await;
            load.goes_on(25).await;
            routing = router(&world).await;
        }
    }
    load.goes_on(25).await;
    let told = load.end().await;

    assert!(told.open > 0, "nothing was interrupted: that proves nothing");
    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_before_or_after_the_confirm_keeps_its_word() {
    let world = World::new().await;
    let key = prepare(&world).await;
    let _routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let dying = |point: &str| world.gateway().dying_at(point, 40);
    let load = Load::on(Gateway::start(dying("gateway.before_publish")).await, &key);

    for next in [Some("gateway.after_publish"), None] {
        until("the gateway dies at its point", PATIENCE, async || {
            let gone = tokio::net::TcpStream::connect(load.gateway().url().trim_start_matches("http://")).await;
            if gone.is_err() {
                Ok(())
            } else {
                Err("it lives".to_owned())
            }
        })
        .await;
        load.goes_to(Gateway::start(next.map_or_else(|| world.gateway(), dying)).await);
    }
    load.goes_on(60).await;
    let told = load.end().await;

    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_database_killed_events_are_taken_on_and_reports_wait() {
    let mut postgres = Postgres::start().await;
    let vhost = Vhost::create().await;
    let world = World::on(vhost.url.clone(), Some(vhost), postgres.schema().await).await;
    let key = prepare(&world).await;
    let _routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let load = Load::on(Gateway::start(world.gateway()).await, &key);
    load.goes_on(40).await;

    postgres.kill().await;
    let gateway = load.gateway();
    let lead = json!({"event_id": "load-100000", "event_name": "Lead"});
    let event = gateway.post_events(&key, &lead).await;
    let report = json!({"event_name": "LeadSubmitted", "phone_number": CLICKED});
    let report = answer(gateway.request("POST", SEND_EVENT).bearer_auth(&key).json(&report)).await;
    postgres.start_again().await;
    load.goes_on(60).await;
    let mut told = load.end().await;

    assert_eq!(event.status, 202, "{}", event.text);
    let report = report.expect("it answers");
    assert_eq!((report.status, report.problem().as_str()), (503, "database_away"));
    told.taken.insert("load-100000".to_owned());
    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_broker_away_or_blocked_nothing_is_promised() {
    let mut node = Node::start().await;
    let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), node.address("RELAY_MANAGEMENT_URL")).await;
    let world = World::on(vhost.url.clone(), Some(vhost), Schema::create().await).await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let lead = |id: &str| json!({"event_id": id, "event_name": "Lead"});
    let taken = gateway.post_events(&key, &lead("before")).await;
    // RabbitMQ 3.10 writes down the name of a new queue some time after it has confirmed it: see tests/it/outages.rs.
    let declared = std::time::Instant::now();
    until("the queues have their names on disk", PATIENCE, async || {
        let so_far = declared.elapsed();
        if so_far >= Duration::from_secs(5) {
            Ok(())
        } else {
            Err(format!("{so_far:?}"))
        }
    })
    .await;

    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;
    let blocked = until("the gateway refuses", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("blocked")).await;
        if answer.status == 503 {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;
    let at_once = std::time::Instant::now();
    let known = gateway.post_events(&key, &lead("blocked")).await;
    let took = at_once.elapsed();
    let not_ready = gateway.relay.page("/readyz").await;
    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await;
    node.kill().await;
    let away = until("the gateway knows", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("away")).await;
        if answer.problem() == "broker_away" {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;
    node.start_again().await;
    let back = until("the gateway takes events again", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("back")).await;
        if answer.status == 202 {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;

    assert_eq!((taken.status, back.status), (202, 202));
    for refused in [&blocked, &known, &away] {
        assert_eq!(refused.status, 503);
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(known.problem(), "broker_away");
    assert!(took < Duration::from_secs(2), "it was refused after {took:?}");
    assert_eq!(not_ready.0, 503, "{}", not_ready.1);
    if blocked.problem() == "unconfirmed" {
        assert_eq!(
            blocked.json()["items"][0],
            json!({"event_id": "blocked", "status": 503})
        );
    }
    let relay = gateway.relay;
    let _routing = router(&world).await;
    world
        .at_least(2, "SELECT count(*) FROM events WHERE event_id IN ('before', 'back')")
        .await;
    drop(relay);
}
