//! `accounts check` and `logins check`: what the platforms say when they are asked, and that they count nothing for it.

use serde_json::{Value, json};

use crate::{
    support::world::{ALL, GOOGLE_TOKEN, META_TOKEN, TIKTOK_TOKEN},
    world::{Ran, World},
};

async fn check(world: &World, arguments: &[&str]) -> Ran {
    let ran = Ran::from(world.command(arguments).output().await.expect("the binary runs"));
    for secret in [META_TOKEN, TIKTOK_TOKEN, GOOGLE_TOKEN] {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
    }
    ran
}

/// The line about an ad account or a login, as `(grade, text)`.
fn line<'a>(ran: &'a Ran, name: &str) -> (&'a str, &'a str) {
    for line in ran.out.lines() {
        let (grade, rest) = line.split_at(line.len().min(11));
        if let Some(text) = rest.strip_prefix(name).filter(|text| text.starts_with("  ")) {
            return (grade.trim(), text.trim());
        }
    }
    panic!("nothing about {name}: {ran:?}");
}

/// Asserts that no platform counted anything, nor keeps anything that it would.
async fn assert_nothing_counted(world: &World) {
    for platform in ALL {
        for account in ["1000000001", "1000000002", "2000000001", "C0PIXEL0000000000001"] {
            let totals = world.simulator.counts().await.of(platform, account);
            assert_eq!(totals.counted, 0, "{platform} {account}");
            assert!(world.simulator.events(platform, account).await.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_every_account_and_login_is_ok_and_nothing_is_counted() {
    let world = World::new().await;

    let accounts = check(&world, &["accounts", "check"]).await;
    let logins = check(&world, &["logins", "check"]).await;

    assert_eq!(
        (accounts.code, logins.code),
        (Some(0), Some(0)),
        "{accounts:?} {logins:?}"
    );
    assert_eq!(line(&accounts, "acme/meta"), ("ok", "Meta takes its conversions"));
    assert_eq!(line(&accounts, "acme/google"), ("ok", "Google takes its conversions"));
    assert_eq!(line(&accounts, "globex/meta").0, "ok");
    let (grade, text) = line(&accounts, "acme/tiktok");
    assert!(grade == "not asked" && text.contains("--tiktok"), "{text}");
    assert_eq!(
        line(&logins, "agency-google"),
        ("ok", "Google gives an access token for it")
    );
    assert_eq!(line(&logins, "agency-meta"), ("ok", "Meta takes it"));
    assert_nothing_counted(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tiktok_is_asked_only_on_request_and_with_the_test_code_of_the_account() {
    let world = World::new().await;
    let arguments = ["accounts", "check", "acme/tiktok", "--tiktok"];
    let without = check(&world, &arguments).await;
    let (grade, text) = line(&without, "acme/tiktok");
    assert!(grade == "not asked" && text.contains("test_code"), "{text}");
    assert!(world.simulator.requests().await.is_empty());

    world
        .sql("UPDATE ad_accounts SET rules = rules || '{\"test_code\":\"TEST123\"}' WHERE platform = 'tiktok'")
        .await;
    let with = check(&world, &arguments).await;

    assert_eq!((with.code, line(&with, "acme/tiktok").0), (Some(0), "ok"), "{with:?}");
    let totals = world.simulator.counts().await.of("tiktok", "C0PIXEL0000000000001");
    assert_eq!((totals.test_events, totals.counted), (1, 0));
    // A token of somebody else's.
    world.simulator.set_token(TIKTOK_TOKEN, json!({"accounts": []})).await;
    let refused = check(&world, &arguments).await;
    let (grade, text) = line(&refused, "acme/tiktok");
    assert_eq!((refused.code, grade), (Some(1), "wrong"));
    assert!(
        text.starts_with("Login agency-tiktok has no permission for ad account acme/tiktok. ACME Shoes:"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_said_of_every_account_that_it_serves_with_what_to_do() {
    let world = World::new().await;
    world.simulator.set_token(META_TOKEN, json!({"valid": false})).await;
    world.simulator.set_token(GOOGLE_TOKEN, json!({"valid": false})).await;

    let accounts = check(&world, &["accounts", "check", "acme"]).await;
    let logins = check(&world, &["logins", "check", "agency-meta", "agency-google"]).await;

    assert_eq!((accounts.code, logins.code), (Some(1), Some(1)));
    for (ran, name) in [(&accounts, "acme/meta"), (&logins, "agency-meta")] {
        let (grade, text) = line(ran, name);
        let words = "Meta refuses login agency-meta. you: renew the token, then `logins check agency-meta`";
        assert!(
            grade == "wrong" && text.starts_with(words) && text.contains("190/460"),
            "{text}"
        );
    }
    for (ran, name) in [(&accounts, "acme/google"), (&logins, "agency-google")] {
        let (grade, text) = line(ran, name);
        assert!(
            grade == "wrong" && text.starts_with("Google refuses login agency-google."),
            "{text}"
        );
    }
    assert!(!accounts.out.contains("globex"), "{accounts:?}");
    assert_nothing_counted(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pixel_or_an_action_that_is_not_there_is_the_accounts_fault_and_not_the_logins() {
    let world = World::new().await;
    world
        .simulator
        .set_token(META_TOKEN, json!({"accounts": ["2000000001"]}))
        .await;
    world
        .simulator
        .set_google(json!({"customers": {"1000000002": {"actions": ["1"]}}}))
        .await;

    let accounts = check(&world, &["accounts", "check", "--json"]).await;
    let logins = check(&world, &["logins", "check", "agency-meta", "agency-google"]).await;

    let lines: Vec<Value> = accounts
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    let of = |name: &str| lines.iter().find(|line| line["account"] == name).expect("it is there");
    assert_eq!(
        (accounts.code, logins.code),
        (Some(1), Some(0)),
        "{accounts:?} {logins:?}"
    );
    for (name, platform) in [("acme/meta", "Meta"), ("acme/google", "Google")] {
        assert_eq!(
            (&of(name)["result"], &of(name)["cause"]),
            (&json!("wrong"), &json!("account_not_set_up"))
        );
        let words = format!("{platform} says that ad account {name} is not set up for this: ");
        assert!(
            of(name)["text"].as_str().is_some_and(|text| text.starts_with(&words)),
            "{}",
            of(name)
        );
    }
    assert_eq!(of("globex/meta")["result"], "ok");
    assert_eq!(line(&logins, "agency-google").0, "ok");
    assert!(
        line(&logins, "agency-meta").1.contains("finds fault with acme/meta"),
        "{logins:?}"
    );
    assert_nothing_counted(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_taken_again_goes_on_when_it_is_asked_to() {
    let world = World::new().await;
    world
        .sql("INSERT INTO pauses (scope, cause) VALUES ('login:agency-meta', 'login_refused')")
        .await;
    world
        .sql("INSERT INTO pauses (scope, cause, by_hand) VALUES ('login:globex-meta', 'paused_by_hand', true)")
        .await;

    let offered = check(&world, &["logins", "check", "agency-meta"]).await;
    assert!(
        offered.out.contains("`logins resume agency-meta` lets them go"),
        "{offered:?}"
    );
    assert_eq!(world.store().pauses().await.expect("they can be read").len(), 2);
    let resumed = check(&world, &["logins", "check", "--resume"]).await;

    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert!(resumed.out.contains("Resumed login:agency-meta"), "{resumed:?}");
    let left = world.store().pauses().await.expect("they can be read");
    let left: Vec<String> = left.iter().map(|pause| pause.scope.to_string()).collect();
    assert_eq!(left, ["login:globex-meta"], "what a person paused a person resumes");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_knows_is_not_checked() {
    let world = World::new().await;

    let account = check(&world, &["accounts", "check", "acme/metta"]).await;
    let login = check(&world, &["logins", "check", "agency-mta"]).await;

    assert!(
        account
            .err
            .contains("there is no ad account called acme/metta; did you mean acme/meta?"),
        "{account:?}"
    );
    assert!(
        login
            .err
            .contains("there is no login called agency-mta; did you mean agency-meta?"),
        "{login:?}"
    );
    assert!(world.simulator.requests().await.is_empty());
}
