//! From a file to the directory: planned, applied, planned again.

use chrono::{TimeDelta, Utc};
use conversion_relay::{
    domain::{
        AccountId, Cause, ClientId, Directory, Mode, Scope,
        plan::{Plan, Pruning, plan},
    },
    store::{pauses::HandPause, sending::NewPause},
    wire::accounts_file::{SourceFile, parse},
};

use crate::schema::Schema;

const EXAMPLE: &str = include_str!("../../schemas/examples/accounts-reference.toml");

async fn directory(schema: &Schema) -> Directory {
    schema.store.directory().await.expect("the directory can be read")
}

async fn planned(schema: &Schema, text: &str, pruning: Pruning) -> Plan {
    let file = SourceFile {
        name: "accounts.toml".to_owned(),
        text: text.to_owned(),
    };
    let desired = parse(&[file]).unwrap_or_else(|errors| panic!("{errors}"));
    plan(&desired, &directory(schema).await, pruning, Utc::now())
}

async fn applied(schema: &Schema, text: &str, pruning: Pruning) -> Directory {
    let plan = planned(schema, text, pruning).await;
    schema.store.apply(&plan.changes).await.expect("the plan can be done");
    directory(schema).await
}

fn destinations(directory: &Directory, client: &str) -> Vec<(i32, String)> {
    let client = ClientId::parse(client).expect("a client's ID");
    let accounts = directory.accounts_of(&client).iter();
    accounts
        .map(|account| (account.id.0, account.destination.clone()))
        .collect()
}

#[tokio::test]
async fn the_example_is_applied_once_and_needs_nothing_more() {
    let schema = Schema::create().await;

    let directory = applied(&schema, EXAMPLE, Pruning::Remove).await;

    assert_eq!(destinations(&directory, "acme").len(), 3);
    assert_eq!(planned(&schema, EXAMPLE, Pruning::Remove).await, Plan::default());
}

#[tokio::test]
async fn webhooks_mappings_and_inputs_come_back_as_they_were_written() {
    let schema = Schema::create().await;
    let file = SourceFile {
        name: "accounts.toml".to_owned(),
        text: EXAMPLE.to_owned(),
    };
    let desired = parse(&[file]).unwrap_or_else(|errors| panic!("{errors}"));

    let directory = applied(&schema, EXAMPLE, Pruning::Remove).await;

    let acme = ClientId::parse("acme").expect("a client's ID");
    assert_eq!(
        directory.client(&acme).map(|client| &client.webhooks),
        Some(&desired.clients[&acme].webhooks)
    );
    assert_eq!(
        directory.mapping("crm").map(AsRef::as_ref),
        Some(&desired.mappings["crm"])
    );
    assert_eq!(directory.inputs(), [desired.inputs["crm"].clone()]);
}

#[tokio::test]
async fn mappings_and_inputs_go_only_when_they_are_pruned_and_come_back() {
    let schema = Schema::create().await;
    applied(&schema, EXAMPLE, Pruning::Keep).await;
    let (before, after) = EXAMPLE.split_once("[mapping.crm]").expect("the example has a mapping");
    let (_, after) = after.split_once("[client.bistro]").expect("a client comes after it");
    let (after, _) = after.split_once("[input.crm]").expect("the example has an input");
    let before = before.replace("mapping = \"crm\"", "mapping = \"generic\"");
    let without = format!("{before}[client.bistro]{after}");

    let kept = applied(&schema, &without, Pruning::Keep).await;
    let pruned = applied(&schema, &without, Pruning::Remove).await;
    let back = applied(&schema, EXAMPLE, Pruning::Keep).await;

    assert!(kept.mapping("crm").is_some() && kept.inputs().len() == 1);
    assert!(pruned.mapping("crm").is_none() && pruned.inputs().is_empty());
    assert!(back.mapping("crm").is_some() && back.inputs().len() == 1);
}

#[tokio::test]
async fn applying_is_seen_by_the_version() {
    let schema = Schema::create().await;
    let before = schema.store.directory_version().await.unwrap();

    let directory = applied(&schema, EXAMPLE, Pruning::Keep).await;

    assert!(directory.version > before);
}

#[tokio::test]
async fn every_account_has_the_scopes_that_hold_it_back() {
    let schema = Schema::create().await;
    let shared = EXAMPLE.replace(
        "manager = \"987-654-3210\"",
        "manager = \"987-654-3210\"\nquota = \"project\"",
    );
    applied(&schema, EXAMPLE, Pruning::Keep).await;

    let directory = applied(&schema, &shared, Pruning::Keep).await;

    let rows = schema
        .client()
        .await
        .query("SELECT id, scopes FROM ad_accounts", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let account = directory.account(AccountId(row.get(0))).unwrap();
        let expected = Scope::all_of(account, directory.login(&account.login).unwrap());
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(row.get::<_, Vec<String>>(1), expected);
    }
    assert_eq!(directory.login("agency-google").unwrap().quota_name(), "project");
}

