//! Whose the credit is, where several platforms brought the person.

use super::{
    decide,
    tests::{FBC, account, ago, click, nothing, now, remembered, sale},
};
use crate::domain::{
    Account, Cause, Click, ClickKind, EventRecord, Mode, Platform,
    account::{AccountRules, Credit},
};

fn latest(rules: &mut AccountRules) {
    rules.credit = Credit::LatestClick;
}

fn causes(accounts: &[&Account], record: &EventRecord, clicks: Vec<Click>) -> Vec<Option<Cause>> {
    let decisions = decide(record, accounts, &remembered(clicks), now());
    decisions.into_iter().map(|dispatch| dispatch.cause).collect()
}

#[test]
fn only_the_platform_of_the_latest_click_gets_a_sale() {
    let (meta, google, tiktok) = (
        account(1, Platform::Meta, latest),
        account(2, Platform::Google, latest),
        account(3, Platform::Tiktok, latest),
    );
    let known = || {
        vec![
            click(ClickKind::Fbclid, "f", ago(5)),
            click(ClickKind::Gclid, "g", ago(2)),
            click(ClickKind::Ttclid, "t", ago(9)),
        ]
    };
    let elsewhere = Some(Cause::CreditElsewhere);

    assert_eq!(
        causes(&[&meta, &google, &tiktok], &sale(nothing()), known()),
        [elsewhere, None, elsewhere]
    );
    // Its own click is of now.
    let own = sale(serde_json::json!({"ttclid": "own"}));
    assert_eq!(
        causes(&[&meta, &google, &tiktok], &own, known()),
        [elsewhere, elsewhere, None]
    );
    // A cookie is as old as it says.
    let cookie = sale(serde_json::json!({"fbc": FBC}));
    assert_eq!(causes(&[&meta, &google], &cookie, known()), [elsewhere, None]);
}

#[test]
fn credit_is_for_the_ad_accounts_that_ask_for_it_and_never_goes_to_one_that_sends_nothing() {
    let meta = account(1, Platform::Meta, latest);
    let generous = account(2, Platform::Google, |_| {});
    let shadow = account(2, Platform::Google, |rules| rules.mode = Mode::Shadow);
    let shadow_meta = account(1, Platform::Meta, |rules| {
        latest(rules);
        rules.mode = Mode::Shadow;
    });
    let known = || {
        vec![
            click(ClickKind::Fbclid, "f", ago(5)),
            click(ClickKind::Gclid, "g", ago(2)),
        ]
    };
    let of = |accounts: &[&Account]| causes(accounts, &sale(nothing()), known());

    assert_eq!(of(&[&meta, &generous]), [Some(Cause::CreditElsewhere), None]);
    assert_eq!(of(&[&meta, &shadow]), [None, Some(Cause::Shadow)]);
    assert_eq!(
        of(&[&shadow_meta, &shadow]),
        [Some(Cause::CreditElsewhere), Some(Cause::Shadow)]
    );
}

#[test]
fn at_the_same_moment_exactly_one_gets_the_sale() {
    let (meta, google) = (account(1, Platform::Meta, latest), account(2, Platform::Google, latest));
    let both = sale(serde_json::json!({"fbclid": "f", "gclid": "g"}));

    let causes = causes(&[&meta, &google], &both, Vec::new());

    assert_eq!(causes.iter().filter(|cause| cause.is_none()).count(), 1, "{causes:?}");
}

#[test]
fn while_one_platform_waits_for_a_click_those_whose_credit_depends_on_it_wait_too() {
    let meta = account(1, Platform::Meta, |rules| {
        latest(rules);
        rules.wait_for_click_seconds = Some(300);
    });
    let google = account(2, Platform::Google, latest);
    let own = sale(serde_json::json!({"gclid": "g", "clicked_at": ago(4)}));
    let waiting = Some(Cause::WaitingForClick);

    // One that waits for its own click does so whatever the others know.
    assert_eq!(causes(&[&meta, &google], &own, Vec::new()), [waiting, waiting]);
    let known = || vec![click(ClickKind::Fbclid, "f", ago(6))];
    assert_eq!(
        causes(&[&meta, &google], &own, known()),
        [Some(Cause::CreditElsewhere), None]
    );
    let other = account(4, Platform::Tiktok, |rules| {
        rules.wait_for_click_seconds = Some(300);
    });
    assert_eq!(causes(&[&google, &other], &own, Vec::new()), [waiting, waiting]);
    let late = vec![click(ClickKind::Ttclid, "t", ago(1))];
    assert_eq!(
        causes(&[&google, &other], &own, late),
        [Some(Cause::CreditElsewhere), None]
    );
}
