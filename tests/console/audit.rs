//! `audit` over rows that the ledger really holds.

use chrono::TimeDelta;
use conversion_relay::{
    domain::{Cause, ClientId, Scope, State},
    store::sending::NewPause,
};
use serde_json::Value;

use crate::world::{GOOGLE, META, TIKTOK, World, key, now, part, purchase, refused, with};

/// A sale at two platforms: one refused it, the other waits.
async fn refused_sale(world: &World) {
    let sale = purchase("10482");
    let waiting = part(GOOGLE, State::Waiting, Some(Cause::ClickTooRecent));
    let waiting = conversion_relay::store::routing::NewDispatch {
        due: Some(now() + TimeDelta::hours(6)),
        ..waiting
    };
    let refused_key = key(&sale, META);
    world
        .store_event(with(sale, vec![part(META, State::Queued, None), waiting]))
        .await;
    world.attempt(refused_key, refused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_told_with_every_try_and_what_to_do() {
    let world = World::new().await;
    refused_sale(&world).await;

    let out = world.run(&["audit", "10482"]).await.good();

    for part in [
        "10482  Purchase  59.90 EUR",
        "failed: refused (1)",
        "(1) refused",
        "developer: ",
        "(2) click_too_recent",
        "1st try: refused (\"100/2804009 Invalid parameter\", HTTP 400, request AbC123, 81 ms)",
        "signals           e-mail",
        "times in Europe/Berlin",
    ] {
        assert!(out.contains(part), "{part} in\n{out}");
    }
    assert!(!out.contains("5ecr3t") && !out.contains("jane"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_found_by_address_by_number_and_by_event_id() {
    let world = World::new().await;
    refused_sale(&world).await;

    for term in ["Jane@Example.com", "+49 170 1234567", "01701234567", "e-10482"] {
        let out = world.run(&["audit", term]).await.good();
        assert!(out.contains("10482  Purchase"), "{term}: {out}");
        assert!(!out.contains("jane@"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_may_be_elsewhere_and_the_exit_code_says_so() {
    let world = World::new().await;
    let acme = ClientId::parse("acme").unwrap();
    let counts = [(acme, "PageView".to_owned(), 1_204)];
    world.store().count_unwanted(now().date_naive(), &counts).await.unwrap();

    let ran = world.run(&["audit", "99999"]).await;

    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("PageView of acme (1,204 times)"), "{}", ran.out);
    assert!(ran.out.contains("dead show --queue events"), "{}", ran.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_by_client_platform_state_cause_and_time() {
    let world = World::new().await;
    refused_sale(&world).await;
    let mut other = purchase("20001");
    other.record.client = ClientId::parse("globex").unwrap();
    world
        .store_event(with(other, vec![part(TIKTOK, State::NotSent, Some(Cause::NoClick))]))
        .await;
    let mut unknown = purchase("30001");
    unknown.record.client = ClientId::parse("nobody").unwrap();
    unknown.cause = Some(Cause::UnknownClient);
    world.store_event(unknown).await;
    let client = world.schema.client().await;
    let old = with(purchase("40001"), vec![part(META, State::Queued, None)]);
    world.store_event(old).await;
    client
        .batch_execute("UPDATE events SET received_at = now() - interval '3 days' WHERE order_id = '40001'")
        .await
        .unwrap();

    let cases: [(&[&str], &[&str]); 10] = [
        (&[], &["10482", "20001", "30001"]),
        (&["--since", "7d"], &["10482", "20001", "30001", "40001"]),
        (&["--client", "globex"], &["20001"]),
        (&["--platform", "meta", "--since", "7d"], &["10482", "40001"]),
        (&["--state", "failed"], &["10482"]),
        (&["--state", "waiting", "--since", "7d"], &["10482", "40001"]),
        (&["--state", "not-sent"], &["20001"]),
        (&["--cause", "unknown_client"], &["30001"]),
        (&["--cause", "no_click", "--client", "acme"], &[]),
        (&["--limit", "1"], &["30001"]),
    ];
    for (arguments, expected) in cases {
        let arguments = [&["audit", "--json"], arguments].concat();
        let out = world.run(&arguments).await.good();
        let mut found: Vec<String> = out
            .lines()
            .map(|line| {
                serde_json::from_str::<Value>(line).unwrap()["order"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        found.sort();
        assert_eq!(found, expected, "{arguments:?}");
    }
    let cut = world.run(&["audit", "--limit", "1"]).await.good();
    assert!(cut.contains("these are the newest 1"), "{cut}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_says_how_much_waits_and_until_when() {
    let world = World::new().await;
    let pause = NewPause {
        scope: Scope::Login("agency-meta".to_owned()),
        cause: Cause::LoginRefused,
        detail: None,
        until: None,
        probe_at: None,
    };
    world.store().hold(&pause).await.unwrap();
    for order in ["1", "2", "3"] {
        let sale = purchase(order);
        world
            .store_event(with(sale, vec![part(META, State::Queued, None)]))
            .await;
    }

    let out = world.run(&["audit", "--client", "acme"]).await.good();

    assert!(out.contains("paused: login (1)"), "{out}");
    assert!(out.contains("Meta refuses login agency-meta since "), "{out}");
    assert!(out.contains(": 3 conversions wait, the first expires "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_a_table_with_a_line_a_conversion() {
    let world = World::new().await;
    refused_sale(&world).await;

    let out = world.run(&["audit", "--csv"]).await.good();

    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("time,received,client,order"), "{out}");
    assert!(
        lines[1].ends_with(",59.90,EUR,,failed:refused,waiting:click_too_recent,,"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_tables_says_what_to_do() {
    let world = World::new().await;
    let client = world.schema.client().await;
    client
        .batch_execute("DROP TABLE refinery_schema_history")
        .await
        .unwrap();

    let ran = world.run(&["audit"]).await;

    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("conversion-relay migrate"), "{}", ran.err);
}
