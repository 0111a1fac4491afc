//! Signatures as the providers' documents show them, or as Python's `hmac` computes them.

use super::*;

const META: &[u8] = br#"{"object":"whatsapp_business_account","entry":[]}"#;
const META_SIGNATURE: &str = "sha256=20e391a99a86fc5adf7e3a453236d20c906360291977896cf2f671e03bb95703";
const STRIPE: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
const HUBSPOT: &[u8] = br#"[{"eventId":100,"subscriptionType":"deal.propertyChange"}]"#;
const HUBSPOT_SIGNATURE: &str = "UIiiuklkSi8UGQ0W9ksHHwUcpVK0VjU5a3PJQHE9E3s=";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn check(signature: &Signature, secret: &str, body: &[u8], given: &str) -> bool {
    let signed = Signed {
        body,
        given,
        request: None,
        now: at(1_795_168_800),
    };
    is_genuine(signature, &secret.into(), signed)
}

#[test]
fn metas_signature_is_over_the_raw_bytes() {
    let escaped = br#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messages":[{"text":{"body":"caf\u00e9"}}]}}]}]}"#;
    let decoded = String::from_utf8(escaped.to_vec()).unwrap().replace("\\u00e9", "é");
    let tag = "sha256=f7e5f2fccd38dbe0898ab78e801e96fcc60b3eb4905868fdf14b63563c64f5fa";

    assert!(check(&Signature::Meta, "app-secret-123", META, META_SIGNATURE));
    assert!(check(&Signature::Meta, "app-secret-123", escaped, tag));
    assert!(!check(&Signature::Meta, "app-secret-123", decoded.as_bytes(), tag));
    assert!(!check(&Signature::Meta, "another secret", META, META_SIGNATURE));
}

#[test]
fn what_is_no_signature_of_meta_proves_nothing() {
    let bare = META_SIGNATURE.strip_prefix("sha256=").unwrap();
    for given in [
        "",
        "sha256=",
        bare,
        &format!("sha1={bare}"),
        &format!("SHA256={bare}"),
        &META_SIGNATURE[..META_SIGNATURE.len() - 2],
        &format!("{META_SIGNATURE}00"),
        &format!("sha256={}", "é".repeat(32)),
    ] {
        assert!(!check(&Signature::Meta, "app-secret-123", META, given), "{given}");
    }
}

#[test]
fn shopifys_signature_is_base64() {
    let body = br#"{"id":820982911946154508,"email":"jon@example.com"}"#;
    let tag = "D0UMXmhjwBRi4y66TmhJrDlhQABD7zI2fm3p6/QLMo8=";

    assert!(check(&Signature::Shopify, "hush", body, tag));
    assert!(!check(&Signature::Shopify, "hush", &body[1..], tag));
    assert!(!check(&Signature::Shopify, "hush", body, "not base64!"));
}

#[test]
fn one_of_stripes_signatures_is_enough_and_its_time_counts() {
    const NEW: &str = "9f011e0a024c578a7cfae2945af36aa2f593cb873cb535aa6aba726c599bfbd3";
    const OLD: &str = "6a8b204379c139451cc9c2819f365e8866d84e49d664cd3054ab2dfd544caf1e";
    let stripe = |given: &str, seconds: i64| {
        let signed = Signed {
            body: STRIPE,
            given,
            request: None,
            now: at(seconds),
        };
        is_genuine(&Signature::Stripe, &"whsec_test_secret".into(), signed)
    };
    let rolled =
        format!("t=1795168800,v1={OLD},v1={NEW},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39");

    assert!(stripe(&rolled, 1_795_168_800));
    assert!(stripe(&rolled, 1_795_169_100));
    assert!(!stripe(&rolled, 1_795_169_101), "older than 5 minutes");
    assert!(!stripe(&rolled, 1_795_168_400), "of the future");
    for given in [
        "",
        "t=,v1=",
        &format!("v1={NEW}"),
        &format!("t=1795168800,v0={NEW}"),
        &format!("t=1795168801,v1={NEW}"),
        &format!("t=1795168800,v1={OLD}"),
        &format!("t=99999999999999999999,v1={NEW}"),
        &format!("t=-9223372036854775808,v1={NEW}"),
    ] {
        assert!(!stripe(given, 1_795_168_800), "{given}");
    }
}

