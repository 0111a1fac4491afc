//! `dead replay` letter by letter, without a worker beside it: what goes out, what stays, and what is of the past.

use conversion_relay::broker::{HeaderValue, Outgoing};

use crate::{
    inbound::{ids, inbound_letter, of_globex, with_id},
    world::{META, TIKTOK, World, purchase},
};

/// Copies of one letter, as two workers may have written them.
fn twice(letter: &Outgoing) -> Vec<Outgoing> {
    vec![letter.clone(), letter.clone()]
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
