//! Dead letters from outside, and all kinds together: listed, shown, dropped, and sent back as they came.

use std::collections::BTreeMap;

use bytes::Bytes;
use conversion_relay::{
    broker::{HeaderValue, Headers, Outgoing, topology},
    domain::ClientId,
    store::routing::NewEvent,
};

use crate::world::{META, Message, World, now, purchase};

/// A sale of another client's.
pub fn of_globex(order: &str) -> NewEvent {
    let mut event = purchase(order);
    event.record.client = ClientId::parse("globex").expect("an ID");
    event
}

/// A message that the router put aside.
pub fn inbound_letter(queue: &str, id: &str, body: &str, headers: &[(&str, &str)]) -> Outgoing {
    let own = [("relay-failed-at", now().to_rfc3339())];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Headers = headers
        .iter()
        .copied()
        .chain(own)
        .map(|(name, value)| (name.to_owned(), HeaderValue::from(value)))
        .collect();
    Outgoing {
        exchange: "conversions.dead".to_owned(),
        routing_key: topology::dead(queue),
        message_id: id.to_owned(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        headers,
        timestamp_seconds: Some(1_790_000_000),
        message_type: None,
    }
}

/// Their message IDs, sorted: a channel with two consumers does not keep the order exactly.
pub fn ids(messages: &[Message]) -> Vec<&str> {
    let ids = messages.iter().filter_map(|message| message.message_id.as_deref());
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids
}

/// The one with this message ID.
pub fn with_id<'a>(messages: &'a [Message], id: &str) -> &'a Message {
    let found = messages
        .iter()
        .find(|message| message.message_id.as_deref() == Some(id));
    found.expect("it is there")
}

const GOOD: &str =
    r#"{"client_id":"acme","event_name":"Lead","event_id":"e-good","user":{"email":"jane@example.com"}}"#;
const BAD: &str = r#"{"client_id":"acme","event_id":"e-bad","user":{"email":"jane@example.com"}}"#;

