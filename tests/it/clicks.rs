//! The click ledger: sales that come later and from elsewhere find the ad they came from.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::support::{
    wait::until,
    world::{ALL, PATIENCE, World, account_of},
};

/// A visit of somebody to the shop, with a click of each platform, so many hours ago.
fn visit(id: &str, hours: i64, user: Value) -> Value {
    json!({
        "event_id": id, "client_id": "acme", "event_name": "ViewContent", "event_time": (Utc::now() - TimeDelta::hours(hours)).to_rfc3339(),
        "source_url": format!("https://shop.example/p?fbclid=IwAR_{id}&gclid=Cj0K_{id}&ttclid=E.C.P.{id}"), "user": user
    })
}

/// A sale that the CRM tells of, and nothing of how the customer came.
fn crm_sale(id: &str, user: Value) -> Value {
    json!({
        "event_id": id, "client_id": "acme", "event_name": "Purchase", "event_time": Utc::now().to_rfc3339(),
        "source_url": "https://shop.example/thanks", "value": 1200, "currency": "EUR", "user": user
    })
}

/// The click that a part of the event was attributed to: its value and when it was first seen.
async fn click_of(world: &World, event: &str, platform: &str) -> Option<(String, DateTime<Utc>)> {
    let row = world
        .schema
        .client()
        .await
        .query_one(
            "SELECT click->>'value', (click->>'first_seen')::timestamptz
             FROM dispatches JOIN events ON key = event_key WHERE event_id = $1 AND platform = $2",
            &[&event, &platform],
        )
        .await
        .expect("the ledger holds the event");
    Some((row.get::<_, Option<String>>(0)?, row.get(1)))
}

