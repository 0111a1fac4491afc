//! Signatures of webhooks: whether a body is from whom it says, in constant time. Pure; the secrets come in as arguments.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::domain::webhook::Signature;

/// How far a signed time may lie from now, either way. Stripe and HubSpot name the same.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// So many signatures of one header are looked at; Stripe sends two while a secret is rolled.
const SIGNATURES_MAX: usize = 8;

/// The header that bears a signature of this kind, in lower case.
pub fn header(signature: &Signature) -> &str {
    match signature {
        Signature::Meta => "x-hub-signature-256",
        Signature::Shopify => "x-shopify-hmac-sha256",
        Signature::Stripe => "stripe-signature",
        Signature::Hubspot => "x-hubspot-signature-v3",
        Signature::Hmac(name) => name,
    }
}

/// The header that bears HubSpot's time, in milliseconds.
pub const HUBSPOT_TIME: &str = "x-hubspot-request-timestamp";

/// What was signed, and what it is to be checked against.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// The raw bytes of the body.
    pub body: &'a [u8],
    /// The signature's header, as it came.
    pub given: &'a str,
    /// HubSpot: the method and the full URL as it was called, and [`HUBSPOT_TIME`].
    pub request: Option<Request<'a>>,
    /// Now, by the relay's clock.
    pub now: DateTime<Utc>,
}

/// What HubSpot signs beside the body.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `POST`
    pub method: &'a str,
    /// The full URL, query included.
    pub url: &'a str,
    /// Milliseconds since 1970, as text.
    pub time: &'a str,
}

/// Says whether a signature that bears a time bears one near to now, which can be told before the body has come.
pub fn is_timely(signature: &Signature, given: &str, hubspot_time: Option<&str>, now: DateTime<Utc>) -> bool {
    match signature {
        Signature::Stripe => is_recent(stripe_time(given).and_then(stripe_moment), now),
        Signature::Hubspot => is_recent(hubspot_time.and_then(hubspot_moment), now),
        Signature::Meta | Signature::Shopify | Signature::Hmac(_) => true,
    }
}

/// Says whether the signature is of the one who knows the secret.
pub fn is_genuine(signature: &Signature, secret: &SecretString, signed: Signed<'_>) -> bool {
    match signature {
        Signature::Meta => meta(secret, signed),
        Signature::Shopify => matches(&mac(secret, &[signed.body]), &from_base64(signed.given)),
        Signature::Stripe => stripe(secret, signed),
        Signature::Hubspot => hubspot(secret, signed),
        Signature::Hmac(_) => plain(secret, signed),
    }
}

/// Says in constant time whether somebody knows a secret word, such as the verify token of a handshake.
pub fn is_same_word(expected: &SecretString, given: &str) -> bool {
    // Under a MAC, since what is compared then has one length and no prefix in common.
    let tag = mac(expected, &[expected.expose_secret().as_bytes()])
        .finalize()
        .into_bytes();
    matches(&mac(expected, &[given.as_bytes()]), &Some(tag.to_vec()))
}

/// <https://developers.facebook.com/docs/graph-api/webhooks/getting-started#validate-payloads>
fn meta(secret: &SecretString, signed: Signed<'_>) -> bool {
    let tag = signed.given.strip_prefix("sha256=").and_then(from_hex);
    matches(&mac(secret, &[signed.body]), &tag)
}

/// <https://docs.stripe.com/webhooks#verify-manually>: `t=1492774577,v1=5257a8…,v1=…`; other schemes are passed over.
fn stripe(secret: &SecretString, signed: Signed<'_>) -> bool {
    let Some(time) = stripe_time(signed.given) else {
        return false;
    };
    if !is_recent(stripe_moment(time), signed.now) {
        return false;
    }
    let expected = mac(secret, &[time.as_bytes(), b".", signed.body]);
    stripe_parts(signed.given)
        .filter(|(name, _)| *name == "v1")
        .take(SIGNATURES_MAX)
        .any(|(_, tag)| matches(&expected, &from_hex(tag)))
}

fn stripe_parts(given: &str) -> impl Iterator<Item = (&str, &str)> {
    given.split(',').filter_map(|part| part.trim().split_once('='))
}

fn stripe_time(given: &str) -> Option<&str> {
    stripe_parts(given).find_map(|(name, time)| (name == "t").then_some(time))
}

fn stripe_moment(time: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.parse().ok()?, 0)
}

/// <https://developers.hubspot.com/docs/guides/apps/authentication/validating-requests>: method, URL, body and time, one behind the other.
fn hubspot(secret: &SecretString, signed: Signed<'_>) -> bool {
    let Some(request) = signed.request else { return false };
    if !is_recent(hubspot_moment(request.time), signed.now) {
        return false;
    }
    let url = as_hubspot_signs(request.url);
    let parts = [
        request.method.as_bytes(),
        url.as_bytes(),
        signed.body,
        request.time.as_bytes(),
    ];
    matches(&mac(secret, &parts), &from_base64(signed.given))
}

fn hubspot_moment(time: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(time.parse().ok()?)
}

fn plain(secret: &SecretString, signed: Signed<'_>) -> bool {
    let given = signed.given.trim();
    let given = given.strip_prefix("sha256=").unwrap_or(given);
    let tag = from_hex(given).or_else(|| from_base64(given));
    matches(&mac(secret, &[signed.body]), &tag)
}

/// HubSpot signs the URL with these characters decoded and all others as they are.
fn as_hubspot_signs(url: &str) -> String {
    const DECODED: [(&str, &str); 12] = [
        ("3A", ":"),
        ("2F", "/"),
        ("3F", "?"),
        ("40", "@"),
        ("21", "!"),
        ("24", "$"),
        ("27", "'"),
        ("28", "("),
        ("29", ")"),
        ("2A", "*"),
        ("2C", ","),
        ("3B", ";"),
    ];
    let mut pieces = url.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.get(..2).unwrap_or_default();
        match DECODED.iter().find(|(known, _)| code.eq_ignore_ascii_case(known)) {
            Some((_, character)) => {
                decoded.push_str(character);
                decoded.push_str(&piece[2..]);
            }
            None => {
                decoded.push('%');
                decoded.push_str(piece);
            }
        }
    }
    decoded
}

fn is_recent(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    at.is_some_and(|at| (now - at).abs() <= TOLERANCE)
}

fn mac(secret: &SecretString, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn matches(mac: &Hmac<Sha256>, tag: &Option<Vec<u8>>) -> bool {
    tag.as_deref().is_some_and(|tag| mac.clone().verify_slice(tag).is_ok())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    (text.len() == 64).then(|| hex::decode(text).ok()).flatten()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
}

#[cfg(test)]
mod tests;
