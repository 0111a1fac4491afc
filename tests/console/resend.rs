//! `resend` with a relay at work beside it: what today's rules send goes out once, and what went out stays.

use crate::{
    support::{
        purchases::{purchase, purchase_of},
        world::account_of,
    },
    world::World,
};

const COUNT: i64 = 20;
const SENT: &str = "SELECT count(*) FROM dispatches WHERE state = 'sent' AND platform = 'tiktok'";
const ALL: [&str; 6] = ["resend", "--client", "acme", "--account", "tiktok", "--yes"];

fn ids() -> Vec<String> {
    (0..COUNT).map(|number| format!("sale-{number}")).collect()
}

/// Changes the directory, as `accounts apply` does.
async fn change(world: &World, statement: &str) {
    world
        .sql(&format!(
            "{statement}; UPDATE directory_version SET version = version + 1"
        ))
        .await;
}

/// A day on which ACME's TikTok account was in shadow mode; it is live by now.
async fn shadow_day() -> World {
    let world = World::new().await;
    change(
        &world,
        "UPDATE ad_accounts SET rules = '{\"mode\": \"shadow\"}' WHERE id = 3",
    )
    .await;
    let relay = world.relay().start();
    world
        .publish(&ids().iter().map(|id| purchase(id, &["tiktok"])).collect::<Vec<_>>())
        .await;
    world.in_state(COUNT, "tiktok not_sent shadow").await;
    drop(relay);
    change(
        &world,
        "UPDATE ad_accounts SET rules = '{\"mode\": \"live\"}' WHERE id = 3",
    )
    .await;
    world
}

async fn counted_once(world: &World) {
    world.at_least(COUNT, SENT).await;
    world.assert_counted_once("tiktok", account_of("tiktok"), ids()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shadow_account_held_back_goes_out_once() {
    let world = shadow_day().await;

    let forecast = world.run(&ALL[..5]).await.good();
    assert_eq!(world.depth("bulk.tiktok").await, 0, "{forecast}");
    let _relay = world.relay().start();
    let first = world.run(&ALL).await.good();
    counted_once(&world).await;
    let second = world.run(&ALL).await.good();

    assert!(forecast.contains("Nothing was done."), "{forecast}");
    let row = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("acme/tiktok"))
            .unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        row(&forecast),
        ["acme/tiktok", "20", "0", "0", "0", "0", "-"],
        "{forecast}"
    );
    assert_eq!(row(&first), row(&forecast), "{first}");
    assert_eq!(row(&second), ["acme/tiktok", "0", "0", "0", "20", "0", "-"], "{second}");
    assert!(second.contains("only with --accept-duplicates"), "{second}");
    counted_once(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_resends_at_once_send_everything_once() {
    let world = shadow_day().await;
    let _relay = world.relay().start();

    let (one, other) = tokio::join!(world.run(&ALL), world.run(&ALL));

    one.good();
    other.good();
    counted_once(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_dies_half_way_loses_nothing_and_sends_nothing_twice() {
    for point in ["resend.after_update", "resend.after_publish"] {
        let world = shadow_day().await;
        let mut command = world.command(&ALL);
        let died = command
            .env("FAILPOINTS", format!("{point}=return"))
            .output()
            .await
            .unwrap();
        assert_eq!(died.status.code(), None, "{point}: {died:?}");
        // What is stamped and not noted as published is the keeper's, a minute later.
        world
            .sql("UPDATE dispatches SET attend_at = now() WHERE state = 'queued' AND due IS NOT NULL")
            .await;

        let _relay = world.relay().start();
        world.run(&ALL).await.good();

        counted_once(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ad_account_that_was_added_later_gets_what_came_before_it() {
    let world = World::new().await;
    let _relay = world.relay().start();
    let ids = ["late-1".to_owned(), "late-2".to_owned()];
    let events: Vec<_> = ids.iter().map(|id| purchase_of("newco", id, &["tiktok"])).collect();
    world.publish(&events).await;
    world
        .at_least(2, "SELECT count(*) FROM events WHERE cause = 'unknown_client'")
        .await;
    world
        .add_account("newco", "tiktok", "C0PIXEL0000000000077", "agency-tiktok")
        .await;
    change(&world, "SELECT 1").await;

    let out = world.run(&["resend", "--client", "newco", "--yes"]).await.good();

    assert!(out.contains("2 events looked at"), "{out}");
    world.at_least(2, SENT).await;
    world.assert_counted_once("tiktok", "C0PIXEL0000000000077", ids).await;
    assert_eq!(
        world
            .number("SELECT count(*) FROM events WHERE cause IS NOT NULL")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_to_a_wrong_pixel_goes_to_the_right_one_and_duplicates_only_if_accepted() {
    let world = World::new().await;
    let _relay = world.relay().start();
    world.publish(&[purchase("one", &["tiktok"])]).await;
    world.at_least(1, SENT).await;
    change(
        &world,
        "UPDATE ad_accounts SET destination = 'C0PIXEL0000000000088' WHERE id = 3",
    )
    .await;
    let attempts =
        "SELECT coalesce(max(attempts), 0)::bigint FROM dispatches WHERE platform = 'tiktok' AND state = 'sent'";

    let moved = world
        .run(&["resend", "--event", "one", "--platform", "tiktok", "--yes"])
        .await
        .good();
    world.at_least(2, attempts).await;
    let again = world
        .run(&["resend", "--event", "one", "--platform", "tiktok", "--yes"])
        .await
        .good();
    let accepted = [
        "resend",
        "--event",
        "one",
        "--platform",
        "tiktok",
        "--yes",
        "--accept-duplicates",
    ];
    world.run(&accepted).await.good();
    world.at_least(3, attempts).await;

    assert!(moved.contains("acme/tiktok           1"), "{moved}");
    assert!(again.contains("only with --accept-duplicates"), "{again}");
    for destination in [account_of("tiktok"), "C0PIXEL0000000000088"] {
        world
            .assert_counted_once("tiktok", destination, ["one".to_owned()])
            .await;
    }
    let requests = world.simulator.requests().await;
    assert_eq!(
        requests.iter().filter(|request| request.events > 0).count(),
        3,
        "{requests:?}"
    );
}
