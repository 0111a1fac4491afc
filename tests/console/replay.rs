//! Replays with a relay at work beside them: however they are cut off, repeated or crossed, every conversion is counted once.

use std::time::Duration;

use serde_json::json;

use crate::{
    support::{
        purchases::purchase,
        relay::Relay,
        wait::until,
        world::{PATIENCE, account_of},
    },
    world::{Message, Ran, World},
};

const COUNT: i64 = 60;
const SENT: &str = "SELECT count(*) FROM dispatches WHERE state = 'sent'";
const ALL: [&str; 5] = ["dead", "replay", "--queue", "tiktok", "--yes"];

/// A day on which TikTok refused everything; all of it lies among the dead letters, and TikTok is repaired by now.
async fn refused_day() -> (World, Relay, Vec<String>) {
    let world = World::new().await;
    refuse(&world).await;
    let ids: Vec<String> = (0..COUNT).map(|number| format!("sale-{number}")).collect();
    let relay = world.relay().start();
    world
        .publish(&ids.iter().map(|id| purchase(id, &["tiktok"])).collect::<Vec<_>>())
        .await;
    letters(&world, COUNT).await;
    world.simulator.clear_faults().await;
    (world, relay, ids)
}

async fn refuse(world: &World) {
    let refused = json!({"code": 40002, "message": "Invalid payload"}).to_string();
    let fault = json!([{"platform": "tiktok", "fault": {"kind": "status", "status": 200, "body": refused}}]);
    world.simulator.set_faults(fault).await;
}

/// Waits until so many letters lie in TikTok's dead queue, and nothing is on its way there.
async fn letters(world: &World, count: i64) {
    until("all that failed has its letter", PATIENCE, async || {
        let depth = i64::from(world.depth("dead.tiktok").await);
        let unburied = world
            .number("SELECT count(*) FROM dispatches WHERE state NOT IN ('failed', 'not_sent') OR state = 'failed' AND attend_at IS NOT NULL")
            .await;
        if depth == count && unburied == 0 {
            Ok(())
        } else {
            Err(format!("{depth} of {count} letters, {unburied} open"))
        }
    })
    .await;
}

async fn counted_once(world: &World, ids: &[String]) {
    world.at_least(COUNT, SENT).await;
    world
        .assert_counted_once("tiktok", account_of("tiktok"), ids.iter().cloned())
        .await;
    let accepted: u64 = world
        .simulator
        .events("tiktok", account_of("tiktok"))
        .await
        .iter()
        .map(|event| u64::from(event.count))
        .sum();
    assert_eq!(accepted, COUNT as u64, "nothing was sent a second time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_replay_sends_nothing() {
    let (world, _relay, ids) = refused_day().await;

    let first = world.run(&ALL).await.good();
    let second = world.run(&ALL).await.good();

    assert_eq!(first, "tiktok: 60 went out\n");
    assert_eq!(second, "tiktok: 0 went out\n");
    counted_once(&world, &ids).await;
    assert_eq!(world.depth("dead.tiktok").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replays_at_once_send_everything_once() {
    let (world, _relay, ids) = refused_day().await;

    let (one, other) = tokio::join!(world.run(&ALL), world.run(&ALL));

    for Ran { code, out, err } in [&one, &other] {
        let is_told_off = out.contains("another `dead` command is at work");
        assert!(*code == Some(0) || is_told_off, "{out}{err}");
    }
    counted_once(&world, &ids).await;
}

/// The command dies at a point as by a power cut, and somebody gives it again.
async fn cut_off_at(point: &str) {
    let (world, _relay, ids) = refused_day().await;

    let died = world
        .command(&ALL)
        .env("FAILPOINTS", format!("{point}=1*off->return"))
        .output()
        .await
        .expect("the binary runs");
    assert_eq!(died.status.code(), None, "{point}: {died:?}");
    // Reopened and not published: the keeper sees to it a minute later, which passes here.
    world
        .sql("UPDATE dispatches SET attend_at = now() WHERE state = 'queued' AND due IS NOT NULL")
        .await;
    until("the dead process's letters are back", PATIENCE, async || {
        match world.run(&ALL).await {
            ran if ran.code != Some(0) => Err(ran.out + &ran.err),
            _ if world.depth("dead.tiktok").await == 0 => Ok(()),
            _ => Err("letters lie there".to_owned()),
        }
    })
    .await;

    counted_once(&world, &ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_before_it_publishes_loses_nothing() {
    cut_off_at("replay.after_update").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_after_it_published_sends_nothing_twice() {
    cut_off_at("replay.after_publish").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_before_it_acks_sends_nothing_twice() {
    cut_off_at("replay.before_ack").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_someone_moves_to_the_senders_queue_by_hand_send_nothing_twice() {
    let (world, _relay, ids) = refused_day().await;
    let letters = world.take("conversions.dead.tiktok").await;

    move_by_hand(&world, &letters).await;
    until(
        "each is back among the dead letters",
        PATIENCE,
        async || match i64::from(world.depth("dead.tiktok").await) {
            COUNT => Ok(()),
            depth => Err(depth.to_string()),
        },
    )
    .await;
    assert_eq!(world.number(SENT).await, 0, "what stands as failed is not sent");
    let (out, ()) = tokio::join!(world.run(&ALL), move_by_hand(&world, &letters));

    let out = out.good();
    assert!(out.starts_with("tiktok: 60 went out"), "each letter opens once: {out}");
    counted_once(&world, &ids).await;
}

/// As the broker's own tools do: the body and its headers to another queue.
async fn move_by_hand(world: &World, letters: &[Message]) {
    let moved = letters.iter().map(|letter| conversion_relay::broker::Outgoing {
        exchange: world.topology.work(),
        routing_key: "live.tiktok".to_owned(),
        message_id: letter.message_id.clone().unwrap_or_default(),
        body: letter.body.clone().into(),
        headers: letter.headers.clone(),
        timestamp_seconds: None,
        message_type: Some("dispatch"),
    });
    world.put(moved.collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_during_a_replay_waits_for_the_next_one() {
    let (world, _relay, ids) = refused_day().await;
    refuse(&world).await;
    let slowly = ["dead", "replay", "--queue", "tiktok", "--yes", "--rate", "20"];

    let again = world.run(&slowly).await.good();
    letters(&world, COUNT).await;
    world.simulator.clear_faults().await;
    let last = world.run(&ALL).await.good();

    assert_eq!(
        again, "tiktok: 60 went out\n",
        "what came back meanwhile was not touched"
    );
    assert_eq!(last, "tiktok: 60 went out\n");
    counted_once(&world, &ids).await;
    let failed_twice = "SELECT count(*) FROM dispatches WHERE dead_count = 2";
    assert_eq!(world.number(failed_twice).await, COUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_killed_in_the_middle_loses_nothing() {
    let (world, _relay, ids) = refused_day().await;
    let slowly = ["dead", "replay", "--queue", "tiktok", "--yes", "--rate", "5"];
    let mut command = world.command(&slowly).spawn().unwrap();
    world.at_least(1, SENT).await;

    command.kill().await.unwrap();
    until("the rest goes out", Duration::from_secs(90), async || {
        let ran = world.run(&ALL).await;
        let sent = world.number(SENT).await;
        if ran.code == Some(0) && sent == COUNT {
            Ok(())
        } else {
            // What was reopened and not published when it was killed is the keeper's, a minute later.
            world
                .sql("UPDATE dispatches SET attend_at = now() WHERE state = 'queued' AND due IS NOT NULL")
                .await;
            Err(format!("{sent} sent: {}", ran.out))
        }
    })
    .await;

    counted_once(&world, &ids).await;
}
