//! What Google says, and what follows.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        AccountId, ClientId, DispatchKey, EventKey, Login, Mode, Platform,
        account::{AccountRules, Credential, SecretRef},
        outcome::Reach,
        retry::Backoff,
    },
    store::sending::Claimed,
};

fn now() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

fn account() -> Account {
    Account {
        id: AccountId(7),
        client: ClientId::parse("acme").unwrap(),
        name: "google".to_owned(),
        platform: Platform::Google,
        destination: "1".to_owned(),
        login: "agency".to_owned(),
        rules: AccountRules {
            actions: BTreeMap::from([("Purchase".into(), "987".into()), ("Lead".into(), "654".into())]),
            ..AccountRules::default()
        },
        removed: false,
    }
}

fn login() -> Login {
    Login {
        name: "agency".to_owned(),
        platform: Platform::Google,
        credential: Credential::ServiceAccount(SecretRef("env:X".to_owned())),
        manager: None,
        app_secret: None,
        quota: None,
        revision: 1,
    }
}

fn promise(questions: usize, names: &[&str]) -> Promise {
    let promised = |(index, name): (usize, &&str)| Promised {
        key: DispatchKey {
            event: EventKey(Uuid::from_u128(index as u128)),
            account: AccountId(7),
        },
        event_name: (*name).to_owned(),
        claimed: Claimed {
            attempt: 1,
            deferrals: 0,
            deadline: now() + TimeDelta::days(80),
            first_ambiguous_at: None,
            is_probe: false,
        },
    };
    Promise {
        account: AccountId(7),
        receipt: "r-1".to_owned(),
        questions,
        dispatches: names.iter().enumerate().map(promised).collect(),
    }
}

fn judged(promise: &Promise, reply: Reply) -> ReceiptReport {
    let (account, login) = (account(), login());
    let at = Circumstances {
        account: &account,
        login: &login,
        mode: Mode::Live,
        now: now(),
        backoff: Backoff::default(),
        jitter: 0.0,
        probe_interval: Duration::from_secs(300),
    };
    judge(promise, reply, at).0
}

fn about(action: Option<&str>, answer: ReceiptAnswer) -> DestinationReply {
    DestinationReply {
        action: action.map(str::to_owned),
        answer,
    }
}

fn failed(verdict: Verdict) -> ReceiptAnswer {
    ReceiptAnswer::Failed {
        outcome: Outcome {
            verdict,
            code: Some("REASON".to_owned()),
            message: None,
        },
    }
}

fn mixed() -> ReceiptAnswer {
    ReceiptAnswer::Mixed {
        failed: 3,
        of: 40,
        reasons: vec![("CLICK_NOT_FOUND".to_owned(), 3)],
    }
}

fn states(report: &ReceiptReport) -> Vec<(State, Option<Cause>)> {
    report
        .records
        .iter()
        .map(|record| (record.state, record.cause))
        .collect()
}

#[test]
fn each_answer_settles_a_lone_sale_in_its_own_way() {
    let cases = [
        (ReceiptAnswer::Confirmed, State::Confirmed, None),
        (
            failed(Verdict::Refused {
                cause: Cause::EventTooOld,
            }),
            State::Failed,
            Some(Cause::EventTooOld),
        ),
        (
            failed(Verdict::NotSent {
                cause: Cause::ClickNotFound,
            }),
            State::NotSent,
            Some(Cause::ClickNotFound),
        ),
        (
            failed(Verdict::Deferred {
                cause: Cause::ClickTooRecent,
                wait: Some(Duration::from_secs(21_600)),
            }),
            State::Waiting,
            Some(Cause::ClickTooRecent),
        ),
        (mixed(), State::Sent, Some(Cause::Unconfirmed)),
    ];
    for (answer, state, cause) in cases {
        let report = judged(
            &promise(1, &["Purchase"]),
            Reply::Answered(vec![about(Some("987"), answer.clone())]),
        );

        assert_eq!(states(&report), [(state, cause)], "{answer:?}");
        assert_eq!(report.again, None);
        assert!(report.pauses.is_empty());
        let record = &report.records[0];
        assert_eq!(record.due.is_some(), state == State::Waiting);
        if state == State::Waiting {
            assert_eq!(record.due, Some(now() + TimeDelta::hours(6)));
        }
    }
}

#[test]
fn a_mixed_answer_tells_the_counts_and_the_request() {
    let report = judged(
        &promise(1, &["Purchase", "Purchase"]),
        Reply::Answered(vec![about(Some("987"), mixed())]),
    );

    let details: Vec<&str> = report
        .records
        .iter()
        .filter_map(|record| record.detail.as_deref())
        .collect();
    assert_eq!(details, ["3 of 40 in request r-1 failed (CLICK_NOT_FOUND 3)"; 2]);
}

