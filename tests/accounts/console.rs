//! What the console says and does, from arguments to text.

use std::path::Path;

use chrono::{DateTime, TimeZone, Utc};
use clap::{CommandFactory, Parser};
use conversion_relay::{
    domain::{Cause, Scope, api_key::hash_of},
    roles::console::{Console, ConsoleError, Exit, accounts, keys, logins, pause},
    store::sending::NewPause,
};
use insta::assert_snapshot;
use secrecy::SecretSlice;

use crate::schema::Schema;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/examples/accounts-reference.toml");

/// The commands as the binary has them.
#[derive(Parser)]
enum Command {
    #[command(subcommand)]
    Accounts(accounts::Args),
    #[command(subcommand)]
    Logins(logins::Args),
    #[command(subcommand)]
    Keys(keys::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 20, 12, 0, 0).single().expect("a time")
}

/// Runs a command line; what stands after `<` comes in on standard input.
async fn run(schema: &Schema, line: &str) -> Result<String, ConsoleError> {
    let (line, input) = line.split_once(" < ").unwrap_or((line, ""));
    let words = std::iter::once("relay").chain(line.split(' '));
    let console = Console {
        store: schema.store.clone(),
        now: now(),
    };
    let mut out = Vec::new();
    let exit = match Command::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")) {
        Command::Accounts(args) => accounts::run(args, &console, &mut out).await?,
        Command::Logins(args) => {
            let key = SecretSlice::from(vec![7; 32]);
            let sealing = logins::Sealing {
                key: Some(&key),
                input: input.as_bytes(),
            };
            logins::run(args, &console, sealing, &mut out).await?
        }
        Command::Keys(args) => keys::run(args, &console, &mut out).await?,
        Command::Pause(args) => pause::pause(args, &console, &mut out).await?,
        Command::Resume(args) => pause::resume(args, &console, &mut out).await?,
    };
    assert_eq!(exit, Exit::Success);
    Ok(String::from_utf8(out).expect("answers are text"))
}

async fn said(schema: &Schema, line: &str) -> String {
    run(schema, line)
        .await
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The example's accounts, with what its numbers are made certain of.
async fn example() -> Schema {
    let schema = Schema::create().await;
    said(&schema, &format!("accounts apply -f {EXAMPLE}")).await;
    schema
}

async fn paused_dispatch(schema: &Schema, account: i32, deadline: &str) {
    let statement = format!(
        "INSERT INTO dispatches (event_key, account_id, platform, destination, state, deadline)
         VALUES (gen_random_uuid(), {account}, 'meta', '1', 'paused', '{deadline}')"
    );
    schema
        .client()
        .await
        .batch_execute(&statement)
        .await
        .expect("a dispatch can be made");
}

async fn hold(schema: &Schema, scope: Scope, cause: Cause) {
    let pause = NewPause {
        scope,
        cause,
        detail: None,
        until: None,
        probe_at: Some(now()),
    };
    schema.store.hold(&pause).await.expect("the pause can begin");
    let statement = "UPDATE pauses SET since = '2026-11-20T09:17:00Z', probe_at = '2026-11-20T12:05:00Z'";
    schema
        .client()
        .await
        .batch_execute(statement)
        .await
        .expect("the pause is there");
}

fn changed_example(folder: &Path, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(EXAMPLE).expect("the example is there");
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let path = folder.join("accounts.toml");
    std::fs::write(&path, text).expect("the folder can be written");
    path.display().to_string()
}

#[test]
fn the_arguments_are_sound_and_each_is_explained() {
    let command = Command::command();
    command.clone().debug_assert();

    let mut commands: Vec<_> = command.get_subcommands().collect();
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands());
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            assert!(
                argument.get_help().is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
    }
}

#[tokio::test]
async fn a_first_plan_shows_all_that_is_added_and_adds_nothing() {
    let schema = Schema::create().await;

    let plan = said(&schema, &format!("accounts plan -f {EXAMPLE}")).await;

    assert_snapshot!(plan);
    assert_eq!(schema.store.directory().await.unwrap().clients().count(), 0);
}

