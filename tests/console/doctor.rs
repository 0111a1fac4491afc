//! `doctor`: what is in order, what is worth a look, and what is wrong.

use reqwest::Method;

use crate::{
    support::{management::Management, wait::until},
    world::{DEADLINE, META, Ran, World, purchase},
};

fn management() -> String {
    std::env::var("RELAY_MANAGEMENT_URL").expect("checked by the world")
}

async fn examine(world: &World, changes: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&["doctor"]);
    command.env("RELAY_MANAGEMENT_URL", management());
    command.envs(changes.iter().copied());
    Ran::from(command.output().await.expect("the binary runs"))
}

/// The line about a subject.
fn line<'a>(ran: &'a Ran, subject: &str) -> &'a str {
    let mut lines = ran.out.lines();
    lines
        .find(|line| line.get(7..).is_some_and(|rest| rest.starts_with(subject)))
        .unwrap_or_else(|| panic!("nothing about {subject}: {ran:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn where_everything_is_in_order_nothing_is_wrong_and_no_secret_is_shown() {
    let world = World::new().await;
    let relay = world.relay().start().ready().await;
    // The management interface counts readers every few seconds.
    let ran = until("the readers are counted", DEADLINE, async || {
        let ran = examine(&world, &[]).await;
        if line(&ran, "readers").starts_with("ok") {
            Ok(ran)
        } else {
            Err(ran.out)
        }
    })
    .await;

    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.lines().all(|line| line.starts_with("ok")), "{}", ran.out);
    for subject in [
        "configuration",
        "database",
        "clock",
        "tables",
        "ad accounts",
        "pauses",
        "broker",
        "topology",
        "dead letters",
        "unrouted",
        "login agency-meta",
        "login agency-google",
        "Meta reachable",
        "Google reachable",
        "TikTok reachable",
    ] {
        line(&ran, subject);
    }
    for secret in world.variables() {
        let is_secret = secret.0.starts_with("TEST_") || secret.0.contains("IDENTITY");
        assert!(!is_secret || !ran.out.contains(&secret.1), "{}", secret.0);
    }
    let password = url::Url::parse(&management()).unwrap().password().unwrap().to_owned();
    assert!(!ran.out.contains(&password) && !ran.err.contains(&password));
    drop(relay);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_with_what_to_do() {
    let world = World::new().await;
    world.refused_sale(purchase("1"), META).await;
    let vhost = world.amqp.rsplit('/').next().unwrap();
    Management::at(&management())
        .request(Method::DELETE, &format!("queues/{vhost}/conversions.bulk.meta"), None)
        .await;
    world
        .sql("INSERT INTO pauses (scope, cause, by_hand) VALUES ('platform:google', 'paused_by_hand', true)")
        .await;

    let changes = [
        ("TEST_TIKTOK", "token with blanks"),
        ("RELAY_META_URL", "http://127.0.0.1:9"),
    ];
    let mut command = world.command(&["doctor"]);
    command.envs(changes).env_remove("TEST_META");
    let ran = Ran::from(command.output().await.unwrap());

    assert_eq!(ran.code, Some(1), "{ran:?}");
    let cases = [
        ("topology", "wrong", "queue conversions.bulk.meta"),
        ("readers", "ok", "RELAY_MANAGEMENT_URL is not set"),
        ("dead letters", "look", "1 in meta: `dead list`"),
        ("pauses", "look", "platform:google (paused_by_hand)"),
        ("login agency-meta", "wrong", "env:TEST_META"),
        ("login agency-tiktok", "wrong", "holds blanks"),
        ("Meta reachable", "wrong", "http://127.0.0.1:9: connect"),
        ("TikTok reachable", "ok", "http://127.0.0.1"),
    ];
    for (subject, grade, part) in cases {
        let line = line(&ran, subject);
        assert!(line.starts_with(grade) && line.contains(part), "{grade} {part}: {line}");
    }
    assert!(!ran.out.contains("token with blanks"), "{}", ran.out);
    let with_management = examine(&world, &[]).await;
    let readers = line(&with_management, "readers");
    assert!(
        readers.starts_with("look") && readers.contains("start `conversion-relay run`"),
        "{readers}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_or_without_tables_does_not_hide_the_rest() {
    let world = World::new().await;

    let away = examine(
        &world,
        &[("RELAY_DATABASE_URL", "postgres://relay:hunter2@127.0.0.1:9/relay")],
    )
    .await;
    world.sql("DROP TABLE refinery_schema_history").await;
    let bare = examine(&world, &[]).await;

    assert_eq!((away.code, bare.code), (Some(1), Some(1)));
    assert!(line(&away, "database").starts_with("wrong"), "{away:?}");
    assert!(!format!("{away:?}").contains("hunter2"));
    assert!(line(&bare, "tables").contains("conversion-relay migrate"), "{bare:?}");
    for ran in [&away, &bare] {
        assert!(line(ran, "broker").starts_with("ok"), "{ran:?}");
    }
}
