//! Google's token endpoint: `POST /token` with a refresh token or a service account's assertion.
//!
//! <https://developers.google.com/identity/protocols/oauth2/service-account> (read 2026-11-21)
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{ADS_SCOPE, DATA_MANAGER_SCOPE, Issued, TOKEN_PREFIX};
use super::errors;
use crate::answer::Answer;
use crate::call::Call;
use crate::settings::{Settings, TokenRule};
use crate::world::World;

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCES: [&str; 2] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
];
const LONGEST_ASSERTION_SECONDS: i64 = 3600;
const CLOCK_SKEW_SECONDS: i64 = 60;

/// The claims of an assertion.
#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    scope: String,
    iat: i64,
    exp: i64,
}

/// The login that a token request names, valid or not: the refresh token or the service account.
pub fn login_asking(body: &[u8]) -> Option<String> {
    let form = form(body);
    let claims = form
        .get("assertion")
        .and_then(|assertion| decoded(assertion.split('.').nth(1)?));
    form.get("refresh_token")
        .cloned()
        .or_else(|| claims?["iss"].as_str().map(str::to_owned))
}

/// Answers one request for an access token.
pub fn token(world: &World, call: &Call) -> Answer {
    let settings = world.settings();
    let issued = match grant(&settings, call) {
        Ok(issued) => issued,
        Err(refusal) => return refusal,
    };
    let token = format!("{TOKEN_PREFIX}{}", uuid::Uuid::new_v4().simple());
    let body = json!({
        "access_token": token,
        "expires_in": settings.google.expires_in_seconds,
        "scope": issued.scopes.join(" "),
        "token_type": "Bearer",
    });
    world.google().issue(token, issued, call.received_at);
    Answer::taken(&body)
}

fn grant(settings: &Settings, call: &Call) -> Result<Issued, Answer> {
    if !call.is_post || !call.has_content_type("application/x-www-form-urlencoded") {
        return Err(errors::oauth(
            400,
            "invalid_request",
            "The request must be a form that is posted.",
        ));
    }
    let form = form(&call.body);
    let expires_at = call.received_at + TimeDelta::seconds(settings.google.expires_in_seconds);
    match form.get("grant_type").map(String::as_str) {
        Some("refresh_token") => refresh_grant(settings, &form, expires_at),
        Some(JWT_GRANT) => assertion_grant(settings, &form, call, expires_at),
        Some(_) => Err(errors::oauth(400, "unsupported_grant_type", "Invalid grant_type.")),
        None => Err(errors::oauth(
            400,
            "invalid_request",
            "Missing required parameter: grant_type",
        )),
    }
}

fn refresh_grant(
    settings: &Settings,
    form: &HashMap<String, String>,
    expires_at: DateTime<Utc>,
) -> Result<Issued, Answer> {
    let client = field(form, "client_id")?;
    let secret = field(form, "client_secret")?;
    let clients = &settings.google.clients;
    if !clients.is_empty() && clients.get(client).is_none_or(|expected| expected != secret) {
        return Err(errors::oauth(401, "invalid_client", "The OAuth client was not found."));
    }
    let login = field(form, "refresh_token")?;
    let scopes = granted(settings, login, form.get("scope").map(String::as_str))?;
    Ok(Issued {
        login: login.to_owned(),
        project: client.to_owned(),
        scopes,
        expires_at,
    })
}

fn assertion_grant(
    settings: &Settings,
    form: &HashMap<String, String>,
    call: &Call,
    expires_at: DateTime<Utc>,
) -> Result<Issued, Answer> {
    let assertion = field(form, "assertion")?;
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err(invalid_grant("Bad Request: an assertion has three parts"));
    };
    if decoded(header).is_none_or(|header| header["alg"] != "RS256") || signature.is_empty() {
        return Err(invalid_grant("Invalid JWT: it must be signed with RS256"));
    }
    let claims: Claims = decoded(claims)
        .and_then(|claims| serde_json::from_value(claims).ok())
        .ok_or_else(|| invalid_grant("Invalid JWT: iss, aud, scope, iat and exp are required"))?;
    check_claims(&claims, call)?;
    if let Some(public_key) = settings.google.service_accounts.get(&claims.iss) {
        check_signature(assertion, public_key)?;
    }
    let scopes = granted(settings, &claims.iss, Some(&claims.scope))?;
    let project = claims
        .iss
        .split_once('@')
        .map_or("default", |(_, domain)| domain)
        .to_owned();
    Ok(Issued {
        login: claims.iss,
        project,
        scopes,
        expires_at,
    })
}

fn check_claims(claims: &Claims, call: &Call) -> Result<(), Answer> {
    let here = call.header("host").map(|host| format!("http://{host}/token"));
    if !AUDIENCES.contains(&claims.aud.as_str()) && here.as_deref() != Some(claims.aud.as_str()) {
        return Err(invalid_grant("Invalid JWT: wrong audience"));
    }
    let now = call.received_at.timestamp();
    let is_in_time = claims.iat <= now + CLOCK_SKEW_SECONDS
        && claims.exp > now
        && claims.exp - claims.iat <= LONGEST_ASSERTION_SECONDS;
    if !is_in_time {
        return Err(invalid_grant(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
             and exp values in the JWT claim.",
        ));
    }
    Ok(())
}

fn check_signature(assertion: &str, public_key: &str) -> Result<(), Answer> {
    let refusal = || invalid_grant("Invalid JWT Signature.");
    let key = DecodingKey::from_rsa_pem(public_key.as_bytes()).map_err(|_| refusal())?;
    let (message, signature) = assertion.rsplit_once('.').ok_or_else(refusal)?;
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(refusal()),
    }
}

fn granted(settings: &Settings, login: &str, wanted: Option<&str>) -> Result<Vec<String>, Answer> {
    let rule = settings.tokens.get(login);
    if rule.is_some_and(|rule| !rule.valid) {
        return Err(invalid_grant("Token has been expired or revoked."));
    }
    let everything = || [ADS_SCOPE, DATA_MANAGER_SCOPE].map(str::to_owned).to_vec();
    let all = match rule {
        Some(TokenRule {
            scopes: Some(scopes), ..
        }) => scopes.clone(),
        _ => everything(),
    };
    let Some(wanted) = wanted else { return Ok(all) };
    let wanted: Vec<String> = wanted.split_whitespace().map(str::to_owned).collect();
    if wanted.is_empty() || wanted.iter().any(|scope| !all.contains(scope)) {
        return Err(errors::oauth(
            400,
            "invalid_scope",
            "Invalid OAuth scope or ID token audience provided.",
        ));
    }
    Ok(wanted)
}

fn form(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn field<'a>(form: &'a HashMap<String, String>, name: &str) -> Result<&'a str, Answer> {
    let value = form.get(name).filter(|value| !value.is_empty());
    value
        .map(String::as_str)
        .ok_or_else(|| errors::oauth(400, "invalid_request", &format!("Missing required parameter: {name}")))
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn invalid_grant(description: &str) -> Answer {
    errors::oauth(400, "invalid_grant", description)
}
