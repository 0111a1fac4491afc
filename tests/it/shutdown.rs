//! SIGTERM: what is begun is finished, what is not begun goes back, and nothing is lost or sent twice.

use std::time::Duration;

use conversion_relay::broker::topology::Topology;
use serde_json::json;

use super::support::{
    wait::until,
    world::{PATIENCE, World, account_of, purchase},
};

/// What the process may take to stop at the most, as it is set here.
const DEADLINE: Duration = Duration::from_secs(25);

/// Waits until no queue has a message that somebody holds.
async fn nothing_is_held(world: &World) {
    for queue in Topology::default().queues() {
        until(&queue.name, PATIENCE, async || {
            let held = world.vhost().queue(&queue.name).await["messages_unacknowledged"].as_u64();
            if held == Some(0) {
                Ok(())
            } else {
                Err(format!("{held:?} messages are held"))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_stopped_under_load_finishes_what_it_has_begun() {
    const EVENTS: usize = 400;
    let world = World::new().await;
    world
        .simulator
        .set_faults(json!([{"fault": {"kind": "slow", "milliseconds": 50}}]))
        .await;
    let relay = world
        .relay()
        .with("RELAY_SHUTDOWN_DEADLINE", "25s")
        .with("RELAY_PREFETCH", "40")
        .start()
        .ready()
        .await;

    let ids = world.publish_purchases("stopped", EVENTS).await;
    world
        .at_least(20, "SELECT count(*) FROM dispatches WHERE state = 'sent'")
        .await;
    let status = relay.terminate(DEADLINE).await;

    assert_eq!(status.code(), Some(0), "{status}");
    let open = world
        .number("SELECT count(*) FROM dispatches WHERE state IN ('queued', 'waiting')")
        .await;
    let stored = world.number("SELECT count(*) FROM events").await;
    assert!(
        open > 0 || stored < EVENTS as i64,
        "it was stopped when all was done: that proves nothing"
    );
    assert_eq!(
        world
            .number("SELECT count(*) FROM dispatches WHERE state = 'sending'")
            .await,
        0,
        "it left claims behind"
    );
    nothing_is_held(&world).await;

    let next = world.relay().start();
    world.settled(EVENTS as i64).await;

    world.assert_everywhere_once(&ids).await;
    let attempts = "SELECT count(*) - (SELECT count(*) FROM dispatches) FROM attempts";
    assert_eq!(world.number(attempts).await, 0, "something was sent again without need");
    assert_eq!(next.terminate(DEADLINE).await.code(), Some(0));
    nothing_is_held(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_relay_stops_at_once() {
    let world = World::new().await;
    let relay = world.relay().start().ready().await;

    let status = relay.terminate(Duration::from_secs(10)).await;

    assert_eq!(status.code(), Some(0), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let world = World::new().await;
    world
        .simulator
        .set_faults(json!([{"platform": "meta", "fault": {"kind": "hang"}}]))
        .await;
    let long = [
        ("RELAY_HTTP_TIMEOUT", "100s"),
        ("RELAY_LEASE", "300s"),
        ("RELAY_SILENCE", "400s"),
        ("RELAY_SHUTDOWN_DEADLINE", "200s"),
    ];
    let start = long
        .iter()
        .fold(world.relay(), |start, (name, value)| start.with(name, value));
    let mut relay = start.start().ready().await;
    world.publish(&[purchase("hanging", &["meta"])]).await;
    world.in_state(1, "meta sending").await;

    relay.ask_to_end();
    until("the first signal is heard", PATIENCE, async || {
        if relay.log().contains("signal: finishes what is begun") {
            Ok(())
        } else {
            Err("it is not".to_owned())
        }
    })
    .await;
    assert!(relay.is_running(), "it does not finish what it has begun");
    relay.ask_to_end();
    let status = relay.dead(Duration::from_secs(15)).await;

    assert_eq!(status.code(), Some(1), "{status}: not all was finished");
    world.simulator.clear_faults().await;
    // The lease is long, and nobody waits for it here.
    let client = world.schema.client().await;
    client
        .execute("UPDATE dispatches SET attend_at = now()", &[])
        .await
        .expect("the lease ends");
    let _next = world.relay().start();
    world.settled(1).await;
    world
        .assert_counted_once("meta", account_of("meta"), ["hanging".to_owned()])
        .await;
}
