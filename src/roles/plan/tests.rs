//! Which click a conversion gets, who waits for one, and whose the credit is.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::domain::{
    AccountId, Click, ClickKind, ClickSource, ClientId, EventId, Mode, Platform, State,
    account::{AccountRules, WithoutClick},
};

pub(super) const FBC: &str = "fb.1.1795000000000.IwAR1a-b_C";

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_290_000, 0).unwrap()
}

pub(super) fn ago(days: i64) -> DateTime<Utc> {
    now() - TimeDelta::days(days)
}

pub(super) fn account(id: i32, platform: Platform, change: impl FnOnce(&mut AccountRules)) -> Account {
    let mut rules = AccountRules {
        mode: Mode::Live,
        ..AccountRules::default()
    };
    rules.actions.insert("Purchase".to_owned(), "987".to_owned());
    change(&mut rules);
    Account {
        id: AccountId(id),
        client: ClientId::parse("acme").unwrap(),
        name: format!("{platform}-{id}"),
        platform,
        destination: "1234567890".to_owned(),
        login: "agency".to_owned(),
        rules,
        removed: false,
    }
}

pub(super) fn whatsapp() -> Account {
    account(4, Platform::Meta, |rules| {
        rules.waba = Some("102290129340398".to_owned())
    })
}

/// A sale that the relay saw the moment it happened, of a person with an e-mail address.
pub(super) fn sale(clicks: serde_json::Value) -> EventRecord {
    let client = ClientId::parse("acme").unwrap();
    let mut record = EventRecord::bare(client, EventId::parse("o-1").unwrap(), "Purchase", now());
    record.value = Some(100.into());
    record.currency = Some("EUR".to_owned());
    record.source_url = Some("https://shop.example/thanks".to_owned());
    record.user_agent = Some("Mozilla/5.0".to_owned());
    record.has_email_or_phone = true;
    record.identities.meta.add("em", "0".repeat(64));
    record.identities.tiktok.add("email", "0".repeat(64));
    record.clicks = serde_json::from_value(clicks).unwrap();
    record
}

pub(super) fn click(kind: ClickKind, value: &str, first_seen: DateTime<Utc>) -> Click {
    Click {
        kind,
        value: value.to_owned(),
        first_seen,
        time_is_known: true,
        waba: None,
    }
}

pub(super) fn remembered(clicks: Vec<Click>) -> Remembered {
    let mut clicks = clicks;
    clicks.sort_by_key(|click| std::cmp::Reverse(click.first_seen));
    Remembered {
        clicks,
        may_grow: true,
        chats_are_known: false,
    }
}

pub(super) fn decided(record: &EventRecord, account: &Account, clicks: Vec<Click>) -> NewDispatch {
    decide(record, &[account], &remembered(clicks), now()).remove(0)
}

pub(super) fn nothing() -> serde_json::Value {
    serde_json::json!({})
}

#[test]
fn a_sale_without_a_click_gets_the_newest_that_is_remembered() {
    let google = account(2, Platform::Google, |_| {});
    let known = vec![
        click(ClickKind::Gclid, "old", ago(20)),
        click(ClickKind::Gbraid, "new", ago(3)),
        click(ClickKind::Ttclid, "newer-and-elsewhere", ago(1)),
    ];

    let dispatch = decided(&sale(nothing()), &google, known);

    let click = dispatch.click.unwrap();
    assert_eq!(
        (dispatch.state, click.value.as_str(), click.kind),
        (State::Queued, "new", ClickKind::Gbraid)
    );
    assert_eq!((click.first_seen, click.time_is_known), (ago(3), true));
}

#[test]
fn an_events_own_click_beats_the_ledger_and_keeps_the_time_at_which_it_was_first_seen() {
    let meta = account(1, Platform::Meta, |_| {});
    let own = sale(serde_json::json!({"fbclid": "own"}));

    let newer_elsewhere = decided(&own, &meta, vec![click(ClickKind::Fbclid, "other", ago(1))]);
    let seen_before = decided(&own, &meta, vec![click(ClickKind::Fbclid, "own", ago(9))]);

    let first = newer_elsewhere.click.unwrap();
    assert_eq!(
        (first.value.as_str(), first.first_seen, first.time_is_known),
        ("own", now(), false)
    );
    let second = seen_before.click.unwrap();
    assert_eq!(
        (second.value.as_str(), second.first_seen, second.time_is_known),
        ("own", ago(9), true)
    );
}

#[test]
fn what_the_event_itself_told_the_ledger_makes_no_time_known() {
    let google = account(2, Platform::Google, |_| {});
    let own = sale(serde_json::json!({"gclid": "own"}));
    // Postgres keeps microseconds.
    let told = Click {
        time_is_known: false,
        ..click(ClickKind::Gclid, "own", now() - TimeDelta::nanoseconds(700))
    };

    let dispatch = decided(&own, &google, vec![told]);

    assert_eq!(dispatch.state, State::Queued, "it would wait for six hours");
    assert!(!dispatch.click.unwrap().time_is_known);
}

