//! The broker, the database, a platform goes away and comes back: nothing is lost, nothing is counted twice, and the relay lives through it.

use std::time::{Duration, Instant};

use conversion_relay::{
    domain::{Platform, Scope},
    store::pauses::HandPause,
};
use reqwest::Method;
use serde_json::json;

use super::support::{
    node::Node,
    postgres::Postgres,
    relay::Relay,
    schema::Schema,
    vhost::Vhost,
    wait::until,
    world::{ALL, PATIENCE, World, account_of},
};

/// How many events are published before, during and after an outage, each.
const PORTION: usize = 150;
/// RabbitMQ 3.10.8 writes down the name of a new quorum queue some time after it has confirmed its declaration; killed before that, it comes back
/// without the queue. See tests/broker/recovery.rs.
const NAMES_ON_DISK: Duration = Duration::from_secs(5);

const SENT: &str = "SELECT count(*) FROM dispatches WHERE state = 'sent'";

/// A relay under load, and what was published for it.
struct Load {
    world: World,
    relay: Relay,
    pid: u32,
    ids: Vec<String>,
}

impl Load {
    /// A relay that reports event by event until the queues have their names on disk.
    async fn on(world: World) -> Load {
        let declared = Instant::now();
        // Small portions at a time, so that an outage comes when not all is done.
        let relay = world.relay().with("RELAY_PREFETCH", "10").start().ready().await;
        let pid = relay.pid();
        let mut ids = Vec::new();
        while ids.is_empty() || declared.elapsed() < NAMES_ON_DISK {
            ids.extend(world.publish_purchases(&format!("early-{}", ids.len()), 1).await);
            world.at_least((ids.len() * ALL.len()) as i64, SENT).await;
        }
        // Taken at once and answered late, so that whatever happens now finds requests in flight.
        world
            .simulator
            .set_faults(json!([{"fault": {"kind": "slow", "milliseconds": 100}}]))
            .await;
        Load { world, relay, pid, ids }
    }

    /// Publishes a portion; while the broker is away it tries again.
    async fn portion(&mut self, name: &str) {
        self.ids.extend(self.world.publish_purchases(name, PORTION).await);
    }

    /// A portion that is half-way through.
    async fn half_done(&mut self, name: &str) {
        let so_far = self.world.number(SENT).await;
        self.portion(name).await;
        self.world.at_least(so_far + 20, SENT).await;
        assert!(
            self.world.number(SENT).await < (self.ids.len() * ALL.len()) as i64,
            "all was done already: that proves nothing"
        );
    }

    /// Waits for the end of everything, and asserts that it is as if nothing had happened.
    async fn assert_unharmed(mut self) {
        self.world.settled(self.ids.len() as i64).await;
        self.world.assert_everywhere_once(&self.ids).await;
        assert_eq!(self.world.number(SENT).await, (self.ids.len() * ALL.len()) as i64);
        assert!(self.relay.is_running());
        assert_eq!(self.relay.pid(), self.pid);
        for queue in [
            "dead.events",
            "dead.meta",
            "dead.google",
            "dead.tiktok",
            "unrouted",
            "in.events",
        ] {
            assert_eq!(self.world.depth(queue).await, 0, "{queue}");
        }
    }
}

async fn vhost_of(node: &Node) -> Vhost {
    Vhost::create_on(node.address("RELAY_AMQP_URL"), node.address("RELAY_MANAGEMENT_URL")).await
}

