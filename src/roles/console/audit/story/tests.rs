//! A conversion that had it all, told from its row, its record and its attempts.

use super::{
    super::sample::{GOOGLE, META, TIKTOK, WHATSAPP, backlogs, berlin, directory, entry, event, events, view},
    *,
};
use crate::domain::AccountId;

fn record() -> EventRecord {
    serde_json::from_value(serde_json::json!({
        "client": "acme", "event_id": "e-10482", "name": "Purchase",
        "time": berlin("09:15"), "first_seen": berlin("09:15"), "action_source": "website",
        "source_url": "https://shop.example/thanks?gclid=Cj0K-secret",
        "clicks": {"fbc": "fb.1.1795000000000.IwAR-secret", "fbp": "fb.1.1.2", "gclid": "Cj0K-secret"},
        "ip": "203.0.113.9", "user_agent": "Mozilla/5.0 secret",
        "identities": {"meta": {"em": ["5ecr3t"], "fn": ["5ecr3t"], "external_id": ["5ecr3t"]}, "google": {"email": ["5ecr3t"]}, "tiktok": {}}
    }))
    .unwrap()
}

fn click(kind: ClickKind, value: &str, time: &str) -> Option<Click> {
    Some(Click {
        kind,
        value: value.to_owned(),
        first_seen: berlin(time),
        time_is_known: kind == ClickKind::Gclid,
        waba: None,
    })
}

fn attempt(account: i32, number: i32, outcome: &str, cause: Option<Cause>) -> AuditAttempt {
    AuditAttempt {
        account: AccountId(account),
        at: berlin("09:15") + chrono::TimeDelta::seconds(i64::from(number) * 7),
        number,
        outcome: outcome.to_owned(),
        cause,
        code: None,
        message: None,
        request_id: None,
        http_status: None,
        duration_ms: None,
        batch: 1,
    }
}

fn told(event: &AuditEvent, record: Option<&EventRecord>, attempts: &[AuditAttempt]) -> String {
    let (directory, backlogs) = (directory(), backlogs());
    Story {
        event,
        record,
        attempts,
        view: view(&directory, &backlogs),
    }
    .render()
}

