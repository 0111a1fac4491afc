//! Thousands of requests of nonsense: each is taken or refused by name, nothing is told that must not be, and the gateway does not even stumble.

use std::collections::{BTreeMap, BTreeSet};

use conversion_relay::{domain::Cause, metrics::gateway::Refusal};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{
    fuzz::{change, mangled, random_bytes, random_json},
    support::{
        gateway::{APP_SECRET, Answer, Gateway, LONG_SOURCE, SIGNING_SECRET, VERIFY_TOKEN, answer, hub_signature, mac},
        wait::until,
        world::{ALL, PATIENCE, World, purchase},
    },
};

/// Another seed gives other requests; the same gives the same.
const SEED: u64 = 20_261_128;
const REQUESTS: usize = 4_000;

/// What must stand in no log and in no answer.
const NEEDLES: [&str; 7] = [
    APP_SECRET,
    VERIFY_TOKEN,
    SIGNING_SECRET,
    "customers.example",
    "5550123",
    "wilhelmina",
    "testperson",
];

/// A request, and what it must not be answered.
struct Attempt {
    request: RequestBuilder,
    /// Whose answer may hold what was sent: nobody's.
    name: String,
}

fn attempt(index: usize, gateway: &Gateway, key: &str) -> Attempt {
    let rng = &mut StdRng::seed_from_u64(SEED.wrapping_add(index as u64));
    let id = format!("fuzz-{index}");
    let (request, name) = match rng.random_range(0..8) {
        0 | 1 => (events(rng, &id, gateway, key), "events"),
        2 => (report(rng, &id, gateway, key), "send-event"),
        3 | 4 => (webhook(rng, gateway), "webhook"),
        5 => (handshake(rng, gateway), "handshake"),
        6 => (key_of_nobody(rng, &id, gateway, key), "key"),
        _ => (anywhere(rng, gateway, key), "anywhere"),
    };
    Attempt {
        request,
        name: format!("{name} {index}"),
    }
}

fn event(rng: &mut StdRng, id: &str) -> Value {
    let mut event = purchase(id, &ALL);
    for _ in 0..rng.random_range(0..4) {
        change(rng, &mut event);
    }
    match rng.random_range(0..16) {
        0 => event["custom"] = json!({"a": {"$serde_json::private::RawValue": "[[1]]"}}),
        1 => event["user"] = json!({"email": {"$serde_json::private::RawValue": "[[1]]"}}),
        2 => event["custom"] = (1..127).fold(json!({}), |inner, _| json!({ "a": inner })),
        3 => event["click"] = json!({"gclid": "Cj0K", "clicked_at": rng.random_range(i64::MIN..0)}),
        4 => event["click"] = json!({"gclid": "Cj0K", "clicked_at": -62_167_219_200i64}),
        _ => {}
    }
    event
}

fn events(rng: &mut StdRng, id: &str, gateway: &Gateway, key: &str) -> RequestBuilder {
    let several: Vec<Value> = (0..rng.random_range(1..4))
        .map(|n| event(rng, &format!("{id}-{n}")))
        .collect();
    let (kind, body) = match rng.random_range(0..4) {
        0 => ("application/json", event(rng, id).to_string().into_bytes()),
        1 => ("application/json", json!(several).to_string().into_bytes()),
        2 => {
            let lines: Vec<String> = several.iter().map(Value::to_string).collect();
            ("application/x-ndjson", lines.join("\n").into_bytes())
        }
        _ => ("application/json", random_json(rng, 0).to_string().into_bytes()),
    };
    let body = if rng.random_range(0..3) == 0 {
        mangled(rng, body)
    } else {
        body
    };
    gateway
        .request("POST", "/v1/events")
        .bearer_auth(key)
        .header("content-type", kind)
        .body(body)
}

fn report(rng: &mut StdRng, id: &str, gateway: &Gateway, key: &str) -> RequestBuilder {
    let mut report = json!({
        "event_id": id, "event_name": "Purchase", "phone_number": "+491705550123", "currency": "EUR", "value": 10.5
    });
    for _ in 0..rng.random_range(0..3) {
        let fields = ["event_id", "event_name", "phone_number", "currency", "value"];
        let value = random_json(rng, 1);
        report[*fields.choose(rng).expect("a field")] = value;
    }
    let body = report.to_string().into_bytes();
    let body = if rng.random_range(0..3) == 0 {
        mangled(rng, body)
    } else {
        body
    };
    gateway
        .request("POST", "/api/v1/app/meta-ads/capi/send-event")
        .bearer_auth(key)
        .body(body)
}

