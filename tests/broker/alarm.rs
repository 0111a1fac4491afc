//! A broker that takes no messages for a while.

use std::time::{Duration, Instant};

use conversion_relay::broker::PublishCause;
use serde_json::json;

use crate::{
    support::{management::Management, node::Node, vhost::Vhost},
    world::{DEADLINE, World, from, is_good, message, take},
};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_publishing_but_not_acks_and_passes() {
    let node = Node::start().await;
    let management = node.address("RELAY_MANAGEMENT_URL").to_owned();
    let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), &management).await;
    let world = World {
        vhost,
        management: Management::at(&management),
    };
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
