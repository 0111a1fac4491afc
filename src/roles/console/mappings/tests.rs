//! What the command says of good and bad mappings and samples.

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    args: Args,
}

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");

/// What a command line says, and how it ends; no database is there.
async fn said(words: &[&str]) -> (Exit, String) {
    let line =
        Line::try_parse_from(std::iter::once(&"mappings").chain(words)).unwrap_or_else(|error| panic!("{error}"));
    let mut out = Vec::new();
    let now = "2026-11-28T12:00:00Z".parse().unwrap();
    let exit = run(&line.args, None, now, &mut out)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    (exit, String::from_utf8(out).unwrap())
}

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path.display().to_string())
}

const CRM: &str = "
[mapping.crm]
[[mapping.crm.event]]
when = { header = 'x-topic', is = 'won' }
fields = { event_id = '/id', event_name = { constant = 'Purchase' }, value = '/total', 'user.email' = '/email' }
";

#[tokio::test]
async fn good_mappings_of_a_file_are_named_with_what_they_make() {
    let (_folder, path) = file(CRM);

    let (exit, said) = said(&["check", &path]).await;

    assert_eq!(exit, Exit::Success);
    insta::assert_snapshot!(said, @r"
    mapping crm: Purchase
    No mistakes in 1 mapping and 0 inputs.
    ");
}

#[tokio::test]
async fn all_mistakes_of_a_file_are_said_and_need_attention() {
    let (_folder, path) = file("[mapping.crm]\n[[mapping.crm.event]]\nwhen = 7\n[[mapping.crm.event]]\n");

    let (exit, said) = said(&["check", &path]).await;

    assert_eq!(exit, Exit::Attention);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("crm.toml:3: mapping.crm.event[0].when"), "{said}");
}

#[tokio::test]
async fn a_sample_shows_the_event_that_it_becomes_and_nobody() {
    let sample = format!("{SAMPLES}/webhooks/stripe_checkout_session_completed.json");

    let (exit, said) = said(&["check", "--mapping", "stripe", "--sample", &sample, "--client", "acme"]).await;

    assert_eq!(exit, Exit::Success);
    assert!(
        said.contains("\"event_name\":\"Purchase\"") && said.ends_with("  taken\n"),
        "{said}"
    );
    assert!(said.contains("e***@e***.com") && !said.contains("example@"), "{said}");
}

#[tokio::test]
async fn a_sample_that_does_not_fit_shows_the_pointer_that_failed() {
    let (_folder, path) = file(CRM);
    let (_other, sample) = file(r#"{"id": "a", "total": "jane@example.com", "email": "jane@example.com"}"#);
    let words = |header| {
        [
            "check",
            &path,
            "--mapping",
            "crm",
            "--sample",
            &sample,
            "--client",
            "acme",
            "--header",
            header,
        ]
        .map(str::to_owned)
    };
    let fits = words("X-Topic=won");
    let other = words("x-topic=lost");

    let (exit, failed) = said(&fits.each_ref().map(String::as_str)).await;
    let (ignored_exit, ignored) = said(&other.each_ref().map(String::as_str)).await;

    assert_eq!(exit, Exit::Attention);
    assert!(failed.contains("not taken: webhook_not_mapped: /total"), "{failed}");
    assert!(!failed.contains("jane"), "{failed}");
    assert_eq!(
        (ignored_exit, ignored.as_str()),
        (Exit::Success, "Ignored: no event's conditions hold.\n")
    );
}

#[tokio::test]
async fn that_nobody_says_whose_a_sample_is_is_told_with_the_way_out() {
    let sample = format!("{SAMPLES}/webhooks/shopify_order.json");
    let (_folder, paid) = file(
        &std::fs::read_to_string(sample)
            .unwrap()
            .replace("\"authorized\"", "\"paid\""),
    );

    let (exit, said) = said(&["check", "--mapping", "shopify", "--sample", &paid]).await;

    assert_eq!(exit, Exit::Attention);
    assert!(said.contains("(nobody says whose it is; try --client)"), "{said}");
}

#[tokio::test]
async fn a_sample_of_whatsapp_shows_its_clicks_and_sales_and_nobody() {
    let of = |name: &str| format!("{SAMPLES}/whatsapp/{name}.json");
    let click = of("ctwa_ad_text");
    let sale = of("automatic_event_purchase");

    let (exit, click) = said(&["check", "--mapping", "whatsapp", "--sample", &click, "--client", "acme"]).await;
    let (_, sale) = said(&["check", "--mapping", "whatsapp", "--sample", &sale, "--client", "acme"]).await;
    let lost = of("ctwa_ad_text");
    let (lost_exit, lost) = said(&["check", "--mapping", "whatsapp", "--sample", &lost]).await;

    assert_eq!(exit, Exit::Success);
    assert_eq!(
        click,
        "Click of +16***34 for acme: ctwa_clid A***, 2025-06-18 19:46:32\nIgnored: 0 parts that tell of no ad click and no sale.\n"
    );
    assert!(
        sale.starts_with("Purchase of acme, 2025-06-04 20:32:11, 25 USD, event ID "),
        "{sale}"
    );
    assert_eq!(lost_exit, Exit::Attention);
    assert!(lost.contains("unknown_waba: entry[0].id"), "{lost}");
}

#[tokio::test]
async fn the_mappings_that_come_with_the_relay_are_listed_and_can_be_copied() {
    let (_folder, own) = file(&CRM.replace("mapping.crm", "mapping.stripe"));

    let (_, list) = said(&["list", &own]).await;
    let (_, shown) = said(&["show", "shopify"]).await;

    insta::assert_snapshot!(list, @r"
    MAPPING  OF                                 MAKES
    generic  the relay                          events as the payload names them
    hubspot  the relay                          Purchase
    shopify  the relay                          Purchase
    stripe   the file, in place of the relay's  Purchase
    ");
    let (_copy, copied) = file(&shown);
    assert_eq!(said(&["check", &copied]).await.0, Exit::Success);
}

#[tokio::test]
async fn an_unknown_mapping_is_named_with_the_likely_one() {
    let failure = show("shopfy", &mut Vec::new()).unwrap_err();

    assert_eq!(
        failure.to_string(),
        "there is no mapping called shopfy; did you mean shopify?"
    );
}

#[test]
fn the_database_is_needed_only_for_what_no_file_gives() {
    let needs = |words: &[&str]| {
        let line = Line::try_parse_from(std::iter::once(&"mappings").chain(words)).ok();
        line.expect("a command line").args.needs_database()
    };

    assert!(needs(&["check"]));
    assert!(needs(&["check", "--mapping", "crm", "--sample", "a.json"]));
    assert!(!needs(&["check", "crm.toml"]));
    assert!(!needs(&["check", "--mapping", "stripe", "--sample", "a.json"]));
    assert!(!needs(&["list"]));
}
