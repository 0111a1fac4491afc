//! Google's two interfaces: what happens to an ad account whose old one is closed to newcomers, and how it gets out of there.

use serde_json::json;

use super::support::{
    wait::until,
    world::{PATIENCE, World, account_of, purchase},
};

/// The file that moves ACME's ad account to the other interface.
const MOVED: &str = r#"
[login.agency-google]
refresh_token = "env:TEST_GOOGLE"

[client.acme]
name = "ACME Shoes"
country = "DE"
currency = "EUR"
timezone = "Europe/Berlin"

[client.acme.google]
login = "agency-google"
customer = "1000000002"
actions = { Purchase = "987" }
mode = "live"
transport = "data_manager"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ads_api_does_not_admit_waits_and_goes_out_by_data_manager() {
    let world = World::new().await;
    world
        .schema
        .client()
        .await
        .batch_execute(
            r#"UPDATE ad_accounts SET rules = '{"mode":"live","actions":{"Purchase":"987"},"transport":"ads_api"}' WHERE platform = 'google';
               UPDATE directory_version SET version = version + 1"#,
        )
        .await
        .expect("the transport is set");
    world.simulator.set_google(json!({"allow_listed": []})).await;
    // Nothing but the change of the file may end the pause within this test.
    let _relay = world.relay().with("RELAY_PROBE_INTERVAL", "1h").start().ready().await;

    let ids: Vec<String> = (0..20).map(|number| format!("sale-{number}")).collect();
    world
        .publish(&ids.iter().map(|id| purchase(id, &["google"])).collect::<Vec<_>>())
        .await;
    world.in_state(20, "google paused transport_not_allowlisted").await;
    assert_eq!(
        world
            .number("SELECT count(*) FROM dispatches WHERE deferrals > 0")
            .await,
        0
    );

    let file = tempfile::NamedTempFile::with_suffix(".toml").expect("a file");
    std::fs::write(file.path(), MOVED).expect("it is written");
    let path = file.path().to_str().expect("a plain path");
    let mut apply = world.relay().command(&["accounts", "apply", "-f", path]).start();
    let ended = apply.dead(PATIENCE).await;
    assert!(ended.success(), "{}", apply.log());

    world.in_state(20, "google sent").await;
    world.assert_counted_once("google", account_of("google"), ids).await;
    until("the pause is over", PATIENCE, async || {
        match world.number("SELECT count(*) FROM pauses").await {
            0 => Ok(()),
            count => Err(format!("{count} pauses")),
        }
    })
    .await;
}
