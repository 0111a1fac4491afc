//! Publishing: confirmed, or a named failure.

use std::time::{Duration, Instant};

use conversion_relay::broker::{PublishCause, topology};
use reqwest::Method;
use serde_json::json;

use crate::world::{
    DEADLINE, World, connected, eventually, everything_logged, from, has_depth, message, take, to_exchange,
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_is_named_and_does_not_hold_up_the_others() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");

    let (missing, good) = tokio::join!(
        publisher.publish(vec![to_exchange("nowhere", "k", 1), message("q", 2)], MINUTE),
        publisher.publish((0..2000).map(|one| message("q", one)).collect(), MINUTE),
    );

    let failure = missing.unwrap_err();
    assert_eq!(failure.unconfirmed, [0], "the other message of the call is published");
    assert!(
        matches!(&failure.cause, PublishCause::Refused(text) if text.contains("no exchange 'nowhere'")),
        "{failure}"
    );
    good.unwrap();
    has_depth(&broker, "q", 2001).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_exchange_is_named_and_does_not_hold_up_the_others() {
    let world = World::new().await;
    world.exchange("open").await;
    world.exchange("closed").await;
    world.queue("q", json!({})).await;
    world.bind("open", "q", "#").await;
    let user = world
        .user(json!({"configure": "^$", "write": "^open$", "read": "^$"}))
        .await;
    let broker = connected(world.settings_as(&user, "secret")).await;
    let publisher = broker.publisher("test");

    let (forbidden, good) = tokio::join!(
        publisher.publish((0..300).map(|one| to_exchange("closed", "k", one)).collect(), MINUTE),
        publisher.publish((0..300).map(|one| to_exchange("open", "k", one)).collect(), MINUTE),
    );

    let failure = forbidden.unwrap_err();
    assert_eq!(failure.unconfirmed.len(), 300);
    assert!(
        matches!(&failure.cause, PublishCause::Refused(text) if text.contains("ACCESS_REFUSED")),
        "{failure}"
    );
    good.unwrap();
    world.remove_user(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_message_does_not_cost_the_others_of_its_window() {
    let world = World::new().await;
    world.exchange("x").await;
    world.queue("q", json!({})).await;
    world.bind("x", "q", "#").await;
    let user = world
        .user(json!({"configure": "^$", "write": "^x$", "read": "^$"}))
        .await;
    let topics = json!({"exchange": "x", "write": "^good", "read": ".*"});
    world
        .api(
            Method::PUT,
            &format!("topic-permissions/{}/{user}", world.name()),
            Some(topics),
        )
        .await;
    let broker = connected(world.settings_as(&user, "secret")).await;
    let mut messages: Vec<_> = (0..200).map(|one| to_exchange("x", "good", one)).collect();
    messages[77].routing_key = "bad".to_owned();
    messages[78].message_id = "i".repeat(300);

    let failure = broker.publisher("test").publish(messages, MINUTE).await.unwrap_err();

    assert_eq!(failure.unconfirmed, [77, 78]);
    assert!(matches!(&failure.cause, PublishCause::Refused(_)), "{failure}");
    let admin = world.broker().await;
    let mut intake = admin.intake(from("q", 1000));
    let arrived: std::collections::HashSet<_> = take(&mut intake, 198)
        .await
        .into_iter()
        .filter_map(|delivery| delivery.message_id.clone())
        .collect();
    assert!(!arrived.contains("77"));
    world.remove_user(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_binding_wants_ends_in_unrouted() {
    let world = World::new().await;
    let names = topology::Topology::new("t");
    topology::apply(&world.settings(), &names).await.unwrap();
    let broker = world.broker().await;

    let typo = to_exchange(&names.work(), "live.mata", 1);
    broker.publisher("test").publish(vec![typo], MINUTE).await.unwrap();

    let unrouted = take(&mut broker.intake(from(&names.unrouted(), 10)), 1).await.remove(0);
    assert_eq!(unrouted.routing_key, "live.mata");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_alternate_exchange_the_unroutable_one_is_told_from_the_others() {
    let world = World::new().await;
    world.exchange("x").await;
    world.queue("q", json!({})).await;
    world.bind("x", "q", "known").await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    let mut messages: Vec<_> = (0..200).map(|one| to_exchange("x", "known", one)).collect();
    messages[5].routing_key = "unknown".to_owned();
    messages[150].routing_key = "unknown".to_owned();

    let failure = publisher.publish(messages, MINUTE).await.unwrap_err();

    assert_eq!(
        (failure.unconfirmed, failure.cause),
        (vec![5, 150], PublishCause::Unroutable)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_rejects_until_there_is_room() {
    let world = World::new().await;
    world
        .queue("q", json!({"x-max-length": 3, "x-overflow": "reject-publish"}))
        .await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    // A quorum queue lets in a few more than its limit before it says no.
    let mut count = 0;
    eventually("the queue is full", async || {
        count += 1;
        let published = publisher
            .publish(vec![message("q", count)], Duration::from_secs(1))
            .await;
        published.is_err_and(|failure| failure.cause == PublishCause::Rejected)
    })
    .await;

    let began = Instant::now();
    let failure = publisher
        .publish(vec![message("q", "late")], Duration::from_secs(2))
        .await
        .unwrap_err();

    assert_eq!((failure.unconfirmed, failure.cause), (vec![0], PublishCause::Rejected));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut intake = broker.intake(from("q", 100));
    let (published, ()) = tokio::join!(publisher.publish(vec![message("q", "late")], MINUTE), async {
        let mut seen = String::new();
        while seen != "late" {
            for delivery in take(&mut intake, 1).await {
                seen = delivery.message_id.clone().unwrap_or_default();
                delivery.ack();
            }
        }
    });
    published.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_publishes_at_once_are_all_confirmed() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");

    let publishes = (0..2000).map(|one| {
        let publisher = publisher.clone();
        tokio::spawn(async move { publisher.publish(vec![message("q", one)], MINUTE).await })
    });
    for published in publishes.collect::<Vec<_>>() {
        published.await.unwrap().unwrap();
    }

    has_depth(&broker, "q", 2000).await;
    assert_eq!(publisher.publish(Vec::new(), MINUTE).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_close_a_publish_says_so() {
    let world = World::new().await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    publisher.publish(vec![message("q", 1)], MINUTE).await.unwrap();

    broker.close(DEADLINE).await;

    let failure = publisher.publish(vec![message("q", 2)], MINUTE).await.unwrap_err();
    assert_eq!(failure.cause, PublishCause::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_returned_message_leaves_no_trace_of_its_body_in_the_log() {
    let written = everything_logged();
    let world = World::new().await;
    world.exchange("x").await;
    let broker = world.broker().await;
    let mut secret = to_exchange("x", "nowhere", 1);
    secret.body = bytes::Bytes::from_static(b"jane.doe@example.com");

    broker
        .publisher("test")
        .publish(vec![secret], MINUTE)
        .await
        .unwrap_err();

    let bytes_in_debug = format!("{:?}", b"jane.doe@example.com");
    let log = String::from_utf8_lossy(&written.lock().unwrap()).into_owned();
    assert!(log.contains("broker connected"), "the log is on");
    assert!(!log.contains("jane.doe") && !log.contains(bytes_in_debug.trim_matches(['[', ']'])));
}
