//! What holds ad accounts back: who waits, what it costs (nothing), and what ends it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use conversion_relay::{
    domain::{AccountId, Scope},
    store::pauses::HandPause,
};
use serde_json::json;

use super::support::{
    purchases::purchase_of,
    relay::Relay,
    wait::until,
    world::{ALL, META_TOKEN, PATIENCE, TIKTOK_TOKEN, World, account_of, purchase},
};

/// A second client whose Meta pixel is served by the agency's login.
const INITECH_PIXEL: &str = "3000000001";
/// How many dispatches have spent anything or failed: none may have, whatever paused them.
const SPENT: &str = "SELECT count(*) FROM dispatches WHERE deferrals > 0 OR state = 'failed'";

/// The pauses in force, with their causes.
async fn pauses(world: &World) -> BTreeMap<String, String> {
    let pauses = world.schema.store.pauses().await.expect("pauses can be read");
    pauses
        .into_iter()
        .map(|pause| (pause.scope.to_string(), pause.cause.to_string()))
        .collect()
}

/// Events of a client for Meta.
async fn publish_for_meta(world: &World, client: &str, count: usize) -> Vec<String> {
    let ids: Vec<String> = (0..count).map(|n| format!("{client}-{n}")).collect();
    let events: Vec<_> = ids.iter().map(|id| purchase_of(client, id, &["meta"])).collect();
    world.publish(&events).await;
    ids
}

