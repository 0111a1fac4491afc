//! Events over HTTP: what is taken, what is answered, and for whom.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::support::{
    gateway::{Gateway, answer},
    wait::until,
    world::{ALL, PATIENCE, World, purchase},
};

/// A gateway beside a router, and a key of ACME.
async fn house(world: &World) -> (Gateway, String) {
    let key = world.key_of("acme").await;
    (Gateway::start(world.gateway().role("router")).await, key)
}

async fn stored(world: &World) -> BTreeSet<String> {
    let client = world.schema.client().await;
    let rows = client
        .query("SELECT event_id FROM events", &[])
        .await
        .expect("the ledger can be read");
    rows.iter().map(|row| row.get(0)).collect()
}

fn lead(id: &str) -> Value {
    json!({"event_id": id, "event_name": "Lead", "user": {"email": "jane@customers.example"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_202_is_in_the_audit_under_the_id_that_was_answered() {
    let world = World::new().await;
    let (gateway, key) = house(&world).await;
    let mut nameless = lead("");
    nameless.as_object_mut().expect("an object").remove("event_id");
    let mut ordered = purchase("x", &ALL);
    ordered.as_object_mut().expect("an object").remove("event_id");

    let single = gateway.post_events(&key, &lead("single")).await;
    let several = gateway
        .post_events(&key, &json!([lead("first"), nameless, ordered]))
        .await;
    let lines = format!("{}\n\n{}\n", lead("line-1"), purchase("line-2", &ALL));
    let lines = gateway
        .request("POST", "/v1/events")
        .bearer_auth(&key)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let lines = answer(lines).await.expect("it answers");

    let mut ids: BTreeSet<String> = BTreeSet::new();
    for (answer, count) in [(&single, 1), (&several, 3), (&lines, 2)] {
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.taken().len(), count);
        ids.extend(answer.taken());
    }
    assert_eq!(ids.len(), 6);
    world.at_least(6, "SELECT count(*) FROM events").await;
    assert_eq!(stored(&world).await, ids);
    assert_eq!(world.depth("dead.events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_counts_nothing_twice_and_bytes_stay_as_they_were() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let body = r#"[ {"event_name": "Lead" ,"event_id":"one","value":1.50} ,{"client_id":"acme","event_name":"Lead","event_id":"two"}]"#;
    for _ in 0..3 {
        let request = gateway.request("POST", "/v1/events").bearer_auth(&key).body(body);
        assert_eq!(answer(request).await.expect("it answers").status, 202);
    }

    let found = world.messages("in.events").await;

    let bodies: BTreeSet<String> = found
        .iter()
        .map(|message| String::from_utf8_lossy(&message.body).into())
        .collect();
    let expected = [
        r#"{"client_id":"acme","event_name": "Lead" ,"event_id":"one","value":1.50}"#,
        r#"{"client_id":"acme","event_name":"Lead","event_id":"two"}"#,
    ];
    assert_eq!(bodies, expected.map(str::to_owned).into());
    assert_eq!(found.len(), 6);
    let _router = world.relay().role("router").start().ready().await;
    world.at_least(2, "SELECT count(*) FROM events").await;
    assert_eq!(world.number("SELECT sum(differing)::bigint FROM events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_a_request_is_answered_for_and_errors_name_the_field() {
    let world = World::new().await;
    let (gateway, key) = house(&world).await;
    let bad = json!({"event_name": "Purchase", "event_id": "bad-1"});
    let foreign = json!({"event_name": "Lead", "event_id": "bad-2", "client_id": "globex"});

    let mixed = gateway
        .post_events(&key, &json!([lead("good-1"), bad, foreign, 7, lead("good-2")]))
        .await;
    let none = gateway.post_events(&key, &json!([bad, foreign])).await;
    let other = gateway.post_events(&key, &foreign).await;

    assert_eq!(mixed.status, 207, "{}", mixed.text);
    let mixed_items = mixed.json()["items"].clone();
    assert_eq!(mixed_items[0], json!({"event_id": "good-1", "status": 202}));
    assert_eq!(
        mixed_items[1],
        json!({"status": 400, "error": {"cause": "missing_field", "field": "value"}})
    );
    assert_eq!(
        mixed_items[2],
        json!({"status": 400, "error": {"cause": "other_client", "field": "client_id"}})
    );
    assert_eq!(mixed_items[3]["error"]["cause"], "wrong_type");
    assert_eq!(mixed_items[4]["event_id"], "good-2");
    assert_eq!((none.status, none.problem().as_str()), (400, "bad_event"));
    assert_eq!(
        none.json()["errors"][1],
        json!({"cause": "other_client", "field": "client_id", "index": 1})
    );
    assert_eq!((other.status, other.problem().as_str()), (400, "other_client"));
    world.at_least(2, "SELECT count(*) FROM events").await;
    assert_eq!(stored(&world).await, ["good-1", "good-2"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_currency_is_only_missed_where_the_client_has_none() {
    let world = World::new().await;
    world
        .schema
        .client()
        .await
        .batch_execute("UPDATE clients SET currency = NULL WHERE id = 'globex'; UPDATE directory_version SET version = version + 1")
        .await
        .expect("globex loses its currency");
    let gateway = Gateway::start(world.gateway()).await;
    let event = json!({"event_name": "Purchase", "event_id": "p", "value": 10});

    let of_acme = gateway.post_events(&world.key_of("acme").await, &event).await;
    let of_globex = gateway.post_events(&world.key_of("globex").await, &event).await;

    assert_eq!(of_acme.status, 202, "{}", of_acme.text);
    assert_eq!(of_globex.status, 400);
    assert_eq!(of_globex.json()["errors"][0]["field"], "currency");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_one_client_until_it_is_revoked() {
    let world = World::new().await;
    let gateway = Gateway::start(world.gateway()).await;
    let no_key = answer(gateway.request("POST", "/v1/events").json(&lead("a")))
        .await
        .expect("it answers");
    let wrong = gateway
        .post_events(&format!("crk_{}_{}", "a".repeat(8), "b".repeat(43)), &lead("a"))
        .await;

    // Made after the gateway began, and known at once.
    let key = world.key_of("acme").await;
    let basic = STANDARD.encode(format!("anyone:{key}"));
    for authorization in [
        format!("Bearer {key}"),
        format!("Basic {key}"),
        format!("Basic {basic}"),
    ] {
        let request = gateway
            .request("POST", "/v1/events")
            .header("authorization", &authorization)
            .json(&lead("a"));
        assert_eq!(answer(request).await.expect("it answers").status, 202);
    }
    let id = key.split('_').nth(1).expect("a key has three parts");
    world
        .schema
        .store
        .revoke_api_key(id)
        .await
        .expect("it can be revoked")
        .expect("it is there");
    until(
        "the key is refused",
        std::time::Duration::from_secs(5),
        async || match gateway.post_events(&key, &lead("a")).await.status {
            401 => Ok(()),
            other => Err(other.to_string()),
        },
    )
    .await;

    for refused in [no_key, wrong] {
        assert_eq!((refused.status, refused.problem().as_str()), (401, "bad_key"));
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
    }
    assert!(!world.all_logs().contains(&key[4..]), "a key stands in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_under_the_same_key_gives_the_same_ids() {
    let world = World::new().await;
    let (gateway, key) = house(&world).await;
    let nameless = json!({"event_name": "Lead", "user": {"email": "jane@customers.example"}});
    let body = json!([nameless, nameless, lead("named")]);
    let send = async |request_key: &str| {
        let request = gateway
            .request("POST", "/v1/events")
            .bearer_auth(&key)
            .header("idempotency-key", request_key);
        answer(request.json(&body)).await.expect("it answers")
    };

    let (first, again, other) = (send("r-1").await, send("r-1").await, send("r-2").await);
    let refused = send("r 1").await;

    let distinct: BTreeSet<String> = [&first, &again, &other]
        .iter()
        .flat_map(|answer| answer.taken())
        .collect();
    assert_eq!(first.taken(), again.taken());
    assert_eq!(distinct.len(), 5, "{distinct:?}");
    assert_eq!((refused.status, refused.problem().as_str()), (400, "bad_body"));
    until("all are in the ledger", PATIENCE, async || {
        let found = stored(&world).await;
        if found == distinct {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}
