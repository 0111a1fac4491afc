//! Whatever is killed under load: what was answered 202 or 200 is in the audit once, and what was refused is not.

use std::time::Duration;

use serde_json::json;

use super::support::{
    callers::{CLICKED, Load, SEND_EVENT, assert_kept, prepare, router},
    gateway::{Gateway, answer},
    node::Node,
    postgres::Postgres,
    schema::Schema,
    vhost::Vhost,
    wait::until,
    world::{PATIENCE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_and_a_router_that_are_killed_under_load_keep_their_word() {
    let world = World::new().await;
    let key = prepare(&world).await;
    let mut routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let load = Load::on(Gateway::start(world.gateway()).await, &key);

    for round in 0..4 {
        load.goes_on(25).await;
        if round % 2 == 0 {
            let killed = std::process::Command::new("kill")
                .args(["-9", &load.gateway().relay.pid().to_string()])
                .status();
            assert!(killed.is_ok_and(|status| status.success()));
            load.goes_to(Gateway::start(world.gateway()).await);
        } else {
            routing.kill().await;
            load.goes_on(25).await;
            routing = router(&world).await;
        }
    }
    load.goes_on(25).await;
    let told = load.end().await;

    assert!(told.open > 0, "nothing was interrupted: that proves nothing");
    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_before_or_after_the_confirm_keeps_its_word() {
    let world = World::new().await;
    let key = prepare(&world).await;
    let _routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let dying = |point: &str| world.gateway().dying_at(point, 40);
    let load = Load::on(Gateway::start(dying("gateway.before_publish")).await, &key);

    for next in [Some("gateway.after_publish"), None] {
        until("the gateway dies at its point", PATIENCE, async || {
            let gone = tokio::net::TcpStream::connect(load.gateway().url().trim_start_matches("http://")).await;
            if gone.is_err() {
                Ok(())
            } else {
                Err("it lives".to_owned())
            }
        })
        .await;
        load.goes_to(Gateway::start(next.map_or_else(|| world.gateway(), dying)).await);
    }
    load.goes_on(60).await;
    let told = load.end().await;

    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_database_killed_events_are_taken_on_and_reports_wait() {
    let mut postgres = Postgres::start().await;
    let vhost = Vhost::create().await;
    let world = World::on(vhost.url.clone(), Some(vhost), postgres.schema().await).await;
    let key = prepare(&world).await;
    let _routing = router(&world).await;
    world.at_least(1, "SELECT count(*) FROM clicks").await;
    let load = Load::on(Gateway::start(world.gateway()).await, &key);
    load.goes_on(40).await;

    postgres.kill().await;
    let gateway = load.gateway();
    let lead = json!({"event_id": "load-100000", "event_name": "Lead"});
    let event = gateway.post_events(&key, &lead).await;
    let report = json!({"event_name": "LeadSubmitted", "phone_number": CLICKED});
    let report = answer(gateway.request("POST", SEND_EVENT).bearer_auth(&key).json(&report)).await;
    postgres.start_again().await;
    load.goes_on(60).await;
    let mut told = load.end().await;

    assert_eq!(event.status, 202, "{}", event.text);
    let report = report.expect("it answers");
    assert_eq!((report.status, report.problem().as_str()), (503, "database_away"));
    told.taken.insert("load-100000".to_owned());
    assert_kept(&world, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_broker_away_or_blocked_nothing_is_promised() {
    let mut node = Node::start().await;
    let vhost = Vhost::create_on(node.address("RELAY_AMQP_URL"), node.address("RELAY_MANAGEMENT_URL")).await;
    let world = World::on(vhost.url.clone(), Some(vhost), Schema::create().await).await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let lead = |id: &str| json!({"event_id": id, "event_name": "Lead"});
    let taken = gateway.post_events(&key, &lead("before")).await;
    // RabbitMQ 3.10 writes down the name of a new queue some time after it has confirmed it: see tests/it/outages.rs.
    let declared = std::time::Instant::now();
    until("the queues have their names on disk", PATIENCE, async || {
        let so_far = declared.elapsed();
        if so_far >= Duration::from_secs(5) {
            Ok(())
        } else {
            Err(format!("{so_far:?}"))
        }
    })
    .await;

    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;
    let blocked = until("the gateway refuses", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("blocked")).await;
        if answer.status == 503 {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;
    let at_once = std::time::Instant::now();
    let known = gateway.post_events(&key, &lead("blocked")).await;
    let took = at_once.elapsed();
    let not_ready = gateway.relay.page("/readyz").await;
    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).await;
    node.kill().await;
    let away = until("the gateway knows", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("away")).await;
        if answer.problem() == "broker_away" {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;
    node.start_again().await;
    let back = until("the gateway takes events again", PATIENCE, async || {
        let answer = gateway.post_events(&key, &lead("back")).await;
        if answer.status == 202 {
            Ok(answer)
        } else {
            Err(answer.text)
        }
    })
    .await;

    assert_eq!((taken.status, back.status), (202, 202));
    for refused in [&blocked, &known, &away] {
        assert_eq!(refused.status, 503);
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(known.problem(), "broker_away");
    assert!(took < Duration::from_secs(2), "it was refused after {took:?}");
    assert_eq!(not_ready.0, 503, "{}", not_ready.1);
    if blocked.problem() == "unconfirmed" {
        assert_eq!(
            blocked.json()["items"][0],
            json!({"event_id": "blocked", "status": 503})
        );
    }
    let relay = gateway.relay;
    let _routing = router(&world).await;
    world
        .at_least(2, "SELECT count(*) FROM events WHERE event_id IN ('before', 'back')")
        .await;
    drop(relay);
}
