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
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Gateway,
    body::{self, BYTES_MAX, Whose},
    problem::Problem,
    publishing::{seconds, trace_headers},
};
use crate::{
    broker::{HeaderValue, Headers, Outgoing, headers_for_republish},
    domain::{
        Cause, ClientId, json,
        webhook::{Signature, WHATSAPP, WebhookSource},
    },
    metrics::gateway::Refusal,
    wire::{
        dispatch::header,
        event::Malformed,
        webhook::signature::{self, HUBSPOT_TIME, Request, Signed, is_genuine, is_same_word, is_timely},
    },
};

/// The longest challenge of a handshake that is given back, in bytes.
const CHALLENGE_BYTES_MAX: usize = 256;
/// What the names of headers begin with by which senders say what a webhook is about, such as `X-Shopify-Topic`; whoever maps it may need them.
const OWN_HEADERS: &str = "x-";
/// What else begins so: what proxies add, what the caller names, and what RabbitMQ means something by.
const FOREIGN_HEADERS: [&str; 10] = [
    "x-forwarded-",
    "x-original-forwarded-",
    "x-real-ip",
    "x-client-ip",
    "x-amzn-",
    "x-envoy-",
    "x-request-id",
    "x-opt-",
    "x-stream-",
    "x-delay",
];
/// What the names hold of headers that prove something, or let somebody in.
const PROOFS: [&str; 7] = ["signature", "hmac", "token", "secret", "key", "auth", "cookie"];
/// The most such headers that are kept, and the longest value of one, in bytes.
const OWN_HEADERS_MAX: usize = 24;
const OWN_HEADER_BYTES_MAX: usize = 200;

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

/// What is signed beside the body, and the signature.
struct Claim<'a> {
    given: &'a str,
    url: String,
    time: Option<&'a str>,
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
        return Err(Refusal::BadVerifyToken.into());
    };
    let is_known = |expected: &SecretString| is_same_word(expected, &asked.verify_token);
    let is_known = gateway.keyring.passes(reference, is_known).await?;
    // The challenge is given back bare, so it must not be a page.
    let is_bare = (1..=CHALLENGE_BYTES_MAX).contains(&asked.challenge.len())
        && asked
            .challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if asked.mode != "subscribe" || !is_known || !is_bare {
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
        let claim = self.claim(sender, uri, headers).await?;
        let whose = Whose::Source {
            client: sender.client.to_string(),
            source: sender.name.clone(),
        };
        let held = self.webhook_room.read_for(whose, headers, body, BYTES_MAX).await?;
        self.require_genuine(sender, &claim, &held.bytes).await?;
        // Text as well as JSON: whoever reads it later must be able to show it.
        if json::read::<&RawValue>(&held.bytes).is_err() {
            return Err(Problem::malformed(
                Refusal::BadBody,
                &Malformed::of(Cause::MalformedJson),
            ));
        }
        let message = Outgoing {
            exchange: self.context.topology.events(),
            routing_key: format!("webhooks.{}", sender.name),
            message_id: Uuid::now_v7().to_string(),
            body: held.bytes.clone(),
            headers: message_headers(&sender.client, &sender.source.signature, headers),
            timestamp_seconds: seconds(Utc::now()),
            message_type: None,
        };
        match self.publish(vec![message]).await {
            Ok(()) => Ok(StatusCode::OK),
            Err(_) => Err(Refusal::Unconfirmed.into()),
        }
    }

    /// What a request shows before its body is read; who shows nothing, or something old, sends it in vain.
    async fn claim<'a>(&self, sender: &Sender, uri: &Uri, headers: &'a HeaderMap) -> Result<Claim<'a>, Problem> {
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
        let time = text(HUBSPOT_TIME);
        if !is_timely(signature, given, time, Utc::now()) {
            return Err(Refusal::BadSignature.into());
        }
        self.keyring.secret(&sender.source.secret).await?;
        Ok(Claim { given, url, time })
    }

    async fn require_genuine(&self, sender: &Sender, claim: &Claim<'_>, body: &[u8]) -> Result<(), Problem> {
        let signed = Signed {
            body,
            given: claim.given,
            request: claim.time.map(|time| Request {
                method: "POST",
                url: &claim.url,
                time,
            }),
            now: Utc::now(),
        };
        let check = |secret: &SecretString| is_genuine(&sender.source.signature, secret, signed);
        if self.keyring.passes(&sender.source.secret, check).await? {
            return Ok(());
        }
        Err(Refusal::BadSignature.into())
    }
}

fn message_headers(client: &ClientId, signature: &Signature, headers: &HeaderMap) -> Headers {
    let is_proof = |name: &str| {
        name == signature::header(signature) || PROOFS.iter().any(|word| name.contains(word)) || name == HUBSPOT_TIME
    };
    let own = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let is_foreign = FOREIGN_HEADERS.iter().any(|foreign| name.starts_with(foreign));
        let value = value
            .to_str()
            .ok()
            .filter(|value| value.len() <= OWN_HEADER_BYTES_MAX)?;
        let is_kept = name.starts_with(OWN_HEADERS) && name.len() <= 64 && !is_foreign && !is_proof(name);
        is_kept.then(|| (name.to_owned(), HeaderValue::from(value)))
    });
    let own: Headers = own.take(OWN_HEADERS_MAX).collect();
    // A stranger must not write what RabbitMQ writes.
    let mut kept = headers_for_republish(&own);
    kept.append(&mut trace_headers(headers));
    kept.insert(header::CLIENT.to_owned(), HeaderValue::from(client.as_str()));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_sender_says_of_a_webhook_goes_with_it_and_nothing_else_does() {
        let sent = [
            ("x-shopify-topic", "orders/paid"),
            ("x-shopify-hmac-sha256", "c2VjcmV0"),
            ("x-other-signature", "c2VjcmV0"),
            ("x-long", &"l".repeat(201)),
            ("x-death", "1"),
            ("x-delivery-count", "9"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-original-forwarded-for", "203.0.113.7"),
            ("x-client-ip", "203.0.113.7"),
            ("x-access-token", "c2VjcmV0"),
            ("x-api-key", "c2VjcmV0"),
            ("x-authorization", "c2VjcmV0"),
            ("x-client-secret", "c2VjcmV0"),
            ("x-cookie", "c2VjcmV0"),
            ("relay-client", "globex"),
            ("authorization", "Bearer secret"),
            ("user-agent", "Shopify"),
        ];
        let headers: HeaderMap = sent
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .into_iter()
            .collect();

        let kept = message_headers(&ClientId::parse("acme").unwrap(), &Signature::Shopify, &headers);

        let expected = [("relay-client", "acme"), ("x-shopify-topic", "orders/paid")];
        assert_eq!(
            kept,
            expected.map(|(name, value)| (name.to_owned(), value.into())).into()
        );
    }
}