#[test]
fn a_time_that_the_producer_knows_is_not_overruled() {
    let google = account(2, Platform::Google, |_| {});
    let own = sale(serde_json::json!({"gclid": "own", "clicked_at": ago(2)}));

    let dispatch = decided(&own, &google, vec![click(ClickKind::Gclid, "own", ago(9))]);

    assert_eq!(dispatch.click.unwrap().first_seen, ago(2));
    assert!(
        question((&own).into(), [&google], &[Uuid::nil()]).is_none(),
        "there is nothing to ask"
    );
}

#[test]
fn a_click_outside_the_look_back_is_the_reason_why_nothing_goes_out() {
    let choosy = account(2, Platform::Google, |rules| rules.look_back_days = Some(30));
    let old = || vec![click(ClickKind::Gclid, "old", ago(31))];

    let dispatch = decided(&sale(nothing()), &choosy, old());
    assert_eq!(
        (dispatch.state, dispatch.cause),
        (State::NotSent, Some(Cause::ClickTooOld))
    );

    // Where a person is enough, an old click is no reason to leave them out.
    let person = account(1, Platform::Meta, |rules| {
        rules.look_back_days = Some(30);
        rules.without_click = WithoutClick::Person;
    });
    let dispatch = decided(
        &sale(nothing()),
        &person,
        vec![click(ClickKind::Fbclid, "old", ago(31))],
    );
    assert_eq!((dispatch.state, dispatch.click), (State::Queued, None));
}

#[test]
fn a_click_after_the_sale_did_not_bring_it() {
    let google = account(2, Platform::Google, |_| {});
    let later = |by| vec![click(ClickKind::Gclid, "later", now() + by)];

    let after = decided(&sale(nothing()), &google, later(TimeDelta::minutes(2)));
    let clocks_apart = decided(&sale(nothing()), &google, later(TimeDelta::seconds(30)));

    assert_eq!(after.cause, Some(Cause::NoClick));
    assert_eq!(
        clocks_apart.click.unwrap().first_seen,
        now(),
        "no click follows its sale"
    );
}

#[test]
fn a_whatsapp_dataset_takes_the_clicks_of_its_own_business_account() {
    let of_waba = |waba: Option<&str>| Click {
        waba: waba.map(str::to_owned),
        ..click(ClickKind::CtwaClid, "Aff-x", ago(2))
    };
    let mut lead = sale(nothing());
    lead.name = "LeadSubmitted".to_owned();

    for (waba, is_taken) in [(Some("102290129340398"), true), (None, true), (Some("999"), false)] {
        let dispatch = decided(&lead, &whatsapp(), vec![of_waba(waba)]);
        assert_eq!(dispatch.click.is_some(), is_taken, "{waba:?}");
        let expected = if is_taken {
            None
        } else {
            Some(Cause::NoCtwaClickIdForPhone)
        };
        assert_eq!(dispatch.cause, expected);
    }
    let sources = question((&lead).into(), [&whatsapp()], &[Uuid::nil()]).unwrap().sources;
    let own = ClickSource::Whatsapp(Some("102290129340398".to_owned()));
    assert_eq!(sources, [ClickSource::Whatsapp(None), own]);
}

#[test]
fn a_person_who_denied_the_use_of_their_data_is_not_remembered() {
    let body = |consent: &str| {
        format!(
            r#"{{"client_id":"acme","event_name":"PageView","click":{{"gclid":"g"}},"consent":{{"ad_user_data":"{consent}"}}}}"#
        )
    };
    let clicks = |consent| {
        let envelope = crate::wire::event::Envelope {
            message_id: None,
            timestamp: None,
            now: now(),
        };
        clicks_of(&crate::wire::event::parse(body(consent).as_bytes(), envelope).unwrap()).len()
    };

    assert_eq!((clicks("granted"), clicks("denied")), (1, 0));
}

#[test]
fn a_cookie_is_remembered_by_the_time_at_which_it_was_set() {
    let body = format!(
        r#"{{"client_id":"acme","event_name":"PageView","source_url":"https://a.test/?fbclid=new","click":{{"fbc":"{FBC}"}}}}"#
    );
    let envelope = crate::wire::event::Envelope {
        message_id: None,
        timestamp: None,
        now: now(),
    };

    let clicks = clicks_of(&crate::wire::event::parse(body.as_bytes(), envelope).unwrap());

    let seen: Vec<_> = clicks
        .iter()
        .map(|click| (click.kind, click.first_seen, click.time_is_known))
        .collect();
    let set = DateTime::from_timestamp_millis(1_795_000_000_000).unwrap();
    assert_eq!(seen, [(ClickKind::Fbc, set, true), (ClickKind::Fbclid, now(), false)]);
}

