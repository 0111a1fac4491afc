//! Under which identities a click is kept.

use serde_json::{Value, json};

use super::tests::{WABA, fault, one, payload, read_json};
use crate::domain::{Cause, person::Personal};

const BSUID: &str = include_str!("../../../../tests/fixtures/whatsapp/bsuid_text_no_phone.json");

#[test]
fn a_user_without_a_phone_number_is_known_by_whatsapp_s_id_alone() {
    let mut body: Value = serde_json::from_str(BSUID).unwrap();
    body["entry"][0]["changes"][0]["value"]["messages"][0]["referral"] = json!({"ctwa_clid": "Abc"});

    let reading = read_json(&body);

    let person = &reading.clicks[0].person;
    assert!(person.phones.is_empty());
    assert_eq!(person.whatsapp_users[0].expose(), "US.13491208655302741918");
    assert_eq!(person.whatsapp_users.len(), 1);
}

#[test]
fn a_user_is_known_by_phone_and_by_whatsapp_s_id_where_both_are_told() {
    let with = |message: Value, contacts: Value| {
        let value = json!({"messages": [message], "contacts": contacts});
        let reading = read_json(&payload(&[(WABA, vec![json!({"field": "messages", "value": value})])]));
        let person = &reading.clicks[0].person;
        let exposed = |all: &[Personal]| -> Vec<String> { all.iter().map(|one| one.expose().to_owned()).collect() };
        (exposed(&person.phones), exposed(&person.whatsapp_users))
    };
    let referral = json!({"ctwa_clid": "Abc"});
    let both = (vec!["+16505551234".to_owned()], vec!["US.1".to_owned()]);
    let two = json!([{"wa_id": "4917012345678", "user_id": "DE.2"}, {"wa_id": "16505551234", "user_id": "US.1"}]);

    let by_phone = json!({"from": "16505551234", "referral": referral});
    let by_user = json!({"from_user_id": "US.1", "referral": referral});
    let by_nothing = json!({"referral": referral});

    assert_eq!(with(by_phone.clone(), two.clone()), both);
    assert_eq!(with(by_user, two), both);
    assert_eq!(
        with(by_nothing, json!([{"wa_id": "16505551234", "user_id": "US.1"}])),
        both
    );
    // Somebody else's contact says nothing of the sender.
    let other = json!([{"wa_id": "4917012345678", "user_id": "DE.2"}]);
    assert_eq!(with(by_phone, other), (both.0, Vec::new()));
}

#[test]
fn a_click_of_nobody_is_a_fault() {
    let long = "U".repeat(129);
    for (sender, cause) in [
        (json!({}), Cause::MissingField),
        (json!({"from": " "}), Cause::MissingField),
        (json!({"from": "Jane"}), Cause::InvalidField),
        // Digits that no country's phone number has.
        (json!({"from": "99999"}), Cause::InvalidField),
        (json!({"from": "999999999999999"}), Cause::InvalidField),
        (json!({"from_user_id": long}), Cause::InvalidField),
    ] {
        let mut message = sender.clone();
        message["referral"] = json!({"ctwa_clid": "Abc"});
        let reading = one(message.clone());

        let path = "entry[0].changes[0].value.messages[0].from";
        assert_eq!(fault(&reading), Some((cause, path)), "{sender}");
        assert!(reading.clicks.is_empty());
        // Known by another identity, they are somebody.
        message["from_user_id"] = json!("US.1");
        let person = &one(message).clicks[0].person;
        assert_eq!((person.phones.len(), person.whatsapp_users.len()), (0, 1));
    }
}
