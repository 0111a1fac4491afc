//! The topology on a real broker.

use conversion_relay::broker::{
    BrokerError,
    topology::{Topology, apply, check, diff_management},
};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, eventually};

/// What the management API says differs.
async fn managed(world: &World, topology: &Topology) -> Vec<String> {
    let [exchanges, queues, bindings] =
        ["exchanges", "queues", "bindings"].map(|kind| format!("{kind}/{}", world.name()));
    let exchanges = world.api(Method::GET, &exchanges, None).await;
    let queues = world.api(Method::GET, &queues, None).await;
    let bindings = world.api(Method::GET, &bindings, None).await;
    diff_management(topology, &exchanges, &queues, &bindings)
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_creates_what_is_missing_and_a_second_one_changes_nothing() {
    let world = World::new().await;
    let topology = Topology::new("t");
    let objects = topology.exchanges().len() + topology.queues().len();
    assert_eq!(
        check(&world.settings(), &topology).await.unwrap().differences.len(),
        objects
    );

    let first = apply(&world.settings(), &topology).await.unwrap();
    let second = apply(&world.settings(), &topology).await.unwrap();

    assert_eq!(
        (first.created.len(), first.present.len(), first.differences.len()),
        (objects, 0, 0)
    );
    assert_eq!(
        (second.created.len(), second.present.len(), second.differences.len()),
        (0, objects, 0)
    );
    let checked = check(&world.settings(), &topology).await.unwrap();
    assert_eq!((checked.differences.len(), checked.unchecked.len()), (0, 0));
    assert_eq!(managed(&world, &topology).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_named_and_left_alone_and_the_rest_is_declared() {
    let world = World::new().await;
    let topology = Topology::new("t");
    world
        .queue(
            "t.dead.events",
            json!({"x-overflow": "reject-publish", "x-delivery-limit": 5}),
        )
        .await;
    let limits = json!({"x-overflow": "reject-publish", "x-delivery-limit": 100_000, "x-max-length": 7});
    world.queue("t.dead.meta", limits).await;
    world.queue("t.unrouted", json!({"x-delivery-limit": 100_000})).await;
    let direct = json!({"type": "direct", "durable": true});
    world
        .api(Method::PUT, &format!("exchanges/{}/t.work", world.name()), Some(direct))
        .await;

    let applied = apply(&world.settings(), &topology).await.unwrap();

    let named: Vec<_> = applied.differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "exchange t.work: type should be topic and is direct",
            "queue t.dead.events: x-delivery-limit should be 100000 and is 5",
            "queue t.dead.meta: x-max-length should be absent and is 7",
            "queue t.unrouted: x-overflow should be reject-publish and is absent",
        ]
    );
    assert_eq!(
        applied.created.len(),
        topology.exchanges().len() + topology.queues().len() - 4
    );
    let checked = check(&world.settings(), &topology).await.unwrap();
    assert_eq!(checked.differences, applied.differences);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_drops_messages_is_seen() {
    let world = World::new().await;
    let topology = Topology::new("t");
    apply(&world.settings(), &topology).await.unwrap();
    let policy = json!({
        "pattern": "^t\\.in\\.events$", "definition": {"max-length": 9, "overflow": "drop-head"}, "apply-to": "queues",
    });

    world
        .api(
            Method::PUT,
            &format!("policies/{}/harmless", world.name()),
            Some(policy),
        )
        .await;

    let expected = ["queue t.in.events: policy overflow should be reject-publish and is drop-head"];
    eventually("the policy is seen", async || {
        managed(&world, &topology).await == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_permission_an_apply_says_so_and_a_check_goes_as_far_as_it_may() {
    let world = World::new().await;
    let topology = Topology::new("t");
    apply(&world.settings(), &topology).await.unwrap();
    let user = world
        .user(json!({"configure": "^$", "write": ".*", "read": ".*"}))
        .await;
    let settings = world.settings_as(&user, "secret");

    let refused = apply(&settings, &topology).await.unwrap_err();
    let checked = check(&settings, &topology).await.unwrap();

    assert!(matches!(refused, BrokerError::Refused { code: 403, .. }), "{refused:?}");
    assert_eq!(checked.differences, []);
    assert_eq!(
        checked.unchecked.len(),
        topology.exchanges().len() + topology.queues().len()
    );
    world.remove_user(&user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_refused_in_the_brokers_words() {
    let world = World::new().await;

    let refused = check(&world.settings_as("nobody", "hunter2"), &Topology::new("t"))
        .await
        .unwrap_err();

    assert!(
        matches!(&refused, BrokerError::Refused { code: 403, .. }),
        "{refused:?}"
    );
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}
