//! Least permissions: with the rights that deploy/rabbitmq/permissions.sh gives, each role does its work and can do no other.

use std::collections::BTreeMap;

use bytes::Bytes;
use conversion_relay::broker::{
    Broker, BrokerSettings, IntakeSettings, Outgoing, PublishCause, PublishFailure, topology::Topology,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{
    gateway::Gateway,
    node::Node,
    relay::{Relay, Start},
    schema::Schema,
    vhost::Vhost,
    wait::until,
    world::{ALL, PATIENCE, World, account_of, purchase},
};

/// The users that the script gives rights to.
const USERS: [&str; 8] = [
    "topology", "producer", "gateway", "router", "sender", "keeper", "receipts", "ops",
];
/// Queues that a user must not read.
const FORBIDDEN: [(&str, &[&str]); 7] = [
    (
        "gateway",
        &[
            "in.events",
            "in.webhooks",
            "send.meta",
            "bulk.meta",
            "dead.events",
            "dead.meta",
            "unrouted",
        ],
    ),
    (
        "producer",
        &[
            "in.events",
            "in.webhooks",
            "send.meta",
            "bulk.meta",
            "dead.events",
            "dead.meta",
            "unrouted",
        ],
    ),
    (
        "router",
        &["send.meta", "bulk.meta", "dead.events", "dead.meta", "unrouted"],
    ),
    (
        "sender",
        &[
            "in.events",
            "in.webhooks",
            "dead.events",
            "dead.webhooks",
            "dead.meta",
            "unrouted",
        ],
    ),
    (
        "keeper",
        &[
            "in.events",
            "in.webhooks",
            "dead.events",
            "dead.webhooks",
            "dead.meta",
            "unrouted",
        ],
    ),
    (
        "receipts",
        &[
            "in.events",
            "in.webhooks",
            "send.google",
            "bulk.google",
            "dead.events",
            "dead.google",
            "unrouted",
        ],
    ),
    (
        "ops",
        &["in.events", "in.webhooks", "send.meta", "bulk.meta", "unrouted"],
    ),
];

/// A vhost on a node of its own, whose users have the rights of the script.
async fn restricted(node: &Node) -> Vhost {
    let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), node.address("RELAY_MANAGEMENT_URL")).await;
    for user in USERS.iter().chain(&["worker"]) {
        let body = json!({"password": "secret", "tags": ""});
        vhost
            .management()
            .request(Method::PUT, &format!("users/relay-{user}"), Some(body))
            .await;
    }
    node.script("deploy/rabbitmq/permissions.sh", &[vhost.name()]).await;
    vhost
}

/// The broker's address for a user.
fn address(amqp: &str, user: &str) -> String {
    let mut url: url::Url = amqp.parse().expect("a URL");
    url.set_username(&format!("relay-{user}"))
        .and_then(|()| url.set_password(Some("secret")))
        .expect("room for a user");
    url.to_string()
}

fn broker(world: &World, user: &str) -> Broker {
    Broker::start(BrokerSettings::new(
        vec![address(&world.amqp, user).into()],
        format!("test as {user}"),
    ))
}

async fn publish(broker: &Broker, exchange: String, key: &str, body: &Value) -> Result<(), PublishFailure> {
    let message = Outgoing {
        exchange,
        routing_key: key.to_owned(),
        message_id: "m".to_owned(),
        body: Bytes::from(body.to_string()),
        headers: BTreeMap::new(),
        timestamp_seconds: None,
        message_type: None,
    };
    broker.publisher("test").publish(vec![message], PATIENCE).await
}

fn starts<'a>(world: &'a World, user: &str) -> Start<'a> {
    world.relay().with("RELAY_AMQP_URL", &address(&world.amqp, user))
}

