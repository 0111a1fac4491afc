//! What Google says later of what it took: it becomes the sale's state, nothing is sent again to learn more, and questions come to an end.

mod workers;

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{
    relay::{Relay, Start},
    wait::until,
    world::{GOOGLE_TOKEN, PATIENCE, World, account_of, purchase},
};

/// Rows of which Google still has something to say.
const OPEN: &str = "SELECT count(*) FROM dispatches WHERE state = 'sent' AND attend_at IS NOT NULL";

/// How often Google was asked about a lone sale.
const QUESTIONS: &str = "SELECT questions::bigint FROM dispatches WHERE platform = 'google'";

fn sales(prefix: &str, count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| purchase(&format!("{prefix}-{n}"), &["google"]))
        .collect()
}

/// What Google says of the click of a sale.
async fn clicks(world: &World, outcomes: &[(&str, &str)]) {
    let google: serde_json::Map<String, Value> = outcomes
        .iter()
        .map(|(sale, reason)| (format!("Cj0K_{sale}"), json!({"outcome": reason})))
        .collect();
    world
        .simulator
        .set_clicks(json!({"google": google, "meta_ctwa": null}))
        .await;
}

/// A relay that reports, and asks about nothing.
fn without_questions(world: &World) -> Start<'_> {
    world.relay().role("router").role("sender").role("keeper")
}

fn with_questions(world: &World) -> Start<'_> {
    world.relay().role("receipts").role("keeper").role("sender")
}

/// Reports sales to Google, and ends the relay that did.
async fn reported(world: &World, sales: &[Value]) {
    let relay = without_questions(world).start().ready().await;
    world.publish(sales).await;
    world.settled(sales.len() as i64).await;
    let status = relay.terminate(PATIENCE).await;
    assert!(status.success(), "{status}");
}

/// Reports sales to Google in one request.
async fn reported_together(world: &World, sales: &[Value]) {
    let relay = without_questions(world).start().ready().await;
    // While the first is answered, the others gather.
    let slow = json!([{"platform": "google", "fault": {"kind": "slow", "milliseconds": 1500}, "times": 1}]);
    world.simulator.set_faults(slow).await;
    world.publish(&[purchase("ahead", &["google"])]).await;
    world
        .at_least(1, "SELECT count(*) FROM dispatches WHERE state = 'sending'")
        .await;
    world.publish(sales).await;
    world.settled(sales.len() as i64 + 1).await;
    let status = relay.terminate(PATIENCE).await;
    assert!(status.success(), "{status}");
}

/// Lets the time come at which Google knows something.
async fn time_comes(world: &World) {
    let client = world.schema.client().await;
    let changed = client
        .execute(
            "UPDATE dispatches SET attend_at = now() - interval '1 second' WHERE state = 'sent' AND attend_at IS NOT NULL",
            &[],
        )
        .await
        .expect("the ledger can be changed");
    assert!(changed > 0, "nothing is waited for");
}

async fn answered(world: &World) {
    until("every receipt is answered", PATIENCE, async || {
        let open = world.number(OPEN).await;
        if open == 0 {
            Ok(())
        } else {
            Err(format!("{open} open: {:?}", world.states().await))
        }
    })
    .await;
}

/// How often the simulator was asked about receipts.
async fn questions(world: &World) -> usize {
    let requests = world.simulator.requests().await;
    requests
        .iter()
        .filter(|request| request.platform.as_deref() == Some("google_status"))
        .count()
}

