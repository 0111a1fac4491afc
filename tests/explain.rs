//! `explain` and `classify` as people run them: the binary, without a single service and without a single variable.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use chrono::{DateTime, Utc};
use conversion_relay::{
    domain::{
        Account, AccountId, Dispatch, EventRecord, PerPlatform, State,
        account::Client,
        desired::{DesiredAccount, DesiredDirectory},
    },
    platform::{Endpoints, Sending, adapter},
    roles::router::plan::{country, decide},
    wire::{
        accounts_file::{SourceFile, parse},
        event::{self, Envelope},
    },
};
use serde_json::{Value, json};

/// The time at which everything is explained.
const NOW: &str = "2026-11-21T12:00:00Z";
const ACCOUNTS: &str = "tests/fixtures/explain/accounts.toml";
const PURCHASE: &str = "tests/fixtures/explain/purchase.json";

/// What the purchase holds of its person, in any spelling that must not be seen.
const PERSONAL: [&str; 22] = [
    "Jane.Doe",
    "jane.doe",
    "Example.com",
    "example.com",
    "39200",
    "Visitor-77",
    "visitor-77",
    "Janette",
    "janette",
    "Doemann",
    "doemann",
    "Wuppertal",
    "wuppertal",
    "Westfalen",
    "westfalen",
    "42103",
    "1980",
    "203.0.113.9",
    "JaneBrowser",
    "Janey",
    "janeclick",
    "123456789012345",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the binary with an empty environment.
fn relay(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conversion-relay"))
        .args(arguments)
        .current_dir(root())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_owned();
    // Beside the reading of what it prints, or both would wait for ever.
    let feeding = std::thread::spawn(move || {
        // Who has seen enough reads no further.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("it ends");
    feeding.join().expect("feeding does not panic");
    output
}

fn shown(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn explain(arguments: &[&str], input: &str) -> Output {
    relay(&[&["explain", "-f", ACCOUNTS, "--now", NOW], arguments].concat(), input)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// The results of one line by the ad account's name.
fn by_account(line: &Value) -> BTreeMap<&str, &Value> {
    let results = line["results"].as_array().expect("results");
    results
        .iter()
        .map(|result| (result["account"].as_str().expect("a name"), result))
        .collect()
}

fn event(fields: &Value) -> String {
    let mut event = json!({
        "event_id": "e-1", "client_id": "acme", "event_name": "Purchase", "event_time": "2026-11-21T10:00:00Z", "value": 1,
        "source_url": "https://shop.example/", "user": {"email": "jane@example.com"}
    });
    for (key, value) in fields.as_object().expect("fields") {
        event[key] = value.clone();
    }
    event.to_string()
}

fn classify(arguments: &[&str], body: &str) -> String {
    let body = if body.is_empty() { vec![] } else { vec![body] };
    shown(&relay(&[&["classify"], arguments, &body[..]].concat(), ""))
}

/// A file with what a command printed before; `RELAY_GOLDEN=write` writes it anew.
fn assert_golden(name: &str, text: &str) {
    let path: PathBuf = root().join("tests/fixtures/explain").join(name);
    if std::env::var_os("RELAY_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name}");
}

#[test]
fn a_page_says_what_goes_out_where_and_why_not_elsewhere() {
    assert_golden("purchase.txt", &shown(&explain(&[PURCHASE], "")));
}

#[test]
fn nothing_of_the_person_is_seen_on_a_page() {
    let page = shown(&explain(&[PURCHASE], ""));

    for personal in PERSONAL {
        assert!(!page.contains(personal), "{personal}");
    }
    // It was there to be seen.
    let requests = shown(&explain(&["--json", PURCHASE], ""));
    for plain in ["203.0.113.9", "JaneBrowser", "wuppertal", "42103", "janeclick"] {
        assert!(requests.contains(plain), "{plain}");
    }
}

#[test]
fn no_word_of_the_machinery_is_on_a_page() {
    let body = r#"{"error":{"message":"x","code":100,"error_subcode":2804003}}"#;
    let pages = [
        shown(&explain(&[PURCHASE], "")),
        shown(&relay(&["explain", "--help"], "")),
        shown(&relay(&["classify", "--help"], "")),
        classify(&["--platform", "meta", "--status", "400", "--sent", "3"], body),
        classify(&["--platform", "tiktok", "--status", "502"], ""),
        classify(&["--platform", "google", "--status", "401"], ""),
    ];
    for page in pages {
        let page = page.to_lowercase();
        for word in ["dispatch", "deliver", "outcome", "lease", " lane"] {
            assert!(!page.contains(word), "{word}: {page}");
        }
    }
}

#[test]
fn an_event_with_every_click_goes_everywhere_but_where_a_rule_says_no() {
    let explained = lines(&shown(&explain(&["--json", PURCHASE], "")));
    let results = by_account(&explained[0]);

    assert_eq!(explained[0]["event_id"], "order-10482");
    assert_eq!(results.len(), 8);
    for (account, url) in [
        ("meta", "https://graph.facebook.com/v26.0/1234567890/events"),
        ("google", "https://datamanager.googleapis.com/v1/events:ingest"),
        (
            "upload",
            "https://googleads.googleapis.com/v26/customers/1234567891:uploadClickConversions",
        ),
        ("tiktok", "https://business-api.tiktok.com/open_api/v1.3/event/track/"),
    ] {
        let request = &results[account]["request"];
        assert_eq!(
            (&request["method"], &request["url"]),
            (&json!("POST"), &json!(url)),
            "{account}"
        );
        assert_eq!(request["headers"]["content-type"], "application/json");
    }
    assert_eq!(
        results["upload"]["request"]["headers"]["login-customer-id"],
        "9876543210"
    );
    assert_eq!(results["trial"]["request"]["body"]["test_event_code"], "TEST42");
    assert_eq!(results["nightly"]["waits_until"], "2026-11-22T03:00:00+00:00");
    assert_eq!(results["nightly"]["waits_for"], "scheduled");
    assert_eq!(results["whatsapp"]["not_sent"], "click_kind_elsewhere");
    assert_eq!(results["leads"]["not_sent"], "event_not_wanted");
    assert!(results["leads"].get("request").is_none() && results["meta"].get("not_sent").is_none());
}

#[test]
fn what_a_platform_would_refuse_names_the_field() {
    let clicks = json!({"ttclid": "E.C.P.x"});
    let without_page = event(&json!({"source_url": null, "click": clicks}));

    let explained = lines(&shown(&explain(&["--json", "-"], &without_page)));

    let tiktok = by_account(&explained[0])["tiktok"].clone();
    assert_eq!(
        (&tiktok["not_sent"], &tiktok["field"]),
        (&json!("missing_field"), &json!("source_url"))
    );
}

#[test]
fn an_event_that_concerns_no_ad_account_says_so() {
    let input = [
        event(&json!({"client_id": "nobody"})),
        event(&json!({"client_id": "empty", "currency": "EUR"})),
        event(&json!({"client_id": "bare", "event_name": "Search"})),
    ];

    let explained = lines(&shown(&explain(&["--json"], &input.join("\n"))));
    let pages = shown(&explain(&[], &input.join("\n")));

    assert_eq!(
        explained[0],
        json!({"event_id": "e-1", "cause": "unknown_client", "results": []})
    );
    assert_eq!(
        explained[1],
        json!({"event_id": "e-1", "cause": "no_ad_account", "results": []})
    );
    let unwanted = json!([{"account": "tiktok", "platform": "tiktok", "not_sent": "event_not_wanted"}]);
    assert_eq!(explained[2]["results"], unwanted);
    for sentence in [
        "No client has this client_id",
        "The client has no ad account.",
        "does not want events of this name",
    ] {
        assert!(pages.contains(sentence), "{sentence}: {pages}");
    }
}

#[test]
fn a_line_that_is_no_event_is_named_and_the_others_are_explained() {
    let good = event(&json!({}));
    let input = format!(
        "{good}\n\nnot json\n{{\"client_id\":\"acme\"}}\n{}\n{}\n[]\n{good}",
        event(&json!({"event_time": 1_795_262_400_000_i64})),
        event(&json!({"client_id": "bare"})),
    );

    let explained = lines(&shown(&explain(&["--json"], &input)));

    let errors: Vec<String> = explained[1..6].iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            r#"{"error":{"cause":"malformed_json","field":null},"line":3}"#,
            r#"{"error":{"cause":"missing_field","field":"event_name"},"line":4}"#,
            r#"{"error":{"cause":"event_time_in_milliseconds","field":"event_time"},"line":5}"#,
            r#"{"error":{"cause":"missing_field","field":"currency"},"line":6}"#,
            r#"{"error":{"cause":"wrong_type","field":"the whole message"},"line":7}"#,
        ]
    );
    assert_eq!((explained.len(), &explained[0]), (7, &explained[6]));
}

#[test]
fn for_people_an_input_that_is_no_event_needs_attention() {
    let output = explain(&[], "{\"client_id\": \"acme\",\n \"event_name\": ");
    let text = String::from_utf8_lossy(&output.stdout);

    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("line 1 is no event that the relay takes (malformed_json)"),
        "{text}"
    );
    assert_eq!(explain(&["nowhere.json"], "").status.code(), Some(1));
}

#[test]
fn an_order_needs_the_database_and_a_file_does_not() {
    let output = relay(&["explain", "10482", "-f", ACCOUNTS], "");
    let errors = String::from_utf8_lossy(&output.stderr);

    assert_eq!(output.status.code(), Some(78));
    assert!(errors.contains("RELAY_DATABASE_URL"), "{errors}");
}

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

fn record(event: &conversion_relay::domain::event::Event, client: &Client) -> EventRecord {
    let country = country(event, Some(client));
    let identities = PerPlatform::from_fn(|platform| adapter(platform).identity(&event.person, country.as_deref()));
    EventRecord::from_event(event, client.currency.as_deref(), identities)
}

fn request(record: &EventRecord, account: &Account, now: DateTime<Utc>) -> Option<Value> {
    let decision = decide(record, account, now);
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

#[test]
fn thousands_of_events_are_one_line_each() {
    let mut input = String::new();
    for number in 0..2_000 {
        let line = event(&json!({"event_id": format!("e-{number}"), "click": {"fbc": "fb.1.1795161600000.IwAR1"}}));
        writeln!(input, "{line}").unwrap();
    }

    let explained = lines(&shown(&explain(&["--json", "-"], &input)));

    assert_eq!(explained.len(), 2_000);
    assert!(
        explained
            .iter()
            .enumerate()
            .all(|(number, line)| line["event_id"] == format!("e-{number}"))
    );
}

#[test]
fn a_refusal_says_whose_fault_it_is_and_what_to_do() {
    let too_old = r#"{"error":{"message":"Invalid parameter","code":100,"error_subcode":2804003}}"#;
    let expired = r#"{"error":{"message":"Session has expired","code":190,"error_subcode":463,"fbtrace_id":"Ab1"}}"#;
    let named = r#"{"error":{"message":"(#100) Param data[1][event_time] must be a valid time","code":100}}"#;
    let mut page = String::new();
    for (arguments, body) in [
        (&["--platform", "meta", "--status", "400"][..], too_old),
        (&["--platform", "meta", "--status", "400", "--sent", "3"], too_old),
        (&["--platform", "meta", "--status", "400", "--sent", "3"], named),
        (&["--platform", "meta", "--status", "400"], expired),
        (
            &["--platform", "meta", "--status", "200", "--sent", "2"],
            r#"{"events_received":2}"#,
        ),
        (&["--platform", "google", "--status", "200"], r#"{"requestId":"r-1"}"#),
        (&["--platform", "google", "--status", "401"], ""),
        (
            &[
                "--platform",
                "google",
                "--transport",
                "ads_api",
                "--status",
                "429",
                "--header",
                "Retry-After: 90",
            ],
            "",
        ),
        (&["--platform", "tiktok", "--status", "502"], "<html>"),
        (
            &["--platform", "tiktok", "--status", "200"],
            r#"{"code":40105,"message":"no permission"}"#,
        ),
    ] {
        writeln!(page, "{}", classify(arguments, body)).unwrap();
    }

    assert_golden("answers.txt", &page);
}

#[test]
fn an_answer_a_line_gives_a_meaning_a_line() {
    let input = [
        r#"{"platform":"meta","status":400,"headers":{},"body":{"error":{"message":"x","code":100,"error_subcode":2804003}},"sent":1}"#,
        r#"{"platform":"meta","status":400,"body":"{\"error\":{\"message\":\"x\",\"code\":100,\"error_subcode\":2804003}}","sent":2}"#,
        r#"{"platform":"tiktok","status":429,"headers":{"Retry-After":"30"},"body":"slow down"}"#,
        r#"{"platform":"meta"}"#,
        "rubbish",
        r#"{"platform":"google","status":200,"body":{"requestId":"r-1"},"sent":1}"#,
    ];

    let meanings = lines(&shown(&relay(&["classify", "--ndjson"], &input.join("\n"))));

    let first = &meanings[0]["outcomes"][0];
    assert_eq!(
        (&first["outcome"], &first["cause"], &first["who"]),
        (&json!("refused"), &json!("event_too_old"), &json!("developer"))
    );
    assert_eq!((&first["code"], &first["position"]), (&json!("100/2804003"), &json!(0)));
    assert_eq!(
        (&meanings[1]["request"], &meanings[1]["outcomes"][1]["outcome"]),
        (&json!("in_halves"), &json!("undecided"))
    );
    assert_eq!(meanings[1]["alone"]["cause"], "event_too_old");
    let paused = &meanings[2]["outcomes"][0];
    assert_eq!(
        (&paused["outcome"], &paused["wait_seconds"], &paused["reach"]),
        (&json!("blocked"), &json!(30), &json!("account"))
    );
    assert_eq!(
        meanings[3],
        json!({"line": 4, "error": {"cause": "missing_field", "field": "status"}})
    );
    assert_eq!(
        meanings[4],
        json!({"line": 5, "error": {"cause": "malformed_json", "field": null}})
    );
    assert_eq!(meanings[5]["outcomes"][0]["receipt"], "r-1");
}

#[test]
fn no_body_is_too_strange() {
    let deep = "[".repeat(100_000);
    for body in ["", "null", "-1", "{\"error\":[]}", "\u{1b}[2J", &deep] {
        for platform in ["meta", "google", "tiktok"] {
            let page = classify(&["--platform", platform, "--status", "200"], body);
            assert!(!page.contains('\u{1b}'), "{page}");
        }
    }
}
