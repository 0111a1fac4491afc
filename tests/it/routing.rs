//! What the router makes of events whose client changes, and of repetitions.

use std::collections::BTreeMap;

use conversion_relay::broker::topology::Topology;
use serde_json::json;

use super::support::{
    wait::until,
    world::{ALL, PATIENCE, World, account_of, purchase},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_an_unknown_client_goes_out_when_it_is_published_again_once_the_client_exists() {
    let world = World::new().await;
    let _relay = world.relay().start();
    let mut event = purchase("early", &["meta"]);
    event["client_id"] = json!("initech");
    world.publish(&[event.clone()]).await;
    world.settled(1).await;
    assert_eq!(
        world
            .number("SELECT count(*) FROM events WHERE cause = 'unknown_client'")
            .await,
        1
    );

    let client = world.schema.client().await;
    client
        .batch_execute(
            r#"INSERT INTO clients (id, name) VALUES ('initech', 'Initech');
               INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules)
               VALUES ('initech', 'meta', 'meta', '3000000001', 'agency-meta', '{"mode":"live"}');
               UPDATE directory_version SET version = version + 1"#,
        )
        .await
        .expect("the client is added");
    // Until the relay has heard of the client, the repetition is absorbed as before.
    until("the event is reported", PATIENCE, async || {
        world.publish(&[event.clone()]).await;
        let counted = world.simulator.events("meta", "3000000001").await;
        if counted.len() == 1 {
            Ok(())
        } else {
            Err(format!("{counted:?}"))
        }
    })
    .await;

    assert_eq!(world.number("SELECT count(*) FROM events WHERE cause IS NULL").await, 1);
    assert_eq!(world.number("SELECT count(*) FROM dispatches").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_changes_nothing_and_a_contradiction_is_counted() {
    let world = World::new().await;
    let _relay = world.relay().start();
    let event = purchase("same", &ALL);
    world.publish(std::slice::from_ref(&event)).await;
    world.settled(1).await;

    let mut other = event.clone();
    other["value"] = json!(1);
    world.publish(&[event.clone(), other, event]).await;
    until("the contradiction is counted", PATIENCE, async || {
        let differing = world
            .number("SELECT coalesce(sum(differing), 0)::bigint FROM events")
            .await;
        if differing == 1 {
            Ok(())
        } else {
            Err(format!("{differing}"))
        }
    })
    .await;

    for platform in ALL {
        world
            .assert_counted_once(platform, account_of(platform), ["same".to_owned()])
            .await;
    }
    assert_eq!(world.number("SELECT count(*) FROM attempts").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_an_event_goes_with_it_to_the_end() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let world = World::new().await;
    let relay = world.relay().start().ready().await;
    let refused = json!({"code": 40002, "message": "Invalid payload"}).to_string();
    world
        .simulator
        .set_faults(json!([
            {"platform": "meta", "fault": {"kind": "status", "status": 503}, "times": 1},
            {"platform": "tiktok", "fault": {"kind": "status", "status": 200, "body": refused}}
        ]))
        .await;

    let events = [purchase("refused", &["tiktok"]), purchase("late", &["meta"])];
    world
        .publish_with(
            &Topology::default().events(),
            "events.test",
            &BTreeMap::from([("traceparent".to_owned(), TRACE.into())]),
            events.iter().map(|event| event.to_string().into_bytes()),
        )
        .await;
    world.settled(2).await;

    let dead = world.messages("dead.tiktok").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header("traceparent"), Some(TRACE));
    // One attempt at TikTok and two at Meta, the second of which came by way of the ledger.
    let log = relay.log();
    let attempts = log
        .lines()
        .filter(|line| line.contains("dispatch attempted") && line.contains(&TRACE[3..35]));
    assert_eq!(attempts.count(), 3, "{log}");
}
