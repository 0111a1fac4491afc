//! The token endpoint: who gets an access token, and how long it is good.
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{INGEST, event, ingest};
use crate::settings::TokenRule;
use crate::trial::{NOW, Trial, body, with, world};

/// Signs `HEADER` and `CLAIMS`; its private key was thrown away.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArXvOjMZHpEaqEcHv2AQr
8+glw2hnzilqkSWu88BBwBwWwX2msuErbjB6SV7cAx6Tlu8n8XifbRltOWBHz/n7
sun5Sy0sIMiHSfrN69WOrCcOTBcZqKfiHPjcUgC/LmPxAlbd14KNub/Pk73D6Kbn
tTr8WQEle0vczp0pqynwPcjhvYHO681qkHtDWE1yesr0ljfz7XYmgvihoHH0SBB3
v9KALlMrRxs17XPEyV5+KNOasGn7Ny2s0iUwmNR93BrzIMNy8uWRb2WYWFhLHyP6
FXz9grtiniFqvppKqmfMrgE88qaaVbjoQ0jWV6iHcHCKwRL9hv+MuCrPGiAjfr10
ZQIDAQAB
-----END PUBLIC KEY-----
";
const HEADER: &str = r#"{"alg":"RS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"iss":"relay@project-1.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/datamanager","aud":"https://oauth2.googleapis.com/token","iat":1795290000,"exp":1795293600}"#;
const SIGNATURE: &str = "JVC5RdMxN2XM3-e-2hmPXP7frVOZX7ZBf71YeeWORVIXpqHnzdGo3Pt1k_382ptXp8fIs9Ar2BpadhnEtfemwZhrLmigdkuGSSAc6GFg9utYmMVEGopIlRgvP3ZiseWuxn89Sg5LLbylaWMfPJa6aVZiMYWnn6enw2_XmCEWAnOaxYB5QCd-KYPoNe5atOhsXZqtaR1oBI8N9Q3BvnKOIUNeej4z62yvExVLJCv0NpWmEyXSrN4TkndYo9XNbK0jfuKtfKh2YkxO3vteUNUpXcABARczjKtiIknH87QRqa58ArTSD8mz9n_DAE42SIYuAagBHmVEUIm6Sdy1b7aPzw";

fn form(fields: &[(&str, &str)]) -> Trial {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    Trial {
        path: "/token".to_owned(),
        headers,
        body,
        seconds_later: 0,
    }
}

fn assertion(header: &str, claims: &str) -> Trial {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let assertion = format!("{}.{}.{SIGNATURE}", part(header), part(claims));
    form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &assertion),
    ])
}

fn refresh() -> Trial {
    form(&[
        ("grant_type", "refresh_token"),
        ("client_id", "client-1"),
        ("client_secret", "secret-1"),
        ("refresh_token", "1//login"),
    ])
}

#[test]
fn a_refresh_token_gets_an_access_token_that_expires_and_dies_with_its_login() {
    let world = world(json!({"google": {"expires_in_seconds": 100}}));
    let granted = body(&refresh().send(&world));
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let trial = Trial::json(INGEST, ("authorization", &bearer), &ingest(&[event()]));

    assert_eq!(
        (&granted["token_type"], &granted["expires_in"]),
        (&json!("Bearer"), &json!(100))
    );
    assert_eq!(trial.clone().at(99).verdict(&world).0, 200);
    assert_eq!(trial.clone().at(100).verdict(&world).0, 401);

    let revoked = serde_json::from_value(json!({"valid": false})).unwrap();
    world.change_settings(move |settings| {
        let rule: &TokenRule = &revoked;
        settings.tokens.insert("1//login".to_owned(), rule.clone());
    });
    assert_eq!(trial.verdict(&world).0, 401);
    assert_eq!(refresh().verdict(&world), (400, "invalid_grant".to_owned()));
}

#[test]
fn token_requests_that_are_wrong_get_oauths_errors() {
    let state = json!({
        "google": {"clients": {"client-1": "secret-1"}},
        "tokens": {"narrow": {"scopes": ["https://www.googleapis.com/auth/adwords"]}},
    });
    let with_field = |name: &str, value: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "client-1"),
            ("client_secret", "secret-1"),
            ("refresh_token", "narrow"),
        ];
        let changed: Vec<(&str, &str)> = fields
            .into_iter()
            .filter(|(key, _)| *key != name)
            .chain([(name, value)])
            .collect();
        form(&changed)
    };
    let json_body = Trial {
        body: "{}".to_owned(),
        ..Trial::json("/token", ("x-none", ""), &json!({}))
    };
    let table = [
        (refresh(), 200, "OK"),
        (with_field("client_secret", "wrong"), 401, "invalid_client"),
        (with_field("client_id", ""), 400, "invalid_request"),
        (with_field("grant_type", "password"), 400, "unsupported_grant_type"),
        (
            with_field("scope", "https://www.googleapis.com/auth/datamanager"),
            400,
            "invalid_scope",
        ),
        (json_body, 400, "invalid_request"),
    ];

    for (trial, status, code) in table {
        assert_eq!(
            trial.verdict(&world(state.clone())),
            (status, code.to_owned()),
            "{}",
            trial.body
        );
    }
}

#[test]
fn an_assertion_is_judged_by_its_claims() {
    let changed = |key: &str, value: Value| {
        let claims: Value = serde_json::from_str(CLAIMS).unwrap();
        with(&claims, &format!("/{key}"), value).to_string()
    };
    let table = [
        (HEADER.to_owned(), CLAIMS.to_owned(), 200, "OK"),
        (r#"{"alg":"HS256"}"#.to_owned(), CLAIMS.to_owned(), 400, "invalid_grant"),
        (
            HEADER.to_owned(),
            changed("aud", json!("https://example.com")),
            400,
            "invalid_grant",
        ),
        (
            HEADER.to_owned(),
            changed("exp", json!(NOW + 3601)),
            400,
            "invalid_grant",
        ),
        (
            HEADER.to_owned(),
            changed("iat", json!(NOW + 600)),
            400,
            "invalid_grant",
        ),
        (HEADER.to_owned(), changed("exp", json!(NOW)), 400, "invalid_grant"),
        (
            HEADER.to_owned(),
            changed("scope", json!("https://www.googleapis.com/auth/drive")),
            400,
            "invalid_scope",
        ),
        (HEADER.to_owned(), changed("iss", Value::Null), 400, "invalid_grant"),
    ];

    for (header, claims, status, code) in table {
        let verdict = assertion(&header, &claims).verdict(&world(json!({})));
        assert_eq!(verdict, (status, code.to_owned()), "{header} {claims}");
    }
}

#[test]
fn the_signature_counts_once_the_public_key_is_known() {
    let state = json!({"google": {"service_accounts": {"relay@project-1.iam.gserviceaccount.com": PUBLIC_KEY}}});
    let forged = CLAIMS.replace("datamanager", "adwords");

    assert_eq!(assertion(HEADER, CLAIMS).verdict(&world(state.clone())).0, 200);
    assert_eq!(
        assertion(HEADER, &forged).verdict(&world(state)),
        (400, "invalid_grant".to_owned())
    );
}
