//! What only Meta wants: the proof of an app's secret, a slower pace before a limit, an ear for its warnings.

use std::time::Duration;

use chrono::Utc;
use conversion_relay::domain::Scope;
use serde_json::json;

use super::support::{
    wait::until,
    world::{META_TOKEN, PATIENCE, World, account_of, purchase},
};

/// The secret of the app that ACME's token belongs to, and the proof that follows from both.
const APP_SECRET: &str = "test-app-secret-6b1d90ce42";

/// A world whose token for Meta is good only with the proof of its app's secret.
async fn guarded_world() -> World {
    let world = World::new().await;
    world
        .simulator
        .set_meta(json!({"app_secrets": {META_TOKEN: APP_SECRET}}))
        .await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_with_an_app_secret_proves_that_it_knows_it_and_never_says_how() {
    let world = guarded_world().await;
    let statement = "UPDATE logins SET app_secret = 'env:TEST_APP_SECRET' WHERE name = 'agency-meta'";
    world
        .schema
        .client()
        .await
        .execute(statement, &[])
        .await
        .expect("it is set");
    let _relay = world.relay().with("TEST_APP_SECRET", APP_SECRET).start().ready().await;

    world.publish(&[purchase("proven", &["meta"])]).await;
    world.settled(1).await;

    world
        .assert_counted_once("meta", account_of("meta"), ["proven".to_owned()])
        .await;
    let logs = world.all_logs();
    assert!(
        !logs.contains(APP_SECRET) && !logs.contains("appsecret_proof="),
        "{logs}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_wants_a_proof_and_gets_none_holds_its_login_back() {
    let world = guarded_world().await;
    let _relay = world.relay().with("RELAY_PROBE_INTERVAL", "1h").start().ready().await;

    world.publish(&[purchase("unproven", &["meta"])]).await;

    world.in_state(1, "meta paused login_refused").await;
    assert_eq!(world.simulator.counts().await.of("meta", account_of("meta")).counted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_near_metas_limit_rests_before_it_is_refused() {
    let world = World::new().await;
    let usage = r#"{"1":[{"type":"ads_management","call_count":91,"estimated_time_to_regain_access":0}]}"#;
    world
        .simulator
        .set_meta(json!({"headers": {"x-business-use-case-usage": usage}}))
        .await;
    let _relay = world.relay().start().ready().await;
    let began = Utc::now();

    world.publish(&[purchase("first", &["meta"])]).await;
    world.in_state(1, "meta sent").await;
    let pause = until("the ad account rests", PATIENCE, async || {
        let pauses = world
            .schema
            .store
            .pauses()
            .await
            .map_err(|failure| failure.to_string())?;
        pauses.into_iter().next().ok_or_else(|| "no pause".to_owned())
    })
    .await;
    world.publish(&[purchase("second", &["meta"])]).await;
    world.in_state(1, "meta paused rate_limited").await;

    assert!(matches!(pause.scope, Scope::Account(_)), "{pause:?}");
    let length = pause.until.expect("it ends by itself") - began;
    assert!((420..=600).contains(&length.num_seconds()), "{length}");
    assert_eq!(pause.detail.as_deref(), Some("the business limit: 91 % used"));
    let spent = "SELECT count(*) FROM dispatches WHERE deferrals > 0 OR state = 'failed'";
    assert_eq!(world.number(spent).await, 0);
    world
        .assert_counted_once("meta", account_of("meta"), ["first".to_owned()])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_about_the_version_is_counted_and_said_once() {
    let world = World::new().await;
    let warning = "The call has been auto-upgraded to v26.0 as v24.0 has been deprecated.";
    world
        .simulator
        .set_meta(json!({"headers": {"x-ad-api-version-warning": warning}}))
        .await;
    let relay = world.relay().start().ready().await;
    let counted = |labels: &'static str| relay.metric("relay_version_warnings_total", labels);
    assert_eq!(counted("").await, 0.0);

    for id in ["first", "second"] {
        world.publish(&[purchase(id, &["meta"])]).await;
    }
    world.in_state(2, "meta sent").await;

    until("it is counted", Duration::from_secs(10), async || {
        let found = counted("platform=\"meta\"").await;
        if found >= 1.0 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    assert_eq!(relay.log().matches("auto-upgraded").count(), 1, "{}", relay.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_renewed_where_it_lies_is_found_by_the_next_probe() {
    let world = World::new().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "an-old-token").expect("it can be written");
    let statement =
        "UPDATE logins SET credential = jsonb_build_object('token', 'file:' || $1) WHERE name = 'agency-meta'";
    let path = file.to_str().expect("a path of text");
    world
        .schema
        .client()
        .await
        .execute(statement, &[&path])
        .await
        .expect("it is set");
    world.simulator.set_token("an-old-token", json!({"valid": false})).await;
    let _relay = world.relay().start().ready().await;
    world.publish(&[purchase("renewed", &["meta"])]).await;
    world.in_state(1, "meta paused login_refused").await;

    std::fs::write(&file, META_TOKEN).expect("it can be written");
    world.settled(1).await;

    world
        .assert_counted_once("meta", account_of("meta"), ["renewed".to_owned()])
        .await;
}
