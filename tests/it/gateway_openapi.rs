//! The gateway against its own description: every page of it is served, every page that is served is in it, and real answers fit it.

use std::collections::BTreeSet;

use conversion_relay::roles::gateway::{openapi, routes::PAGES};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::support::{
    gateway::{Answer, Gateway, VERIFY_TOKEN, answer, hub_signature},
    world::{ALL, World, purchase},
};

const SEND_EVENT: &str = "/api/v1/app/meta-ads/capi/send-event";
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What judges by a schema of the document, which may refer to others of it.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut whole =
        json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"]});
    if let (Some(whole), Some(schema)) = (whole.as_object_mut(), schema.as_object()) {
        whole.extend(schema.clone());
    }
    jsonschema::validator_for(&whole).expect("a schema of the document is a schema")
}

/// Asserts that an answer is one of those that the document describes for a page.
fn assert_described(document: &Value, method: &str, path: &str, answer: &Answer) {
    let what = format!("{method} {path} {}", answer.status);
    let mut response = &document["paths"][path][method.to_lowercase()]["responses"][answer.status.to_string()];
    if let Some(reference) = response["$ref"].as_str() {
        response = document.pointer(&reference[1..]).expect("what is referred to is there");
    }
    assert!(response.is_object(), "{what} is not described");
    let Some(contents) = response["content"].as_object() else {
        assert_eq!(answer.text, "", "{what} has a body");
        return;
    };
    let kind = answer.headers["content-type"].split(';').next().unwrap_or_default();
    let schema = &contents.get(kind).unwrap_or_else(|| panic!("{what}: {kind}"))["schema"];
    let body = if kind.contains("json") {
        answer.json()
    } else {
        json!(answer.text)
    };
    let faults: Vec<String> = validator(document, schema)
        .iter_errors(&body)
        .map(|fault| fault.to_string())
        .collect();
    assert!(faults.is_empty(), "{what}: {faults:?} {}", answer.text);
}

#[test]
fn the_document_has_exactly_the_pages_that_are_served() {
    let document = openapi::document();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .expect("there are pages")
        .iter()
        .flat_map(|(path, page)| {
            let methods = page.as_object().expect("a page has methods").keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = PAGES
        .iter()
        .map(|page| (page.method.to_string(), page.path.to_owned()))
        .collect();

    assert_eq!(described, served);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_the_document_is_served_and_by_no_other_method() {
    let world = World::new().await;
    let gateway = Gateway::start(world.gateway()).await;
    let asked = answer(gateway.request("GET", "/openapi.json"))
        .await
        .expect("it answers");
    let document = asked.json();
    assert_eq!(document, openapi::document());

    for (path, page) in document["paths"].as_object().expect("there are pages") {
        let url = path.replace("{source}", "shopify").replace("{client}", "acme");
        for method in METHODS {
            let answer = answer(gateway.request(method, &url)).await.expect("it answers");
            if page[method.to_lowercase()].is_object() {
                assert_ne!(answer.status, 405, "{method} {path}");
                assert_described(&document, method, path, &answer);
            } else {
                assert_eq!(answer.status, 405, "{method} {path}");
                let allowed = &answer.headers["allow"];
                assert!(
                    page.as_object()
                        .expect("methods")
                        .keys()
                        .all(|known| allowed.contains(&known.to_uppercase()))
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_answers_is_what_the_document_says() {
    let world = World::new().await;
    world.add_webhooks().await;
    world.add_dataset().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let document = openapi::document();
    let event = validator(&document, &json!({"$ref": "#/components/schemas/FunnelEvent"}));
    let report = validator(&document, &json!({"$ref": "#/components/schemas/SendEvent"}));
    let good = purchase("good", &ALL);
    let mut without_client = good.clone();
    without_client.as_object_mut().expect("an object").remove("client_id");
    let bad = json!({"event_name": "Purchase"});
    assert!(event.is_valid(&good) && event.is_valid(&without_client) && !event.is_valid(&bad));
    let lead = json!({"event_name": "LeadSubmitted", "phone_number": "+5491155551234"});
    assert!(report.is_valid(&lead) && !report.is_valid(&json!({"event_name": "x"})));

    let post = |path: &str| gateway.request("POST", path).bearer_auth(&key);
    let body = b"{}";
    let hook = |signature: &str| {
        gateway
            .request("POST", "/webhooks/whatsapp/acme")
            .header("x-hub-signature-256", signature)
    };
    let handshake =
        format!("/webhooks/whatsapp/acme?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=1");
    let whatsapp = "/webhooks/whatsapp/{client}";
    let requests = [
        ("POST", "/v1/events", 202, post("/v1/events").json(&without_client)),
        ("POST", "/v1/events", 207, post("/v1/events").json(&json!([good, bad]))),
        ("POST", "/v1/events", 400, post("/v1/events").json(&bad)),
        ("POST", "/v1/events", 400, post("/v1/events").body("[")),
        (
            "POST",
            "/v1/events",
            401,
            gateway.request("POST", "/v1/events").json(&good),
        ),
        (
            "POST",
            "/v1/events",
            415,
            post("/v1/events").header("content-type", "text/plain").body("x"),
        ),
        ("POST", SEND_EVENT, 200, post(SEND_EVENT).json(&lead)),
        (
            "POST",
            SEND_EVENT,
            400,
            post(SEND_EVENT).json(&json!({"event_name": "Purchase", "phone_number": "12"})),
        ),
        ("POST", SEND_EVENT, 413, post(SEND_EVENT).body(vec![b' '; 17 * 1024])),
        ("GET", whatsapp, 200, gateway.request("GET", &handshake)),
        ("GET", whatsapp, 403, gateway.request("GET", "/webhooks/whatsapp/acme")),
        (
            "GET",
            whatsapp,
            404,
            gateway.request("GET", "/webhooks/whatsapp/globex"),
        ),
        ("POST", whatsapp, 200, hook(&hub_signature(body)).body(body.as_slice())),
        ("POST", whatsapp, 401, hook("sha256=00").body(body.as_slice())),
        ("POST", whatsapp, 400, hook(&hub_signature(b"")).body("")),
        (
            "POST",
            "/webhooks/{source}/{client}",
            503,
            gateway
                .request("POST", "/webhooks/lost/acme")
                .header("x-signature", "0")
                .body("{}"),
        ),
    ];
    for (method, path, status, request) in requests {
        let answer = answer(request).await.expect("it answers");
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        assert_described(&document, method, path, &answer);
    }
}
