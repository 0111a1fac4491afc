//! One bad thing never costs another: not a platform that is down, not an ad account that is slow, not an event that is refused.

use serde_json::{Value, json};

use super::support::{
    purchases::purchase_of,
    wait::until,
    world::{ALL, PATIENCE, World, account_of},
};

const GLOBEX_PIXEL: &str = "2000000001";

/// Purchases for Meta alone.
fn for_meta(client: &str, count: usize) -> (Vec<String>, Vec<Value>) {
    let ids: Vec<String> = (0..count).map(|n| format!("{client}-{n}")).collect();
    let events = ids.iter().map(|id| purchase_of(client, id, &["meta"])).collect();
    (ids, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_down_never_stops_the_other_two() {
    let world = World::new().await;
    world.add_account("initech", "meta", "3000000001", "agency-meta").await;
    world
        .simulator
        .set_faults(json!([{"platform": "meta", "fault": {"kind": "status", "status": 503}}]))
        .await;
    let _relay = world.relay().start().ready().await;

    let acme = world.publish_purchases("acme", 60).await;
    let (globex, events) = for_meta("globex", 20);
    world.publish(&events).await;
    let (initech, events) = for_meta("initech", 20);
    world.publish(&events).await;
    world.in_state(60, "google sent").await;
    world.in_state(60, "tiktok sent").await;

    for platform in ["google", "tiktok"] {
        world
            .assert_counted_once(platform, account_of(platform), acme.iter().cloned())
            .await;
    }
    until("the platform is left alone", PATIENCE, async || {
        let pauses = world
            .schema
            .store
            .pauses()
            .await
            .map_err(|failure| failure.to_string())?;
        let is_left_alone = pauses
            .iter()
            .any(|pause| pause.scope.to_string() == "platform:meta" && pause.cause.as_str() == "platform_down");
        if is_left_alone {
            Ok(())
        } else {
            Err(format!("{pauses:?}"))
        }
    })
    .await;
    assert_eq!(
        world
            .number(
                "SELECT count(*) FROM dispatches WHERE platform = 'meta' AND state IN ('sent', 'failed', 'not_sent')"
            )
            .await,
        0
    );

    world.simulator.clear_faults().await;
    world.settled(100).await;

    world.assert_everywhere_once(&acme).await;
    world.assert_counted_once("meta", GLOBEX_PIXEL, globex).await;
    world.assert_counted_once("meta", "3000000001", initech).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_ad_account_never_delays_another_of_its_platform() {
    let world = World::new().await;
    // It answers after so long that everybody else must be done by then.
    world
        .simulator
        .set_faults(json!([{"platform": "meta", "account": GLOBEX_PIXEL, "fault": {"kind": "slow", "milliseconds": 15000}, "times": 1}]))
        .await;
    let long = [
        ("RELAY_HTTP_TIMEOUT", "25s"),
        ("RELAY_LEASE", "60s"),
        ("RELAY_SILENCE", "70s"),
    ];
    let start = long
        .iter()
        .fold(world.relay(), |start, (name, value)| start.with(name, value));
    let _relay = start.start().ready().await;

    // More than the sender takes in at a time, and all of it ahead of the others.
    let (globex, events) = for_meta("globex", 300);
    world.publish(&events).await;
    world
        .at_least(1, "SELECT count(*) FROM dispatches WHERE state = 'sending'")
        .await;
    let (acme, events) = for_meta("acme", 100);
    world.publish(&events).await;
    let of_acme = "SELECT count(*) FROM dispatches WHERE state = 'sent' AND destination = '1000000001'";
    world.at_least(100, of_acme).await;

    let of_globex = format!("SELECT count(*) FROM dispatches WHERE state = 'sent' AND destination = '{GLOBEX_PIXEL}'");
    assert_eq!(
        world.number(&of_globex).await,
        0,
        "the slow one was not slow: that proves nothing"
    );
    world.settled(400).await;
    world.assert_counted_once("meta", account_of("meta"), acme).await;
    world.assert_counted_once("meta", GLOBEX_PIXEL, globex).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_event_never_sinks_its_batch() {
    const EVENTS: usize = 60;
    let world = World::new().await;
    // Each platform refuses the whole request without a word about which of its events was bad.
    let words = [
        (
            "meta",
            400,
            json!({"error": {"message": "Invalid parameter", "type": "OAuthException", "code": 100, "is_transient": false}}),
        ),
        (
            "google",
            400,
            json!({"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}),
        ),
        (
            "tiktok",
            200,
            json!({"code": 40002, "message": "Invalid payload", "request_id": "r", "data": {}}),
        ),
    ];
    let rules = words.map(|(platform, status, body)| {
        json!({"platform": platform, "event_id": "day-31", "fault": {"kind": "status", "status": status, "body": body.to_string()}})
    });
    world.simulator.set_faults(json!(rules)).await;

    // Published and routed before anything is sent, so that the batches are large.
    let ids = world.publish_purchases("day", EVENTS).await;
    let _router = world.relay().role("router").start();
    world.in_state(EVENTS as i64, "meta queued").await;
    let _others = world.relay().role("sender").role("keeper").start();
    world.settled(EVENTS as i64).await;

    let states = world.states().await;
    let requests = world.simulator.requests().await;
    let good: Vec<String> = ids.into_iter().filter(|id| id != "day-31").collect();
    world.assert_everywhere_once(&good).await;
    for platform in ALL {
        assert_eq!(
            states.get(&format!("{platform} sent")),
            Some(&(EVENTS as i64 - 1)),
            "{states:?}"
        );
        assert_eq!(
            states.get(&format!("{platform} failed refused")),
            Some(&1),
            "{states:?}"
        );
        assert_eq!(world.depth(&format!("dead.{platform}")).await, 1);
        let sunk = requests
            .iter()
            .filter(|one| one.platform.as_deref() == Some(platform) && one.fault.is_some());
        let largest = sunk.map(|request| request.events).max();
        assert!(
            largest > Some(1),
            "{platform}: the bad event was alone: that proves nothing"
        );
    }
    let culprits =
        "SELECT count(*) FROM dispatches JOIN events ON key = event_key WHERE state = 'failed' AND event_id = 'day-31'";
    assert_eq!(world.number(culprits).await, 3);
    let unexplained = "SELECT count(*) FROM dispatches WHERE state = 'failed' AND detail IS NULL";
    assert_eq!(world.number(unexplained).await, 0, "the platform's words are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ad_account_that_is_refused_never_stops_another_of_its_client() {
    let world = World::new().await;
    let second = "3000000002";
    world.add_account("acme", "meta", second, "agency-meta").await;
    // Permission withdrawn for one pixel.
    let body =
        json!({"error": {"message": "(#200) Missing permissions", "type": "OAuthException", "code": 200}}).to_string();
    world
        .simulator
        .set_faults(
            json!([{"platform": "meta", "account": second, "fault": {"kind": "status", "status": 403, "body": body}}]),
        )
        .await;
    let _relay = world.relay().start().ready().await;

    let ids = world.publish_purchases("acme", 40).await;
    world.in_state(40, "meta sent").await;
    world.in_state(40, "meta paused permission_missing").await;

    world.simulator.clear_faults().await;
    world.settled(40).await;
    world.assert_everywhere_once(&ids).await;
    world.assert_counted_once("meta", second, ids.iter().cloned()).await;
    let spent = "SELECT count(*) FROM dispatches WHERE deferrals > 0";
    assert_eq!(world.number(spent).await, 0);
}
