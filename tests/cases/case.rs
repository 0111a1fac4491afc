//! Cases: the folders below `tests/fixtures/cases`, read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, Utc};
use conversion_relay::domain::{
    Account, AccountId, ClientId, Platform,
    account::{AccountRules, Client},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// A case, with what it left to its platform's folder filled in.
#[derive(Clone)]
pub struct Case {
    /// `meta/purchase_on_a_web_page`
    pub name: String,
    /// The relay's clock.
    pub now: DateTime<Utc>,
    /// The advertiser, with its defaults.
    pub client: Client,
    /// The ad account.
    pub account: Arc<Account>,
    /// The events as published.
    pub events: Vec<Value>,
    /// What is expected to go out.
    pub request: Option<Value>,
    /// What the platform answered.
    pub answer: Option<Value>,
    /// What that is expected to mean.
    pub outcomes: Option<Value>,
}

/// `account.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    now: DateTime<Utc>,
    client: ClientDefaults,
    destination: String,
    rules: AccountRules,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientDefaults {
    country: Option<String>,
    currency: Option<String>,
}

/// All cases, by name.
pub fn all() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
        let of_platform = |platform: &Platform| of_platform(*platform, &root);
        Platform::ALL.iter().flat_map(of_platform).collect()
    })
}

fn of_platform(platform: Platform, root: &Path) -> Vec<Case> {
    let folder = root.join(platform.as_str());
    let mut folders: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a folder of the platform")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.iter().map(|path| read(platform, &folder, path)).collect()
}

fn read(platform: Platform, common: &Path, folder: &Path) -> Case {
    let title = folder.file_name().and_then(|name| name.to_str()).expect("a plain name");
    let name = format!("{}/{title}", platform.as_str());
    let known = [
        "account.json",
        "event.json",
        "request.json",
        "answer.json",
        "outcomes.json",
    ];
    for entry in fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry of the folder").file_name();
        assert!(
            known.iter().any(|known| file == *known),
            "{name}: {} is none of {known:?}",
            file.display()
        );
    }
    let mut account = json_file(&common.join("account.json")).expect("the platform's account.json");
    merge(
        &mut account,
        json_file(&folder.join("account.json")).unwrap_or_default(),
    );
    let account: AccountFile =
        serde_json::from_value(account).unwrap_or_else(|error| panic!("{name}: account.json: {error}"));
    let client = ClientId::parse("acme").expect("visible ASCII");
    let answer = json_file(&folder.join("answer.json"));
    let events = json_file(&folder.join("event.json")).unwrap_or_else(|| {
        let one = json_file(&common.join("event.json")).expect("the platform's event.json");
        repeated(&one, answer.as_ref().map_or(1, events_of))
    });
    Case {
        now: account.now,
        client: Client {
            id: client.clone(),
            name: "ACME".to_owned(),
            country: account.client.country,
            currency: account.client.currency,
            timezone: None,
            webhooks: Default::default(),
        },
        account: Arc::new(Account {
            id: AccountId(1),
            client,
            name: platform.as_str().to_owned(),
            platform,
            destination: account.destination,
            login: "agency".to_owned(),
            rules: account.rules,
            removed: false,
        }),
        events: match events {
            Value::Array(events) => events,
            event => vec![event],
        },
        request: json_file(&folder.join("request.json")),
        outcomes: json_file(&folder.join("outcomes.json")),
        answer,
        name,
    }
}

fn json_file(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// RFC 7396: what the case says beats what its platform's folder says.
fn merge(into: &mut Value, patch: Value) {
    match (into, patch) {
        (Value::Object(fields), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    fields.remove(&key);
                } else {
                    merge(fields.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (_, Value::Null) => {}
        (into, value) => *into = value,
    }
}

fn events_of(answer: &Value) -> u64 {
    answer
        .get("events")
        .map_or(1, |count| count.as_u64().expect("a number of events"))
}

/// The same event under the IDs `e0`, `e1` and so on.
fn repeated(one: &Value, count: u64) -> Value {
    let events = (0..count).map(|index| {
        let mut event = one.clone();
        event["event_id"] = json!(format!("e{index}"));
        event
    });
    Value::Array(events.collect())
}