#[test]
fn every_conversion_action_has_the_answer_that_is_about_it() {
    let promise = promise(1, &["Purchase", "Lead"]);
    let confirmed = || ReceiptAnswer::Confirmed;
    let named = vec![
        about(Some("987"), confirmed()),
        about(Some("654"), ReceiptAnswer::Processing),
    ];
    // Without names they come in the order of the request: sorted by action.
    let unnamed = vec![about(None, ReceiptAnswer::Processing), about(None, confirmed())];
    for reply in [named, unnamed] {
        let report = judged(&promise, Reply::Answered(reply));

        assert_eq!(states(&report), [(State::Confirmed, None)]);
        assert_eq!(report.records[0].key, promise.dispatches[0].key);
        assert_eq!(report.again, Some(Again::Later(now() + TimeDelta::hours(1))));
    }
}

#[test]
fn an_action_that_was_changed_since_is_known_by_the_answers_being_all_the_same() {
    let promise = promise(1, &["Purchase"]);
    let old = |answer| about(Some("111"), answer);

    let same = judged(&promise, Reply::Answered(vec![old(ReceiptAnswer::Confirmed)]));
    let different = judged(
        &promise,
        Reply::Answered(vec![old(ReceiptAnswer::Confirmed), about(Some("222"), mixed())]),
    );

    assert_eq!(states(&same), [(State::Confirmed, None)]);
    assert!(different.records.is_empty() && different.again.is_some());
}

#[test]
fn questions_become_rarer_and_then_stop() {
    let processing = || Reply::Answered(vec![about(Some("987"), ReceiptAnswer::Processing)]);
    let mut waits = Vec::new();
    for asked in 1.. {
        let report = judged(&promise(asked, &["Purchase"]), processing());
        match report.again {
            Some(Again::Later(at)) => waits.push(at - now()),
            Some(Again::NotPut(_)) => panic!("it was put"),
            None => {
                assert_eq!(states(&report), [(State::Sent, Some(Cause::Unconfirmed))]);
                break;
            }
        }
        assert!(report.records.is_empty());
    }

    assert!(waits.is_sorted() && waits.len() > 8, "{waits:?}");
    assert!(waits.iter().sum::<TimeDelta>() < TimeDelta::days(14));
    assert!(!is_exhausted(&promise(waits.len() + 1, &["Purchase"])));
    assert!(is_exhausted(&promise(waits.len() + 2, &["Purchase"])));
}

#[test]
fn a_receipt_that_is_gone_stays_sent_and_unconfirmed() {
    let reply = Reply::Gone {
        code: "REQUEST_TOO_OLD".to_owned(),
    };

    let report = judged(&promise(1, &["Purchase"]), reply);

    assert_eq!(states(&report), [(State::Sent, Some(Cause::Unconfirmed))]);
    assert_eq!(report.again, None);
}

#[test]
fn a_refused_login_makes_a_pause_and_the_question_does_not_count() {
    let blocked = Outcome::plain(Verdict::Blocked {
        cause: Cause::LoginRefused,
        reach: Reach::Login,
        wait: None,
    });
    for reply in [Reply::NotAnswered(blocked.clone()), Reply::Reauthenticate(blocked)] {
        let report = judged(&promise(12, &["Purchase"]), reply);

        assert_eq!(report.pauses.len(), 1);
        assert_eq!(report.pauses[0].scope.to_string(), "login:agency");
        assert!(matches!(report.again, Some(Again::NotPut(_))), "{:?}", report.again);
        assert!(report.records.is_empty());
    }
}

#[test]
fn used_up_quota_makes_a_pause_that_ends_when_google_says() {
    let report = judged(
        &promise(1, &["Purchase"]),
        Reply::NotAnswered(Outcome::plain(Verdict::Blocked {
            cause: Cause::QuotaExhausted,
            reach: Reach::Quota,
            wait: Some(Duration::from_secs(40)),
        })),
    );

    let end = now() + TimeDelta::seconds(40);
    assert_eq!(report.pauses[0].until, Some(end));
    assert_eq!(report.again, Some(Again::NotPut(end)));
}

#[test]
fn an_answer_that_did_not_come_is_waited_for_at_least_as_long_as_google_asks() {
    let deferred = |wait| {
        Reply::NotAnswered(Outcome::plain(Verdict::Deferred {
            cause: Cause::PlatformError,
            wait,
        }))
    };

    for (wait, expected) in [(None, TimeDelta::hours(1)), (Some(7_200), TimeDelta::hours(2))] {
        let report = judged(&promise(1, &["Purchase"]), deferred(wait.map(Duration::from_secs)));

        assert_eq!(report.again, Some(Again::Later(now() + expected)));
    }
}
