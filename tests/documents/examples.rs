//! The examples of `schemas/examples`, and the script that fills their times.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use conversion_relay::{
    domain::{
        Account, AccountId, Cause, Click, ClickKind, ClickSource, ClientId, Directory, EventRecord, PerPlatform, State,
        desired::DesiredDirectory,
        directory::DirectoryParts,
        event::{Event, Permission},
        search_key::{Digests, SearchKeys},
    },
    platform::adapter,
    roles::plan::{Remembered, clicks_of, decide, question},
    wire::{
        accounts_file::{SourceFile, parse},
        webhook::Payload,
    },
};
use serde_json::Value;
use uuid::Uuid;

use crate::{file, now, read, validator};

/// A file with its times filled by the script.
fn filled(path: &str) -> String {
    let output = Command::new("bash")
        .arg("scripts/lib/fill-times")
        .args(["--now", &now().timestamp().to_string(), path])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("there is a bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text stays text")
}

fn yesterday() -> Vec<String> {
    filled("schemas/examples/yesterday.ndjson")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// The events of the story, without the one that is none.
fn events() -> Vec<Event> {
    yesterday().iter().filter_map(|line| read(line).ok()).collect()
}

#[test]
fn the_single_example_fits_its_schema() {
    let event: Value = serde_json::from_str(&file("schemas/examples/event.json")).unwrap();

    assert!(validator("event.json").is_valid(&event));
    assert!(read(&event.to_string()).is_ok());
}

#[test]
fn every_line_of_the_story_fits_the_schema_but_the_one_with_the_typing_error() {
    let validator = validator("event.json");
    let refused: Vec<String> = yesterday()
        .into_iter()
        .filter(|line| !validator.is_valid(&serde_json::from_str(line).unwrap()))
        .collect();

    let [line] = refused.as_slice() else {
        panic!("{refused:#?}")
    };
    let fault = read(line).unwrap_err();
    assert_eq!((fault.cause, fault.field.as_deref()), (Cause::WrongType, Some("value")));
    assert_eq!(events().len(), yesterday().len() - 1);
}

#[test]
fn every_time_of_the_story_is_filled_and_lies_within_the_last_days() {
    let text = yesterday().join("\n");

    assert!(!text.contains("@-") && !text.contains("@ms"), "{text}");
    for event in events() {
        let age = now() - event.time;
        assert!((20..36).contains(&age.num_hours()), "{} is {age} old", event.event_id);
        assert!(
            event.clicks.clicked_at.is_none_or(|clicked| clicked < event.time),
            "{}",
            event.event_id
        );
        // A cookie holds the time at which the person clicked.
        let cookie = event
            .clicks
            .fbc
            .as_deref()
            .map(|fbc| fbc.split('.').nth(2).unwrap().parse::<i64>().unwrap());
        assert!(
            cookie.is_none_or(|clicked| clicked < event.time.timestamp_millis()),
            "{}",
            event.event_id
        );
    }
}

#[test]
fn the_script_knows_days_hours_minutes_and_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("times");
    std::fs::write(
        &path,
        "\"@-1d2h3m4s\" \"@-0s\"\nfb.1.@ms-90m.x \"@s-1h\" a@-5 last line without an end",
    )
    .unwrap();

    let text = filled(path.to_str().unwrap());

    assert_eq!(
        text,
        "\"2026-11-20T09:56:56Z\" \"2026-11-21T12:00:00Z\"\nfb.1.1795257000000.x \"1795258800\" a@-5 last line without an end\n"
    );
}

