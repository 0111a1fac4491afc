//! The table against the design's sample, and what the sample does not show.

use super::{
    super::sample::{
        GOOGLE, META, TIKTOK, WHATSAPP, account, backlogs, berlin, client, directory, entry, event, events, parts, view,
    },
    *,
};
use crate::domain::{ClientId, Directory, Pause, Scope};

fn rendered(events: &[AuditEvent]) -> String {
    let (directory, backlogs) = (directory(), backlogs());
    Page {
        events,
        only: None,
        view: view(&directory, &backlogs),
    }
    .render()
}

#[test]
fn the_designs_sample_reads_as_in_the_design() {
    insta::assert_snapshot!(rendered(&events()), @r"
    TIME   ORDER  EVENT          VALUE  META               GOOGLE             TIKTOK
    09:12  10481  Purchase  149.00 EUR  sent               confirmed          not sent: no click
    09:15  10482  Purchase   59.90 EUR  sent (3rd try)     waiting 15:03 (1)  not sent: no click
    09:20  -      Lead               -  paused: login (2)  not sent: consent  -
    (1) click_too_recent  Google takes a conversion 6 hours after the click; it goes out by itself.   nobody needs to act
    (2) login_refused     Meta refuses login agency-meta since 09:17: 38 conversions of 12 clients wait, the first expires 27 Nov 09:17.   you: renew the token, then `logins check agency-meta`
    ");
}

#[test]
fn several_ad_accounts_of_a_platform_stand_below_each_other_with_their_names() {
    let rows = [event(
        "09:12",
        Some("1"),
        vec![
            entry(META, State::Sent, None),
            entry(TIKTOK, State::Sent, None),
            entry(WHATSAPP, State::NotSent, Some(Cause::NoCtwaClickIdForPhone)),
        ],
    )];

    insta::assert_snapshot!(rendered(&rows), @r"
    TIME   ORDER  EVENT     VALUE  META                                    TIKTOK
    09:12  1      Purchase      -  sent [meta]                             sent
                                   not sent: no WhatsApp click [whatsapp]
    ");
}

#[test]
fn events_that_concern_nobody_or_came_again_otherwise_say_so() {
    let stranger = AuditEvent {
        client: ClientId::parse("stranger").unwrap(),
        cause: Some(Cause::UnknownClient),
        ..event("09:12", Some("1"), vec![])
    };
    let twice = AuditEvent {
        differing: 2,
        ..event("08:12", Some("2"), vec![entry(GOOGLE, State::Queued, None)])
    };

    insta::assert_snapshot!(rendered(&[stranger, twice]), @r"
    TIME   CLIENT    ORDER  EVENT         VALUE  GOOGLE
    09:12  stranger  1      Purchase          -  not sent: unknown client (1)
    08:12  acme      2      Purchase (2)      -  waiting
    (1) unknown_client     No client has this client_id; the event is stored, and `resend` sends it once the client exists.   you: add the client with `accounts apply`, then `resend`; or correct client_id where it is published
    (2) duplicate_differs  The same event came again with another time, value or click; the first one counts.   developer: give different conversions different event IDs, or leave a repeated one unchanged
    ");
}

#[test]
fn what_failed_says_who_must_act_and_each_reason_stands_once() {
    let refused = |detail: &str| AuditEntry {
        detail: Some(detail.to_owned()),
        ..entry(META, State::Failed, Some(Cause::Refused))
    };
    let rows = [
        event("09:12", Some("1"), vec![refused("100/2804009 Invalid parameter")]),
        event("09:13", Some("2"), vec![refused("100/2804009 Invalid parameter")]),
        event("09:14", Some("3"), vec![refused("100/2804050")]),
        event(
            "09:15",
            Some("4"),
            vec![entry(META, State::NotSent, Some(Cause::Shadow))],
        ),
        event(
            "09:16",
            Some("5"),
            vec![entry(GOOGLE, State::Sent, Some(Cause::Unconfirmed))],
        ),
    ];

    insta::assert_snapshot!(rendered(&rows), @r#"
    TIME   ORDER  EVENT     VALUE  META                       GOOGLE
    09:12  1      Purchase      -  failed: refused (1)        -
    09:13  2      Purchase      -  failed: refused (1)        -
    09:14  3      Purchase      -  failed: refused (2)        -
    09:15  4      Purchase      -  not sent: shadow mode (3)  -
    09:16  5      Purchase      -  -                          sent (4)
    (1) refused      Meta refused the conversion for good: 100/2804009 Invalid parameter.   developer: repair what the platform names, then `dead replay`
    (2) refused      Meta refused the conversion for good: 100/2804050.   developer: repair what the platform names, then `dead replay`
    (3) shadow       The ad account is in shadow mode: the request was built and checked, and nothing was sent.   you: set mode = "live" when you are content
    (4) unconfirmed  Google took it and did not say what became of this one.   nobody needs to act
    "#);
}

#[test]
fn a_pause_that_holds_one_back_is_told_in_the_singular_and_with_its_end() {
    let mut parts = parts();
    parts.pauses = vec![Pause {
        cause: Cause::PausedByHand,
        detail: Some("audit of the books".to_owned()),
        by_hand: true,
        until: Some(berlin("18:00")),
        ..parts.pauses.remove(0)
    }];
    let directory = Directory::new(parts);
    let mut backlogs = backlogs();
    let backlog = backlogs.get_mut(&Scope::Login("agency-meta".to_owned())).unwrap();
    (backlog.conversions, backlog.clients) = (1, 1);
    let held = AuditEntry {
        detail: Some("audit of the books".to_owned()),
        ..entry(META, State::Paused, Some(Cause::PausedByHand))
    };

    let page = Page {
        events: &[event("09:12", Some("1"), vec![held])],
        only: None,
        view: view(&directory, &backlogs),
    };

    insta::assert_snapshot!(page.render(), @r"
    TIME   ORDER  EVENT     VALUE  META
    09:12  1      Purchase      -  paused: by hand (1)
    (1) paused_by_hand  Somebody paused this: audit of the books. Since 09:17 until 18:00: 1 conversion waits, it expires 27 Nov 09:17.   you: `resume` it when it may go on
    ");
}

#[test]
fn several_clients_have_a_column_and_other_days_their_dates_in_utc() {
    let mut parts = parts();
    parts.clients.push(client("globex", Some("Asia/Kolkata")));
    parts.accounts.push(account(9, "globex", "meta", Platform::Meta));
    let directory = Directory::new(parts);
    let backlogs = backlogs();
    let mut rows = events();
    rows[0].client = ClientId::parse("globex").unwrap();
    rows[0].happened_at -= chrono::TimeDelta::days(400);

    let page = Page {
        events: &rows,
        only: Some(Platform::Meta),
        view: view(&directory, &backlogs),
    };

    insta::assert_snapshot!(page.render(), @r"
    TIME UTC           CLIENT  ORDER  EVENT          VALUE  META
    16 Oct 2025 08:12  globex  10481  Purchase  149.00 EUR  sent
    20 Nov 08:15       acme    10482  Purchase   59.90 EUR  sent (3rd try)
    20 Nov 08:20       acme    -      Lead               -  paused: login (1)
    (1) login_refused  Meta refuses login agency-meta since 08:17: 38 conversions of 12 clients wait, the first expires 27 Nov 08:17.   you: renew the token, then `logins check agency-meta`
    ");
}

#[test]
fn no_name_of_a_producer_breaks_the_table() {
    let evil = AuditEvent {
        name: "\u{1b}[31mred\nrow".to_owned(),
        ..event("09:12", Some("1\t\u{7}"), vec![entry(META, State::Sent, None)])
    };

    let text = rendered(&[evil]);

    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\t']), "{text:?}");
}