fn webhook(rng: &mut StdRng, gateway: &Gateway) -> RequestBuilder {
    let body = json!({"object": "whatsapp_business_account", "entry": [random_json(rng, 1)], "from": "4917055550123", "name": "Wilhelmina Testperson"});
    let body = match rng.random_range(0..3) {
        0 => random_bytes(rng, 400),
        1 => mangled(rng, body.to_string().into_bytes()),
        _ => body.to_string().into_bytes(),
    };
    if rng.random_range(0..3) == 0 {
        // From Meta itself, whatever it holds.
        return gateway
            .request("POST", "/webhooks/whatsapp/acme")
            .header("x-hub-signature-256", hub_signature(&body))
            .body(body);
    }
    if rng.random_range(0..8) == 0 {
        return gateway
            .request("POST", &format!("/webhooks/{LONG_SOURCE}/acme"))
            .header("x-crm-signature", hex::encode(mac(SIGNING_SECRET, &body)))
            .body(body);
    }
    let header = [
        "x-hub-signature-256",
        "x-shopify-hmac-sha256",
        "stripe-signature",
        "x-hubspot-signature-v3",
        "x-crm-signature",
    ];
    let signature = match rng.random_range(0..4) {
        0 => hub_signature(&body),
        1 => hub_signature(&body[1.min(body.len())..]),
        2 => format!(
            "t={},v1={},v1=",
            rng.random::<i64>(),
            hex::encode(random_bytes(rng, 40))
        ),
        _ => hex::encode(random_bytes(rng, 100)),
    };
    let source = ["whatsapp", "shopify", "stripe", "hubspot", "crm", "nobody"];
    let client = ["acme", "globex", "%ff", "a%2Fb", "wilhelmina@customers.example"];
    let path = format!(
        "/webhooks/{}/{}",
        source.choose(rng).expect("a source"),
        client.choose(rng).expect("a client")
    );
    gateway
        .request("POST", &path)
        .header(*header.choose(rng).expect("a header"), signature)
        .header("x-hubspot-request-timestamp", rng.random::<i64>().to_string())
        .header("x-shopify-topic", "t".repeat(rng.random_range(0..600)))
        .body(body)
}

fn handshake(rng: &mut StdRng, gateway: &Gateway) -> RequestBuilder {
    let values = [
        "subscribe",
        "",
        "%00",
        "%ff%fe",
        VERIFY_TOKEN,
        "wilhelmina%40customers.example",
        "&&&==%",
    ];
    let mut value = || *values.choose(rng).expect("a value");
    let (mode, token) = (value(), value());
    let challenge = [
        "1158201444",
        "",
        "%00",
        "wilhelmina%40customers.example",
        "%3Cscript%3E",
    ]
    .choose(rng);
    let path = format!(
        "/webhooks/whatsapp/acme?hub.mode={mode}&hub.verify_token={token}&hub.challenge={}",
        challenge.expect("a challenge")
    );
    gateway.request("GET", &path)
}

fn key_of_nobody(rng: &mut StdRng, id: &str, gateway: &Gateway, key: &str) -> RequestBuilder {
    let request = gateway.request("POST", "/v1/events").json(&event(rng, id));
    let given = match rng.random_range(0..4) {
        0 => format!("Bearer {}x", &key[..key.len() - 1]),
        1 => format!("Basic {}", hex::encode(random_bytes(rng, 60))),
        2 => "Bearer wilhelmina@customers.example".to_owned(),
        _ => return request,
    };
    request.header("authorization", given)
}