#[tokio::test]
async fn applying_twice_changes_nothing_the_second_time() {
    let schema = Schema::create().await;

    let first = said(&schema, &format!("accounts apply -f {EXAMPLE}")).await;
    let second = said(&schema, &format!("accounts apply -f {EXAMPLE}")).await;

    assert!(
        first.ends_with("11 to add, none to change, none to remove: done. Workers know of it within 5 seconds.\n"),
        "{first}"
    );
    assert_eq!(second, "Nothing to change.\n");
}

#[tokio::test]
async fn a_plan_shows_what_changes_what_goes_and_what_stays() {
    let schema = example().await;
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let bistro = text.split_once("[client.bistro]").unwrap().1;
    let file = changed_example(
        folder.path(),
        &[
            (&format!("[client.bistro]{bistro}"), ""),
            ("[login.agency-tiktok]\ntoken = \"env:TIKTOK_TOKEN\"\n", ""),
            (
                "\"1234567890\"\nmode = \"live\"",
                "\"5555555555\"\nmode = \"live\"\nrate = 20",
            ),
            ("file:/run/secrets/meta", "db:meta"),
            ("country = \"DE\"", "country = \"AT\""),
            ("Lead = \"654\"", "Lead = \"655\""),
        ],
    );

    let plan = said(&schema, &format!("accounts plan -f {file}")).await;
    let pruned = said(&schema, &format!("accounts plan --prune -f {file}")).await;

    assert_snapshot!(plan);
    assert!(pruned.contains("- client bistro\n"), "{pruned}");
    assert!(
        pruned.contains("not in the files; what waits for it fails as account_removed"),
        "{pruned}"
    );
}

#[tokio::test]
async fn mistakes_are_all_said_and_nothing_is_changed() {
    let schema = Schema::create().await;
    let folder = tempfile::tempdir().unwrap();
    let file = changed_example(
        folder.path(),
        &[("country = \"DE\"", "contry = \"DE\""), ("\"shadow\"", "\"shadw\"")],
    );

    let error = run(&schema, &format!("accounts apply -f {file}"))
        .await
        .unwrap_err()
        .to_string();

    assert!(
        error.contains("did you mean \"country\"?") && error.contains("did you mean \"shadow\"?"),
        "{error}"
    );
    assert_eq!(schema.store.directory().await.unwrap().clients().count(), 0);
}

#[tokio::test]
async fn the_list_says_where_each_account_sends_and_what_holds_it_back() {
    let schema = example().await;
    hold(&schema, Scope::Login("agency-meta".to_owned()), Cause::LoginRefused).await;
    paused_dispatch(&schema, 2, "2026-11-27T09:17:00Z").await;
    paused_dispatch(&schema, 2, "2026-11-28T09:17:00Z").await;

    let list = said(&schema, "accounts list").await;
    let of_bistro = said(&schema, "accounts list --client bistro").await;

    assert_snapshot!(list);
    assert_eq!(of_bistro.lines().count(), 2);
}

#[tokio::test]
async fn the_logins_say_what_waits_for_them_and_never_a_secret() {
    let schema = example().await;
    hold(&schema, Scope::Login("agency-meta".to_owned()), Cause::LoginRefused).await;
    paused_dispatch(&schema, 2, "2026-11-27T09:17:00Z").await;

    let list = said(&schema, "logins list").await;

    assert_snapshot!(list);
}

#[tokio::test]
async fn a_pause_by_hand_says_what_it_holds_back_and_resuming_what_goes_out() {
    let schema = example().await;
    hold(&schema, Scope::Login("agency-meta".to_owned()), Cause::LoginRefused).await;

    let paused = said(
        &schema,
        "pause account:acme/meta --until 2098-01-01T00:00:00Z --reason audit",
    )
    .await;
    paused_dispatch(&schema, 2, "2026-11-27T09:17:00Z").await;
    let again = said(&schema, "pause account:acme/meta --until 2099-01-01T00:00:00Z").await;
    let resumed = said(&schema, "resume account:2").await;
    let twice = said(&schema, "resume acme/meta").await;

    assert_eq!(
        paused,
        "Paused account:2 until 1 Jan 2098 00:00 UTC: 1 ad account holds back, nothing is lost (nothing waits).\n"
    );
    assert!(
        again.starts_with("Already paused by hand; now paused account:2 until 1 Jan 2099 00:00 UTC"),
        "{again}"
    );
    assert!(
        resumed.contains("(paused_by_hand): 1 conversion of 1 client waits, the first expires 27 Nov 09:17."),
        "{resumed}"
    );
    assert!(resumed.ends_with("login:agency-meta is still paused.\n"), "{resumed}");
    assert_eq!(twice, "account:2 was not paused.\n");
}