async fn detail_of(world: &World, event_id: &str) -> String {
    let client = world.schema.client().await;
    let row = client
        .query_one(
            "SELECT dispatch.detail FROM dispatches dispatch JOIN events event ON event.key = event_key
             WHERE event.event_id = $1 AND dispatch.platform = 'google'",
            &[&event_id],
        )
        .await
        .expect("the sale is there");
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

async fn sent_times(world: &World) -> Vec<u32> {
    let events = world.simulator.events("google", account_of("google")).await;
    events.iter().map(|event| event.count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_travelled_alone_has_its_own_verdict() {
    let world = World::new().await;
    let outcomes = [
        ("gone-0", "CLICK_NOT_FOUND"),
        ("bad-0", "INVALID_GCLID"),
        ("young-0", "TOO_RECENT_CLICK"),
    ];
    clicks(&world, &outcomes).await;
    for prefix in ["fine", "gone", "bad", "young"] {
        reported(&world, &sales(prefix, 1)).await;
        let client = world.schema.client().await;
        // One at a time, or they would travel together; `settled` counts all.
        client
            .batch_execute("DELETE FROM events")
            .await
            .expect("room for the next");
    }
    assert_eq!(world.number("SELECT count(DISTINCT receipt) FROM dispatches").await, 4);
    assert_eq!(questions(&world).await, 0, "it was asked before its time");
    time_comes(&world).await;

    let _relay = with_questions(&world).start();
    answered(&world).await;

    let states = world.states().await;
    for state in [
        "google confirmed",
        "google not_sent click_not_found",
        "google failed invalid_click_id",
        "google waiting click_too_recent",
    ] {
        assert_eq!(states.get(state), Some(&1), "{states:?}");
    }
    assert_eq!(questions(&world).await, 4);
    let waits = "SELECT count(*) FROM dispatches WHERE state = 'waiting' AND due BETWEEN now() + interval '5 hours' AND now() + interval '7 hours'
                 AND receipt IS NULL AND deferrals = 1";
    assert_eq!(world.number(waits).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_google_drops_later_has_a_dead_copy_and_can_be_replayed() {
    let world = World::new().await;
    clicks(&world, &[("bad-0", "INVALID_GCLID")]).await;
    reported(&world, &sales("bad", 1)).await;
    time_comes(&world).await;

    let relay = world.relay().start();
    world.in_state(1, "google failed invalid_click_id").await;

    until("its dead copy lies there", PATIENCE, async || {
        match world.depth("dead.google").await {
            1 => Ok(()),
            other => Err(format!("{other} copies")),
        }
    })
    .await;
    assert_eq!(
        world
            .number("SELECT dead_count::bigint FROM dispatches WHERE platform = 'google'")
            .await,
        1
    );
    assert_eq!(sent_times(&world).await, Vec::<u32>::new(), "it counted after all");
    // Repaired and replayed it has a new receipt, and another verdict.
    clicks(&world, &[]).await;
    let fixed = json!({"google": {"Cj0K_bad-0": {"outcome": null}}, "meta_ctwa": null});
    world.simulator.set_clicks(fixed).await;
    let before = receipt(&world).await;
    let mut replaying = world
        .relay()
        .command(&["dead", "replay", "--platform", "google", "--yes"])
        .start();
    assert!(replaying.dead(PATIENCE).await.success(), "{}", replaying.log());
    world.in_state(1, "google sent").await;
    assert_ne!(receipt(&world).await, before);
    time_comes(&world).await;
    world.in_state(1, "google confirmed").await;
    assert_eq!(sent_times(&world).await, [1]);
    drop(relay);
}

async fn receipt(world: &World) -> String {
    let client = world.schema.client().await;
    let row = client
        .query_one("SELECT receipt FROM dispatches WHERE platform = 'google'", &[])
        .await
        .expect("one sale");
    row.get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_request_stays_sent_with_its_counts_and_is_never_sent_again() {
    const SALES: usize = 10;
    let world = World::new().await;
    clicks(
        &world,
        &[
            ("shared-1", "CLICK_NOT_FOUND"),
            ("shared-4", "CLICK_NOT_FOUND"),
            ("shared-7", "INVALID_GCLID"),
        ],
    )
    .await;
    reported_together(&world, &sales("shared", SALES)).await;
    assert_eq!(world.number("SELECT count(DISTINCT receipt) FROM dispatches").await, 2);
    time_comes(&world).await;

    let relay = world.relay().start().ready().await;
    answered(&world).await;

    let states = world.states().await;
    assert_eq!(
        states.get("google sent unconfirmed"),
        Some(&(SALES as i64)),
        "{states:?}"
    );
    assert_eq!(
        states.get("google confirmed"),
        Some(&1),
        "the one that went ahead alone: {states:?}"
    );
    let receipt = world.schema.client().await;
    let receipt: String = receipt
        .query_one(
            "SELECT DISTINCT receipt FROM dispatches WHERE cause = 'unconfirmed'",
            &[],
        )
        .await
        .expect("one receipt")
        .get(0);
    for sale in ["shared-0", "shared-1"] {
        let detail = detail_of(&world, sale).await;
        assert!(detail.starts_with(&format!("3 of 10 in request {receipt}")), "{detail}");
    }
    // One question a request, and nothing more afterwards.
    assert_eq!(questions(&world).await, 2);
    relay_looks_again(&world, &relay).await;
    assert_eq!(questions(&world).await, 2);
    assert!(sent_times(&world).await.iter().all(|times| *times == 1));
    let attempts =
        "SELECT count(*) FROM attempts JOIN dispatches USING (event_key, account_id) WHERE platform = 'google'";
    assert_eq!(world.number(attempts).await, SALES as i64 + 1);
}

/// Waits until a relay has certainly looked at the ledger once more: it has asked about a sale that came after all others.
async fn relay_looks_again(world: &World, _relay: &Relay) {
    let events = world.number("SELECT count(*) FROM events").await;
    world.publish(&[purchase("afterwards", &["meta"])]).await;
    world.settled(events + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_google_does_not_know_any_more_ends_as_unconfirmed() {
    let world = World::new().await;
    reported(&world, &sales("old", 1)).await;
    let client = world.schema.client().await;
    client
        .batch_execute("UPDATE dispatches SET receipt = 't-never-given-out' WHERE platform = 'google'")
        .await
        .expect("another receipt");
    time_comes(&world).await;

    let _relay = with_questions(&world).start();
    answered(&world).await;

    assert_eq!(world.states().await.get("google sent unconfirmed"), Some(&1));
    assert!(detail_of(&world, "old-0").await.contains("t-never-given-out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_put_again_later_and_then_stop() {
    let world = World::new().await;
    world
        .simulator
        .set_google(json!({"receipt_delay_ms": 1_000_000_000_u64}))
        .await;
    reported(&world, &sales("slow", 1)).await;
    let relay = with_questions(&world).start().ready().await;

    let mut asked = 0;
    while world.number(OPEN).await > 0 {
        time_comes(&world).await;
        asked += 1;
        world.at_least(asked, QUESTIONS).await;
        let later =
            "SELECT count(*) FROM dispatches WHERE cause = 'unconfirmed' OR attend_at > now() + interval '30 minutes'";
        world.at_least(1, later).await;
        assert!(asked < 30, "it never ends");
    }

    assert!(asked > 8, "only {asked} questions");
    assert_eq!(questions(&world).await as i64, asked);
    assert_eq!(world.states().await.get("google sent unconfirmed"), Some(&1));
    assert_eq!(relay.metric("relay_receipt_questions_total", "").await, asked as f64);
    let processing = relay
        .metric("relay_receipt_answers_total", "answer=\"processing\"")
        .await;
    assert_eq!(processing, asked as f64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_when_google_is_asked_is_paused_and_asked_with_again() {
    let world = World::new().await;
    reported(&world, &sales("paused", 1)).await;
    world.simulator.set_token(GOOGLE_TOKEN, json!({"valid": false})).await;
    time_comes(&world).await;

    let _relay = with_questions(&world).start();
    world
        .at_least(
            1,
            "SELECT count(*) FROM pauses WHERE scope = 'login:agency-google' AND cause = 'login_refused'",
        )
        .await;
    world
        .at_least(
            1,
            "SELECT 1 - questions::bigint FROM dispatches WHERE platform = 'google'",
        )
        .await;

    world.simulator.set_token(GOOGLE_TOKEN, json!({"valid": true})).await;
    let mut resuming = world.relay().command(&["logins", "resume", "agency-google"]).start();
    assert!(resuming.dead(PATIENCE).await.success(), "{}", resuming.log());
    time_comes(&world).await;
    world.in_state(1, "google confirmed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_answer_costs_nothing_but_a_question() {
    let world = World::new().await;
    reported(&world, &sales("broken", 1)).await;
    let faults = json!([
        {"platform": "google_status", "fault": {"kind": "html", "status": 502}, "times": 1},
        {"platform": "google_status", "fault": {"kind": "reset_after"}, "times": 1}
    ]);
    world.simulator.set_faults(faults).await;
    let relay = with_questions(&world).start().ready().await;

    for asked in 1..=2 {
        time_comes(&world).await;
        world.at_least(asked, QUESTIONS).await;
        world
            .at_least(
                1,
                "SELECT count(*) FROM dispatches WHERE attend_at > now() + interval '30 minutes'",
            )
            .await;
        assert_eq!(world.states().await.get("google sent"), Some(&1));
    }
    time_comes(&world).await;
    world.in_state(1, "google confirmed").await;

    assert_eq!(
        relay
            .metric("relay_receipt_answers_total", "answer=\"unanswered\"")
            .await,
        2.0
    );
    tokio::time::timeout(Duration::from_secs(30), relay.terminate(PATIENCE))
        .await
        .expect("it stops in time");
}
