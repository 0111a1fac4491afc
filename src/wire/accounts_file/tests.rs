//! What the files may say, what they mean, and what is said about mistakes.

use chrono::{TimeZone, Utc};

use super::*;
use crate::domain::{
    ClientId, Mode,
    account::{
        AccountRules, AfterAmbiguity, ConsentMissing, Credential, Credit, SecretRef, TransactionId, Transport,
        WithoutClick,
    },
    desired::DesiredAccount,
};

const LOGINS: &str = "
    [login.m]
    token = 'env:META'
    [login.g]
    service_account = 'env:GOOGLE'
    manager = '987-654-3210'
    [login.t]
    token = 'env:TIKTOK'
    platform = 'tiktok'
";

fn files(texts: &[&str]) -> Vec<SourceFile> {
    let names = ["a.toml", "b.toml", "c.toml"];
    let pairs = names.iter().zip(texts);
    pairs
        .map(|(name, text)| SourceFile {
            name: (*name).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}

fn read(text: &str) -> DesiredDirectory {
    parse(&files(&[
        LOGINS,
        text,
        "[client.user.meta]\nlogin = 'm'\npixel = '9999999999'",
    ]))
    .unwrap_or_else(|errors| panic!("{errors}"))
}

fn account(text: &str, name: &str) -> DesiredAccount {
    let found = read(text).accounts.into_iter().find(|account| account.name == name);
    found.expect("the account is there")
}

/// The mistakes of a file beside one with good logins, one a line.
fn mistakes(text: &str) -> Vec<String> {
    let user = "[client.user.meta]\nlogin = 'm'\npixel = '9999999999'";
    let AccountsFileErrors(errors) = parse(&files(&[LOGINS, text, user])).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_means_what_it_says() {
    let text = include_str!("../../../schemas/examples/accounts-reference.toml");

    let desired = parse(&files(&[text])).unwrap_or_else(|errors| panic!("{errors}"));

    let acme = &desired.clients[&ClientId::parse("acme").unwrap()];
    let labels: Vec<String> = desired.accounts.iter().map(DesiredAccount::label).collect();
    assert_eq!(labels, ["acme/google", "acme/meta", "acme/whatsapp", "bistro/tiktok"]);
    assert_eq!(
        (acme.name.as_str(), acme.country.as_deref()),
        ("ACME Shoes", Some("DE"))
    );
    assert_eq!(
        (acme.currency.as_deref(), acme.timezone.as_deref()),
        (Some("EUR"), Some("Europe/Berlin"))
    );
    let [google, meta, whatsapp, tiktok] = desired.accounts.as_slice() else {
        panic!("four ad accounts");
    };
    assert_eq!(
        (google.platform, google.destination.as_str()),
        (Platform::Google, "1234567890")
    );
    assert_eq!(google.rules.manager.as_deref(), Some("9876543210"));
    assert_eq!(google.rules.actions["Lead"], "654");
    assert_eq!(meta.rules.mode, Mode::Live);
    assert_eq!(
        meta.rules.live_from,
        Some(Utc.with_ymd_and_hms(2026, 11, 16, 0, 0, 0).unwrap())
    );
    assert_eq!((whatsapp.platform, whatsapp.rules.mode), (Platform::Meta, Mode::Shadow));
    assert_eq!(whatsapp.rules.waba.as_deref(), Some("102290129340398"));
    assert_eq!(
        tiktok.rules.events.as_ref().map(std::collections::BTreeSet::len),
        Some(2)
    );
    assert_eq!(tiktok.rules.wait_for_click_seconds, Some(600));
    assert_eq!(
        (tiktok.rules.look_back_days, tiktok.rules.max_age_days),
        (Some(28), Some(7))
    );
    assert_eq!(tiktok.rules.schedule.as_deref(), Some("0 3 * * *"));
    assert_eq!(tiktok.rules.without_click, WithoutClick::Person);
    let login = &desired.logins["agency-google"];
    assert_eq!(login.platform, Platform::Google);
    assert_eq!(
        login.credential,
        Credential::ServiceAccount(SecretRef("file:/run/secrets/google.json".to_owned()))
    );
    assert_eq!(desired.logins["agency-meta"].platform, Platform::Meta);
}

#[test]
fn a_minimal_ad_account_has_the_defaults_of_the_design() {
    let account = account("[client.acme.meta]\nlogin = 'm'\npixel = 1234567890", "meta");

    assert_eq!(account.destination, "1234567890");
    assert_eq!(account.rules, AccountRules::default());
    assert_eq!(account.rules.mode, Mode::Shadow);
}

#[test]
fn the_nearest_rule_holds() {
    let text = "
        [defaults]
        mode = 'live'
        credit = 'latest_click'
        consent_missing = 'skip'
        events = ['Purchase']
        schedule = '0 3 * * *'
        rename = { Lead = 'Contact' }
        wait_for_click = '5m'
        [client.acme]
        mode = 'shadow'
        rate = 5
        [client.acme.meta]
        login = 'm'
        pixel = '1234567890'
        consent_missing = 'send'
        events = 'all'
        schedule = 'at once'
        rename = {}
        wait_for_click = '0s'
    ";

    let rules = account(text, "meta").rules;

    assert_eq!(
        rules,
        AccountRules {
            mode: Mode::Shadow,
            credit: Credit::LatestClick,
            consent_missing: ConsentMissing::Send,
            rate: Some(5),
            ..AccountRules::default()
        }
    );
}

#[test]
fn a_rule_of_one_platform_leaves_the_others_alone() {
    let text = "
        [defaults]
        without_click = 'always'
        transport = 'ads_api'
        transaction_id = 'order_id'
        partner_agent = 'agency'
        max_age = 3
        [client.acme.meta]
        login = 'm'
        pixel = '1234567890'
        [client.acme.google]
        login = 'g'
        customer = 1234567890
        actions = { Purchase = 987 }
        [client.acme.tiktok]
        login = 't'
        pixel = 'C4ACME00000000000001'
    ";

    let [meta, google, tiktok] = ["meta", "google", "tiktok"].map(|name| account(text, name).rules);

    assert_eq!(
        (google.without_click, meta.without_click),
        (WithoutClick::Skip, WithoutClick::Always)
    );
    assert_eq!(
        (google.transport, meta.transport),
        (Transport::AdsApi, Transport::DataManager)
    );
    assert_eq!(google.transaction_id, TransactionId::OrderId);
    assert_eq!(
        (meta.partner_agent.as_deref(), google.partner_agent),
        (Some("agency"), None)
    );
    assert_eq!((tiktok.max_age_days, meta.max_age_days), (Some(3), None));
    assert_eq!(google.actions["Purchase"], "987");
}

#[test]
fn times_and_ids_may_be_written_in_every_usual_way() {
    let google = |live_from: &str, customer: &str| {
        let text = format!(
            "[client.acme.google]\nlogin = 'g'\ncustomer = {customer}\nlive_from = {live_from}\nactions = {{ Lead = '1' }}"
        );
        account(&text, "google")
    };
    let expected = Some(Utc.with_ymd_and_hms(2026, 11, 15, 23, 0, 0).unwrap());
    for (live_from, customer) in [
        ("2026-11-15T23:00:00Z", "'123-456-7890'"),
        ("'2026-11-16T00:00:00+01:00'", "'123 456 7890'"),
        ("2026-11-16 00:00:00+01:00", "1234567890"),
        ("'2026-11-15T23:00:00Z'", "1_234_567_890"),
    ] {
        let account = google(live_from, customer);
        assert_eq!(
            (account.rules.live_from, account.destination.as_str()),
            (expected, "1234567890")
        );
    }
}

#[test]
fn the_managers_number_is_the_logins_unless_the_ad_account_says_otherwise() {
    let google = |more: &str| {
        let text =
            format!("[client.acme.google]\nlogin = 'g'\ncustomer = '1234567890'\nactions = {{ Lead = '1' }}\n{more}");
        account(&text, "google").rules.manager
    };

    assert_eq!(google("").as_deref(), Some("9876543210"));
    assert_eq!(google("manager = '111-111-1111'").as_deref(), Some("1111111111"));
}

#[test]
fn every_mistake_is_said_with_its_place_and_a_suggestion() {
    let text = "
[defalts]
mode = 'live'
[client.acme]
contry = 'DE'
currency = 'EURO'
timezone = 'Europe/Berln'
country = 'UK'
[client.acme.meta]
login = 'M'
pixl = '1234567890'
mode = 'lvie'
look_back = '90'
schedule = '0 3 * *'
hosts = ['https://acme.example/shop']
live_from = 2026-11-16
events = []
rate = 0
wait_for_click = 600
[client.acme.tiktk]
login = 't'
[client.acme.google]
login = 'g'
customer = '123-456-789'
actions = { Purchase = 'abc' }
";

    assert_eq!(
        mistakes(text),
        [
            "b.toml:2: defalts: is not known here; did you mean \"defaults\"?",
            "b.toml:5: client.acme.contry: is not known here; did you mean \"country\"?",
            "b.toml:6: client.acme.currency: must be a currency of three letters, such as \"EUR\"",
            "b.toml:7: client.acme.timezone: must be a time zone's name; did you mean \"Europe/Berlin\"?",
            "b.toml:8: client.acme.country: must be a country of two letters; the United Kingdom is \"GB\"",
            "b.toml:9: client.acme.meta: needs pixel, or dataset: where to send at Meta",
            "b.toml:9: client.acme.meta: its login is not defined; did you mean \"m\"?",
            "b.toml:11: client.acme.meta.pixl: is not known here; did you mean \"pixel\"?",
            "b.toml:12: client.acme.meta.mode: must be \"shadow\", \"live\", \"test\"; did you mean \"live\"?",
            "b.toml:13: client.acme.meta.look_back: must be a number of days from 1 to 3650, such as 90 or \"90d\"",
            "b.toml:14: client.acme.meta.schedule: must be \"at once\" or a cron expression of five fields in UTC, such as \"0 3 * * *\"",
            "b.toml:15: client.acme.meta.hosts: must hold host names such as \"shop.example\" (their subdomains are meant, too)",
            "b.toml:16: client.acme.meta.live_from: must be date, time and time zone, such as 2026-11-16T00:00:00Z or 2026-11-16T00:00:00+01:00",
            "b.toml:17: client.acme.meta.events: must not be empty; \"all\" stands for all",
            "b.toml:18: client.acme.meta.rate: must be a whole number from 1",
            "b.toml:19: client.acme.meta.wait_for_click: must be a length of time such as \"30s\" or \"10m\", at most 7days",
            "b.toml:20: client.acme.tiktk: is the name of no platform; did you mean \"tiktok\"? Or add platform = \"tiktok\"",
            "b.toml:24: client.acme.google.customer: must have 10 digits",
            "b.toml:25: client.acme.google.actions: Purchase must have 1 to 20 digits",
        ]
    );
}

#[test]
fn what_belongs_to_another_platform_is_a_mistake() {
    let text = "
[client.acme.meta]
login = 'm'
customer = '1234567890'
actions = { Lead = '1' }
max_age = 3
[client.acme.google]
login = 'g'
pixel = '1234567890'
waba = '12345'
without_click = 'person'
[client.acme.tiktok]
login = 't'
pixel = 'c4lowercase000000001'
transport = 'ads_api'
";

    let mistakes = mistakes(text);

    let places: Vec<&str> = mistakes.iter().map(|m| m.split(": ").nth(1).unwrap()).collect();
    assert_eq!(
        places,
        [
            "client.acme.meta",
            "client.acme.meta.customer",
            "client.acme.meta.actions",
            "client.acme.meta.max_age",
            "client.acme.google",
            "client.acme.google",
            "client.acme.google",
            "client.acme.google.pixel",
            "client.acme.google.waba",
            "client.acme.tiktok.pixel",
            "client.acme.tiktok.transport",
        ],
        "{mistakes:#?}"
    );
}

#[test]
fn a_secret_in_place_of_its_reference_is_refused_and_never_shown() {
    let cases = [
        "[login.x]\ntoken = 'EAABsbCS1iHgBAOZC9'\nplatform = 'meta'",
        "[login.x]\ntoken = 'env:EAABsbCS1iHgBAOZC9.x'\nplatform = 'meta'",
        "[login.x]\ntoken = EAABsbCS1iHgBAOZC9",
        "[login.x]\ntokn = 'EAABsbCS1iHgBAOZC9'",
        "[login.x]\ntoken = 'env:A'\nplatform = 'EAABsbCS1iHgBAOZC9'",
        "[login.x]\ntoken = 'env:A'\nplatform = 'meta'\napp_secret = 'EAABsbCS1iHgBAOZC9'",
        "[client.acme.meta]\nlogin = 'EAABsbCS1iHgBAOZC9'\npixel = '1234567890'",
        "[client.acme.meta]\nlogin = 'm'\npixel = 'EAABsbCS1iHgBAOZC9'",
        "[client.acme.meta]\nlogin = 'm'\npixel = '1234567890'\ntoken = 'EAABsbCS1iHgBAOZC9'",
        "[login.x]\ntoken = '''EAABsbCS1iHgBAOZC9",
    ];
    for text in cases {
        let mistakes = mistakes(text).join("\n");
        assert!(!mistakes.contains("EAABsbCS1iHgBAOZC9"), "{mistakes}");
        assert!(mistakes.contains("b.toml:"), "{mistakes}");
    }
}

#[test]
fn what_is_defined_twice_is_a_mistake_that_names_both_places() {
    let first = "[defaults]\nmode = 'live'\n[login.m]\ntoken = 'env:A'\n[client.acme]\n[client.acme.meta]\nlogin = 'm'\npixel = '1234567890'";
    let second = "[client.acme]\nname = 'ACME'\n\n[login.m]\ntoken = 'env:B'\n[defaults]\n";

    let AccountsFileErrors(errors) = parse(&files(&[first, second])).unwrap_err();

    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "b.toml:1: client.acme: is defined twice, the first time in a.toml:5",
            "b.toml:4: login.m: is defined twice, the first time in a.toml:3",
            "b.toml:6: defaults: is defined twice, the first time in a.toml:1",
        ]
    );
}

#[test]
fn two_ad_accounts_of_a_client_never_share_a_destination() {
    let text = "
[client.acme.meta]
login = 'm'
pixel = '1234567890'
[client.acme.whatsapp]
platform = 'meta'
login = 'm'
dataset = '1234567890'
waba = '12345'
[client.other.meta]
login = 'm'
pixel = '1234567890'
";

    assert_eq!(
        mistakes(text),
        ["b.toml:5: client.acme.whatsapp: has the same destination as client.acme.meta"]
    );
}

#[test]
fn a_login_serves_one_platform_only() {
    let both = "
[login.x]
token = 'env:X'
[client.acme.meta]
login = 'x'
pixel = '1234567890'
[client.acme.tiktok]
login = 'x'
pixel = 'C4ACME00000000000001'
";
    let cases = [
        (both, "is a login at Meta, but client.acme.tiktok at TikTok uses it"),
        (
            "[login.x]\ntoken = 'env:X'",
            "no ad account uses it, so say whose it is",
        ),
        (
            "[login.x]\ntoken = 'env:X'\nplatform = 'google'",
            "Google takes service_account or refresh_token",
        ),
        (
            "[login.x]\nrefresh_token = 'env:X'\nplatform = 'meta'",
            "are for Google",
        ),
        (
            "[client.acme.google]\nlogin = 'm'\ncustomer = 1234567890\nactions = { Lead = 1 }",
            "client.acme.google at Google uses it",
        ),
        (
            "[login.x]\ntoken = 'env:X'\n[client.acme.google]\nlogin = 'x'\ncustomer = 1234567890\nactions = { Lead = 1 }",
            "takes service_account or refresh_token, not token",
        ),
        (
            "[client.acme.meta]\nlogin = 'g'\npixel = 1234567890",
            "client.acme.meta at Meta uses it",
        ),
        ("[login.x]\nmanager = '1234567890'", "must have one of token"),
        (
            "[login.x]\ntoken = 'env:X'\nservice_account = 'env:Y'",
            "must have one of token",
        ),
        (
            "[login.x]\ntoken = 'env:X'\nplatform = 'tiktok'\nquota = 'p'",
            "are for logins at Google",
        ),
        (
            "[login.x]\ntoken = 'env:X'\nplatform = 'tiktok'\napp_secret = 'env:Y'",
            "for logins at Meta",
        ),
        ("[login.'a b']\ntoken = 'env:X'\nplatform = 'tiktok'", "visible ASCII"),
    ];
    for (text, expected) in cases {
        let mistakes = mistakes(text);
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        assert!(mistakes[0].contains(expected), "{expected}: {mistakes:#?}");
    }
}

#[test]
fn a_test_that_would_count_is_refused() {
    let meta = "[client.acme.meta]\nlogin = 'm'\npixel = '1234567890'\nmode = 'test'\n";

    assert!(mistakes(meta)[0].contains("needs test_code"));
    assert_eq!(
        account(&format!("{meta}test_code = 'TEST1'"), "meta")
            .rules
            .test_code
            .as_deref(),
        Some("TEST1")
    );
}

#[test]
fn what_may_have_been_taken_is_a_question_of_whatsapp_datasets_unless_another_ad_account_asks_it_too() {
    let text = "
        [defaults]
        after_ambiguity = 'never'
        [client.acme.meta]
        login = 'm'
        pixel = '1234567890'
        [client.acme.strict]
        platform = 'meta'
        login = 'm'
        pixel = '1234567891'
        after_ambiguity = 'never'
        [client.acme.whatsapp]
        platform = 'meta'
        login = 'm'
        dataset = '778899001122334'
        waba = '102290129340398'
        [client.acme.relaxed]
        platform = 'meta'
        login = 'm'
        dataset = '778899001122335'
        waba = '102290129340398'
        after_ambiguity = 'resend'
        [client.acme.tiktok]
        login = 't'
        pixel = 'C4ACME00000000000001'
    ";

    let rule = |name| account(text, name).rules.after_ambiguity;

    assert_eq!(rule("meta"), AfterAmbiguity::Resend);
    assert_eq!(rule("strict"), AfterAmbiguity::Never);
    assert_eq!(rule("whatsapp"), AfterAmbiguity::Never);
    assert_eq!(rule("relaxed"), AfterAmbiguity::Resend);
    assert_eq!(rule("tiktok"), AfterAmbiguity::Resend);
    let elsewhere = "[client.acme.tiktok]\nlogin = 't'\npixel = 'C4ACME00000000000001'\nafter_ambiguity = 'never'";
    assert!(mistakes(elsewhere)[0].contains("after_ambiguity: is for Meta"));
}

#[test]
fn names_with_dots_are_kept_whole() {
    let desired = read("[client.'shop.example'.'meta.de']\nplatform = 'meta'\nlogin = 'm'\npixel = '1234567890'");

    let account = desired
        .accounts
        .iter()
        .find(|account| account.name == "meta.de")
        .unwrap();
    assert_eq!(account.client.as_str(), "shop.example");
}

#[test]
fn mistakes_of_notation_are_all_said_with_their_lines() {
    let AccountsFileErrors(errors) = parse(&files(&[
        "[login.m\ntoken = 'env:A'\n\n[client.a]\nname = x\n",
        "a = =",
    ]))
    .unwrap_err();

    let lines: Vec<String> = errors.iter().map(|error| error.place.line()).collect();
    assert!(errors.len() >= 3, "{errors:#?}");
    assert!(
        lines.contains(&"a.toml:1".to_owned()) && lines.contains(&"a.toml:5".to_owned()),
        "{lines:?}"
    );
    assert!(lines.contains(&"b.toml:1".to_owned()), "{lines:?}");
}

#[test]
fn a_schedule_that_never_comes_is_refused() {
    let text = "[client.acme.meta]\nlogin = 'm'\npixel = '1234567890'\nschedule = '0 3 30 2 *'";

    assert_eq!(
        mistakes(text),
        ["b.toml:4: client.acme.meta.schedule: names a time that never comes"]
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[(client|login|defaults)(\\.[a-z]{1,3}){0,3}\\]\n|[a-z_]{2,10} = ('[ -~]{0,8}'|[0-9]{1,12}|\\[\\]|\\{\\}|\\[1\\])\n|[ -~]{0,6}\n){0,12}") {
        let _ = parse(&files(&[text.as_str()]));
    }
}
