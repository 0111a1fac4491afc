//! The gateway's limits: what is no request, what is too much or too slow, and how it ends.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::{
    gateway::{Answer, Gateway, answer},
    wait::until,
    world::{PATIENCE, World},
};

fn lead(id: &str) -> Value {
    json!({"event_id": id, "event_name": "Lead", "user": {"email": "jane@customers.example"}})
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
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let gateway = Gateway::start(world.gateway()).await;
    let address = gateway.url().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).await.expect("it listens");
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{"
    );
    connection.write_all(head.as_bytes()).await.expect("it reads");

    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, connection.read_to_string(&mut answer));
    read.await.expect("it answers").expect("it answers and closes");

    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("too_slow"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_one_request_its_answer_and_nothing_else() {
    let world = World::new().await;
    let key = world.key_of("acme").await;
    let start = world
        .gateway()
        .with("FAILPOINTS", "gateway.before_publish=1*panic->off");
    let gateway = Gateway::start(start).await;

    let first = gateway.post_events(&key, &lead("a")).await;
    let second = gateway.post_events(&key, &lead("a")).await;

    assert_eq!((first.status, first.problem().as_str()), (500, "bug"));
    assert_eq!(second.status, 202);
    assert_eq!(world.depth("in.events").await, 1);
    assert!((gateway.relay.metric("relay_gateway_refused_total", "bug").await - 1.0).abs() < f64::EPSILON);
}
