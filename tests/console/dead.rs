//! `dead`: what is listed, shown, replayed and dropped, letter by letter, without a worker beside it.

use std::collections::BTreeMap;

use bytes::Bytes;
use conversion_relay::{
    broker::{HeaderValue, Headers, Outgoing, topology},
    domain::ClientId,
};

use crate::world::{META, Message, TIKTOK, World, now, purchase};

/// Copies of one letter, as two workers may have written them.
fn twice(letter: &Outgoing) -> Vec<Outgoing> {
    vec![letter.clone(), letter.clone()]
}

fn of_globex(order: &str) -> conversion_relay::store::routing::NewEvent {
    let mut event = purchase(order);
    event.record.client = ClientId::parse("globex").expect("an ID");
    event
}

/// A message that the router put aside.
fn inbound_letter(queue: &str, id: &str, body: &str, headers: &[(&str, &str)]) -> Outgoing {
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
fn ids(messages: &[Message]) -> Vec<&str> {
    let ids = messages.iter().filter_map(|message| message.message_id.as_deref());
    let mut ids: Vec<&str> = ids.collect();
    ids.sort_unstable();
    ids
}

/// The one with this message ID.
fn with_id<'a>(messages: &'a [Message], id: &str) -> &'a Message {
    let found = messages
        .iter()
        .find(|message| message.message_id.as_deref() == Some(id));
    found.expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_reopens_each_failure_once_and_takes_a_second_copy_for_what_it_is() {
    let world = World::new().await;
    for order in ["1", "2", "3"] {
        let letter = world.refused_sale(purchase(order), META).await;
        world.put(twice(&letter)).await;
    }

    let out = world.run(&["dead", "replay", "--yes"]).await.good();

    assert!(out.contains("meta: 3 went out; 6 of the past dropped"), "{out}");
    assert!(out.contains("google: 0 went out\n"), "{out}");
    let lane = world.take("conversions.bulk.meta").await;
    assert_eq!(ids(&lane), ["e-1", "e-2", "e-3"]);
    assert!(lane.iter().all(|message| message.routing_key == "replay.meta"));
    assert_eq!(world.depth("dead.meta").await, 0);
    let reopened =
        "SELECT count(*) FROM dispatches WHERE state = 'queued' AND due IS NULL AND deferrals = 0 AND cause IS NULL
                    AND attend_at > now() AND dead_count = 1";
    assert_eq!(world.number(reopened).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_yes_it_foretells_and_does_nothing() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    let of_the_past = world.refused_sale(purchase("2"), META).await;
    world.refused_sale(purchase("3"), META).await;
    world.refused_sale(of_globex("4"), META).await;
    world
        .sql(
            "UPDATE dispatches SET state = 'sent' FROM events WHERE key = event_key AND order_id = '2';
              UPDATE dispatches SET deadline = now() FROM events WHERE key = event_key AND order_id = '3';
              UPDATE dispatches SET first_ambiguous_at = now() FROM events WHERE key = event_key AND order_id = '4'",
        )
        .await;
    assert_eq!(of_the_past.routing_key, "app.meta");

    let out = world.run(&["dead", "replay", "--queue", "meta"]).await.good();
    let kept = world.run(&["dead", "drop", "--queue", "meta"]).await.good();

    assert!(
        out.contains("meta: of 4 letters, 1 would go out, 1 too late for the platform, 1 already handled"),
        "{out}"
    );
    assert!(
        out.contains("1 may have been counted and would stay: --accept-duplicates"),
        "{out}"
    );
    assert!(out.ends_with("Nothing was done. With --yes it is.\n"), "{out}");
    assert!(
        kept.starts_with("meta: 4 letters would be dropped\nNothing was done."),
        "{kept}"
    );
    assert_eq!(world.depth("dead.meta").await, 4);
    assert_eq!(world.depth("bulk.meta").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_late_or_may_have_been_counted_stays() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    world.refused_sale(purchase("2"), META).await;
    // A doubtful one fails when its last hour of recognised repetitions is over.
    world
        .sql("UPDATE dispatches SET deadline = now() FROM events WHERE key = event_key AND order_id = '1';
              UPDATE dispatches SET first_ambiguous_at = now() - interval '47 hours', deadline = now(), cause = 'may_be_counted'
              FROM events WHERE key = event_key AND order_id = '2'")
        .await;

    let out = world.run(&["dead", "replay", "--queue", "meta", "--yes"]).await.good();
    assert!(out.contains("meta: 0 went out; 1 too late"), "{out}");
    assert!(out.contains("; 1 may have been counted, kept"), "{out}");
    assert_eq!(world.depth("dead.meta").await, 2);

    let arguments = ["dead", "replay", "--queue", "meta", "--yes", "--accept-duplicates"];
    let out = world.run(&arguments).await.good();
    assert!(out.contains("meta: 1 went out; 1 too late"), "{out}");
    assert_eq!(ids(&world.take("conversions.bulk.meta").await), ["e-2"]);
    let renewed = "SELECT count(*) FROM dispatches WHERE state = 'queued' AND deadline > now() + interval '6 days' AND first_ambiguous_at IS NULL";
    assert_eq!(world.number(renewed).await, 1, "the platform's own window holds again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_of_an_earlier_failure_reopens_nothing() {
    let world = World::new().await;
    let earlier = world.refused_sale(purchase("1"), META).await;
    world.sql("UPDATE dispatches SET dead_count = 2").await;
    let mut later = earlier.clone();
    later
        .headers
        .insert("relay-dead-count".to_owned(), HeaderValue::Integer(2));
    let mut without = earlier.clone();
    without.headers.remove("relay-dead-count");
    world.put(vec![later, without]).await;

    let out = world.run(&["dead", "replay", "--queue", "meta", "--yes"]).await.good();

    assert!(out.contains("meta: 1 went out; 2 of the past dropped"), "{out}");
    assert_eq!(world.depth("bulk.meta").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_for_stays_byte_for_byte() {
    let world = World::new().await;
    for order in ["1", "2", "3", "4"] {
        world.refused_sale(purchase(order), META).await;
    }
    world.refused_sale(of_globex("5"), META).await;
    world.refused_sale(of_globex("6"), TIKTOK).await;
    let foreign = inbound_letter("meta", "foreign", "no conversion", &[]);
    world.put(vec![foreign]).await;

    let out = world
        .run(&["dead", "replay", "--queue", "all", "--client", "globex", "--yes"])
        .await
        .good();
    let one = world.run(&["dead", "replay", "--event", "2", "--yes"]).await.good();

    assert!(
        out.contains("meta: 1 went out; 1 cannot be read, kept; 4 not asked for, kept"),
        "{out}"
    );
    assert!(out.contains("tiktok: 1 went out\n"), "{out}");
    assert!(
        one.contains("meta: 1 went out; 1 cannot be read, kept; 3 not asked for, kept"),
        "{one}"
    );
    let kept = world.take("conversions.dead.meta").await;
    assert_eq!(ids(&kept), ["e-1", "e-3", "e-4", "foreign"]);
    assert_eq!(with_id(&kept, "foreign").body, "no conversion");
    let first = with_id(&kept, "e-1");
    assert_eq!(first.headers.get("relay-cause"), Some(&HeaderValue::from("refused")));
    assert_eq!(first.routing_key, "app.meta");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_and_a_pace_are_kept() {
    let world = World::new().await;
    for order in ["1", "2", "3", "4", "5"] {
        world.refused_sale(purchase(order), META).await;
    }

    let out = world.run(&["dead", "replay", "--limit", "2", "--yes"]).await.good();
    assert!(out.contains("meta: 2 went out\n"), "{out}");
    assert!(!out.contains("google"), "the limit is reached: {out}");
    assert_eq!((world.depth("bulk.meta").await, world.depth("dead.meta").await), (2, 3));

    let began = std::time::Instant::now();
    world
        .run(&["dead", "replay", "--rate", "1", "--queue", "meta", "--yes"])
        .await
        .good();
    assert!(
        began.elapsed() >= std::time::Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!((world.depth("bulk.meta").await, world.depth("dead.meta").await), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_another_is_at_work_on_a_queue_nothing_is_done_there() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    let lock = world
        .store()
        .lock_queue("conversions.dead.meta")
        .await
        .unwrap()
        .unwrap();

    let ran = world
        .run(&["dead", "replay", "--queue", "meta", "--queue", "google", "--yes"])
        .await;

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("meta: another `dead` command is at work"), "{ran:?}");
    assert!(ran.out.contains("google: 0 went out"), "{ran:?}");
    assert_eq!(world.depth("dead.meta").await, 1);
    drop(lock);
    let out = world.run(&["dead", "replay", "--queue", "meta", "--yes"]).await.good();
    assert!(out.contains("meta: 1 went out"), "{out}");
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
        "act      developer: `classify`",
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