fn anywhere(rng: &mut StdRng, gateway: &Gateway, key: &str) -> RequestBuilder {
    let method = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"];
    let paths = [
        "/",
        "/v1/events",
        "/openapi.json",
        "/webhooks//",
        "/webhooks/x",
        "/v1/events/%00",
        "/wilhelmina@customers.example?phone=5550123",
    ];
    let kinds = [
        "application/json",
        "text/plain; wilhelmina",
        "\u{7f}",
        "multipart/form-data",
    ];
    let kind = kinds.choose(rng).expect("a type").trim_matches('\u{7f}');
    gateway
        .request(
            method.choose(rng).expect("a method"),
            paths.choose(rng).expect("a path"),
        )
        .bearer_auth(key)
        .header("content-type", kind)
        .header(
            "x-request-id",
            ["ok-1", "wilhelmina@customers.example", "+491705550123"]
                .choose(rng)
                .copied()
                .unwrap_or_default(),
        )
        .body(random_bytes(rng, 200))
}

fn assert_answered_by_name(name: &str, answer: &Answer) {
    let named: BTreeSet<&str> = Refusal::ALL.iter().map(|refusal| refusal.as_str()).collect();
    let is_fine = matches!(answer.status, 200 | 202 | 207);
    let is_named =
        (400..500).contains(&answer.status) && (named.contains(answer.problem().as_str()) || answer.text.is_empty());
    assert!(is_fine || is_named, "{name}: {} {}", answer.status, answer.text);
    let lower = answer.text.to_lowercase();
    let found: Vec<&&str> = NEEDLES.iter().filter(|needle| lower.contains(**needle)).collect();
    assert!(found.is_empty(), "{name} is answered with {found:?}: {}", answer.text);
}

/// What was taken of webhooks and cannot be read is kept with its cause, and with nothing of what it says.
async fn assert_webhooks_are_named(world: &World) {
    until("every webhook is worked off", PATIENCE, async || {
        match world.depth("in.webhooks").await {
            0 => Ok(()),
            left => Err(format!("{left} are left")),
        }
    })
    .await;
    let dead = world.messages("dead.webhooks").await;
    assert!(dead.len() > 5, "{}", dead.len());
    for message in dead {
        let cause = message.header("relay-cause").unwrap_or_default();
        assert!(cause.parse::<Cause>().is_ok(), "{cause:?}");
        let properties = message.properties.to_lowercase();
        let found: Vec<&&str> = NEEDLES.iter().filter(|needle| properties.contains(**needle)).collect();
        assert!(found.is_empty(), "{found:?} in {properties}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_random_requests_are_taken_or_refused_by_name() {
    let world = World::new().await;
    world.add_webhooks().await;
    world.add_dataset().await;
    let key = world.key_of("acme").await;
    let start = world.gateway().role("router").with("RELAY_LOG", "debug");
    let mut gateway = Gateway::start(start.with("RELAY_GATEWAY_PUBLIC_URL", "https://relay.example")).await;
    let pid = gateway.relay.pid();
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut webhooks = 0;

    for first in (0..REQUESTS).step_by(16) {
        let attempts = (first..first + 16).map(|index| attempt(index, &gateway, &key));
        let answers = attempts.map(async |attempt| (attempt.name, answer(attempt.request).await));
        for (name, answered) in futures_util::future::join_all(answers).await {
            let answered = answered.unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_answered_by_name(&name, &answered);
            *statuses.entry(answered.status).or_default() += 1;
            taken.extend(answered.taken());
            webhooks += u32::from(name.starts_with("webhook") && answered.status == 200);
        }
    }

    for status in [200, 202, 207, 400, 401, 403, 404, 405, 415] {
        assert!(
            statuses.get(&status).is_some_and(|count| *count > 5),
            "{status}: {statuses:?}"
        );
    }
    let client = world.schema.client().await;
    until("everything that was taken is in the ledger", PATIENCE, async || {
        let rows = client
            .query("SELECT event_id FROM events", &[])
            .await
            .expect("the ledger can be read");
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing: Vec<&String> = taken.difference(&found).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?}"))
        }
    })
    .await;
    assert_eq!(
        world.depth("dead.events").await,
        0,
        "the router refuses what the gateway took"
    );
    assert!(webhooks > 20);
    assert_webhooks_are_named(&world).await;
    assert!(gateway.relay.is_running());
    assert_eq!(gateway.relay.pid(), pid);
    let log = world.all_logs().to_lowercase();
    let key = key.to_lowercase();
    for needle in NEEDLES.iter().copied().chain([&key[4..]]) {
        assert!(!log.contains(needle), "{needle} stands in the log");
    }
    assert!(!log.contains("panicked"), "something panicked");
}