#[tokio::test]
async fn a_login_is_paused_and_resumed_by_its_name_and_its_secret_read_anew() {
    let schema = example().await;

    let paused = said(&schema, "logins pause agency-meta").await;
    let resumed = said(&schema, "logins resume agency-meta").await;

    assert!(
        paused.starts_with("Paused login:agency-meta until `resume login:agency-meta`: 2 ad accounts hold back"),
        "{paused}"
    );
    assert!(resumed.starts_with("Resumed login:agency-meta"), "{resumed}");
    let directory = schema.store.directory().await.unwrap();
    assert_eq!(directory.login("agency-meta").unwrap().revision, 2);
}

#[tokio::test]
async fn what_is_not_there_is_not_paused_and_the_likely_name_is_said() {
    let schema = example().await;
    for (line, expected) in [
        (
            "logins pause agency-mta",
            "there is no login called agency-mta; did you mean agency-meta?",
        ),
        (
            "pause acme/mta",
            "there is no ad account called acme/mta; did you mean acme/meta?",
        ),
        (
            "pause account:99",
            "there is no ad account called 99; `accounts list` shows the numbers",
        ),
        (
            "pause quota:agency-gogle",
            "there is no quota called agency-gogle; did you mean agency-google?",
        ),
        ("pause meta", "a scope is login:NAME"),
        ("pause platform:meta --until yesterday", "--until wants a time to come"),
        ("logins seal a/b < x", "letters, digits"),
        ("logins seal meta", "nothing came in"),
    ] {
        let error = run(&schema, line).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert!(schema.store.pauses().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sealed_secret_is_named_and_never_shown() {
    let schema = example().await;

    let sealed = said(&schema, "logins seal meta < hunter2").await;
    let folder = tempfile::tempdir().unwrap();
    let file = changed_example(folder.path(), &[("file:/run/secrets/meta", "db:meta")]);
    said(&schema, &format!("accounts apply -f {file}")).await;
    let again = said(&schema, "logins seal meta < hunter3").await;

    assert_eq!(sealed, "Sealed db:meta. No login refers to it yet.\n");
    assert_eq!(
        again,
        "Sealed db:meta. These logins read it anew within 5 seconds: agency-meta.\n"
    );
}

#[tokio::test]
async fn a_key_is_shown_once_and_known_by_its_hash_until_it_is_revoked() {
    let schema = example().await;
    let before = schema.store.directory().await.unwrap();

    let made = said(&schema, "keys create --client acme --name shop").await;
    let key = made.lines().next().unwrap();
    let id = key.split('_').nth(1).unwrap();
    let hash = hash_of(key).expect("it has the form of a key");

    let directory = schema.store.directory().await.unwrap();
    assert!(directory.version > before.version);
    assert_eq!(directory.api_key(&hash).unwrap().client.as_str(), "acme");
    let listed = said(&schema, "keys list").await;
    assert!(
        listed.contains(id) && listed.contains("shop") && !listed.contains(key),
        "{listed}"
    );
    let revoked = said(&schema, &format!("keys revoke {id}")).await;
    assert!(
        revoked.contains(&format!("The key {id} of acme (shop) is revoked")),
        "{revoked}"
    );
    assert!(schema.store.directory().await.unwrap().api_key(&hash).is_none());
    assert!(
        said(&schema, "keys list").await.contains(id),
        "a revoked key is still listed"
    );
}

#[tokio::test]
async fn a_key_needs_a_client_that_exists_and_a_name_that_is_nobodys() {
    let schema = example().await;

    let typo = run(&schema, "keys create --client acmee --name shop")
        .await
        .unwrap_err();
    let personal = run(&schema, "keys create --client acme --name jane@customers.example")
        .await
        .unwrap_err();
    let pasted = format!("crk_aaaaaaaa_{}", "b".repeat(43));
    let unknown = run(&schema, &format!("keys revoke {pasted}")).await.unwrap_err();

    assert_eq!(typo.to_string(), "there is no client called acmee; did you mean acme?");
    assert!(!personal.to_string().contains("jane"), "{personal}");
    assert!(!unknown.to_string().contains("bbb"), "{unknown}");
}
