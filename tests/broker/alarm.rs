//! A broker that takes or confirms no messages for a while.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use conversion_relay::broker::{BrokerSettings, PublishCause, PublishFailure};
use serde_json::json;

use crate::{
    support::node::Node,
    world::{DEADLINE, World, connected, from, id, is_good, message, take, to_exchange},
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_publishing_but_not_acks_and_passes() {
    let node = Node::start().await;
    let world = World::on(&node).await;
    world.queue("q", json!({})).await;
    let broker = world.broker().await;
    let publisher = broker.publisher("test");
    publisher
        .publish((0..20).map(|one| message("q", one)).collect(), MINUTE)
        .await
        .unwrap();
    let mut intake = broker.intake(from("q", 10));

    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await;
    let began = Instant::now();
    let failure = publisher
        .publish(vec![message("q", "blocked")], Duration::from_secs(2))
        .await
        .unwrap_err();

    assert_eq!((failure.unconfirmed, failure.cause), (vec![0], PublishCause::Blocked));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(broker.health().blocked.is_some_and(|reason| reason.contains("memory")));
    for _ in 0..20 {
        take(&mut intake, 1).await.remove(0).ack();
    }
    assert!(
        intake.drain(DEADLINE).await.clean,
        "acks go through while publishing is blocked"
    );

    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await;

    publisher.publish(vec![message("q", "after")], MINUTE).await.unwrap();
    is_good(&broker).await;

    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await;
    let _ = publisher
        .publish(vec![message("q", "blocked again")], Duration::from_secs(1))
        .await;
    let began = Instant::now();
    broker.close(Duration::from_secs(5)).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "a blocked connection must not hold up the exit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_confirm_costs_its_own_messages_only() {
    let node = Node::start().await;
    let world = World::on(&node).await;
    world.exchange("x").await;
    for queue in ["stuck", "fine"] {
        world.queue(queue, json!({})).await;
    }
    world.bind("x", "fine", "#").await;
    let settings = BrokerSettings {
        confirm_timeout: Duration::from_secs(1),
        ..world.settings()
    };
    let broker = connected(settings).await;
    let publisher = broker.publisher("test");
    publisher
        .publish(vec![message("stuck", "before")], MINUTE)
        .await
        .unwrap();

    // The process that keeps a quorum queue is named after its vhost and its name.
    let process = format!("'{}_stuck'", world.name());
    node.ctl(&["eval", &format!("sys:suspend({process}).")]).await;
    let (stuck, fine) = tokio::join!(
        publisher.publish(vec![message("stuck", "meanwhile")], Duration::from_secs(4)),
        async {
            for one in 0..20 {
                publisher.publish(vec![to_exchange("x", "fine", one)], MINUTE).await?;
            }
            Ok::<_, PublishFailure>(())
        }
    );
    fine.unwrap();
    let failure = stuck.unwrap_err();
    assert_eq!((failure.unconfirmed, failure.cause), (vec![0], PublishCause::TimedOut));

    node.ctl(&["eval", &format!("sys:resume({process}).")]).await;

    publisher
        .publish(vec![message("stuck", "after")], MINUTE)
        .await
        .unwrap();
    let mut intake = broker.intake(from("stuck", 100));
    let mut ids = HashSet::new();
    while !ids.contains("after") {
        for delivery in take(&mut intake, 1).await {
            ids.insert(id(&delivery).to_owned());
            delivery.ack();
        }
    }
    assert!(ids.contains("before"));
}
