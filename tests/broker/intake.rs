//! Deliveries: settled once, given back when nobody settles them.

use std::{collections::HashSet, time::Duration};

use conversion_relay::broker::{Arrivals, BrokerError, Drained, IntakeSettings};
use rand::seq::SliceRandom;
use reqwest::Method;
use serde_json::json;

use crate::world::{DEADLINE, World, deliveries, eventually, from, has_depth, id, message, metrics, next, take};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_go_in_and_come_out_once() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    let mut intake = broker.intake(from("q", 500));

    let publishing = tokio::spawn(async move {
        for thousand in 0..10 {
            let messages = (0..1000).map(|one| message("q", thousand * 1000 + one)).collect();
            publisher.publish(messages, MINUTE).await.unwrap();
        }
        publisher
    });
    let mut seen = HashSet::new();
    while seen.len() < 10_000 {
        let mut batch = deliveries(&mut intake).await;
        batch.shuffle(&mut rand::rng());
        for delivery in batch {
            assert!(seen.insert(id(&delivery).to_owned()), "{} came twice", id(&delivery));
            delivery.ack();
        }
    }
    let publisher = publishing.await.unwrap();
    assert!(intake.drain(DEADLINE).await.clean);

    // Had the broker kept one, it would come before this.
    publisher.publish(vec![message("q", "last")], MINUTE).await.unwrap();
    let next = take(&mut broker.intake(from("q", 500)), 1).await.remove(0);
    assert_eq!(id(&next), "last");
    broker.close(DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_and_headers_arrive_as_they_were_sent() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let mut sent = message("q", "the-id");
    sent.headers = [
        ("relay-client".to_owned(), "acme".into()),
        ("relay-dead".to_owned(), 3.into()),
    ]
    .into();
    sent.timestamp_seconds = Some(1_700_000_000);
    sent.message_type = Some("dispatch");

    broker
        .publisher("test")
        .publish(vec![sent.clone()], MINUTE)
        .await
        .unwrap();

    let delivery = take(&mut broker.intake(from("q", 10)), 1).await.remove(0);
    assert_eq!(id(&delivery), "the-id");
    assert_eq!(delivery.headers, sent.headers);
    assert_eq!(delivery.timestamp_seconds, sent.timestamp_seconds);
    assert_eq!((delivery.routing_key.as_str(), &delivery.body), ("q", &sent.body));
    assert_eq!(
        (delivery.redelivered, delivery.delivery_count, delivery.crash_looping),
        (false, 0, false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_dropped_without_a_verdict_comes_back_and_is_counted() {
    let metrics = metrics();
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    broker
        .publisher("test")
        .publish(vec![message("q", "a")], MINUTE)
        .await
        .unwrap();
    let mut intake = broker.intake(IntakeSettings {
        role: "dropper",
        ..from("q", 10)
    });

    drop(take(&mut intake, 1).await);

    let again = take(&mut intake, 1).await.remove(0);
    assert_eq!((id(&again), again.redelivered, again.delivery_count), ("a", true, 1));
    assert!(
        metrics
            .render()
            .contains("relay_in_flight_messages{role=\"dropper\"} 1")
    );
    again.requeue();
    let again = take(&mut intake, 1).await.remove(0);
    assert_eq!(again.delivery_count, 2);
    again.ack();
    assert!(intake.drain(DEADLINE).await.clean);
    let page = metrics.render();
    for line in [
        "relay_settlements_total{role=\"dropper\",disposition=\"abandoned\"} 1",
        "relay_settlements_total{role=\"dropper\",disposition=\"requeued\"} 1",
        "relay_settlements_total{role=\"dropper\",disposition=\"acked\"} 1",
        "relay_in_flight_messages{role=\"dropper\"} 0",
    ] {
        assert!(page.contains(line), "{line} is missing in\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn next_takes_no_more_than_asked_for_and_keeps_the_rest() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..50).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 50));

    let mut taken = Vec::new();
    while taken.len() < 50 {
        let Arrivals::Deliveries(batch) = intake.next(7).await else {
            panic!("nothing was lost")
        };
        assert!((1..=7).contains(&batch.len()), "{}", batch.len());
        taken.extend(batch);
        assert_eq!(intake.in_flight(), taken.len());
    }

    let ids: HashSet<_> = taken.iter().map(|delivery| id(delivery).to_owned()).collect();
    assert_eq!(ids.len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prefetch_bounds_what_is_with_us() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..100).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 10));

    let held = take(&mut intake, 10).await;

    assert_eq!(held.len(), 10);
    let more = tokio::time::timeout(Duration::from_millis(300), intake.next(10)).await;
    assert!(more.is_err(), "more than the prefetch came in");
    assert_eq!(broker.queue_depth("q").await.unwrap(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_what_is_out_and_proves_the_acks() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..30).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 20));
    let held = take(&mut intake, 20).await;

    let (_, drained) = tokio::join!(
        async {
            for delivery in held {
                tokio::task::yield_now().await;
                delivery.ack();
            }
        },
        intake.drain(DEADLINE)
    );

    assert_eq!(
        drained,
        Drained {
            clean: true,
            unsettled: 0
        }
    );
    has_depth(&broker, "q", 10).await;
    assert!(matches!(next(&mut intake).await, Arrivals::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_what_was_not_settled_by_its_deadline() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..5).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 20));
    let mut held = take(&mut intake, 5).await;
    held.remove(2).ack();

    let drained = intake.drain(Duration::from_millis(100)).await;

    assert_eq!(
        drained,
        Drained {
            clean: false,
            unsettled: 4
        }
    );
    has_depth(&broker, "q", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_it_holds_nothing_and_resumed_it_gets_all_of_it_again() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..20).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 20));
    let mut held = take(&mut intake, 20).await;
    held.remove(0).ack();

    intake.suspend().await;

    assert!(!intake.is_consuming());
    assert_eq!(intake.in_flight(), 0);
    has_depth(&broker, "q", 19).await;
    assert!(held.iter().all(|delivery| !delivery.is_held()));
    // Late verdicts on what is gone mean nothing.
    held.into_iter().for_each(conversion_relay::broker::Delivery::ack);
    assert!(matches!(next(&mut intake).await, Arrivals::Reopened));
    let nothing = tokio::time::timeout(Duration::from_millis(300), intake.next(10)).await;
    assert!(nothing.is_err(), "{nothing:?}");

    intake.resume();

    let again = take(&mut intake, 19).await;
    assert_eq!(again.len(), 19);
    assert!(again.iter().all(|delivery| delivery.delivery_count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_waits_for_its_queue_and_outlives_its_deletion() {
    let world = World::new().await;
    let broker = world.broker().await;
    let mut intake = broker.intake(from("q", 10));
    let error = broker.queue_depth("q").await.unwrap_err();
    assert!(matches!(error, BrokerError::Refused { code: 404, .. }), "{error:?}");

    eventually("the problem is told", async || {
        intake.problem().is_some_and(|problem| problem.contains("no queue 'q'"))
    })
    .await;

    world.queue("q", json!({})).await;
    let publisher = broker.publisher("test");
    publisher.publish(vec![message("q", "first")], MINUTE).await.unwrap();
    let first = take(&mut intake, 1).await.remove(0);
    world
        .api(Method::DELETE, &format!("queues/{}/q", world.name()), None)
        .await;
    assert!(matches!(next(&mut intake).await, Arrivals::Reopened));
    assert!(!first.is_held());

    world.queue("q", json!({})).await;
    publisher.publish(vec![message("q", "second")], MINUTE).await.unwrap();
    let second = take(&mut intake, 1).await.remove(0);
    assert_eq!(id(&second), "second");
    assert_eq!(intake.problem(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_intake_gives_everything_back_silently() {
    let metrics = metrics();
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let messages = (0..20).map(|one| message("q", one)).collect();
    broker.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut intake = broker.intake(IntakeSettings {
        role: "leaver",
        ..from("q", 20)
    });
    let Arrivals::Deliveries(held) = intake.next(1).await else {
        panic!("nothing was lost")
    };

    drop(intake);

    has_depth(&broker, "q", 20).await;
    drop(held);
    assert!(
        metrics
            .render()
            .contains("relay_settlements_total{role=\"leaver\",disposition=\"abandoned\"} 0")
    );
}