/// What lies in the inbound dead queues: one that can be read now, one that cannot, and a webhook.
async fn inbound(world: &World) {
    let bug = [
        ("relay-cause", "bug"),
        ("relay-routing-key", "events.shop"),
        ("traceparent", "00-abc"),
    ];
    let missing = [
        ("relay-cause", "missing_field"),
        ("relay-detail", "event_name"),
        ("relay-routing-key", "events.shop"),
    ];
    let webhook = [
        ("relay-cause", "unknown_webhook_source"),
        ("relay-routing-key", "webhooks.gupshup"),
        ("relay-client", "acme"),
        ("x-hub-signature-256", "sha256=0123456789abcdef"),
    ];
    world
        .put(vec![
            inbound_letter("events", "m-good", GOOD, &bug),
            inbound_letter("events", "m-bad", BAD, &missing),
            inbound_letter("webhooks", "m-hook", "{\"from\":\"+491701234567\"}", &webhook),
        ])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_from_outside_go_back_as_they_came_if_they_can_be_read_now() {
    let world = World::new().await;
    inbound(&world).await;

    let forecast = world.run(&["dead", "replay", "--queue", "events"]).await.good();
    let out = world
        .run(&["dead", "replay", "--queue", "events", "--queue", "webhooks", "--yes"])
        .await
        .good();

    assert!(
        forecast.contains("events: of 2 letters, 1 would go out, 1 still cannot be read."),
        "{forecast}"
    );
    assert!(out.contains("events: 1 went out; 1 cannot be read, kept"), "{out}");
    assert!(out.contains("webhooks: 1 went out\n"), "{out}");
    let events = world.take("conversions.in.events").await;
    assert_eq!(
        (events[0].body.as_str(), events[0].routing_key.as_str()),
        (GOOD, "events.shop")
    );
    assert_eq!(events[0].message_id.as_deref(), Some("m-good"));
    let traceparent: Headers = BTreeMap::from([("traceparent".to_owned(), "00-abc".into())]);
    assert_eq!(events[0].headers, traceparent, "nothing of the failure is left");
    let hooks = world.take("conversions.in.webhooks").await;
    assert_eq!(hooks[0].routing_key, "webhooks.gupshup");
    assert_eq!(hooks[0].headers.get("relay-client"), Some(&"acme".into()));
    let kept = world.take("conversions.dead.events").await;
    assert_eq!((ids(&kept), kept[0].body.as_str()), (vec!["m-bad"], BAD));
    assert_eq!(kept[0].headers.get("relay-cause"), Some(&"missing_field".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_counts_by_cause_and_client_and_leaves_everything_where_it_was() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    world.refused_sale(purchase("2"), META).await;
    world.refused_sale(of_globex("3"), META).await;
    inbound(&world).await;

    for _ in 0..2 {
        let out = world.run(&["dlq", "list"]).await.good();
        let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1][..5], ["meta", "refused", "(1)", "acme", "2"], "{out}");
        assert_eq!(rows[2][..5], ["meta", "refused", "(1)", "globex", "1"], "{out}");
        assert!(out.contains("webhooks  unknown_webhook_source"), "{out}");
        assert!(
            out.contains("developer: send the field with every event of this name"),
            "{out}"
        );
        assert!(!out.contains("more letter") && !out.contains("no letter"), "{out}");
    }

    let only = world
        .run(&["dead", "list", "--queue", "events", "--cause", "bug"])
        .await
        .good();
    assert_eq!(
        only.lines().filter(|line| line.starts_with("events")).count(),
        1,
        "{only}"
    );
    assert_eq!(ids(&world.take("conversions.dead.events").await), ["m-bad", "m-good"]);
    let nothing = world.run(&["dead", "list", "--client", "nobody"]).await.good();
    assert_eq!(nothing, "No dead letters that fit.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_shown_one_by_one_and_nobody_is() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    inbound(&world).await;

    let out = world.run(&["dead", "show"]).await.good();
    let first = world.run(&["dead", "show", "--limit", "1"]).await.good();

    for part in [
        "Purchase of acme, order 1, event ID e-1, to Meta (acme/meta, 1000000001)",
        "after 1 attempt",
        "cause    refused: Meta refused the conversion for good: 100/2804009 Invalid parameter.",
        "act      developer: ",
        "message of acme, ID e-bad, in events",
        "missing_field: The event lacks a required field: event_name.",
        "relay-routing-key: events.shop",
        "x-hub-signature-256: s***",
        "j***@e***.com",
    ] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    for secret in ["jane", "1701234567", "0123456789abcdef", "5ecr3t"] {
        assert!(!out.contains(secret), "{secret} in\n{out}");
    }
    assert!(first.contains("These are the first 1"), "{first}");
    assert_eq!(ids(&world.take("conversions.dead.events").await), ["m-bad", "m-good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_gone_and_the_ledger_still_tells_of_it() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    world.refused_sale(of_globex("2"), META).await;
    inbound(&world).await;

    let out = world.run(&["dead", "drop", "--client", "acme", "--yes"]).await.good();
    let again = world.run(&["dead", "replay", "--queue", "meta"]).await.good();

    assert!(out.contains("meta: 1 dropped, 1 kept\n"), "{out}");
    assert!(out.contains("events: 2 dropped, 0 kept\n"), "{out}");
    assert!(out.contains("webhooks: 1 dropped, 0 kept\n"), "{out}");
    assert_eq!(
        (world.depth("dead.meta").await, world.depth("dead.events").await),
        (1, 0)
    );
    assert_eq!(
        world
            .number("SELECT count(*) FROM dispatches WHERE state = 'failed'")
            .await,
        2
    );
    assert!(
        again.contains("the queue holds 1 letter: the others were dropped"),
        "{again}"
    );
    let audit = world.run(&["audit", "1"]).await.good();
    assert!(audit.contains("failed: refused"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_window_is_walked_whole_and_only_once() {
    let world = World::new().await;
    let letters: Vec<Outgoing> = (0..230)
        .map(|number| {
            inbound_letter(
                "events",
                &format!("m-{number:03}"),
                "no event",
                &[("relay-cause", "malformed_json")],
            )
        })
        .collect();
    world.put(letters).await;

    let out = world.run(&["dead", "list", "--queue", "events"]).await.good();

    let row: Vec<&str> = out.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..5], ["events", "malformed_json", "(1)", "-", "230"], "{out}");
    let kept = world.take("conversions.dead.events").await;
    let mut ids = ids(&kept);
    ids.dedup();
    assert_eq!((kept.len(), ids.len()), (230, 230));
}
