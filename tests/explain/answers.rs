//! `classify`: what an answer means, for people and for machines.

use std::fmt::Write as _;

use serde_json::json;

use crate::{assert_golden, lines, relay, shown};

/// The page about an answer.
pub fn classify(arguments: &[&str], body: &str) -> String {
    let body = if body.is_empty() { vec![] } else { vec![body] };
    shown(&relay(&[&["classify"], arguments, &body[..]].concat(), ""))
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