#[test]
fn the_story_has_all_that_its_readme_tells() {
    let events = events();
    let of = |wanted: &dyn Fn(&Event) -> bool| events.iter().filter(|event| wanted(event)).count();
    let url_has = |event: &Event, name: &str| event.source_url.as_ref().is_some_and(|url| url.contains(name));

    assert!(of(&|event| event.clicks.fbc.is_some()) >= 3, "Meta by cookie");
    assert!(
        of(&|event| event.clicks.fbc.is_none() && url_has(event, "fbclid=")) >= 3,
        "Meta by the page's URL"
    );
    assert!(
        of(&|event| event.clicks.gclid.is_some() && !url_has(event, "gclid=")) >= 3,
        "Google by gclid"
    );
    assert!(of(&|event| url_has(event, "gclid=")) >= 2, "Google by the page's URL");
    assert!(
        of(&|event| event.clicks.wbraid.is_some()) >= 1 && of(&|event| event.clicks.gbraid.is_some()) >= 1,
        "Google on iOS"
    );
    assert!(of(&|event| event.clicks.ttclid.is_some()) >= 3, "TikTok");
    let has_all =
        |event: &Event| event.clicks.fbc.is_some() && event.clicks.gclid.is_some() && event.clicks.ttclid.is_some();
    assert_eq!(of(&has_all), 1, "all three");
    assert!(
        of(&|event| event.client.as_str() == "acme" && !has_click(event) && event.name == "Purchase") >= 2,
        "without a click"
    );
    assert!(of(&|event| event.name == "Lead") >= 2, "leads");
    assert_eq!(
        of(&|event| event
            .consent
            .ad_user_data
            .is_some_and(|said| said == Permission::Denied)),
        1,
        "a no"
    );
}

fn has_click(event: &Event) -> bool {
    let clicks = &event.clicks;
    [
        &clicks.fbc,
        &clicks.fbclid,
        &clicks.gclid,
        &clicks.gbraid,
        &clicks.wbraid,
        &clicks.ttclid,
    ]
    .iter()
    .any(|click| click.is_some())
}

#[test]
fn one_event_comes_twice_and_another_one_contradicts_itself() {
    let mut fingerprints: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for event in events() {
        fingerprints.entry(event.key()).or_default().push(event.fingerprint);
    }
    let repeated: Vec<bool> = fingerprints
        .into_values()
        .filter(|of_one| of_one.len() > 1)
        .map(|of_one| of_one.iter().all(|other| *other == of_one[0]))
        .collect();

    assert_eq!(repeated.len(), 2);
    assert!(repeated.contains(&true) && repeated.contains(&false));
}

