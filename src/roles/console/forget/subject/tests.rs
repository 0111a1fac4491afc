//! Tests of whether a message is about a person.

use super::*;
use crate::domain::hash::sha256_hex;

fn keys() -> SearchKeys {
    SearchKeys::new(vec![b"current key 0123".to_vec(), b"former key 01234".to_vec()]).unwrap()
}

fn is_in(kind: IdentityKind, value: &str, body: &str) -> bool {
    let keys = keys();
    let client = ClientId::parse("acme").unwrap();
    let subject = Subject::new(client, kind, &Personal::new(value), &keys, Some("DE".to_owned()));
    subject.unwrap().is_in(body.as_bytes())
}

#[test]
fn an_address_is_found_wherever_it_stands_and_nobody_elses_is() {
    let hash = format!(r#"{{"em":["{}"]}}"#, sha256_hex("jane@example.com"));
    for body in [
        r#"{"user":{"email":" Jane@Example.com"}}"#,
        r#"{"user":{"email":["x@example.com","jane@example.com"]}}"#,
        r#"{"custom":{"jane@example.com":1}}"#,
        r#"{"note":"write to <jane@example.com>."}"#,
        r#"{"url":"https://shop.example/?mail=jane%40example.com&x=1"}"#,
        r#"{"url":"https://shop.example/?mail=jane%2540example.com"}"#,
        &hash,
        r#"{"user":{"email":"jane@example.com""#,
        "jane@example.com",
    ] {
        assert!(is_in(IdentityKind::Email, "jane@example.com", body), "{body}");
    }
    for body in [
        r#"{"user":{"email":"mary.jane@example.com"}}"#,
        r#"{"user":{"email":"jane@example.com.au"}}"#,
        r#"{"note":"jane at example.com"}"#,
        "",
        "{}",
        "%",
        "%4",
        "100%é",
    ] {
        assert!(!is_in(IdentityKind::Email, "jane@example.com", body), "{body}");
    }
}

#[test]
fn a_number_is_found_in_every_spelling_and_nobody_elses_is() {
    let hash = format!(r#"{{"ph":["{}"]}}"#, sha256_hex("491701234567"));
    for body in [
        r#"{"user":{"phone":"0170 1234567"}}"#,
        r#"{"from":"491701234567"}"#,
        r#"{"from":491701234567}"#,
        r#"{"text":"call +49 (170) 123-4567, please"}"#,
        r#"{"url":"https://shop.example/?tel=%2B491701234567"}"#,
        &hash,
        "phone=00491701234567;",
        "0170/1234567",
    ] {
        assert!(is_in(IdentityKind::Phone, "+49 170 1234567", body), "{body}");
    }
    for body in [
        r#"{"phone":"0170 1234568"}"#,
        r#"{"order_id":4917012345678}"#,
        r#"{"phone":"+1 650 555 1212"}"#,
        "170",
    ] {
        assert!(!is_in(IdentityKind::Phone, "+49 170 1234567", body), "{body}");
    }
}

#[test]
fn an_id_is_found_where_a_person_may_stand_and_not_as_an_amount() {
    let hash = sha256_hex("c-77");
    for body in [
        r#"{"user":{"external_id":"C-77"}}"#,
        r#"{"customer":{"id":"c-77"}}"#,
        r#"{"note":"for C-77!"}"#,
        &format!("\"{hash}\""),
        "id=c-77;",
    ] {
        assert!(is_in(IdentityKind::ExternalId, "C-77", body), "{body}");
    }
    for body in [
        r#"{"user":{"external_id":"c-778"}}"#,
        "abc-77",
        r#"{"order_id":"C-77"}"#,
    ] {
        assert!(!is_in(IdentityKind::ExternalId, "C-77", body), "{body}");
    }
    assert!(is_in(IdentityKind::ExternalId, "7", r#"{"customer":7}"#));
    assert!(!is_in(
        IdentityKind::ExternalId,
        "7",
        r#"{"value":7,"contents":[{"quantity":7,"id":"7"}]}"#
    ));
}

#[test]
fn a_whatsapp_user_is_found_in_its_own_case() {
    assert!(is_in(
        IdentityKind::WhatsappUser,
        "US.134aB",
        r#"{"user_id":"US.134aB"}"#
    ));
    assert!(is_in(IdentityKind::WhatsappUser, "US.134aB", "user US.134aB wrote"));
    assert!(!is_in(
        IdentityKind::WhatsappUser,
        "US.134aB",
        r#"{"user_id":"US.134ab"}"#
    ));
}

#[test]
fn what_is_no_identity_of_its_kind_is_refused() {
    let keys = keys();
    for (kind, value) in [
        (IdentityKind::Email, "jane"),
        (IdentityKind::Phone, "call me"),
        (IdentityKind::ExternalId, "  "),
        (IdentityKind::WhatsappUser, ""),
    ] {
        let client = ClientId::parse("acme").unwrap();
        assert!(
            Subject::new(client, kind, &Personal::new(value), &keys, None).is_none(),
            "{value}"
        );
    }
}