#[tokio::test]
async fn a_changed_destination_makes_a_tombstone_and_one_that_returns_is_revived() {
    let schema = Schema::create().await;
    let repointed = EXAMPLE.replace("\"1234567890\"", "\"5555555555\"");
    let first = applied(&schema, EXAMPLE, Pruning::Keep).await;
    let before = destinations(&first, "acme");
    let old = first.accounts().find(|account| account.name == "meta").unwrap().id;

    let moved = applied(&schema, &repointed, Pruning::Keep).await;
    let returned = applied(&schema, EXAMPLE, Pruning::Keep).await;

    assert!(moved.account(old).unwrap().removed);
    assert!(
        destinations(&moved, "acme")
            .iter()
            .any(|(id, destination)| *id != old.0 && destination == "5555555555")
    );
    assert_eq!(destinations(&returned, "acme"), before);
    assert_eq!(planned(&schema, EXAMPLE, Pruning::Remove).await, Plan::default());
}

#[tokio::test]
async fn what_is_not_in_the_file_stays_until_it_is_pruned_and_can_come_back() {
    let schema = Schema::create().await;
    let (without_bistro, _) = EXAMPLE.split_once("[client.bistro]").unwrap();
    let without_bistro = without_bistro.replace("[login.agency-tiktok]\ntoken = \"env:TIKTOK_TOKEN\"", "");
    let all = destinations(&applied(&schema, EXAMPLE, Pruning::Keep).await, "bistro");

    let kept = applied(&schema, &without_bistro, Pruning::Keep).await;
    let pruned = applied(&schema, &without_bistro, Pruning::Remove).await;
    let back = applied(&schema, EXAMPLE, Pruning::Remove).await;

    assert_eq!(destinations(&kept, "bistro"), all);
    assert!(destinations(&pruned, "bistro").is_empty());
    assert!(pruned.client(&ClientId::parse("bistro").unwrap()).is_none());
    assert!(pruned.login("agency-tiktok").is_none());
    assert!(pruned.account(AccountId(all[0].0)).unwrap().removed);
    assert_eq!(destinations(&back, "bistro"), all);
    assert!(back.login("agency-tiktok").is_some());
}

#[tokio::test]
async fn test_mode_ends_an_hour_after_it_was_applied() {
    let schema = Schema::create().await;
    let testing = EXAMPLE.replace(
        "mode = \"live\"\nlive_from",
        "mode = \"test\"\ntest_code = \"TEST1\"\nlive_from",
    );

    let directory = applied(&schema, &testing, Pruning::Keep).await;

    let account = directory.accounts().find(|account| account.name == "meta").unwrap();
    let now = Utc::now();
    assert_eq!(account.mode_at(now), Mode::Test);
    assert_eq!(account.mode_at(now + TimeDelta::minutes(61)), Mode::Shadow);
    assert!(account.rules.test_until.unwrap() > now + TimeDelta::minutes(59));
    assert_eq!(planned(&schema, &testing, Pruning::Keep).await, Plan::default());
}

#[tokio::test]
async fn a_changed_login_is_tried_again_at_once_and_pauses_by_hand_stay() {
    let schema = Schema::create().await;
    applied(&schema, EXAMPLE, Pruning::Keep).await;
    let scope = |name: &str| Scope::Login(name.to_owned());
    let refused = NewPause {
        scope: scope("agency-meta"),
        cause: Cause::LoginRefused,
        detail: None,
        until: None,
        probe_at: Some(Utc::now() + TimeDelta::hours(1)),
    };
    schema.store.hold(&refused).await.unwrap();
    let by_hand = HandPause {
        scope: scope("agency-tiktok"),
        reason: None,
        until: None,
    };
    schema.store.pause(&by_hand).await.unwrap();
    let other_secrets = EXAMPLE
        .replace("run/secrets/meta", "run/secrets/new")
        .replace("TIKTOK_TOKEN", "NEW_TOKEN");

    let directory = applied(&schema, &other_secrets, Pruning::Keep).await;

    let [refused, by_hand] = ["agency-meta", "agency-tiktok"].map(|name| directory.pause(&scope(name)).unwrap());
    assert!(refused.probe_at.unwrap() <= Utc::now() + TimeDelta::seconds(5));
    assert!(by_hand.by_hand && by_hand.probe_at.is_none());
    assert_eq!(directory.login("agency-meta").unwrap().revision, 2);
    assert_eq!(directory.login("agency-google").unwrap().revision, 1);
}

#[tokio::test]
async fn a_plan_is_done_whole_or_not_at_all() {
    let schema = Schema::create().await;
    let mut plan = planned(&schema, EXAMPLE, Pruning::Keep).await;
    // Without its logins no ad account can be made.
    plan.changes.retain(|change| !change.subject().starts_with("login"));

    let error = schema.store.apply(&plan.changes).await.unwrap_err();

    assert!(!error.is_passing(), "{error}");
    assert_eq!(schema.store.directory().await.unwrap().clients().count(), 0);
}

#[tokio::test]
async fn two_who_apply_at_once_do_not_get_into_each_others_way() {
    let schema = Schema::create().await;
    let plan = planned(&schema, EXAMPLE, Pruning::Keep).await;

    let (one, other) = tokio::join!(schema.store.apply(&plan.changes), schema.store.apply(&plan.changes));

    one.unwrap();
    other.unwrap();
    assert_eq!(planned(&schema, EXAMPLE, Pruning::Remove).await, Plan::default());
}