/// Applies the topology as the user that may, and gives a world on it.
async fn world_with_topology(vhost: Vhost) -> World {
    let amqp = vhost.url.clone();
    let world = World::bare(amqp, Some(vhost), Schema::create().await);
    let mut applying = starts(&world, "topology").command(&["topology", "apply"]).start();
    let status = applying.dead(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{status}: {}", applying.log());
    world.add_accounts().await;
    world
}

/// Asserts that the broker refuses a user a queue.
async fn assert_may_not_read(broker: &Broker, user: &str, queue: &str) {
    let intake = broker.intake(IntakeSettings {
        queue: format!("conversions.{queue}"),
        prefetch: 1,
        role: "test",
    });
    until(&format!("{user} is refused {queue}"), PATIENCE, async || {
        assert!(!intake.is_consuming(), "{user} can read {queue}");
        match intake.problem() {
            Some(problem) if problem.contains("ACCESS_REFUSED") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_role_does_its_work_with_the_least_permissions_and_no_other() {
    let node = Node::start().await;
    let world = world_with_topology(restricted(&node).await).await;
    let topology = Topology::default();
    // Something for everybody: to be sent, sent again, refused, made good by the keeper, and put aside by the router.
    let refused = json!({"code": 40002, "message": "Invalid payload"}).to_string();
    world
        .simulator
        .set_faults(json!([
            {"platform": "tiktok", "event_id": "refused", "fault": {"kind": "status", "status": 200, "body": refused}},
            {"platform": "meta", "event_id": "again", "fault": {"kind": "status", "status": 503}, "times": 1}
        ]))
        .await;
    let mut too_old = purchase("too-old", &["meta"]);
    too_old["event_time"] = json!("2026-01-01T00:00:00Z");
    too_old["click"]["clicked_at"] = json!("2026-01-01T00:00:00Z");
    let events = [
        purchase("fine", &ALL),
        purchase("refused", &["tiktok"]),
        purchase("again", &["meta"]),
        too_old,
    ];
    let mut relays: Vec<Relay> = Vec::new();
    for role in ["router", "sender", "keeper", "receipts"] {
        relays.push(starts(&world, role).role(role).start());
    }

    let key = world.key_of("acme").await;
    let gateway = world.gateway().with("RELAY_AMQP_URL", &address(&world.amqp, "gateway"));
    let gateway = Gateway::start(gateway).await;
    let taken = gateway.post_events(&key, &purchase("over-http", &["meta"])).await;
    assert_eq!(taken.status, 202, "the gateway may publish events: {}", taken.text);

    let producer = broker(&world, "producer");
    for event in &events {
        publish(&producer, topology.events(), "events.test", event)
            .await
            .expect("a producer may publish events");
    }
    publish(&producer, topology.events(), "events.test", &json!("no event"))
        .await
        .expect("it may publish anything");
    publish(&producer, topology.events(), "webhooks.test", &json!({}))
        .await
        .expect("a producer may publish webhooks");
    world.settled(events.len() as i64 + 1).await;

    let sent = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    world
        .assert_counted_once("meta", account_of("meta"), sent(&["fine", "again", "over-http"]))
        .await;
    world
        .assert_counted_once("google", account_of("google"), sent(&["fine"]))
        .await;
    world
        .assert_counted_once("tiktok", account_of("tiktok"), sent(&["fine"]))
        .await;
    for queue in ["dead.events", "dead.webhooks", "dead.meta", "dead.tiktok"] {
        until(queue, PATIENCE, async || {
            let depth = world.depth(queue).await;
            if depth == 1 {
                Ok(())
            } else {
                Err(format!("{depth} messages"))
            }
        })
        .await;
    }
    assert!(relays.iter_mut().all(Relay::is_running));
    let refused = world.all_logs();
    assert!(
        !refused.contains("ACCESS_REFUSED"),
        "something was tried that is not allowed:\n{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_can_read_or_write_more_than_its_role_needs() {
    let node = Node::start().await;
    let world = world_with_topology(restricted(&node).await).await;
    let topology = Topology::default();

    for (user, queues) in FORBIDDEN {
        let broker = broker(&world, user);
        for queue in queues {
            assert_may_not_read(&broker, user, queue).await;
        }
        let forbidden = if ["producer", "gateway"].contains(&user) {
            topology.work()
        } else {
            topology.events()
        };
        let failure = publish(&broker, forbidden, "live.meta", &json!({}))
            .await
            .expect_err("it may not publish there");
        assert!(
            matches!(&failure.cause, PublishCause::Refused(text) if text.contains("ACCESS_REFUSED")),
            "{user}: {failure}"
        );
    }
    // One user for all roles in one process, too.
    let _relay = starts(&world, "worker").start().ready().await;
}
