//! What the app reports of WhatsApp contacts: attached to their ad click, or not sent and why; in the audit in any case.

use chrono::{TimeDelta, Utc};
use conversion_relay::{
    domain::{
        Click, ClickKind, ClientId,
        person::{Person, Personal},
        search_key::SearchKeys,
    },
    store::clicks::NewClick,
};
use serde_json::{Value, json};

use super::support::{
    gateway::{Answer, Gateway, answer},
    wait::until,
    world::{PATIENCE, World},
};

const PHONE: &str = "+5491155551234";
const STRANGER: &str = "+5491155550000";
const WABA: &str = "102290129340398";
const PATH: &str = "/api/v1/app/meta-ads/capi/send-event";

fn rules(more: &str) -> String {
    format!(r#"{{"mode":"live","waba":"{WABA}"{more}}}"#)
}

/// Remembers a click of the person with this number, as a webhook of so many days ago would.
async fn clicked(world: &World, value: &str, waba: &str, days: i64) {
    let keys = SearchKeys::new(vec![b"a-key-of-the-tests-that-is-long-enough".to_vec()]).expect("a key");
    let person = Person {
        phones: vec![Personal::new(PHONE.to_owned())],
        ..Person::default()
    };
    let click = NewClick {
        client: ClientId::parse("acme").expect("a client"),
        identities: keys.digests(&person, None).current,
        click: Click {
            kind: ClickKind::CtwaClid,
            value: value.to_owned(),
            first_seen: Utc::now() - TimeDelta::days(days),
            time_is_known: true,
            waba: Some(waba.to_owned()),
        },
    };
    world
        .schema
        .store
        .remember_clicks(&[click])
        .await
        .expect("it is remembered");
}

async fn report(gateway: &Gateway, key: &str, id: &str, phone: &str) -> Answer {
    let body =
        json!({"event_name": "Purchase", "phone_number": phone, "currency": "USD", "value": 12.5, "event_id": id});
    send(gateway, key, &body).await
}

async fn send(gateway: &Gateway, key: &str, body: &Value) -> Answer {
    let request = gateway.request("POST", PATH).bearer_auth(key).json(body);
    answer(request).await.expect("it answers")
}

/// How an event stands at a destination, with its click: `sent ARAk`.
async fn stands(world: &World, id: &str, destination: &str) -> Option<String> {
    let client = world.schema.client().await;
    let row = client
        .query_opt(
            "SELECT concat_ws(' ', state, dispatch.cause, click->>'value') FROM events JOIN dispatches dispatch ON event_key = key
             WHERE event_id = $1 AND destination = $2",
            &[&id, &destination],
        )
        .await
        .expect("the ledger can be read");
    row.map(|row| row.get(0))
}

async fn assert_stands(world: &World, id: &str, destination: &str, expected: &str) {
    until(
        &format!("{id} stands as {expected}"),
        PATIENCE,
        async || match stands(world, id, destination).await {
            Some(found) if found == expected => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_attached_to_the_newest_click_of_the_number() {
    let world = World::new().await;
    world
        .add_ruled_account("acme", "meta", "4000000001", "agency-meta", &rules(""))
        .await;
    clicked(&world, "ARAold", WABA, 9).await;
    clicked(&world, "ARAnew", WABA, 2).await;
    let key = world.key_of("acme").await;
    let start = world.gateway().role("router").role("sender").role("keeper");
    let gateway = Gateway::start(start).await;

    let found = report(&gateway, &key, "o-1", PHONE).await;
    let none = report(&gateway, &key, "o-2", STRANGER).await;

    assert_eq!(found.status, 200, "{}", found.text);
    assert_eq!(
        found.json(),
        json!({"success": true, "event_name": "Purchase", "ctwa_clid": "ARAnew"})
    );
    assert_eq!(none.status, 200);
    assert_eq!(
        none.json(),
        json!({"success": false, "reason": "no_ctwa_click_id_for_phone"})
    );
    assert_stands(&world, "o-1", "4000000001", "sent ARAnew").await;
    assert_stands(&world, "o-2", "4000000001", "not_sent no_ctwa_click_id_for_phone").await;
    world
        .assert_counted_once("meta", "4000000001", ["o-1".to_owned()])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_comes_again_is_answered_by_what_stands() {
    let world = World::new().await;
    world
        .add_ruled_account("acme", "meta", "4000000001", "agency-meta", &rules(""))
        .await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway().role("router")).await;
    let none = report(&gateway, &key, "o-1", PHONE).await;
    assert_stands(&world, "o-1", "4000000001", "not_sent no_ctwa_click_id_for_phone").await;
    clicked(&world, "ARAlate", WABA, 1).await;

    let again = report(&gateway, &key, "o-1", PHONE).await;
    let other = report(&gateway, &key, "o-2", PHONE).await;

    assert_eq!(again.json(), none.json());
    assert_eq!(other.json()["ctwa_clid"], "ARAlate");
    world.at_least(2, "SELECT count(*) FROM events").await;
    assert_eq!(world.number("SELECT sum(differing)::bigint FROM events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_is_not_sent_says_why_and_is_in_the_audit() {
    for (more, reason, stands) in [
        (r#","mode":"shadow""#, "shadow", "not_sent shadow ARA"),
        (r#","events":["LeadSubmitted"]"#, "event_name_not_taken", ""),
        (r#","look_back_days":1"#, "click_too_old", "not_sent click_too_old ARA"),
    ] {
        let world = World::new().await;
        let rules = rules(more).replacen(
            r#""mode":"live","#,
            if more.contains("mode") { "" } else { r#""mode":"live","# },
            1,
        );
        world
            .add_ruled_account("acme", "meta", "4000000001", "agency-meta", &rules)
            .await;
        clicked(&world, "ARA", WABA, 3).await;
        let key = world.key_of("acme").await;
        let gateway = Gateway::start(world.gateway().role("router")).await;

        let answered = report(&gateway, &key, "o-1", PHONE).await;

        assert_eq!(
            answered.json(),
            json!({"success": false, "reason": reason}),
            "{}",
            answered.text
        );
        world.at_least(1, "SELECT count(*) FROM events").await;
        if !stands.is_empty() {
            assert_stands(&world, "o-1", "4000000001", stands).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_dataset_there_is_nobody_to_tell() {
    let world = World::new().await;
    let key = world.key_of("globex").await;
    let gateway = Gateway::start(world.gateway().role("router")).await;

    let answered = report(&gateway, &key, "o-1", PHONE).await;

    assert_eq!(answered.json(), json!({"success": false, "reason": "no_ad_account"}));
    world.at_least(1, "SELECT count(*) FROM events").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_client_with_two_numbers_the_one_that_was_clicked_takes_it() {
    let world = World::new().await;
    world
        .add_ruled_account("acme", "meta", "4000000001", "agency-meta", &rules(""))
        .await;
    let other = r#"{"mode":"live","waba":"555550000111111"}"#;
    world
        .add_ruled_account("acme", "meta", "4000000002", "agency-meta", other)
        .await;
    clicked(&world, "ARAother", "555550000111111", 2).await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway().role("router")).await;

    let answered = report(&gateway, &key, "o-1", PHONE).await;

    assert_eq!(answered.json()["ctwa_clid"], "ARAother");
    assert_stands(&world, "o-1", "4000000002", "queued ARAother").await;
    assert_stands(&world, "o-1", "4000000001", "not_sent no_ctwa_click_id_for_phone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_report_is_refused_by_its_field() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let good = json!({"event_name": "Purchase", "phone_number": PHONE, "currency": "USD", "value": 12.5});
    let with = |field: &str, value: Value| {
        let mut report = good.clone();
        report[field] = value;
        report
    };
    for (report, cause, field) in [
        (
            with("phone_number", json!("01155551234")),
            "invalid_field",
            "phone_number",
        ),
        (with("phone_number", json!("+1")), "invalid_field", "phone_number"),
        (with("phone_number", Value::Null), "wrong_type", "phone_number"),
        (with("value", Value::Null), "missing_field", "value"),
        (with("value", json!(-1)), "invalid_field", "value"),
        (with("currency", Value::Null), "missing_field", "currency"),
        (with("currency", json!("dollars")), "invalid_field", "currency"),
        (
            with("event_id", json!("jane@customers.example")),
            "invalid_field",
            "event_id",
        ),
        (
            with("event_name", json!("+49 170 5550123")),
            "invalid_field",
            "event_name",
        ),
        (json!({}), "missing_field", "event_name"),
    ] {
        let answered = send(&gateway, &key, &report).await;

        assert_eq!(
            (answered.status, answered.problem().as_str()),
            (400, "bad_body"),
            "{}",
            answered.text
        );
        assert_eq!(answered.json()["errors"], json!([{"cause": cause, "field": field}]));
    }
    assert_eq!(world.depth("in.events").await, 0);
}