async fn probes_at_least(relay: &Relay, least: f64) {
    until("probes go out", PATIENCE, async || {
        let probes = relay.metric("relay_woken_dispatches_total", "reason=\"probe\"").await;
        if probes >= least {
            Ok(())
        } else {
            Err(format!("{probes} of {least}"))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_pauses_all_its_ad_accounts_at_once_and_spends_nothing() {
    let world = World::new().await;
    world.add_account("initech", "meta", INITECH_PIXEL, "agency-meta").await;
    world.simulator.set_token(META_TOKEN, json!({"valid": false})).await;
    let _relay = world.relay().with("RELAY_PROBE_INTERVAL", "1h").start().ready().await;

    let acme = world.publish_purchases("acme", 20).await;
    world.in_state(20, "meta paused login_refused").await;
    let initech = publish_for_meta(&world, "initech", 20).await;
    world.in_state(40, "meta paused login_refused").await;
    world.in_state(20, "google sent").await;
    world.in_state(20, "tiktok sent").await;

    let one_pause = BTreeMap::from([("login:agency-meta".to_owned(), "login_refused".to_owned())]);
    assert_eq!(pauses(&world).await, one_pause);
    let requests = world.simulator.requests().await;
    assert!(
        requests
            .iter()
            .all(|request| request.account.as_deref() != Some(INITECH_PIXEL)),
        "the other ad account of the login had to be refused, too: {requests:?}"
    );
    assert_eq!(world.number(SPENT).await, 0);

    world.simulator.set_token(META_TOKEN, json!({"valid": true})).await;
    let login = Scope::Login("agency-meta".to_owned());
    world
        .schema
        .store
        .resume(&login)
        .await
        .expect("it can be resumed")
        .expect("it was paused");
    world.settled(40).await;

    world.assert_everywhere_once(&acme).await;
    world.assert_counted_once("meta", INITECH_PIXEL, initech).await;
    assert_eq!(world.number(SPENT).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_ends_the_pause_of_a_login_that_is_taken_again() {
    let world = World::new().await;
    world.simulator.set_token(META_TOKEN, json!({"valid": false})).await;
    let relay = world.relay().start().ready().await;

    let acme = world.publish_purchases("acme", 20).await;
    let globex = publish_for_meta(&world, "globex", 20).await;
    // Each of the two logins was refused, asked again in vain, and still has one pause.
    probes_at_least(&relay, 4.0).await;

    let refused = |login: &str| (format!("login:{login}"), "login_refused".to_owned());
    assert_eq!(
        pauses(&world).await,
        BTreeMap::from([refused("agency-meta"), refused("globex-meta")])
    );
    assert_eq!(world.simulator.counts().await.of("meta", account_of("meta")).counted, 0);
    let attempts = "SELECT count(*) FROM attempts WHERE outcome = 'blocked' AND batch = 1";
    assert!(world.number(attempts).await >= 4, "a probe is one conversion");
    assert_eq!(world.number(SPENT).await, 0);

    world.simulator.set_token(META_TOKEN, json!({"valid": true})).await;
    world.settled(40).await;

    world.assert_everywhere_once(&acme).await;
    world.assert_counted_once("meta", "2000000001", globex).await;
    assert_eq!(pauses(&world).await, BTreeMap::new());
    assert_eq!(world.number(SPENT).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_by_hand_outlasts_every_probe() {
    let world = World::new().await;
    world.add_account("initech", "meta", INITECH_PIXEL, "agency-meta").await;
    let acme = i32::try_from(
        world
            .number("SELECT id::bigint FROM ad_accounts WHERE destination = '1000000001'")
            .await,
    );
    let by_hand = HandPause {
        scope: Scope::Account(AccountId(acme.expect("a number"))),
        reason: Some("the client asked for it".to_owned()),
        until: None,
    };
    world.schema.store.pause(&by_hand).await.expect("it can be paused");
    for token in [META_TOKEN, TIKTOK_TOKEN] {
        world.simulator.set_token(token, json!({"valid": false})).await;
    }
    let relay = world.relay().start().ready().await;

    let events: Vec<_> = (0..10)
        .map(|n| purchase(&format!("acme-{n}"), &["meta", "tiktok"]))
        .collect();
    world.publish(&events).await;
    let initech = publish_for_meta(&world, "initech", 10).await;
    world.in_state(10, "meta paused paused_by_hand").await;
    probes_at_least(&relay, 4.0).await;
    // The probe of the other ad account ends the pause of the login that both share, and not the one made by hand.
    world.simulator.set_token(META_TOKEN, json!({"valid": true})).await;
    world.in_state(10, "meta sent").await;
    // TikTok's login is still refused and asked again, so time passes in which probes go out.
    let so_far = relay.metric("relay_woken_dispatches_total", "reason=\"probe\"").await;
    probes_at_least(&relay, so_far + 3.0).await;

    world.assert_counted_once("meta", INITECH_PIXEL, initech).await;
    world.in_state(10, "meta paused paused_by_hand").await;
    let requests = world.simulator.requests().await;
    assert!(
        requests
            .iter()
            .all(|request| request.account.as_deref() != Some(account_of("meta"))),
        "{requests:?}"
    );
    assert_eq!(
        pauses(&world).await.get(&by_hand.scope.to_string()).map(String::as_str),
        Some("paused_by_hand")
    );

    world
        .schema
        .store
        .resume(&by_hand.scope)
        .await
        .expect("it can be resumed")
        .expect("it was paused");
    world.simulator.set_token(TIKTOK_TOKEN, json!({"valid": true})).await;
    world.settled(20).await;

    for platform in ["meta", "tiktok"] {
        let ids = (0..10).map(|n| format!("acme-{n}"));
        world.assert_counted_once(platform, account_of(platform), ids).await;
    }
    assert_eq!(world.number(SPENT).await, 0);
}

/// The end of each pause, by scope, once there are so many.
async fn ends_of_pauses(world: &World, count: usize) -> Vec<(String, DateTime<Utc>)> {
    let pauses = until("pauses begin", PATIENCE, async || {
        let pauses = world
            .schema
            .store
            .pauses()
            .await
            .map_err(|failure| failure.to_string())?;
        if pauses.len() == count {
            Ok(pauses)
        } else {
            Err(format!("{pauses:?}"))
        }
    })
    .await;
    let end = |until: Option<DateTime<Utc>>| until.expect("a limit ends by itself");
    pauses
        .into_iter()
        .map(|pause| (pause.scope.to_string(), end(pause.until)))
        .collect()
}

/// A platform asks for a slower pace with the first request, and everything waits as long as it says.
async fn slow_down(fault: serde_json::Value) {
    let world = World::new().await;
    let rules: Vec<_> = ALL
        .iter()
        .map(|platform| json!({"platform": platform, "fault": fault, "times": 1}))
        .collect();
    world.simulator.set_faults(json!(rules)).await;
    let _relay = world.relay().start().ready().await;

    let ids = world.publish_purchases("slower", 20).await;
    let ends = ends_of_pauses(&world, ALL.len()).await;
    world.settled(20).await;

    world.assert_everywhere_once(&ids).await;
    assert_eq!(world.number(SPENT).await, 0);
    let first_end = ends.iter().map(|(_, end)| *end).min().expect("there are pauses");
    let requests = world.simulator.requests().await;
    for platform in ALL {
        let mut of_platform = requests
            .iter()
            .filter(|request| request.platform.as_deref() == Some(platform));
        let limited = of_platform.next().expect("there was a first request");
        assert!(limited.fault.is_some(), "{limited:?}");
        for later in of_platform {
            assert!(
                later.at >= first_end,
                "{platform} was asked again at {}, before {ends:?}",
                later.at
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_pauses_until_its_end_and_spends_nothing() {
    slow_down(json!({"kind": "rate_limit", "retry_after_seconds": 5})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_of_a_proxy_pauses_until_its_retry_after_and_spends_nothing() {
    slow_down(json!({"kind": "status", "status": 429, "headers": {"retry-after": "5"}})).await;
}
