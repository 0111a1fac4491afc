//! What `explain` shows is what the adapters build.

use std::{collections::BTreeMap, process::Command};

use chrono::{DateTime, Utc};
use conversion_relay::{
    domain::{
        Account, AccountId, Dispatch, EventRecord, PerPlatform, State,
        account::Client,
        desired::{DesiredAccount, DesiredDirectory},
        event::Event,
    },
    platform::{Endpoints, Sending, adapter},
    roles::plan::{Remembered, country, decide},
    wire::{
        accounts_file::{SourceFile, parse},
        event::{self, Envelope},
    },
};
use serde_json::{Value, json};

use crate::{NOW, by_account, lines, relay, root, shown};

/// The examples, explained by the binary and built by the adapters.
#[test]
fn the_requests_of_the_examples_are_those_that_the_adapters_build() {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    let events = examples(now);
    let directory = desired();
    let accounts = "schemas/examples/accounts.toml";

    let explained = lines(&shown(&relay(
        &["explain", "--json", "-f", accounts, "--now", NOW],
        &events.join("\n"),
    )));

    assert_eq!(explained.len(), events.len());
    let mut requests = 0;
    for (line, given) in explained.iter().zip(&events) {
        let envelope = Envelope {
            message_id: None,
            timestamp: None,
            now,
        };
        let Ok(event) = event::parse(given.as_bytes(), envelope) else {
            assert!(line["error"]["cause"].is_string(), "{line}");
            continue;
        };
        let Some(client) = directory.clients.get(&event.client) else {
            assert_eq!(line["cause"], "unknown_client");
            continue;
        };
        let record = record(&event, client);
        let results = by_account(line);
        for account in directory
            .accounts
            .iter()
            .filter(|account| account.client == event.client)
        {
            let account = account_of(account);
            let expected = request(&record, &account, now);
            assert_eq!(
                results[account.name.as_str()].get("request"),
                expected.as_ref(),
                "{line}"
            );
            requests += usize::from(expected.is_some());
        }
    }
    assert!(requests > 25, "{requests}");
}

fn examples(now: DateTime<Utc>) -> Vec<String> {
    let output = Command::new("bash")
        .args([
            "scripts/lib/fill-times",
            "--now",
            &now.timestamp().to_string(),
            "schemas/examples/yesterday.ndjson",
        ])
        .current_dir(root())
        .output()
        .expect("there is a bash");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

fn desired() -> DesiredDirectory {
    let name = "schemas/examples/accounts.toml";
    let text = std::fs::read_to_string(root().join(name)).expect("it is there");
    parse(&[SourceFile {
        name: name.to_owned(),
        text,
    }])
    .unwrap_or_else(|errors| panic!("{errors}"))
}

fn account_of(desired: &DesiredAccount) -> Account {
    Account {
        id: AccountId(1),
        client: desired.client.clone(),
        name: desired.name.clone(),
        platform: desired.platform,
        destination: desired.destination.clone(),
        login: desired.login.clone(),
        rules: desired.rules.clone(),
        removed: false,
    }
}

fn record(event: &Event, client: &Client) -> EventRecord {
    let country = country(event, Some(client));
    let identities = PerPlatform::from_fn(|platform| adapter(platform).identity(&event.person, country.as_deref()));
    EventRecord::from_event(event, client.currency.as_deref(), identities)
}

fn request(record: &EventRecord, account: &Account, now: DateTime<Utc>) -> Option<Value> {
    let decision = decide(record, &[account], &Remembered::default(), now).remove(0);
    if !matches!(decision.state, State::Queued | State::Waiting) {
        return None;
    }
    let dispatch = Dispatch {
        account: account.id,
        platform: account.platform,
        destination: account.destination.clone(),
        click: decision.click,
        deadline: decision.deadline,
        event: record.for_platform(account.platform),
    };
    let endpoints = Endpoints::default();
    let sending = Sending {
        account,
        endpoints: &endpoints,
        test_code: None,
    };
    let built = adapter(account.platform).build(&[&dispatch], &sending);
    let headers: BTreeMap<&str, &String> = built.headers.iter().map(|(name, value)| (*name, value)).collect();
    let body: Value = serde_json::from_slice(&built.body).expect("JSON");
    Some(json!({"method": "POST", "url": built.url, "headers": headers, "body": body}))
}
