//! `explain` and `classify` as people run them: the binary, without a single service and without a single variable.

#[path = "explain/adapters.rs"]
mod adapters;
#[path = "explain/answers.rs"]
mod answers;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::answers::classify;

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
    let clicks = json!({"fbc": "fb.1.1763712000000.IwAR2F4-dbP0l7Mn1IawQQ"});
    let without_page = event(&json!({"source_url": null, "click": clicks}));

    let explained = lines(&shown(&explain(&["--json", "-"], &without_page)));

    let meta = by_account(&explained[0])["meta"].clone();
    assert_eq!(
        (&meta["not_sent"], &meta["field"]),
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