/// A world on a broker of its own.
async fn world_on(node: &Node, schema: Schema) -> World {
    let vhost = vhost_of(node).await;
    World::on(vhost.url.clone(), Some(vhost), schema).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_under_load_costs_nothing() {
    let mut node = Node::start().await;
    let mut load = Load::on(world_on(&node, Schema::create().await).await).await;

    load.half_done("before").await;
    node.kill().await;
    tokio::join!(load.portion("during"), node.start_again());
    load.portion("after").await;

    load.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_under_load_costs_nothing() {
    let mut postgres = Postgres::start().await;
    let vhost = Vhost::create().await;
    let mut load = Load::on(World::on(vhost.url.clone(), Some(vhost), postgres.schema().await).await).await;

    load.half_done("before").await;
    postgres.kill().await;
    load.portion("during").await;
    postgres.start_again().await;
    load.portion("after").await;

    load.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_and_a_database_that_are_killed_together_cost_nothing() {
    let mut node = Node::start().await;
    let mut postgres = Postgres::start().await;
    let mut load = Load::on(world_on(&node, postgres.schema().await).await).await;

    load.half_done("before").await;
    tokio::join!(node.kill(), postgres.kill());
    tokio::join!(load.portion("during"), node.start_again(), postgres.start_again());
    load.portion("after").await;

    load.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_hangs_delays_only_its_own_conversions() {
    let world = World::new().await;
    world
        .simulator
        .set_faults(json!([{"platform": "tiktok", "fault": {"kind": "hang"}}]))
        .await;
    let mut relay = world.relay().start().ready().await;
    let pid = relay.pid();

    let ids = world.publish_purchases("hanging", PORTION).await;
    world.in_state(PORTION as i64, "meta sent").await;
    world.in_state(PORTION as i64, "google sent").await;

    let of_tiktok =
        "SELECT count(*) FROM dispatches WHERE platform = 'tiktok' AND state IN ('sent', 'failed', 'not_sent')";
    assert_eq!(world.number(of_tiktok).await, 0);
    for platform in ["meta", "google"] {
        world
            .assert_counted_once(platform, account_of(platform), ids.iter().cloned())
            .await;
    }
    world.simulator.clear_faults().await;
    world.settled(PORTION as i64).await;

    world.assert_everywhere_once(&ids).await;
    assert!(relay.is_running());
    assert_eq!(relay.pid(), pid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_takes_no_messages_for_a_while_costs_nothing() {
    let node = Node::start().await;
    let mut load = Load::on(world_on(&node, Schema::create().await).await).await;

    // What is paused now is to be published in the midst of it, so that the relay finds out.
    let scope = Scope::Platform(Platform::Google);
    let by_hand = HandPause {
        scope: scope.clone(),
        reason: None,
        until: None,
    };
    load.world.schema.store.pause(&by_hand).await.expect("it can be paused");
    load.half_done("before").await;
    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;
    until("the broker takes nothing", PATIENCE, async || {
        let nodes = load
            .world
            .vhost()
            .management()
            .request(Method::GET, "nodes", None)
            .await;
        if nodes[0]["mem_alarm"] == true {
            Ok(())
        } else {
            Err("it does".to_owned())
        }
    })
    .await;
    load.world.schema.store.resume(&scope).await.expect("it can be resumed");
    let blocked_and_back = async {
        until("the relay finds out", PATIENCE, async || {
            let blocked = load.relay.metric("relay_broker_blocked", "").await;
            if blocked > 0.0 {
                Ok(())
            } else {
                Err("it does not".to_owned())
            }
        })
        .await;
        node.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await;
    };
    let (during, ()) = tokio::join!(load.world.publish_purchases("during", PORTION), blocked_and_back);
    load.ids.extend(during);
    load.portion("after").await;

    load.assert_unharmed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_queues_that_are_purged_are_filled_again_from_the_ledger() {
    let world = World::new().await;
    // Slow enough that most of it lies in the queues.
    world
        .simulator
        .set_faults(json!([{"fault": {"kind": "slow", "milliseconds": 300}}]))
        .await;
    let relay = world.relay().with("RELAY_PREFETCH", "10").start().ready().await;

    let ids = world.publish_purchases("purged", PORTION).await;
    world.at_least(PORTION as i64, "SELECT count(*) FROM events").await;
    let mut purged = 0;
    for platform in ALL {
        for lane in ["send", "bulk"] {
            purged += world.depth(&format!("{lane}.{platform}")).await;
            let path = format!("queues/{}/conversions.{lane}.{platform}/contents", world.vhost().name());
            world.vhost().management().request(Method::DELETE, &path, None).await;
        }
    }
    assert!(purged > 100, "nothing lay in the queues: that proves nothing");
    world.settled(PORTION as i64).await;

    world.assert_everywhere_once(&ids).await;
    let found = relay.metric("relay_silent_dispatches_total", "").await;
    assert!(
        found >= 100.0,
        "{found} of about {purged} are counted: the alert would not know"
    );
}
