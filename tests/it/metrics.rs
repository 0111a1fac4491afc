//! The admin port: what `/metrics`, `/healthz` and `/readyz` tell, and when.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::support::{
    node::Node,
    relay::Relay,
    schema::Schema,
    vhost::Vhost,
    wait::until,
    world::{ALL, META_TOKEN, PATIENCE, World, account_of, purchase},
};

/// The counters and gauges of a page, by name and labels. Histograms begin with their first value.
fn series(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| line.starts_with("relay_"));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(name, _)| {
            ![
                "_seconds_bucket",
                "_seconds_sum",
                "_seconds_count",
                "_dispatches_bucket",
                "_dispatches_sum",
                "_dispatches_count",
            ]
            .iter()
            .any(|end| name.split('{').next().is_some_and(|metric| metric.ends_with(end)))
        })
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// Everything that can happen, or nearly so.
async fn everything_happens(world: &World) {
    let refused = json!({"code": 40002, "message": "Invalid payload"}).to_string();
    let permission =
        json!({"error": {"message": "(#200) Missing permissions", "type": "OAuthException", "code": 200}}).to_string();
    world
        .simulator
        .set_faults(json!([
            {"platform": "tiktok", "event_id": "refused", "fault": {"kind": "status", "status": 200, "body": refused}},
            {"platform": "meta", "account": "2000000001", "fault": {"kind": "status", "status": 403, "body": permission}},
            {"platform": "meta", "fault": {"kind": "status", "status": 503}, "times": 1},
            {"platform": "google", "fault": {"kind": "reset_after"}, "times": 1},
            {"platform": "tiktok", "fault": {"kind": "rate_limit", "retry_after_seconds": 1}, "times": 1}
        ]))
        .await;
    let with = |id: &str, field: &str, value: serde_json::Value| {
        let mut event = purchase(id, &ALL);
        event[field] = value;
        event
    };
    let events = [
        purchase("fine", &ALL),
        purchase("refused", &["tiktok"]),
        with("of-globex", "client_id", json!("globex")),
        with("of-nobody", "client_id", json!("nobody")),
        with("denied", "consent", json!({"ad_user_data": "denied"})),
        with("too-old", "event_time", json!("2026-01-01T00:00:00Z")),
        with("unmapped", "event_name", json!("Lead")),
        with("no-currency", "currency", json!("XXX")),
        with("anonymous", "user", json!({})),
    ];
    world.publish(&events).await;
    world
        .publish(&[with("fine", "value", json!(1)), events[0].clone()])
        .await;
    world
        .publish_bytes([b"{".to_vec(), b"[]".to_vec(), b"{\"client_id\":\"acme\"}".to_vec()])
        .await;
    let webhooks = conversion_relay::broker::topology::Topology::default().events();
    world.publish_to(&webhooks, "webhooks.unknown", [b"{}".to_vec()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_stands_at_zero_before_anything_has_happened() {
    let world = World::new().await;
    let relay = world.relay().start().ready().await;
    until("the keeper has looked around once", PATIENCE, async || {
        let page = relay.metrics().await;
        if page.contains("relay_paused_nearest_deadline_seconds{") {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    let before = series(&relay.metrics().await);
    let stands = ["relay_broker_connected", "relay_paused_nearest_deadline_seconds"];
    for (name, value) in &before {
        assert!(
            *value == 0.0 || stands.iter().any(|metric| name.starts_with(metric)),
            "{name} stands at {value}"
        );
    }

    everything_happens(&world).await;
    world.at_least(9, "SELECT count(*) FROM events").await;
    world.in_state(1, "meta paused permission_missing").await;
    let open = "SELECT count(*) FROM dispatches WHERE state IN ('queued', 'sending', 'waiting') OR state = 'failed' AND attend_at IS NOT NULL";
    until("all but the paused one is settled", PATIENCE, async || {
        let states = world.states().await;
        if world.number(open).await == 0 && world.depth("in.events").await == 0 {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    })
    .await;

    let after = series(&relay.metrics().await);
    let new: BTreeSet<&String> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert!(new.is_empty(), "not there from the start: {new:#?}");
    let moved = after.iter().filter(|(name, value)| before[*name] != **value).count();
    assert!(moved > 25, "only {moved} series moved: too little has happened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_tell_what_has_happened() {
    const EVENTS: usize = 25;
    let world = World::new().await;
    let relay = world.relay().start().ready().await;
    let ids = world.publish_purchases("told", EVENTS).await;
    world.publish_bytes([b"{".to_vec(), b"{}".to_vec()]).await;
    world.settled(EVENTS as i64).await;
    world.publish(&[purchase(&ids[0], &ALL)]).await;
    let told = [
        ("relay_events_received_total", "source=\"events\"", EVENTS + 3),
        ("relay_events_stored_total", "", EVENTS),
        ("relay_events_repeated_total", "", 1),
        (
            "relay_dead_letters_total",
            "queue=\"events\",cause=\"malformed_json\"",
            1,
        ),
        (
            "relay_dead_letters_total",
            "queue=\"events\",cause=\"missing_field\"",
            1,
        ),
        ("relay_dispatches_decided_total", "state=\"queued\"", EVENTS * ALL.len()),
        (
            "relay_dispatch_attempts_total",
            "platform=\"meta\",outcome=\"delivered\"",
            EVENTS,
        ),
        (
            "relay_dispatch_attempts_total",
            "platform=\"google\",outcome=\"accepted\"",
            EVENTS,
        ),
        (
            "relay_dispatch_attempts_total",
            "platform=\"tiktok\",outcome=\"delivered\"",
            EVENTS,
        ),
        ("relay_dispatch_attempts_total", "", EVENTS * ALL.len()),
        ("relay_batch_dispatches_sum", "", EVENTS * ALL.len()),
        ("relay_delivery_age_seconds_count", "", EVENTS * ALL.len()),
        ("relay_in_flight_messages", "", 0),
    ];

    for (name, labels, expected) in told {
        until(name, PATIENCE, async || {
            let found = relay.metric(name, labels).await;
            if found == expected as f64 {
                Ok(())
            } else {
                Err(format!("{labels} is {found} and not {expected}"))
            }
        })
        .await;
    }
    world.simulator.set_token(META_TOKEN, json!({"valid": false})).await;
    world.publish(&[purchase("refused", &["meta"])]).await;
    world.in_state(1, "meta paused login_refused").await;
    let blocked = relay
        .metric(
            "relay_dispatch_attempts_total",
            "outcome=\"blocked\",cause=\"login_refused\"",
        )
        .await;
    assert!(blocked >= 1.0);
}

async fn is_ready(relay: &Relay, expected: u16) {
    until(&format!("/readyz says {expected}"), PATIENCE, async || {
        let (status, text) = relay.page("/readyz").await;
        if status == expected { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_without_its_broker_is_alive_and_not_ready() {
    let mut node = Node::start().await;
    let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), node.address("RELAY_MANAGEMENT_URL")).await;
    let world = World::on(vhost.url.clone(), Some(vhost), Schema::create().await).await;
    let relay = world.relay().start().ready().await;
    let ids = world.publish_purchases("before", 1).await;
    world.settled(1).await;
    // RabbitMQ writes down the names of new queues when it stops in order; killed young it would forget them.
    node.stop().await;

    is_ready(&relay, 503).await;
    let (status, text) = relay.page("/readyz").await;
    assert!(status == 503 && text.contains("conversions.in.events"), "{text}");
    assert_eq!(relay.page("/healthz").await, (200, "alive\n".to_owned()));
    assert_eq!(relay.metric("relay_broker_connected", "").await, 0.0);
    let second = world.relay().start();
    until("the second one has its admin port", PATIENCE, async || {
        if second.log().contains("conversion-relay starts") {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    })
    .await;
    assert_eq!(second.page("/healthz").await.0, 200);
    assert_eq!(second.page("/readyz").await.0, 503);

    node.start_again().await;
    for relay in [&relay, &second] {
        is_ready(relay, 200).await;
        assert_eq!(relay.page("/healthz").await.0, 200);
    }
    let after = world.publish_purchases("after", 1).await;
    world.settled(2).await;
    for platform in ALL {
        world
            .assert_counted_once(platform, account_of(platform), ids.iter().chain(&after).cloned())
            .await;
    }
}