/// What an accounts file of the examples says.
fn desired(name: &str) -> DesiredDirectory {
    let source = SourceFile {
        name: name.to_owned(),
        text: file(&format!("schemas/examples/{name}")),
    };
    parse(&[source]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_accounts_are_those_of_the_story_and_one_client_is_missing() {
    let desired = desired("accounts.toml");
    let events = events();
    let clients: BTreeSet<&str> = desired.clients.keys().map(ClientId::as_str).collect();
    let named: BTreeSet<&str> = events.iter().map(|event| event.client.as_str()).collect();

    assert!(clients.is_subset(&named));
    assert_eq!(named.difference(&clients).copied().collect::<Vec<_>>(), ["initech"]);
}

/// The ad accounts of a file as the router would see them.
fn accounts(name: &str) -> Vec<Account> {
    let accounts = desired(name).accounts.into_iter().zip(0..);
    accounts
        .map(|(account, number)| Account {
            id: AccountId(number),
            client: account.client,
            name: account.name,
            platform: account.platform,
            destination: account.destination,
            login: account.login,
            rules: account.rules,
            removed: false,
        })
        .collect()
}

/// A click ledger that holds the clicks of a day.
#[derive(Default)]
struct Ledger(Vec<(ClientId, Vec<Uuid>, Click)>);

impl Ledger {
    /// Remembers what came with an event.
    fn remember(&mut self, event: &Event) {
        let clicks = clicks_of(event).into_iter();
        self.0
            .extend(clicks.map(|click| (event.client.clone(), digests(event).current, click)));
    }

    /// What it knows of an event's person, the newest first.
    fn ask(&self, event: &Event, accounts: &[&Account]) -> Remembered {
        let identities = digests(event).all;
        let Some(question) = question(event.into(), accounts.iter().copied(), &identities) else {
            return Remembered::default();
        };
        let mut clicks: Vec<Click> = self
            .0
            .iter()
            .filter(|(client, known, _)| *client == event.client && known.iter().any(|one| identities.contains(one)))
            .map(|(_, _, click)| click.clone())
            .filter(|click| {
                let source = ClickSource::of(click.kind, click.waba.as_deref());
                question.sources.contains(&source) && click.first_seen <= question.until
            })
            .collect();
        clicks.sort_by_key(|click| std::cmp::Reverse(click.first_seen));
        Remembered {
            clicks,
            may_grow: true,
            chats_are_known: false,
        }
    }
}

fn digests(event: &Event) -> Digests {
    let keys = SearchKeys::new(vec![b"a-key-of-the-tests-that-is-long-enough".to_vec()]).expect("a key");
    keys.digests(&event.person, Some(country(event)))
}

#[test]
fn the_router_makes_of_the_story_what_its_readme_sums_up() {
    let accounts = accounts("accounts.toml");
    let mut ledger = Ledger::default();
    events().iter().for_each(|event| ledger.remember(event));
    let mut first = BTreeSet::new();
    let mut states: BTreeMap<State, usize> = BTreeMap::new();
    let mut recalled = Vec::new();
    for event in events().into_iter().filter(|event| event.client.as_str() != "initech") {
        if !first.insert(event.key()) {
            continue;
        }
        let own: Vec<_> = accounts
            .iter()
            .filter(|account| account.client == event.client)
            .collect();
        let dispatches = decide(&record(&event), &own, &ledger.ask(&event, &own), now());
        for dispatch in dispatches {
            *states.entry(dispatch.state).or_default() += 1;
            if let Some(click) = dispatch.click.filter(|_| !has_click(&event)) {
                recalled.push(format!(
                    "{} {} {}",
                    event.event_id,
                    dispatch.platform.as_str(),
                    click.value
                ));
            }
        }
    }

    // One of those that go out is refused by the platform.
    let sent = states[&State::Queued] - 1;
    let total = states.values().sum::<usize>();
    let sum = format!(
        "In sum {total} conversions for five ad accounts: {sent} sent, {} not sent, 1 failed.",
        states[&State::NotSent]
    );
    assert!(file("schemas/examples/README.md").contains(&sum), "{sum}");
    assert_eq!(accounts.len(), 5);
    assert!(file("schemas/examples/README.md").contains(&format!("\n{} messages.", yesterday().len())));
    assert_eq!(
        recalled,
        ["order-10491 google Cj0KCQiA_acme5511_demo-BwE"],
        "by the Lead's click"
    );
}

/// The event as it is stored, with each platform's form of the person.
fn record(event: &Event) -> EventRecord {
    let identities = PerPlatform::from_fn(|platform| adapter(platform).identity(&event.person, Some(country(event))));
    EventRecord::from_event(event, Some("EUR"), identities)
}

fn country(event: &Event) -> &'static str {
    if event.client.as_str() == "acme" { "DE" } else { "US" }
}

#[test]
fn the_message_of_the_chat_is_a_tap_on_an_ad_of_its_client() {
    let accounts = accounts("chats.toml");
    let dataset = accounts[0].clone();
    let directory = Directory::new(DirectoryParts {
        clients: desired("chats.toml").clients.into_values().collect(),
        accounts,
        ..DirectoryParts::default()
    });
    let message = filled("schemas/examples/whatsapp.json");
    let payload = Payload {
        body: message.as_bytes(),
        headers: &|_| None,
        client: None,
    };

    let reading = payload.read_of_source("whatsapp", &directory, now());

    assert!(reading.fault.is_none(), "{:?}", reading.fault);
    let [tap] = reading.clicks.as_slice() else {
        panic!("{reading:#?}")
    };
    assert_eq!((tap.client.as_str(), tap.click.kind), ("vandelay", ClickKind::CtwaClid));
    assert_eq!(tap.click.waba, dataset.rules.waba);
    assert_eq!((now() - tap.click.first_seen).num_hours(), 50);
}

#[test]
fn nobody_in_the_examples_is_real() {
    for line in yesterday() {
        let event: Value = serde_json::from_str(&line).unwrap();
        let user = &event["user"];
        for email in texts(&user["email"]) {
            let domain = email.rsplit('@').next().unwrap();
            let is_hash = email.len() == 64 && !email.contains('@');
            assert!(
                is_hash || ["example.com", "example.net", "example.org"].contains(&domain),
                "{email}"
            );
        }
        for phone in texts(&user["phone"]) {
            let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
            // Numbers for fiction: 555-01xx, and of the Bundesnetzagentur 0171 39200xx and 030 23125xxx.
            let fictional = ["20255501", "120255501", "017139200", "493023125"];
            assert!(fictional.iter().any(|start| digits.starts_with(start)), "{phone}");
        }
        for ip in texts(&user["ip"]) {
            assert!(ip.starts_with("203.0.113.") || ip.starts_with("198.51.100."), "{ip}");
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        single => single.as_str().into_iter().collect(),
    }
}