#[test]
fn an_event_waits_for_its_click_as_long_as_the_ad_account_says() {
    let patient = account(2, Platform::Google, |rules| rules.wait_for_click_seconds = Some(300));
    let event = sale(nothing());
    let at = |seconds| {
        let now = now() + TimeDelta::seconds(seconds);
        let dispatch = decide(&event, &[&patient], &remembered(Vec::new()), now).remove(0);
        (dispatch.state, dispatch.cause, dispatch.due)
    };

    let due = now() + TimeDelta::seconds(300);
    assert_eq!(at(0), (State::Waiting, Some(Cause::WaitingForClick), Some(due)));
    assert_eq!(at(300), (State::NotSent, Some(Cause::NoClick), None));

    // The page that bore the click may be told of after the sale.
    let told_later = Click {
        time_is_known: false,
        ..click(ClickKind::Gclid, "g", now() + TimeDelta::seconds(200))
    };
    assert_eq!(decided(&event, &patient, vec![told_later]).state, State::Queued);
    // Of a person whom nothing identifies no click will ever be found.
    let unknown = decide(&event, &[&patient], &Remembered::default(), now()).remove(0);
    assert_eq!(unknown.cause, Some(Cause::NoClick));
}

#[test]
fn nothing_waits_up_to_its_deadline() {
    let patient = account(1, Platform::Meta, |rules| {
        rules.wait_for_click_seconds = Some(3_600);
        rules.without_click = WithoutClick::Person;
    });
    let mut old = sale(nothing());
    old.time = now() - TimeDelta::days(7) + TimeDelta::minutes(30);
    let at = |minutes| {
        let now = now() + TimeDelta::minutes(minutes);
        let dispatch = decide(&old, &[&patient], &remembered(Vec::new()), now).remove(0);
        (dispatch.state, dispatch.due)
    };

    let due = now() + TimeDelta::minutes(29);
    assert_eq!(at(0), (State::Waiting, Some(due)));
    assert_eq!(at(29), (State::Queued, None), "it still goes out, without a click");
    old.time = now() - TimeDelta::days(8);
    let late = decide(&old, &[&patient], &remembered(Vec::new()), now()).remove(0);
    assert_eq!(
        late.cause,
        Some(Cause::EventTooOld),
        "it does not wait for what it is too late for"
    );
}

#[test]
fn a_fresh_click_beside_a_stale_cookie_is_the_one_that_counts() {
    let meta = account(1, Platform::Meta, |rules| rules.look_back_days = Some(2));
    let both = sale(serde_json::json!({"fbc": FBC, "fbclid": "fresh"}));
    let set = DateTime::from_timestamp_millis(1_795_000_000_000).unwrap();

    let dispatch = decided(&both, &meta, vec![click(ClickKind::Fbc, FBC, set)]);

    let own = dispatch.click.unwrap();
    assert_eq!(
        (own.kind, own.value.as_str(), own.first_seen),
        (ClickKind::Fbclid, "fresh", now())
    );
    assert_eq!(
        dispatch.state,
        State::Queued,
        "the cookie alone would be older than the look-back"
    );
}

#[test]
fn a_click_of_before_the_sale_goes_before_one_that_was_told_of_later() {
    let patient = account(2, Platform::Google, |rules| {
        rules.wait_for_click_seconds = Some(7 * 86_400)
    });
    let came_back = Click {
        time_is_known: false,
        ..click(ClickKind::Gclid, "came-back", now() + TimeDelta::days(2))
    };

    let dispatch = decided(
        &sale(nothing()),
        &patient,
        vec![came_back.clone(), click(ClickKind::Gclid, "before", ago(1))],
    );
    let alone = decided(&sale(nothing()), &patient, vec![came_back]);

    assert_eq!(dispatch.click.unwrap().value, "before");
    assert_eq!(alone.click.unwrap().value, "came-back");
}

#[test]
fn where_the_publisher_has_asked_for_chats_no_dataset_waits_and_others_do() {
    let patient = |rules: &mut AccountRules| rules.wait_for_click_seconds = Some(300);
    let mut dataset = whatsapp();
    patient(&mut dataset.rules);
    let google = account(2, Platform::Google, patient);
    let mut lead = sale(nothing());
    lead.name = "Purchase".to_owned();
    let remembered = Remembered {
        chats_are_known: true,
        ..remembered(Vec::new())
    };

    let causes: Vec<_> = decide(&lead, &[&dataset, &google], &remembered, now())
        .into_iter()
        .map(|dispatch| dispatch.cause)
        .collect();

    assert_eq!(
        causes,
        [Some(Cause::NoCtwaClickIdForPhone), Some(Cause::WaitingForClick)]
    );
}
