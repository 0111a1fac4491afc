//! Several workers put questions: each once, and when one dies amid its own, another puts them.

use super::{PATIENCE, World, answered, clicks, questions, reported, sales, sent_times, time_comes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_ask_about_each_request_once() {
    const REQUESTS: i64 = 60;
    let world = World::new().await;
    reported(&world, &sales("shared", REQUESTS as usize)).await;
    // As if each had travelled with one other.
    let client = world.schema.client().await;
    client
        .batch_execute(
            "UPDATE dispatches SET receipt = 'pair-' || pair.number
             FROM (SELECT event_key, (row_number() OVER (ORDER BY event_key) + 1) / 2 AS number
                   FROM dispatches WHERE platform = 'google') pair
             WHERE pair.event_key = dispatches.event_key AND platform = 'google'",
        )
        .await
        .expect("the ledger can be changed");
    let first = world.relay().role("receipts").start().ready().await;
    let second = world.relay().role("receipts").start().ready().await;
    time_comes(&world).await;
    answered(&world).await;

    // None of these is known to Google; each was asked about once.
    assert_eq!(questions(&world).await as i64, REQUESTS / 2);
    assert_eq!(world.number("SELECT max(questions)::bigint FROM dispatches").await, 1);
    let states = world.states().await;
    assert_eq!(states.get("google sent unconfirmed"), Some(&REQUESTS), "{states:?}");
    drop((first, second));
}

/// A worker dies at a point amid its questions, and another takes over.
async fn dies_at(point: &str) {
    const SALES: usize = 24;
    let world = World::new().await;
    clicks(&world, &[("crash-3", "CLICK_NOT_FOUND"), ("crash-5", "INVALID_GCLID")]).await;
    reported(&world, &sales("crash", SALES)).await;
    let receipts = world.number("SELECT count(DISTINCT receipt) FROM dispatches").await;
    time_comes(&world).await;
    let mut dying = world.relay().role("receipts").dying_at(point, 1).start();

    dying.dead_at_its_point(PATIENCE).await;
    let _next = world.relay().start();
    answered(&world).await;
    world.settled(SALES as i64).await;

    assert!(
        sent_times(&world).await.iter().all(|times| *times == 1),
        "something was sent again"
    );
    let asked = questions(&world).await as i64;
    assert!(
        asked >= receipts && asked <= 2 * receipts,
        "{asked} questions about {receipts} requests"
    );
    let open = "SELECT count(*) FROM dispatches WHERE state = 'sent' AND cause IS NULL";
    assert_eq!(world.number(open).await, 0, "{:?}", world.states().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_before_it_asks_leaves_the_question_to_the_next() {
    dies_at("receipts.before_ask").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_after_the_answer_leaves_the_question_to_the_next() {
    dies_at("receipts.after_answer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_after_it_recorded_leaves_the_others_to_the_next() {
    dies_at("receipts.after_record").await;
}
