//! What the gateway takes, and what it answers.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{
    gateway::{Answer, Gateway, SIGNING_SECRET, VERIFY_TOKEN, answer, hub_signature, mac},
    wait::until,
    world::{ALL, PATIENCE, World, purchase},
};

const WHATSAPP: &[u8] = br#"{"object":"whatsapp_business_account","entry":[]}"#;

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
async fn a_key_that_asks_too_often_is_told_when_to_come_again() {
    let world = World::new().await;
    let gateway = Gateway::start(world.gateway().with("RELAY_GATEWAY_RATE", "3")).await;
    let (busy, other) = (world.key_of("acme").await, world.key_of("acme").await);

    let mut refused: Option<Answer> = None;
    for _ in 0..20 {
        let answer = gateway.post_events(&busy, &lead("a")).await;
        if answer.status == 429 {
            refused = Some(answer);
        }
    }

    let refused = refused.expect("three a second are allowed");
    assert_eq!(refused.problem(), "rate_limited");
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(gateway.post_events(&other, &lead("a")).await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused_by_name() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let post = |path: &str| gateway.request("POST", path).bearer_auth(&key);
    let cases = [
        (gateway.request("GET", "/"), 404, "no_such_path"),
        (gateway.request("GET", "/v1/events/"), 404, "no_such_path"),
        (gateway.request("GET", "/v1/events"), 405, "wrong_method"),
        (gateway.request("DELETE", "/openapi.json"), 405, "wrong_method"),
        (gateway.request("GET", "/webhooks/shopify/acme"), 405, "wrong_method"),
        (
            post("/v1/events")
                .body("a=b")
                .header("content-type", "application/x-www-form-urlencoded"),
            415,
            "wrong_media_type",
        ),
        (
            post("/v1/events").body("{}").header("content-encoding", "gzip"),
            415,
            "wrong_media_type",
        ),
        (post("/v1/events").body(""), 400, "bad_body"),
        (post("/v1/events").body("[]"), 400, "bad_body"),
        (post("/v1/events").body("[{]"), 400, "bad_body"),
        (post("/v1/events").body("{"), 400, "bad_event"),
        (
            post("/v1/events").body(vec![b' '; 4 * 1024 * 1024 + 1]),
            413,
            "too_large",
        ),
        (post("/v1/events").json(&vec![json!({}); 1_001]), 400, "bad_body"),
    ];
    for (request, status, problem) in cases {
        let answer = answer(request).await.expect("it answers");
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{}",
            answer.text
        );
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.json()["request_id"], json!(answer.headers["x-request-id"]));
    }
    let named = gateway.request("GET", "/").header("x-request-id", "trace-me-1");
    assert_eq!(
        answer(named).await.expect("it answers").headers["x-request-id"],
        "trace-me-1"
    );
    assert!(world.all_logs().contains("trace-me-1"));
    assert_eq!(world.depth("in.events").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metas_handshake_is_answered_with_the_bare_challenge() {
    let world = World::new().await;
    world.add_webhooks().await;
    let gateway = Gateway::start(world.gateway()).await;
    let ask = async |client: &str, mode: &str, token: &str, challenge: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("hub.mode", mode)
            .append_pair("hub.verify_token", token)
            .append_pair("hub.challenge", challenge)
            .finish();
        let request = gateway.request("GET", &format!("/webhooks/whatsapp/{client}?{query}"));
        answer(request).await.expect("it answers")
    };

    let right = ask("acme", "subscribe", VERIFY_TOKEN, "1158201444").await;

    assert_eq!((right.status, right.text.as_str()), (200, "1158201444"));
    assert!(right.headers["content-type"].starts_with("text/plain"));
    let long = "1".repeat(1_000);
    for (client, mode, token, challenge, status) in [
        ("acme", "subscribe", "another", "1158201444", 403),
        ("acme", "subscribe", "", "1158201444", 403),
        ("acme", "unsubscribe", VERIFY_TOKEN, "1158201444", 403),
        ("acme", "subscribe", VERIFY_TOKEN, "", 403),
        ("acme", "subscribe", VERIFY_TOKEN, "<script>", 403),
        ("acme", "subscribe", VERIFY_TOKEN, &long, 403),
        ("globex", "subscribe", VERIFY_TOKEN, "1158201444", 404),
        ("nobody", "subscribe", VERIFY_TOKEN, "1158201444", 404),
    ] {
        let answer = ask(client, mode, token, challenge).await;
        assert_eq!(answer.status, status, "{client} {mode} {challenge}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_every_provider_lie_in_the_queue_byte_for_byte() {
    let world = World::new().await;
    world.add_webhooks().await;
    let gateway = Gateway::start(
        world
            .gateway()
            .with("RELAY_GATEWAY_PUBLIC_URL", "https://relay.example/in/"),
    )
    .await;
    let order = br#"{ "id" : 820982911946154508 }"#;
    let now = Utc::now();
    let stripe = {
        let time = now.timestamp();
        let signed = [format!("{time}.").as_bytes(), order.as_slice()].concat();
        format!("t={time},v1={}", hex::encode(mac(SIGNING_SECRET, &signed)))
    };
    let hubspot = {
        let url = "https://relay.example/in/webhooks/hubspot/acme?a=/b";
        let time = now.timestamp_millis().to_string();
        let signed = [b"POST".as_slice(), url.as_bytes(), order, time.as_bytes()].concat();
        (time, STANDARD.encode(mac(SIGNING_SECRET, &signed)))
    };
    let plain = mac(SIGNING_SECRET, order);
    let with_time = gateway
        .request("POST", "/webhooks/hubspot/acme?a=%2Fb")
        .header("x-hubspot-signature-v3", &hubspot.1)
        .header("x-hubspot-request-timestamp", &hubspot.0)
        .body(order.as_slice());
    let shopify = gateway
        .request("POST", "/webhooks/shopify/acme")
        .header("x-shopify-hmac-sha256", STANDARD.encode(&plain))
        .header("X-Shopify-Topic", "orders/paid")
        .header("X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5")
        .body(order.as_slice());

    let answers = [
        gateway
            .post_webhook(
                "whatsapp/acme",
                ("x-hub-signature-256", &hub_signature(WHATSAPP)),
                WHATSAPP,
            )
            .await,
        answer(shopify).await.expect("it answers"),
        gateway
            .post_webhook("stripe/acme", ("stripe-signature", &stripe), order.as_slice())
            .await,
        answer(with_time).await.expect("it answers"),
        gateway
            .post_webhook("crm/acme", ("x-crm-signature", &hex::encode(&plain)), order.as_slice())
            .await,
    ];

    for answer in answers {
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    }
    let found = world.messages("in.webhooks").await;
    let keys: BTreeSet<&str> = ["whatsapp", "shopify", "stripe", "hubspot", "crm"]
        .into_iter()
        .filter(|source| {
            found
                .iter()
                .any(|message| message.properties.contains(&format!("webhooks.{source}\"")))
        })
        .collect();
    assert_eq!((found.len(), keys.len()), (5, 5));
    for message in &found {
        assert_eq!(message.header("relay-client"), Some("acme"));
        let is_whatsapp = message.properties.contains("webhooks.whatsapp");
        assert_eq!(message.body, if is_whatsapp { WHATSAPP } else { order });
        if message.properties.contains("webhooks.shopify") {
            assert_eq!(message.header("x-shopify-topic"), Some("orders/paid"));
            assert_eq!(
                message.header("x-shopify-event-id"),
                Some("98880550-7158-44d4-b7cd-2c97c8a091b5")
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_does_not_prove_itself_is_not_taken() {
    let world = World::new().await;
    world.add_webhooks().await;
    let gateway = Gateway::start(world.gateway()).await;
    let good = hub_signature(WHATSAPP);
    let of_another = hub_signature(b"{}");
    let empty = hub_signature(b"");
    let not_json = hub_signature(b"{\"a\":");
    let cases: [(&str, (&str, &str), &[u8], u16, &str); 10] = [
        ("whatsapp/acme", ("x-other", "1"), WHATSAPP, 401, "bad_signature"),
        (
            "whatsapp/acme",
            ("x-hub-signature-256", &of_another),
            WHATSAPP,
            401,
            "bad_signature",
        ),
        (
            "whatsapp/acme",
            ("x-hub-signature-256", &good[7..]),
            WHATSAPP,
            401,
            "bad_signature",
        ),
        (
            "whatsapp/acme",
            ("x-hub-signature", &good),
            WHATSAPP,
            401,
            "bad_signature",
        ),
        ("whatsapp/acme", ("x-hub-signature-256", &empty), b"", 400, "bad_body"),
        (
            "whatsapp/acme",
            ("x-hub-signature-256", &not_json),
            b"{\"a\":",
            400,
            "bad_body",
        ),
        (
            "whatsapp/globex",
            ("x-hub-signature-256", &good),
            WHATSAPP,
            404,
            "no_such_source",
        ),
        (
            "unknown/acme",
            ("x-hub-signature-256", &good),
            WHATSAPP,
            404,
            "no_such_source",
        ),
        ("lost/acme", ("x-signature", &good), WHATSAPP, 503, "secret_unreadable"),
        (
            "hubspot/acme",
            ("x-hubspot-signature-v3", &good),
            WHATSAPP,
            503,
            "secret_unreadable",
        ),
    ];
    for (path, header, body, status, problem) in cases {
        let answer = gateway.post_webhook(path, header, body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, problem),
            "{path}: {}",
            answer.text
        );
    }
    assert_eq!(world.depth("in.webhooks").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_finished_when_the_gateway_is_asked_to_end() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let address = gateway.url().trim_start_matches("http://").to_owned();
    let body = br#"{"event_name":"Lead","event_id":"late"}"#;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(&address).await.expect("it listens");
    connection.write_all(head.as_bytes()).await.expect("it reads");
    // The gateway asks for the body, so the request is under way when the signal comes.
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).await.expect("it asks");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    gateway.relay.ask_to_end();
    until(
        "it accepts nothing any more",
        PATIENCE,
        async || match TcpStream::connect(&address).await {
            Ok(_) => Err("it does".to_owned()),
            Err(_) => Ok(()),
        },
    )
    .await;
    connection.write_all(body).await.expect("it reads");

    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("it answers and closes");
    assert!(
        answer.starts_with("HTTP/1.1 202 ") && answer.contains("\"late\""),
        "{answer}"
    );
    let mut relay = gateway.relay;
    assert_eq!(relay.dead(PATIENCE).await.code(), Some(0));
    assert_eq!(world.depth("in.events").await, 1);
}
