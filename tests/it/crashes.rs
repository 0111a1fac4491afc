//! What happens when the process dies on this line: the same as when it does not.

use std::time::Duration;

use serde_json::json;

use super::support::world::{ALL, PATIENCE, World, account_of, purchase};

/// How many good events a crash test publishes.
const GOOD: usize = 40;

/// Publishes good events for all platforms, one that a platform refuses for good, one that it first fails on, and a malformed one.
async fn publish_a_day(world: &World) {
    let refused = json!({"code": 40002, "message": "Invalid payload"}).to_string();
    world
        .simulator
        .set_faults(json!([
            {"platform": "tiktok", "event_id": "refused", "fault": {"kind": "status", "status": 200, "body": refused}},
            {"platform": "meta", "event_id": "slow", "fault": {"kind": "status", "status": 503}, "times": 2}
        ]))
        .await;
    let mut events: Vec<_> = (0..GOOD).map(|n| purchase(&format!("good-{n}"), &ALL)).collect();
    events.push(purchase("refused", &["tiktok"]));
    events.push(purchase("slow", &["meta"]));
    world.publish(&events).await;
    world.publish_bytes([b"{\"client_id\":".to_vec()]).await;
}

/// Asserts that everything ended as if nothing had happened.
async fn assert_a_day_is_reported(world: &World) {
    world.settled(GOOD as i64 + 2).await;
    let good = || (0..GOOD).map(|n| format!("good-{n}"));
    world
        .assert_counted_once("meta", account_of("meta"), good().chain(["slow".to_owned()]))
        .await;
    world.assert_counted_once("google", account_of("google"), good()).await;
    world.assert_counted_once("tiktok", account_of("tiktok"), good()).await;
    let states = world.states().await;
    assert_eq!(states.get("tiktok failed refused"), Some(&1), "{states:?}");
    assert_eq!(states.get("meta sent"), Some(&(GOOD as i64 + 1)), "{states:?}");
    assert!(world.depth("dead.events").await >= 1, "the malformed message is kept");
    assert!(world.depth("dead.tiktok").await >= 1, "the refused one has a dead copy");
    assert_eq!(world.depth("unrouted").await, 0);
}

/// The relay dies at a point, and another takes over.
async fn die_at(point: &str, times: u32) -> World {
    let world = World::new().await;
    publish_a_day(&world).await;
    let mut dying = world.relay().dying_at(point, times).start();

    dying.dead_at_its_point(PATIENCE).await;
    let _next = world.relay().start();

    assert_a_day_is_reported(&world).await;
    world
}

macro_rules! dies {
    ($($name:ident: $point:literal, $times:literal;)+) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            die_at($point, $times).await;
        }
    )+ };
}

dies! {
    a_router_that_dies_before_it_commits_loses_nothing: "router.before_commit", 1;
    a_router_that_dies_after_its_commit_loses_nothing: "router.after_commit", 1;
    a_router_that_dies_before_it_publishes_loses_nothing: "router.before_publish", 1;
    a_router_that_dies_before_it_acks_sends_nothing_twice: "router.before_ack", 1;
    a_router_that_dies_after_it_acked_sends_nothing_twice: "router.after_ack", 1;
    a_router_that_dies_before_a_dead_letter_keeps_the_message: "router.before_dead_letter", 1;
    a_sender_that_dies_before_it_claims_loses_nothing: "sender.before_claim", 2;
    a_sender_that_dies_after_its_claim_loses_nothing: "sender.after_claim", 2;
    a_sender_that_dies_before_a_request_loses_nothing: "sender.before_request", 2;
    a_sender_that_dies_after_its_record_sends_nothing_twice: "sender.after_record", 2;
    a_sender_that_dies_before_a_dead_letter_keeps_it: "sender.before_dead_letter", 1;
    a_sender_that_dies_after_a_dead_letter_keeps_it: "sender.after_dead_letter", 1;
    a_sender_that_dies_after_it_acked_sends_nothing_twice: "sender.after_ack", 2;
    a_keeper_that_dies_after_taking_work_out_loses_nothing: "keeper.after_wake", 1;
    a_keeper_that_dies_after_it_published_sends_nothing_twice: "keeper.after_publish", 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_dies_between_answer_and_record_marks_the_attempt_as_ambiguous() {
    for point in ["sender.after_answer", "sender.before_record"] {
        let world = die_at(point, 2).await;

        let ambiguous = world
            .number("SELECT count(*) FROM attempts WHERE outcome = 'ambiguous'")
            .await;
        assert!(ambiguous > 0, "{point}: nothing is marked");
        let repeated =
            "SELECT count(*) FROM dispatches WHERE first_ambiguous_at IS NOT NULL AND attempts > 1 AND state = 'sent'";
        assert_eq!(world.number(repeated).await, ambiguous, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_dies_while_it_makes_good_a_dead_letter_keeps_it() {
    for point in ["keeper.before_dead_letter", "keeper.after_dead_letter"] {
        let world = World::new().await;
        // Only a keeper makes good the dead copies of what the router fails.
        let old = "2026-01-01T00:00:00Z";
        let mut event = purchase("too-old", &["meta"]);
        event["event_time"] = json!(old);
        event["click"]["clicked_at"] = json!(old);
        world.publish(&[event]).await;
        let mut dying = world.relay().dying_at(point, 1).start();

        dying.dead_at_its_point(PATIENCE).await;
        let _next = world.relay().start();

        super::support::wait::until("the dead copy lies there", Duration::from_secs(90), async || {
            let depth = world.depth("dead.meta").await;
            if depth > 0 { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
        assert_eq!(world.states().await.get("meta failed event_too_old"), Some(&1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_again_and_again_under_load_reports_everything_once() {
    let world = World::new().await;
    publish_a_day(&world).await;

    for round in 0..6 {
        let relay = world.relay().start();
        let sent = format!("SELECT count(*) FROM attempts HAVING count(*) >= {}", round * 12);
        let client = world.schema.client().await;
        super::support::wait::until("it has done something", PATIENCE, async || {
            match client.query(sent.as_str(), &[]).await {
                Ok(rows) if !rows.is_empty() => Ok(()),
                _ => Err("nothing new".to_owned()),
            }
        })
        .await;
        relay.kill().await;
    }
    let _last = world.relay().start();

    assert_a_day_is_reported(&world).await;
}
