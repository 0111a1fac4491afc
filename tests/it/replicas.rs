//! Two relays share the work: nothing is reported twice, and nothing waits for the one that is gone.

use serde_json::json;

use super::support::world::{ALL, World};

/// Every dispatch of the test.
const SENT: &str = "SELECT count(*) FROM dispatches WHERE state = 'sent'";
/// Attempts beyond one a dispatch that no ambiguous one explains: there must be none.
const NEEDLESS_ATTEMPTS: &str =
    "SELECT (SELECT count(*) FROM attempts WHERE outcome <> 'ambiguous') - (SELECT count(*) FROM dispatches)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_at_once_report_everything_once() {
    const EVENTS: usize = 500;
    let world = World::new().await;
    let first = world.relay().start().ready().await;
    let second = world.relay().start().ready().await;

    let ids = world.publish_purchases("shared", EVENTS).await;
    world.settled(EVENTS as i64).await;

    world.assert_everywhere_once(&ids).await;
    assert_eq!(world.number(SENT).await, (EVENTS * ALL.len()) as i64);
    assert_eq!(
        world.number(NEEDLESS_ATTEMPTS).await,
        0,
        "something was sent again without need"
    );
    for relay in [&first, &second] {
        for role in ["router", "sender"] {
            let acked = format!("role=\"{role}\",disposition=\"acked\"");
            assert!(
                relay.metric("relay_settlements_total", &acked).await > 0.0,
                "a {role} had no share in it"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_leaves_its_work_to_the_other() {
    const EVENTS: usize = 300;
    let world = World::new().await;
    // Taken at once and answered late, so that the kill finds requests in flight.
    world
        .simulator
        .set_faults(json!([{"fault": {"kind": "slow", "milliseconds": 100}}]))
        .await;
    let first = world.relay().start().ready().await;
    let mut second = world.relay().start().ready().await;

    let mut ids = world.publish_purchases("before", EVENTS).await;
    world.at_least(100, SENT).await;
    first.kill().await;
    ids.extend(world.publish_purchases("after", EVENTS).await);
    world.settled(2 * EVENTS as i64).await;

    world.assert_everywhere_once(&ids).await;
    assert!(second.is_running());
    assert_eq!(
        world.number(NEEDLESS_ATTEMPTS).await,
        0,
        "something was sent again without need"
    );
}