#[test]
fn a_conversion_is_told_from_its_click_to_what_happens_next() {
    let mut order = events().remove(1);
    order.entries[0].click = click(ClickKind::Fbc, "fb.1.1795000000000.IwAR-secret", "09:15");
    order.entries[1].click = click(ClickKind::Gclid, "Cj0K-secret", "09:02");
    order.differing = 1;
    let attempts = [
        AuditAttempt {
            code: Some("2".to_owned()),
            message: Some("An unexpected error has occurred.".to_owned()),
            request_id: Some("AbC123".to_owned()),
            http_status: Some(503),
            duration_ms: Some(812),
            batch: 12,
            ..attempt(META, 1, "deferred", Some(Cause::PlatformError))
        },
        attempt(META, 2, "ambiguous", Some(Cause::Ambiguous)),
        AuditAttempt {
            http_status: Some(200),
            duration_ms: Some(210),
            batch: 2,
            ..attempt(META, 3, "delivered", None)
        },
    ];

    let text = told(&order, Some(&record()), &attempts);

    insta::assert_snapshot!(text, @r#"
    Purchase of ACME Shoes, order 10482, event ID e-10482 (times in Europe/Berlin)
      20 Nov 09:15:00   happened, website shop.example
      20 Nov 09:15:00   came in
                        came again 1 time with another time, value or click; the first one counts

    Meta, acme/meta, pixel or dataset 1234567890: sent (3rd try)
      click             fbc with the event, first seen 20 Nov 09:15
      signals           e-mail, external ID, first name, IP address, browser, fbp, click
      20 Nov 09:15:07   1st try: put off: platform error ("2 An unexpected error has occurred.", HTTP 503, request AbC123, 812 ms, with 11 others)
      20 Nov 09:15:14   2nd try: no answer was recorded, it may have arrived
      20 Nov 09:15:21   3rd try: sent (HTTP 200, 210 ms, with 1 other)

    Google, acme/google, customer 1234567890: waiting 15:03
      click             gclid in the page's address, clicked 20 Nov 09:02
      signals           e-mail, IP address, browser, click
      why               Google takes a conversion 6 hours after the click; it goes out by itself.
      next              it goes out 20 Nov 15:03:00; Google takes it until 27 Nov 09:12

    TikTok, acme/tiktok, pixel 1234567890: not sent: no click
      click             none known
      signals           IP address, browser
      why               The person did not come from a TikTok ad that the relay knows of.
    "#);
    for secret in ["secret", "5ecr3t", "203.0"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn every_state_says_what_happens_next() {
    let late = AuditEntry {
        deadline: berlin("09:00"),
        ..entry(TIKTOK, State::Failed, Some(Cause::DeadlinePassed))
    };
    let refused = AuditEntry {
        detail: Some("100 Invalid parameter".to_owned()),
        first_ambiguous_at: Some(berlin("09:16")),
        click: click(ClickKind::CtwaClid, "ARAk-secret", "09:02"),
        ..entry(WHATSAPP, State::Failed, Some(Cause::Refused))
    };
    let promised = AuditEntry {
        receipt: Some("r-1".to_owned()),
        ..entry(GOOGLE, State::Sent, None)
    };
    let order = event(
        "09:15",
        Some("1"),
        vec![
            entry(META, State::Paused, Some(Cause::LoginRefused)),
            promised,
            late,
            refused,
            entry(META, State::Queued, None),
            entry(META, State::NotSent, Some(Cause::Shadow)),
            entry(META, State::NotSent, Some(Cause::NoClick)),
        ],
    );
    let attempts = [
        attempt(META, 1, "blocked", Some(Cause::LoginRefused)),
        attempt(GOOGLE, 1, "accepted", None),
        attempt(WHATSAPP, 1, "refused", Some(Cause::Refused)),
        attempt(TIKTOK, 11, "not_sent", Some(Cause::DuplicateAtPlatform)),
    ];

    insta::assert_snapshot!(told(&order, Some(&record()), &attempts), @r#"
    Purchase of ACME Shoes, order 1, event ID e-1 (times in Europe/Berlin)
      20 Nov 09:15:00   happened, website shop.example
      20 Nov 09:15:00   came in

    Meta, acme/meta, pixel or dataset 1234567890: paused: login
      click             none known
      signals           e-mail, external ID, first name, IP address, browser, fbp
      20 Nov 09:15:07   1st try: not taken now: login
      why               Meta refuses login agency-meta.
      next              it goes out when the pause ends; you: renew the token, then `logins check agency-meta`; Meta takes it until 27 Nov 09:12

    Google, acme/google, customer 1234567890: sent
      click             none known
      signals           e-mail, IP address, browser
      20 Nov 09:15:07   1st try: sent; Google says later what became of it
      next              Google says later whether it counts it

    TikTok, acme/tiktok, pixel 1234567890: failed: too late
      click             none known
      signals           IP address, browser
      20 Nov 09:16:17   11th try: not counted: already counted
      why               It could not be sent before TikTok stops taking it.
      next              it cannot be sent any more

    Meta, acme/whatsapp, pixel or dataset 1234567890: failed: refused
      click             ctwa_clid of the tap that the chat began with, first seen 20 Nov 09:02
      signals           e-mail, external ID, first name, IP address, browser, fbp, click
      20 Nov 09:15:07   1st try: refused
      why               Meta refused the conversion for good: 100 Invalid parameter.
      mind              Meta may have counted a try of 20 Nov 09:16:00 that had no answer
      next              developer: repair what the platform names, then `dead replay`; Meta takes it until 27 Nov 09:12

    Meta, acme/meta, pixel or dataset 1234567890: waiting
      click             none known
      signals           e-mail, external ID, first name, IP address, browser, fbp
      20 Nov 09:15:07   1st try: not taken now: login
      next              it goes out as soon as its turn comes; Meta takes it until 27 Nov 09:12

    Meta, acme/meta, pixel or dataset 1234567890: not sent: shadow mode
      click             none known
      signals           e-mail, external ID, first name, IP address, browser, fbp
      20 Nov 09:15:07   1st try: not taken now: login
      why               The ad account is in shadow mode: the request was built and checked, and nothing was sent.
      next              you: set mode = "live" when you are content

    Meta, acme/meta, pixel or dataset 1234567890: not sent: no click
      click             none known
      signals           e-mail, external ID, first name, IP address, browser, fbp
      20 Nov 09:15:07   1st try: not taken now: login
      why               The person did not come from a Meta ad that the relay knows of.
    "#);
}

#[test]
fn an_event_that_concerns_nobody_and_whose_record_is_gone_is_told_all_the_same() {
    let stranger = AuditEvent {
        cause: Some(Cause::UnknownClient),
        ..event("09:12", Some("1"), vec![])
    };

    insta::assert_snapshot!(told(&stranger, None, &[]), @r"
    Purchase of ACME Shoes, order 1, event ID e-1 (times in Europe/Berlin)
      20 Nov 09:12:00   happened
      20 Nov 09:12:00   came in
                        No client has this client_id; the event is stored, and `resend` sends it once the client exists.
      next              you: add the client with `accounts apply`, then `resend`; or correct client_id where it is published
    ");
}

#[test]
fn the_story_says_nothing_of_the_machinery() {
    let all = event(
        "09:12",
        Some("1"),
        State::ALL.map(|state| entry(META, state, Some(Cause::Refused))).into(),
    );
    let outcomes = [
        "delivered",
        "accepted",
        "deferred",
        "ambiguous",
        "blocked",
        "refused",
        "not_sent",
    ];
    let attempts = outcomes.map(|outcome| attempt(META, 1, outcome, Some(Cause::RateLimited)));

    let text = told(&all, Some(&record()), &attempts).to_lowercase();

    for word in ["dispatch", "lease", "lane", "outcome", "deliver"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn what_google_says_later_stands_in_the_time_line() {
    let receipt = |entry| AuditEntry {
        receipt: Some("r-1".to_owned()),
        ..entry
    };
    let asked = AuditEntry {
        due: Some(berlin("09:45")),
        ..receipt(entry(GOOGLE, State::Sent, None))
    };
    let unconfirmed = AuditEntry {
        detail: Some("3 of 40 in request r-1 failed (CLICK_NOT_FOUND 3)".to_owned()),
        ..receipt(entry(GOOGLE, State::Sent, Some(Cause::Unconfirmed)))
    };
    let entries = [
        asked,
        receipt(entry(GOOGLE, State::Confirmed, None)),
        AuditEntry {
            detail: Some("CLICK_NOT_FOUND".to_owned()),
            ..receipt(entry(GOOGLE, State::NotSent, Some(Cause::ClickNotFound)))
        },
        unconfirmed,
        AuditEntry {
            due: Some(berlin("10:00")),
            ..entry(GOOGLE, State::Waiting, Some(Cause::Scheduled))
        },
    ];
    let tries = [attempt(GOOGLE, 1, "accepted", None)];

    let told: Vec<String> = entries
        .into_iter()
        .map(|entry| {
            let told = told(&event("09:15", Some("1"), vec![entry]), None, &tries);
            told.lines().skip(5).map(str::trim_start).collect::<Vec<_>>().join("\n")
        })
        .collect();

    insta::assert_snapshot!(told.join("\n\n"), @"
    click             none known
    20 Nov 09:15:07   1st try: sent; Google says later what became of it
    next              Google says later whether it counts it; it is asked 20 Nov 09:45:00

    click             none known
    20 Nov 09:15:07   1st try: sent; Google says later what became of it
    20 Nov 09:25:00   Google confirmed it (request r-1)

    click             none known
    20 Nov 09:15:07   1st try: sent; Google says later what became of it
    20 Nov 09:25:00   Google did not count it: click not found (request r-1)
    why               Google could not match the click ID to one of its ads.

    click             none known
    20 Nov 09:15:07   1st try: sent; Google says later what became of it
    why               Google took it and did not say what became of this one: 3 of 40 in request r-1 failed (CLICK_NOT_FOUND 3).

    click             none known
    20 Nov 09:15:07   1st try: sent; Google says later what became of it
    why               The ad account sends at fixed times; it goes out by itself.
    next              it goes out 20 Nov 10:00:00; Google takes it until 27 Nov 09:12
    ");
}
