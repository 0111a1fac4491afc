//! Requests to the simulator's platforms, right as they are; tests change them.
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use chrono::Utc;
use serde_json::{Value, json};

use super::simulator::Simulator;

pub const DATASET: &str = "1234567890";
pub const PIXEL: &str = "C0PIXEL0000000000001";
const HASH: &str = "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f";

/// A request to one of the platforms.
#[derive(Clone)]
pub struct PlatformRequest<'a> {
    pub simulator: &'a Simulator,
    pub path: String,
    pub login: (&'static str, String),
    pub body: Value,
}

impl PlatformRequest<'_> {
    pub async fn answer(&self) -> (u16, String) {
        let answer = self.request().send().await.expect("the simulator answers");
        (
            answer.status().as_u16(),
            answer.text().await.expect("the answer is whole"),
        )
    }

    pub async fn json(&self) -> (u16, Value) {
        let (status, body) = self.answer().await;
        (status, serde_json::from_str(&body).expect("the answer is JSON"))
    }

    pub fn request(&self) -> reqwest::RequestBuilder {
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client without TLS");
        let (name, value) = &self.login;
        client
            .post(format!("{}{}", self.simulator.url(), self.path))
            .header("content-type", "application/json")
            .header(*name, value)
            .body(self.body.to_string())
    }

    /// Speaks HTTP by hand, to see what becomes of the connection.
    pub fn bytes_until_the_end(&self) -> (Vec<u8>, Option<ErrorKind>) {
        let address = self
            .simulator
            .url()
            .strip_prefix("http://")
            .expect("the address of an HTTP server");
        let mut stream = TcpStream::connect(address).expect("the simulator listens");
        let body = self.body.to_string();
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{}: {}\r\ncontent-length: {}\r\n\r\n",
            self.path,
            self.login.0,
            self.login.1,
            body.len(),
        );
        stream
            .write_all((head + &body).as_bytes())
            .expect("the request is taken");
        let mut received = Vec::new();
        let end = stream.read_to_end(&mut received);
        (received, end.err().map(|error| error.kind()))
    }
}

pub fn meta_event(id: &str) -> Value {
    json!({
        "event_name": "Purchase", "event_time": Utc::now().timestamp() - 60, "event_id": id,
        "action_source": "website", "event_source_url": "https://shop.example/thanks",
        "user_data": {"em": [HASH]}, "custom_data": {"value": 59.9, "currency": "EUR"},
    })
}

pub fn meta<'a>(simulator: &'a Simulator, dataset: &str, events: &[Value]) -> PlatformRequest<'a> {
    PlatformRequest {
        simulator,
        path: format!("/v26.0/{dataset}/events"),
        login: ("authorization", "Bearer token-1".to_owned()),
        body: json!({"data": events}),
    }
}

pub fn tiktok(simulator: &Simulator) -> PlatformRequest<'_> {
    let event = json!({
        "event": "Purchase", "event_time": Utc::now().timestamp(), "event_id": "o1", "user": {"email": HASH},
        "page": {"url": "https://shop.example/"}, "properties": {"value": 59.9, "currency": "EUR"},
    });
    PlatformRequest {
        simulator,
        path: "/open_api/v1.3/event/track/".to_owned(),
        login: ("access-token", "token-1".to_owned()),
        body: json!({"event_source": "web", "event_source_id": PIXEL, "data": [event]}),
    }
}

pub fn google<'a>(simulator: &'a Simulator, token: &str) -> PlatformRequest<'a> {
    PlatformRequest {
        simulator,
        path: "/v1/events:ingest".to_owned(),
        login: ("authorization", format!("Bearer {token}")),
        body: json!({
            "destinations": [{
                "reference": "a", "productDestinationId": "987",
                "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": DATASET},
            }],
            "events": [{
                "destinationReferences": ["a"], "transactionId": "o1", "eventTimestamp": Utc::now().to_rfc3339(),
                "eventSource": "WEB", "adIdentifiers": {"gclid": "Cj0K"}, "conversionValue": 59.9, "currency": "EUR",
            }],
        }),
    }
}

pub fn upload<'a>(simulator: &'a Simulator) -> PlatformRequest<'a> {
    PlatformRequest {
        path: format!("/v26/customers/{DATASET}:uploadClickConversions"),
        body: json!({"partialFailure": true, "conversions": [{
            "gclid": "Cj0K", "conversionAction": format!("customers/{DATASET}/conversionActions/987"), "orderId": "o1",
            "conversionDateTime": Utc::now().format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        }]}),
        ..google(simulator, "any")
    }
}
