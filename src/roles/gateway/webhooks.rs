//! Webhooks: taken from whoever proves to be their sender, byte for byte, and confirmed before they are answered.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{
        OriginalUri, Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Gateway,
    body::{self, BYTES_MAX},
    problem::Problem,
    publishing::{seconds, trace_headers},
};
use crate::{
    broker::{HeaderValue, Headers, Outgoing},
    domain::{
        Cause, ClientId,
        webhook::{Signature, WHATSAPP, WebhookSource},
    },
    metrics::gateway::Refusal,
    wire::{
        dispatch::header,
        event::Malformed,
        webhook::signature::{self, HUBSPOT_TIME, Request, Signed, is_genuine, is_same_word},
    },
};

/// The longest challenge of a handshake that is given back, in bytes.
const CHALLENGE_BYTES_MAX: usize = 256;
/// Headers by which providers say what a webhook is about; whoever maps it may need them.
const TOPIC_HEADERS: [&str; 10] = [
    "x-shopify-topic",
    "x-shopify-event-id",
    "x-shopify-webhook-id",
    "x-shopify-triggered-at",
    "x-shopify-api-version",
    "x-wc-webhook-topic",
    "x-wc-webhook-event",
    "x-wc-webhook-resource",
    "x-wc-webhook-delivery-id",
    "x-github-event",
];
/// The longest value of such a header, in bytes.
const TOPIC_BYTES_MAX: usize = 200;

/// What Meta asks in its handshake. <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests>
#[derive(Deserialize)]
pub(super) struct Handshake {
    #[serde(rename = "hub.mode", default)]
    mode: String,
    #[serde(rename = "hub.verify_token", default)]
    verify_token: String,
    #[serde(rename = "hub.challenge", default)]
    challenge: String,
}

/// A source of a client's webhooks.
struct Sender {
    name: String,
    client: ClientId,
    source: WebhookSource,
}

pub(super) async fn handshake(
    State(gateway): State<Arc<Gateway>>,
    client: Result<Path<String>, PathRejection>,
    query: Result<Query<Handshake>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(client) = client.map_err(|_| Refusal::NoSuchSource)?;
    let sender = gateway.sender(WHATSAPP, &client)?;
    let Query(asked) = query.map_err(|_| Refusal::BadVerifyToken)?;
    let Some(reference) = &sender.source.verify_token else {
        return Err(Problem::from(Refusal::BadVerifyToken).saying("The source has no verify token."));
    };
    let expected = gateway.keyring.secret(reference).await?;
    // The challenge is given back bare, so it must not be a page.
    let is_bare = (1..=CHALLENGE_BYTES_MAX).contains(&asked.challenge.len())
        && asked
            .challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if asked.mode != "subscribe" || !is_same_word(&expected, &asked.verify_token) || !is_bare {
        return Err(Refusal::BadVerifyToken.into());
    }
    Ok(([("x-content-type-options", "nosniff")], asked.challenge).into_response())
}

pub(super) async fn whatsapp(
    State(gateway): State<Arc<Gateway>>,
    client: Result<Path<String>, PathRejection>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let Path(client) = client.map_err(|_| Refusal::NoSuchSource)?;
    let sender = gateway.sender(WHATSAPP, &client)?;
    gateway.take(&sender, &uri, &headers, body).await
}

pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    path: Result<Path<(String, String)>, PathRejection>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let Path((source, client)) = path.map_err(|_| Refusal::NoSuchSource)?;
    let sender = gateway.sender(&source, &client)?;
    gateway.take(&sender, &uri, &headers, body).await
}

impl Gateway {
    fn sender(&self, source: &str, client: &str) -> Result<Sender, Problem> {
        let directory = self.context.directory.current();
        let found = ClientId::parse(client).ok().and_then(|id| {
            let (name, source) = directory.client(&id)?.webhooks.get_key_value(source)?;
            Some(Sender {
                name: name.clone(),
                client: id,
                source: source.clone(),
            })
        });
        let sender = found.ok_or(Refusal::NoSuchSource)?;
        tracing::Span::current().record("client", sender.client.as_str());
        Ok(sender)
    }

    async fn take(&self, sender: &Sender, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<StatusCode, Problem> {
        body::require_json(headers)?;
        self.require_broker()?;
        let held = self.room.read(headers, body, BYTES_MAX).await?;
        self.require_genuine(sender, uri, headers, &held.bytes).await?;
        // Text as well as JSON: whoever reads it later must be able to show it.
        if serde_json::from_slice::<&RawValue>(&held.bytes).is_err() {
            let fault = Malformed {
                cause: Cause::MalformedJson,
                field: None,
            };
            return Err(Problem::malformed(Refusal::BadBody, &fault));
        }
        let message = Outgoing {
            exchange: self.context.topology.events(),
            routing_key: format!("webhooks.{}", sender.name),
            message_id: Uuid::now_v7().to_string(),
            body: held.bytes.clone(),
            headers: message_headers(&sender.client, headers),
            timestamp_seconds: seconds(Utc::now()),
            message_type: None,
        };
        match self.publish(vec![message]).await {
            Ok(()) => Ok(StatusCode::OK),
            Err(_) => Err(Refusal::Unconfirmed.into()),
        }
    }

    async fn require_genuine(
        &self,
        sender: &Sender,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signature = &sender.source.signature;
        let given = text(signature::header(signature)).ok_or(Refusal::BadSignature)?;
        let url = match (signature, &self.config.public_url) {
            (Signature::Hubspot, None) => {
                let problem = Problem::from(Refusal::SecretUnreadable);
                return Err(
                    problem.saying("HubSpot signs the gateway's address; RELAY_GATEWAY_PUBLIC_URL must say it.")
                );
            }
            (_, Some(base)) => format!("{base}{}", uri.path_and_query().map_or("/", |path| path.as_str())),
            (_, None) => String::new(),
        };
        let secret = self.keyring.secret(&sender.source.secret).await?;
        let signed = Signed {
            body,
            given,
            request: text(HUBSPOT_TIME).map(|time| Request {
                method: "POST",
                url: &url,
                time,
            }),
            now: Utc::now(),
        };
        if is_genuine(signature, &secret, signed) {
            return Ok(());
        }
        Err(Refusal::BadSignature.into())
    }
}

fn message_headers(client: &ClientId, headers: &HeaderMap) -> Headers {
    let mut kept = trace_headers(headers);
    kept.insert(header::CLIENT.to_owned(), HeaderValue::from(client.as_str()));
    for name in TOPIC_HEADERS {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(value) = value.filter(|value| value.len() <= TOPIC_BYTES_MAX) {
            kept.insert(name.to_owned(), HeaderValue::from(value));
        }
    }
    kept
}
