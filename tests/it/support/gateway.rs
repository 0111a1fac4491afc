//! A gateway as a process of its own, and what its callers send.

use std::{collections::BTreeMap, time::Duration};

use conversion_relay::domain::{
    ClientId,
    api_key::{ApiKey, hash_of, written},
};
use hmac::{Hmac, KeyInit, Mac};
use rand::{RngExt, distr::Alphanumeric};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    relay::{Relay, Start},
    wait::until,
    world::{PATIENCE, World},
};

/// The app secret of ACME's WhatsApp, and its verify token.
pub const APP_SECRET: &str = "test-app-secret-6d41f0a9be";
/// What Meta shows in its handshake.
pub const VERIFY_TOKEN: &str = "test-verify-token-90ac17";
/// The signing secret of ACME's other webhooks.
pub const SIGNING_SECRET: &str = "test-signing-secret-b20f77c1";

/// A source whose name is as long as one can be.
pub const LONG_SOURCE: &str = "source-with-a-name-of-sixty-four-characters-and-not-one-more-yes";

/// A running gateway.
pub struct Gateway {
    pub relay: Relay,
    url: String,
    client: Client,
}

/// What a gateway answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The last word of the problem's type, such as `bad_key`.
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// The IDs of the events that were taken.
    pub fn taken(&self) -> Vec<String> {
        let json = self.json();
        let items = json["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .filter(|item| item["status"] == 202)
            .map(|item| item["event_id"].as_str().expect("what is taken has an ID").to_owned())
            .collect()
    }
}

impl World {
    /// How a gateway of this world is started.
    pub fn gateway(&self) -> Start<'_> {
        self.relay()
            .role("gateway")
            .with("RELAY_GATEWAY_ADDRESS", "127.0.0.1:0")
            .with("RELAY_GATEWAY_RATE", "100000")
            .with("TEST_APP_SECRET", APP_SECRET)
            .with("TEST_VERIFY_TOKEN", VERIFY_TOKEN)
            .with("TEST_SIGNING_SECRET", SIGNING_SECRET)
    }

    /// Makes a key of a client, as `keys create` does.
    pub async fn key_of(&self, client: &str) -> String {
        let part = |characters| -> String {
            rand::rng()
                .sample_iter(Alphanumeric)
                .take(characters)
                .map(char::from)
                .collect()
        };
        let id = part(8);
        let text = written(&id, &part(43));
        let key = ApiKey {
            id,
            client: ClientId::parse(client).expect("a client"),
            hash: hash_of(&text).expect("it has the form of a key"),
        };
        let added = self.schema.store.add_api_key(&key, "test").await;
        assert!(added.expect("the key can be added"));
        text
    }

    /// Gives ACME a dataset for its WhatsApp chats.
    pub async fn add_dataset(&self) {
        let rules = r#"{"mode":"live","waba":"102290129340398"}"#;
        self.add_ruled_account("acme", "meta", "4000000001", "agency-meta", rules)
            .await;
    }

    /// Gives ACME sources of webhooks: WhatsApp, Shopify, Stripe, HubSpot, and one with a plain signature.
    pub async fn add_webhooks(&self) {
        let secret = "env:TEST_SIGNING_SECRET";
        let webhooks = json!({
            "whatsapp": {"signature": "meta", "secret": "env:TEST_APP_SECRET", "verify_token": "env:TEST_VERIFY_TOKEN"},
            "shopify": {"signature": "shopify", "secret": secret},
            "stripe": {"signature": "stripe", "secret": secret},
            "hubspot": {"signature": "hubspot", "secret": secret},
            "crm": {"signature": {"hmac": "x-crm-signature"}, "secret": secret},
            LONG_SOURCE: {"signature": {"hmac": "x-crm-signature"}, "secret": secret},
            "lost": {"signature": {"hmac": "x-signature"}, "secret": "env:TEST_NOWHERE"},
        });
        let client = self.schema.client().await;
        let update = "WITH version AS (UPDATE directory_version SET version = version + 1)
                      UPDATE clients SET webhooks = $1 WHERE id = 'acme'";
        client
            .execute(update, &[&webhooks])
            .await
            .expect("the sources are added");
    }
}

impl Gateway {
    /// Starts one and waits until it is ready.
    pub async fn start(start: Start<'_>) -> Self {
        Self::of(start.start().ready().await).await
    }

    /// One that has been started; it need not be ready.
    pub async fn of(relay: Relay) -> Self {
        let address = until("the gateway listens", PATIENCE, async || {
            let log = relay.log();
            let line = log.lines().find(|line| line.contains("gateway listens"));
            let line: Option<Value> = line.and_then(|line| serde_json::from_str(line).ok());
            let address = line.and_then(|line| Some(line["address"].as_str()?.to_owned()));
            address.ok_or_else(|| "it does not".to_owned())
        })
        .await;
        Self {
            relay,
            url: format!("http://{address}"),
            client: Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(40))
                .build()
                .expect("a client without TLS"),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request to it.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Events by a key, as JSON.
    pub async fn post_events(&self, key: &str, body: &Value) -> Answer {
        let request = self.request("POST", "/v1/events").bearer_auth(key).json(body);
        answer(request).await.expect("the gateway answers")
    }

    /// A webhook with a header.
    pub async fn post_webhook(&self, path: &str, header: (&str, &str), body: impl Into<Vec<u8>>) -> Answer {
        let request = self
            .request("POST", &format!("/webhooks/{path}"))
            .header("content-type", "application/json")
            .header(header.0, header.1)
            .body(body.into());
        answer(request).await.expect("the gateway answers")
    }
}

/// Sends a request; `Err` where no answer comes.
pub async fn answer(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status: StatusCode = response.status();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    Ok(Answer {
        status: status.as_u16(),
        headers,
        text: response.text().await?,
    })
}

/// HMAC-SHA256.
pub fn mac(secret: &str, bytes: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

/// `X-Hub-Signature-256` of a body.
pub fn hub_signature(body: &[u8]) -> String {
    format!("sha256={}", hex::encode(mac(APP_SECRET, body)))
}
