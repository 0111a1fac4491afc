//! Test mode: what goes out in it, that it never counts as sent, and that it ends by itself.

use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::json;

use super::support::world::{TIKTOK_TOKEN, World, purchase};

/// A TikTok pixel that is being tried.
const PIXEL: &str = "C0TRIAL0000000000001";
const DATASET: &str = "3000000009";

async fn add_trial(world: &World, minutes_left: i64) {
    let until = (Utc::now() + TimeDelta::minutes(minutes_left)).to_rfc3339_opts(SecondsFormat::Secs, true);
    for (platform, destination) in [("tiktok", PIXEL), ("meta", DATASET)] {
        let rules = json!({"mode": "test", "test_code": "TEST123", "test_until": until}).to_string();
        let login = format!("agency-{platform}");
        world
            .add_ruled_account("initech", platform, destination, &login, &rules)
            .await;
    }
}

fn sale(id: &str) -> serde_json::Value {
    let mut event = purchase(id, &["tiktok", "meta"]);
    event["client_id"] = json!("initech");
    event
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_out_in_test_mode_carries_the_code_and_never_counts_as_sent() {
    let world = World::new().await;
    add_trial(&world, 60).await;
    let _relay = world.relay().start().ready().await;

    world.publish(&[sale("t-1"), sale("t-2")]).await;
    world.settled(2).await;

    let states = world.states().await;
    assert_eq!(states.get("tiktok not_sent test_mode"), Some(&2), "{states:?}");
    assert_eq!(states.get("meta not_sent test_mode"), Some(&2), "{states:?}");
    assert_eq!(states.len(), 2, "{states:?}");
    let counts = world.simulator.counts().await;
    let (tiktok, meta) = (counts.of("tiktok", PIXEL), counts.of("meta", DATASET));
    assert_eq!((tiktok.test_events, tiktok.counted), (2, 0));
    assert_eq!(meta.test_events, 2, "each carries the code");
    assert!(!world.all_logs().contains(TIKTOK_TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_that_is_over_sends_nothing_any_more() {
    let world = World::new().await;
    add_trial(&world, -1).await;
    let _relay = world.relay().start().ready().await;

    world.publish(&[sale("t-1")]).await;
    world.settled(1).await;

    let states = world.states().await;
    assert_eq!(states.get("tiktok not_sent shadow"), Some(&1), "{states:?}");
    assert_eq!(states.get("meta not_sent shadow"), Some(&1), "{states:?}");
    assert!(world.simulator.requests().await.is_empty());
}