#[test]
fn hubspots_signature_is_over_method_url_body_and_time() {
    let hubspot = |method: &str, url: &str, time: &str, seconds: i64| {
        let signed = Signed {
            body: HUBSPOT,
            given: HUBSPOT_SIGNATURE,
            request: Some(Request { method, url, time }),
            now: at(seconds),
        };
        is_genuine(&Signature::Hubspot, &"client-secret".into(), signed)
    };
    // Signed by HubSpot with %2F decoded and %20 as it is.
    let url = "https://relay.example/webhooks/hubspot/acme?a=%2Fb%20c";

    assert!(hubspot("POST", url, "1795168800123", 1_795_168_800));
    assert!(hubspot(
        "POST",
        &url.replace("%2F", "%2f"),
        "1795168800123",
        1_795_168_800
    ));
    assert!(!hubspot("PUT", url, "1795168800123", 1_795_168_800));
    assert!(!hubspot(
        "POST",
        "https://relay.example/",
        "1795168800123",
        1_795_168_800
    ));
    assert!(!hubspot("POST", url, "1795168800124", 1_795_168_800));
    assert!(
        !hubspot("POST", url, "1795168800123", 1_795_169_200),
        "older than 5 minutes"
    );
    assert!(!hubspot("POST", url, "1795168800", 1_795_168_800), "seconds");
    assert!(!check(&Signature::Hubspot, "client-secret", HUBSPOT, HUBSPOT_SIGNATURE));
}

#[test]
fn a_plain_signature_may_be_hex_or_base64_with_or_without_a_prefix() {
    let plain = Signature::Hmac("x-signature".to_owned());
    for given in [
        "a1d1a43edb9c8b11544b1d6efc5f2ce04b79d488ef2b75b2a1c4eafb680cf77a",
        "A1D1A43EDB9C8B11544B1D6EFC5F2CE04B79D488EF2B75B2A1C4EAFB680CF77A",
        "sha256=a1d1a43edb9c8b11544b1d6efc5f2ce04b79d488ef2b75b2a1c4eafb680cf77a",
        "odGkPtucixFUSx1u/F8s4Et51IjvK3WyocTq+2gM93o=",
        "sha256=odGkPtucixFUSx1u/F8s4Et51IjvK3WyocTq+2gM93o",
        "odGkPtucixFUSx1u_F8s4Et51IjvK3WyocTq-2gM93o",
    ] {
        assert!(check(&plain, "shared-key", br#"{"a":1}"#, given), "{given}");
        assert!(!check(&plain, "shared-key", br#"{"a":2}"#, given), "{given}");
    }
    assert!(!check(&plain, "shared-key", br#"{"a":1}"#, ""));
}

#[test]
fn a_secret_word_is_the_same_only_whole() {
    assert!(is_same_word(&"verify-me".into(), "verify-me"));
    for given in ["", "verify-m", "verify-me ", "Verify-me"] {
        assert!(!is_same_word(&"verify-me".into(), given), "{given}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_stranger_writes_panics_or_passes(given in ".{0,200}", url in ".{0,80}", time in ".{0,24}") {
        for signature in [
            Signature::Meta,
            Signature::Shopify,
            Signature::Stripe,
            Signature::Hubspot,
            Signature::Hmac("x".to_owned()),
        ] {
            let signed = Signed {
                body: b"{}",
                given: &given,
                request: Some(Request { method: "POST", url: &url, time: &time }),
                now: at(1_795_168_800),
            };
            assert!(!is_genuine(&signature, &"secret".into(), signed));
        }
    }
}

#[test]
fn an_old_time_is_seen_before_the_body_has_come() {
    let now = at(1_795_168_800);
    let timely = |signature: &Signature, given: &str, time: Option<&str>| is_timely(signature, given, time, now);

    assert!(timely(&Signature::Meta, "", None));
    for (given, expected) in [
        ("t=1795168800,v1=00", true),
        ("v1=00, t=1795168500", true),
        ("t=1795168499,v1=00", false),
        ("v1=00", false),
        ("t=", false),
    ] {
        assert_eq!(timely(&Signature::Stripe, given, None), expected, "{given}");
    }
    for (time, expected) in [
        (Some("1795168800000"), true),
        (Some("1795168499000"), false),
        (Some("now"), false),
        (None, false),
    ] {
        assert_eq!(timely(&Signature::Hubspot, "", time), expected, "{time:?}");
    }
}