/// Changes the rules of ad accounts of ACME.
async fn set_rules(world: &World, platforms: &[&str], rules: &str) {
    world
        .schema
        .client()
        .await
        .execute(
            "UPDATE ad_accounts SET rules = rules || $1::text::jsonb WHERE client_id = 'acme' AND platform = ANY ($2)",
            &[&rules, &platforms],
        )
        .await
        .expect("the rules are changed");
    world
        .schema
        .client()
        .await
        .execute("UPDATE directory_version SET version = version + 1", &[])
        .await
        .expect("the version is changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_with_nothing_but_a_phone_number_finds_the_clicks_of_weeks_ago() {
    let world = World::new().await;
    let _relay = world.relay().start();
    let first = visit(
        "first",
        20 * 24,
        json!({"phone": "+55 11 8765-4321", "external_id": "C-7"}),
    );
    let second = visit("second", 10 * 24, json!({"external_id": "c-7"}));
    let other = visit("other", 24, json!({"phone": "+55 11 98765-4322"}));
    world.publish(&[first, second, other]).await;
    world.settled(3).await;

    // Brazil's ninth digit came in between.
    world
        .publish(&[
            crm_sale("by-phone", json!({"phone": "+5511987654321"})),
            crm_sale("by-both", json!({"phone": "+5511987654321", "external_id": "C-7"})),
            crm_sale("stranger", json!({"phone": "+5511987654399"})),
        ])
        .await;
    world.settled(6).await;

    for platform in ALL {
        let counted = world.simulator.events(platform, account_of(platform)).await;
        let sales: Vec<_> = counted
            .iter()
            .filter(|event| event.event_name != "ViewContent")
            .collect();
        assert!(sales.len() >= 2, "{platform}: {counted:?}");
        let (value, seen) = click_of(&world, "by-phone", platform).await.expect("a click");
        assert!(value.ends_with("first"), "{platform}: {value}");
        let days = (Utc::now() - seen).num_days();
        assert!((19..=20).contains(&days), "{platform}: first seen {days} days ago");
        // The most recent of all that any of the identities is known by.
        let (value, _) = click_of(&world, "by-both", platform).await.expect("a click");
        assert!(value.ends_with("second"), "{platform}: {value}");
        assert_eq!(click_of(&world, "stranger", platform).await, None);
    }
    let states = world.states().await;
    assert_eq!(states.get("google not_sent no_click"), Some(&1), "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_remembered_under_a_former_key_is_found_after_the_key_has_changed() {
    let world = World::new().await;
    let former = world
        .relay()
        .with("RELAY_IDENTITY_KEY", "the-former-key-of-the-relay")
        .start();
    world
        .publish(&[visit("before", 48, json!({"email": "Jane@Customers.example"}))])
        .await;
    world.settled(1).await;
    former.terminate(PATIENCE).await;

    let keys = "the-current-key-of-the-relay,the-former-key-of-the-relay";
    let _current = world.relay().with("RELAY_IDENTITY_KEY", keys).start();
    world
        .publish(&[crm_sale("after", json!({"email": "jane@customers.example"}))])
        .await;
    world.settled(2).await;

    for platform in ALL {
        let (value, _) = click_of(&world, "after", platform).await.expect("a click");
        assert!(value.ends_with("before"), "{platform}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_for_its_click_goes_out_as_soon_as_it_comes() {
    let world = World::new().await;
    set_rules(&world, &ALL, r#"{"wait_for_click_seconds": 3600}"#).await;
    let relay = world.relay().start().ready().await;
    world
        .publish(&[
            crm_sale("early", json!({"email": "jane@customers.example"})),
            crm_sale("nobody", json!({})),
        ])
        .await;
    world.in_state(1, "google waiting waiting_for_click").await;
    assert_eq!(
        world.states().await.get("google not_sent no_click"),
        Some(&1),
        "nobody will ever be found"
    );

    world
        .publish(&[visit("late", 0, json!({"email": "jane@customers.example"}))])
        .await;
    world.settled(3).await;

    for platform in ALL {
        let (value, _) = click_of(&world, "early", platform).await.expect("a click");
        assert!(value.ends_with("late"), "{platform}: {value}");
        let counted = world.simulator.events(platform, account_of(platform)).await;
        let early = counted
            .iter()
            .filter(|event| event.event_id.as_deref() == Some("early"));
        assert_eq!(early.map(|event| event.counted).sum::<u32>(), 1, "{platform}");
    }
    assert!(relay.metric("relay_woken_dispatches_total", "click_awaited").await >= 3.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_whose_click_never_comes_is_decided_without_one_when_its_time_is_over() {
    let world = World::new().await;
    set_rules(&world, &["google"], r#"{"wait_for_click_seconds": 1}"#).await;
    set_rules(
        &world,
        &["meta"],
        r#"{"wait_for_click_seconds": 1, "without_click": "person"}"#,
    )
    .await;
    let _relay = world.relay().start();

    world
        .publish(&[crm_sale("alone", json!({"email": "jane@customers.example"}))])
        .await;
    world.settled(1).await;

    let states = world.states().await;
    assert_eq!(states.get("google not_sent no_click"), Some(&1), "{states:?}");
    assert_eq!(states.get("meta sent"), Some(&1), "{states:?}");
    assert_eq!(states.get("tiktok not_sent no_click"), Some(&1), "{states:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_click_alone_gets_the_sale_where_the_client_wants_it_so() {
    let world = World::new().await;
    set_rules(&world, &ALL, r#"{"credit": "latest_click", "events": ["Purchase"]}"#).await;
    let _relay = world.relay().start();
    let user = json!({"email": "jane@customers.example"});
    let clicked = |id: &str, name: &str, hours: i64| {
        json!({
            "event_id": id, "client_id": "acme", "event_name": "ViewContent", "user": user, "click": {name: format!("click-{id}")},
            "event_time": (Utc::now() - TimeDelta::hours(hours)).to_rfc3339()
        })
    };
    world
        .publish(&[
            clicked("v1", "fbclid", 50),
            clicked("v2", "gclid", 30),
            clicked("v3", "ttclid", 70),
        ])
        .await;
    world.at_least(3, "SELECT count(*) FROM clicks").await;

    world.publish(&[crm_sale("sale", user.clone())]).await;
    world.settled(1).await;

    let states = world.states().await;
    assert_eq!(states.get("meta not_sent credit_elsewhere"), Some(&1), "{states:?}");
    assert_eq!(states.get("tiktok not_sent credit_elsewhere"), Some(&1), "{states:?}");
    assert_eq!(world.simulator.events("google", account_of("google")).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_said_no_to_a_sale_does_not_take_it_from_those_who_wait() {
    let world = World::new().await;
    set_rules(&world, &["meta"], r#"{"credit": "latest_click"}"#).await;
    set_rules(&world, &["tiktok"], r#"{"wait_for_click_seconds": 3600}"#).await;
    let _relay = world.relay().start();
    let user = json!({"email": "jane@customers.example"});
    let mut sale = crm_sale("sale", user.clone());
    sale["click"] = json!({"fbclid": "IwAR", "clicked_at": (Utc::now() - TimeDelta::hours(30)).to_rfc3339()});
    world.publish(&[sale]).await;
    world.in_state(1, "meta waiting waiting_for_click").await;
    world.in_state(1, "google not_sent no_click").await;

    // Google's click is later than Meta's, and told of when Google's part has ended already.
    let told = |id: &str, name: &str, hours: i64| {
        json!({
            "event_id": id, "client_id": "acme", "event_name": "ViewContent", "user": user, "click": {name: format!("click-{id}")},
            "event_time": (Utc::now() - TimeDelta::hours(hours)).to_rfc3339()
        })
    };
    world
        .publish(&[told("v1", "gclid", 20), told("v2", "ttclid", 50)])
        .await;
    world.settled(3).await;

    let counted = world.simulator.events("meta", account_of("meta")).await;
    let sales = counted.iter().filter(|event| event.event_id.as_deref() == Some("sale"));
    assert_eq!(sales.count(), 1, "{:?}", world.states().await);
}

/// The relay dies at a point of the way of a click, and another takes over. Visits are told of before or after the sales that they brought.
async fn die_at(point: &str, visits_come_first: bool) {
    let world = World::new().await;
    set_rules(&world, &ALL, r#"{"wait_for_click_seconds": 2}"#).await;
    let user = |n: usize| json!({"email": format!("{n}@customers.example")});
    let sales: Vec<Value> = (0..20).map(|n| crm_sale(&format!("sale-{n}"), user(n))).collect();
    let visits: Vec<Value> = (0..20)
        .step_by(2)
        .map(|n| visit(&format!("visit-{n}"), 12, user(n)))
        .collect();
    let (first, second) = if visits_come_first {
        (&visits, &sales)
    } else {
        (&sales, &visits)
    };
    world.publish(first).await;
    world.publish(second).await;
    let mut dying = world.relay().dying_at(point, 1).start();

    dying.dead_at_its_point(PATIENCE).await;
    assert!(
        !visits_come_first || world.number("SELECT count(*) FROM clicks").await > 0,
        "it died too soon"
    );
    let _next = world.relay().start();
    world.settled(30).await;

    let sent = (0..20).step_by(2).map(|n| format!("sale-{n}"));
    let expected = sent.collect::<Vec<_>>();
    world
        .assert_counted_once("google", account_of("google"), expected)
        .await;
    assert_eq!(world.states().await.get("google not_sent no_click"), Some(&10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_dies_after_it_remembered_clicks_loses_nothing() {
    die_at("router.after_clicks", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_dies_before_it_decides_anew_loses_nothing() {
    die_at("keeper.before_decided_anew", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keeper_that_dies_after_it_decided_anew_sends_nothing_twice() {
    die_at("keeper.after_decided_anew", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_clicks_are_dropped_and_others_stay() {
    let world = World::new().await;
    let _relay = world.relay().with("RELAY_CLICKS_KEPT", "10d").start();
    world
        .publish(&[
            visit("older", 11 * 24, json!({"email": "jane@customers.example"})),
            visit("newer", 9 * 24, json!({"email": "jane@customers.example"})),
        ])
        .await;
    world.settled(2).await;
    assert_eq!(
        world.number("SELECT count(*) FROM clicks").await,
        3,
        "what is past its time is not remembered"
    );

    let client = world.schema.client().await;
    client
        .execute(
            "UPDATE clicks SET first_seen = first_seen - interval '2 days' WHERE kind = 'gclid'",
            &[],
        )
        .await
        .expect("time goes by");
    until("the old click is dropped", PATIENCE, async || {
        match world.number("SELECT count(*) FROM clicks").await {
            2 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
}
