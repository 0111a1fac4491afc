//! A message that kills whoever reads it is found, and only it.

use std::{collections::HashSet, time::Duration};

use conversion_relay::broker::{Arrivals, CRASH_LOOP_AT, Delivery, SOLO_FROM};
use serde_json::json;

use crate::world::{DEADLINE, World, from, has_depth, id, message, next, take};

const MINUTE: Duration = Duration::from_secs(60);
const CULPRIT: &str = "culprit";

/// How one life of a process ended.
enum Life {
    /// It died of the culprit.
    Crashed,
    /// It put the culprit aside, which was alone in flight, and emptied the queue.
    Finished,
}

/// One life of a process that reads the queue: it acks what it reads, and dies when it reads the culprit.
async fn live(world: &World, prefetch: u16, done: &mut HashSet<String>) -> Life {
    let broker = world.broker().await;
    let mut intake = broker.intake(from("q", prefetch));
    loop {
        let Arrivals::Deliveries(batch) = next(&mut intake).await else {
            continue;
        };
        for delivery in &batch {
            if delivery.crash_looping {
                assert_eq!(id(delivery), CULPRIT, "an innocent one is condemned");
                assert!(delivery.delivery_count >= CRASH_LOOP_AT);
                assert_eq!((batch.len(), intake.in_flight()), (1, 1), "not alone");
            } else if delivery.delivery_count >= SOLO_FROM {
                assert_eq!((batch.len(), intake.in_flight()), (1, 1), "a suspect has company");
            }
        }
        // A crash takes the whole batch with it.
        let dies_of = |delivery: &Delivery| id(delivery) == CULPRIT && !delivery.crash_looping;
        if batch.iter().any(dies_of) {
            drop(broker);
            return Life::Crashed;
        }
        for delivery in batch {
            done.insert(id(&delivery).to_owned());
            delivery.ack();
        }
        if done.contains(CULPRIT) && done.len() == 41 {
            assert!(intake.drain(DEADLINE).await.clean);
            broker.close(DEADLINE).await;
            return Life::Finished;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_culprit_is_named_and_the_innocent_ones_get_through() {
    let world = World::new().await;
    world.queue("q", json!({"x-delivery-limit": 100})).await;
    let publisher = world.broker().await;
    let mut messages: Vec<_> = (0..40).map(|one| message("q", one)).collect();
    messages.insert(20, message("q", CULPRIT));
    publisher.publisher("test").publish(messages, MINUTE).await.unwrap();
    let mut done = HashSet::new();

    let mut lives = 1;
    while let Life::Crashed = live(&world, 15, &mut done).await {
        lives += 1;
        assert!(lives < 60, "the culprit is never named");
    }

    assert!(lives > CRASH_LOOP_AT as usize / 2, "named after only {lives} lives");
    has_depth(&publisher, "q", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_queues_that_both_hold_suspects_hand_them_out_one_at_a_time() {
    let world = World::new().await;
    let broker = world.broker().await;
    for queue in ["a", "b"] {
        world.queue(queue, json!({})).await;
        broker
            .publisher("test")
            .publish(vec![message(queue, queue)], MINUTE)
            .await
            .unwrap();
    }
    for _ in 0..SOLO_FROM {
        for queue in ["a", "b"] {
            let mut intake = broker.intake(from(queue, 10));
            take(&mut intake, 1).await.remove(0).requeue();
            assert!(intake.drain(DEADLINE).await.clean);
        }
    }

    let (mut a, mut b) = (broker.intake(from("a", 10)), broker.intake(from("b", 10)));
    let first = tokio::select! {
        arrived = a.next(10) => arrived,
        arrived = b.next(10) => arrived,
    };
    let Arrivals::Deliveries(mut first) = first else {
        panic!("nothing was lost")
    };
    let first = first.remove(0);
    let other = if id(&first) == "a" { &mut b } else { &mut a };

    let early = tokio::time::timeout(Duration::from_millis(500), other.next(10)).await;
    assert!(early.is_err(), "two suspects in flight");
    first.ack();
    let Arrivals::Deliveries(second) = next(other).await else {
        panic!("nothing was lost")
    };
    assert!(second[0].delivery_count >= SOLO_FROM && !second[0].crash_looping);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspect_behind_others_is_read_alone_and_then_the_full_prefetch_comes_back() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    publisher.publish(vec![message("q", "suspect")], MINUTE).await.unwrap();
    let mut intake = broker.intake(from("q", 10));
    for _ in 0..SOLO_FROM {
        take(&mut intake, 1).await.remove(0).requeue();
    }
    // It waits alone; what comes behind it comes only after it.
    let suspect = take(&mut intake, 1).await.remove(0);
    assert!(suspect.delivery_count >= SOLO_FROM && !suspect.crash_looping);
    publisher
        .publish((0..20).map(|one| message("q", one)).collect(), MINUTE)
        .await
        .unwrap();
    let early = tokio::time::timeout(Duration::from_millis(300), intake.next(10)).await;
    assert!(early.is_err(), "a suspect has company");

    suspect.ack();

    let mut held = Vec::new();
    while held.len() < 10 {
        held.extend(take(&mut intake, 1).await);
    }
    assert!(
        held.iter().all(|delivery| delivery.delivery_count == 0),
        "no count rose when the prefetch did"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_only_came_back_because_we_let_go_of_it_is_not_condemned() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    broker
        .publisher("test")
        .publish(vec![message("q", "innocent")], MINUTE)
        .await
        .unwrap();
    let mut intake = broker.intake(from("q", 10));

    let mut count = 0;
    while count < 2 * CRASH_LOOP_AT {
        let delivery = take(&mut intake, 1).await.remove(0);
        assert!(!delivery.crash_looping, "condemned at {}", delivery.delivery_count);
        count = delivery.delivery_count;
        intake.suspend().await;
        intake.resume();
    }
}
