//! Tests of tokens; T numbers are the vectors of Google's fact sheet. The key was made for this test and opens nothing.

use bytes::Bytes;
use jsonwebtoken::{DecodingKey, Validation};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const ENDPOINT: &str = "https://oauth2.googleapis.com/token";

fn service_account() -> Grant {
    let file = include_str!("../../../../tests/fixtures/google/service_account.json");
    Grant::service_account(&SecretString::from(file)).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn form(grant: &Grant, transport: Transport) -> Vec<(String, String)> {
    let request = token_request(grant, transport, ENDPOINT, now()).unwrap();
    assert_eq!(request.url, ENDPOINT);
    url::form_urlencoded::parse(request.form.expose_secret().as_bytes())
        .into_owned()
        .collect()
}

#[derive(Debug, PartialEq, Deserialize)]
struct Read {
    iss: String,
    scope: String,
    aud: String,
    iat: i64,
    exp: i64,
}

#[test]
fn a_refresh_token_is_exchanged_in_a_form() {
    let json = SecretString::from(r#"{"client_id":"c","client_secret":"s&=","refresh_token":"r"}"#);
    let grant = Grant::refresh_token(&json).unwrap();

    let pairs = form(&grant, Transport::DataManager);

    let expected = [
        ("grant_type", "refresh_token"),
        ("client_id", "c"),
        ("client_secret", "s&="),
        ("refresh_token", "r"),
    ];
    assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
}

#[test]
fn a_service_account_signs_an_assertion_that_its_public_key_verifies() {
    let pairs = form(&service_account(), Transport::AdsApi);

    assert_eq!(pairs[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let public = DecodingKey::from_rsa_pem(include_bytes!(
        "../../../../tests/fixtures/google/service_account_public.pem"
    ))
    .unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&[ENDPOINT]);
    let token = jsonwebtoken::decode::<Read>(&pairs[1].1, &public, &validation).unwrap();
    assert_eq!(token.header.kid.as_deref(), Some("key-1"));
    assert_eq!(
        token.claims,
        Read {
            iss: "relay@example-project.iam.gserviceaccount.com".into(),
            scope: "https://www.googleapis.com/auth/adwords".into(),
            aud: ENDPOINT.into(),
            iat: 1_795_255_200,
            exp: 1_795_258_800,
        }
    );
}

#[test]
fn each_interface_has_its_own_scope() {
    assert_eq!(
        scope(Transport::DataManager),
        "https://www.googleapis.com/auth/datamanager"
    );
    assert_eq!(scope(Transport::AdsApi), "https://www.googleapis.com/auth/adwords");
}

#[test]
fn a_secret_that_is_no_grant_is_named_by_its_field() {
    let refresh = |json: &str| Grant::refresh_token(&SecretString::from(json)).unwrap_err();

    assert_eq!(refresh("no"), GrantError::NotJson);
    assert_eq!(
        refresh(r#"{"client_id":"c","refresh_token":"r"}"#),
        GrantError::Missing("client_secret")
    );
    assert_eq!(
        Grant::service_account(&SecretString::from(r#"{"client_email":"e"}"#)).unwrap_err(),
        GrantError::Missing("private_key")
    );
    let broken = Grant::ServiceAccount {
        client_email: "e".into(),
        private_key: SecretString::from("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"),
        private_key_id: None,
    };
    let error = token_request(&broken, Transport::DataManager, ENDPOINT, now()).unwrap_err();
    assert_eq!(error, GrantError::InvalidKey);
}

#[test]
fn nothing_secret_is_shown() {
    let grant = service_account();
    let request = token_request(&grant, Transport::DataManager, ENDPOINT, now()).unwrap();
    let token = classify(&answer(
        200,
        &json!({ "access_token": "ya29.secret", "expires_in": 3599 }),
    ));

    let shown = format!("{grant:?} {request:?} {token:?}");

    for secret in ["PRIVATE", "assertion", "ya29", "eyJ"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status,
        headers: Vec::new(),
        body: Bytes::from(body.to_string()),
    }
}

#[test]
fn a_token_comes_with_its_lifetime_as_a_number_or_a_text_or_not_at_all() {
    for (lifetime, seconds) in [(json!(3_599), 3_599), (json!("3599"), 3_599), (Value::Null, 3_600)] {
        let body = json!({ "access_token": "t", "expires_in": lifetime, "token_type": "Bearer" });

        let TokenAnswer::Token {
            access_token,
            expires_in,
        } = classify(&answer(200, &body))
        else {
            panic!("{body}");
        };

        assert_eq!(access_token.expose_secret(), "t");
        assert_eq!(expires_in, Duration::from_secs(seconds));
    }
}

#[test]
fn t31_a_login_that_is_revoked_is_refused_and_trouble_is_not() {
    let code = |status: u16, body: &Value| match classify(&answer(status, body)) {
        TokenAnswer::Refused { code } => Some(code),
        TokenAnswer::Retry => None,
        TokenAnswer::Token { .. } => panic!("{body}"),
    };

    for error in [
        "invalid_grant",
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
    ] {
        let body = json!({ "error": error, "error_description": "Token has been expired or revoked." });

        assert_eq!(code(400, &body).as_deref(), Some(error));
        assert_eq!(code(401, &body).as_deref(), Some(error));
        assert_eq!(code(503, &body), None, "the status goes first");
    }
    for error in TEMPORARY {
        assert_eq!(code(400, &json!({ "error": error })), None, "{error}");
    }
    for (status, body) in [
        (503, json!("unavailable")),
        (429, json!({ "error": "rate_limited" })),
        (403, json!({ "error": { "code": 403 } })),
        (200, json!({ "access_token": "" })),
        (200, json!({})),
        (404, Value::Null),
    ] {
        assert_eq!(code(status, &body), None, "{status} {body}");
    }
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let end = now() + TimeDelta::seconds(1_000);

    assert!(!is_stale(end, end - TimeDelta::seconds(226)));
    assert!(is_stale(end, end - TimeDelta::seconds(225)));
    assert!(is_stale(end, end + TimeDelta::seconds(1)));
}

proptest! {
    #[test]
    fn an_answer_that_is_not_googles_says_nothing_of_the_login(status in 100u16..600, body in "\\PC{0,60}") {
        let answer = Answer { status, headers: Vec::new(), body: Bytes::from(body) };

        prop_assert!(matches!(classify(&answer), TokenAnswer::Retry));
    }
}
