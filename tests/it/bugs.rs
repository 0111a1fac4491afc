//! A panic over one event is that event's bug: it is kept and named, and costs no other.

use conversion_relay::wire::dispatch::header;

use super::support::{
    purchases::{ALL, account_of, purchase},
    wait::until,
    world::{PATIENCE, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_router_is_the_bug_of_one_event() {
    const EVENTS: usize = 30;
    let world = World::new().await;
    let mut relay = world
        .relay()
        .with("FAILPOINTS", "router.plan=1*panic")
        .start()
        .ready()
        .await;

    let ids = world.publish_purchases("panic", EVENTS).await;
    world.settled(EVENTS as i64 - 1).await;

    let dead = world.messages("dead.events").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].header(header::CAUSE), Some("bug"));
    let body: serde_json::Value = serde_json::from_slice(&dead[0].body).expect("the event as it came");
    let bug = body["event_id"].as_str().expect("its ID").to_owned();
    let others: Vec<String> = ids.into_iter().filter(|id| *id != bug).collect();
    world.assert_everywhere_once(&others).await;
    assert!(relay.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_that_no_request_can_be_built_for_fails_as_a_bug() {
    let world = World::new().await;
    let mut relay = world
        .relay()
        .with("FAILPOINTS", "sender.build=panic")
        .start()
        .ready()
        .await;

    world.publish(&[purchase("panic", &ALL)]).await;
    world.settled(1).await;

    for platform in ALL {
        assert_eq!(world.states().await.get(&format!("{platform} failed bug")), Some(&1));
        let dead = world.messages(&format!("dead.{platform}")).await;
        assert_eq!(dead.len(), 1, "{platform}");
        assert_eq!(dead[0].header(header::CAUSE), Some("bug"));
    }
    assert!(relay.is_running());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_over_a_batch_costs_no_other_conversion() {
    const EVENTS: i64 = 40;
    for point in ["sender.build=1*panic", "sender.classify=1*panic"] {
        let world = World::new().await;
        // Routed before anything is sent, so that there are batches.
        let router = world.relay().role("router").start().ready().await;
        let ids: Vec<String> = (0..EVENTS).map(|n| format!("panic-{n}")).collect();
        world
            .publish(&ids.iter().map(|id| purchase(id, &["meta"])).collect::<Vec<_>>())
            .await;
        world.in_state(EVENTS, "meta queued").await;
        until("the queue holds them", PATIENCE, async || {
            let depth = world.depth("send.meta").await;
            if i64::from(depth) == EVENTS {
                Ok(())
            } else {
                Err(depth.to_string())
            }
        })
        .await;
        drop(router);

        let mut relay = world.relay().with("FAILPOINTS", point).start().ready().await;
        world.settled(EVENTS).await;

        let states = world.states().await;
        let bugs = states.get("meta failed bug").copied().unwrap_or(0);
        assert!(
            bugs <= 1 && states.get("meta sent") == Some(&(EVENTS - bugs)),
            "{point}: {states:?}"
        );
        let counted = world.simulator.events("meta", account_of("meta")).await;
        assert!(
            counted
                .iter()
                .all(|event| event.counted == 1 && event.differing_copies == 0),
            "{point}"
        );
        assert_eq!(counted.len() as i64, EVENTS - bugs, "{point}");
        assert!(relay.is_running());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_values_the_database_refuses_is_put_aside_and_costs_no_other() {
    let world = World::new().await;
    let client = world.schema.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'out of range' USING ERRCODE = '22003'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW WHEN (NEW.event_id LIKE 'poison-%') EXECUTE FUNCTION refuse()",
        )
        .await
        .expect("the database is made choosy");
    let mut events: Vec<_> = (0..30).map(|n| purchase(&format!("good-{n}"), &ALL)).collect();
    events.insert(7, purchase("poison-1", &ALL));
    events.insert(20, purchase("poison-2", &ALL));
    world.publish(&events).await;

    let _relay = world.relay().start();
    world.settled(30).await;

    world
        .assert_everywhere_once(&(0..30).map(|n| format!("good-{n}")).collect::<Vec<_>>())
        .await;
    let dead = world.messages("dead.events").await;
    let causes: Vec<_> = dead.iter().map(|found| found.header("relay-cause")).collect();
    assert_eq!(causes, [Some("bug"), Some("bug")]);
}
