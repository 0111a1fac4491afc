//! The click that came with an event: as of when it counts, and for which ad accounts.

use super::{
    tests::{account, now, remembered, sale, whatsapp},
    *,
};
use crate::domain::{ClickKind, Platform, State};

#[test]
fn a_click_that_is_said_to_lie_ahead_counts_as_of_its_sale() {
    let google = account(2, Platform::Google, |_| {});
    // The latest that RFC 3339 can say is in the year 10000.
    let ahead = sale(serde_json::json!({"gclid": "own", "clicked_at": "9999-12-31T23:59:59-23:59"}));

    let dispatch = decide(&ahead, &[&google], &remembered(Vec::new()), now()).remove(0);

    assert_eq!(dispatch.click.unwrap().first_seen, now());
    assert_eq!(dispatch.deadline, now() + TimeDelta::days(90));
    let stored = serde_json::to_string(&ahead).unwrap();
    assert_eq!(serde_json::from_str::<EventRecord>(&stored).unwrap(), ahead);
}

#[test]
fn a_click_that_is_known_to_have_led_to_one_business_account_is_no_other_s() {
    let other = account(5, Platform::Meta, |rules| rules.waba = Some("999".to_owned()));
    let led_to = |waba: Option<&str>| {
        let mut lead = sale(serde_json::json!({"ctwa_clid": "Aff-x", "waba": waba}));
        lead.name = "LeadSubmitted".to_owned();
        decide(&lead, &[&whatsapp(), &other], &remembered(Vec::new()), now())
    };
    let elsewhere = (State::NotSent, Some(Cause::ClickKindElsewhere));
    let sent = (State::Queued, None);

    for (waba, expected) in [
        (Some("102290129340398"), [sent, elsewhere]),
        (Some("999"), [elsewhere, sent]),
        (Some("7"), [elsewhere, elsewhere]),
        (None, [sent, sent]),
    ] {
        let dispatches = led_to(waba);
        let found: Vec<_> = dispatches.iter().map(|one| (one.state, one.cause)).collect();
        assert_eq!(found, expected, "{waba:?}");
        let [own, _] = dispatches.as_slice() else {
            panic!("two ad accounts")
        };
        if let Some(click) = &own.click {
            assert_eq!(click.waba.as_deref(), Some("102290129340398"));
        }
    }
}

#[test]
fn a_click_that_came_with_an_event_is_remembered_with_the_business_account_that_it_led_to() {
    let body = r#"{"client_id":"acme","event_name":"LeadSubmitted","click":{"ctwa_clid":"Aff-x","gclid":"g"}}"#;
    let envelope = crate::wire::event::Envelope {
        message_id: None,
        timestamp: None,
        now: now(),
    };
    let mut event = crate::wire::event::parse(body.as_bytes(), envelope).unwrap();
    assert_eq!(event.clicks.waba, None);
    event.clicks.waba = Some("999".to_owned());

    let clicks = clicks_of(&event);

    let wabas: Vec<_> = clicks.iter().map(|click| (click.kind, click.waba.as_deref())).collect();
    assert_eq!(wabas, [(ClickKind::CtwaClid, Some("999")), (ClickKind::Gclid, None)]);
}
