//! Webhooks over HTTP: from whom they are taken, and how they lie in the queue.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::Utc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{
    gateway::{Gateway, SIGNING_SECRET, VERIFY_TOKEN, answer, hub_signature, mac},
    world::World,
};

/// Path, signature and body of a webhook, and the status and the problem that it is answered with.
type Case<'a> = (&'a str, (&'a str, &'a str), &'a [u8], u16, &'a str);

const WHATSAPP: &[u8] = br#"{"object":"whatsapp_business_account","entry":[]}"#;

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
    let cases: [Case<'_>; 10] = [
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
async fn a_stranger_is_not_asked_for_the_body() {
    let world = World::new().await;
    world.add_webhooks().await;
    let gateway = Gateway::start(world.gateway()).await;
    let address = gateway.url().trim_start_matches("http://");
    for (path, header) in [
        ("whatsapp/acme", "x-other: 1"),
        ("stripe/acme", "stripe-signature: t=1,v1=00"),
    ] {
        let mut connection = TcpStream::connect(address).await.expect("it listens");
        let head = format!(
            "POST /webhooks/{path} HTTP/1.1\r\nhost: {address}\r\n{header}\r\nconnection: close\r\n\
             content-length: 4000000\r\nexpect: 100-continue\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).await.expect("it reads");

        let mut answer = String::new();
        connection
            .read_to_string(&mut answer)
            .await
            .expect("it answers and closes");

        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
}
