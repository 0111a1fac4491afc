//! Pauses: who may begin, change and end them.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use conversion_relay::{
    domain::{AccountId, Cause, EventKey, Scope},
    store::{
        pauses::{HandPause, Paused},
        sending::NewPause,
    },
};
use uuid::Uuid;

use crate::schema::Schema;

fn by_relay(cause: Cause, until: Option<DateTime<Utc>>) -> NewPause {
    NewPause {
        scope: Scope::Login("agency".to_owned()),
        cause,
        detail: Some("the platform's words".to_owned()),
        until,
        probe_at: None,
    }
}

fn by_hand(until: Option<DateTime<Utc>>) -> HandPause {
    HandPause {
        scope: Scope::Login("agency".to_owned()),
        reason: Some("a person's words".to_owned()),
        until,
    }
}

fn in_minutes(minutes: i64) -> Option<DateTime<Utc>> {
    Some((Utc::now() + TimeDelta::minutes(minutes)).trunc_subsecs(3))
}

#[tokio::test]
async fn the_relay_neither_replaces_nor_shortens_a_pause_made_by_hand() {
    let schema = Schema::create().await;
    schema.store.pause(&by_hand(in_minutes(60))).await.unwrap();
    let version = schema.store.directory_version().await.unwrap();

    for until in [in_minutes(5), in_minutes(600), None] {
        let paused = schema.store.hold(&by_relay(Cause::LoginRefused, until)).await.unwrap();
        assert_eq!(paused, Paused::Kept);
    }

    let pauses = schema.store.pauses().await.unwrap();
    assert_eq!(pauses[0].cause, Cause::PausedByHand);
    assert!(pauses[0].by_hand);
    assert_eq!(schema.store.directory_version().await.unwrap(), version);
}

#[tokio::test]
async fn of_two_pauses_of_the_relay_the_longer_stands() {
    let schema = Schema::create().await;
    let (short, long) = (in_minutes(5), in_minutes(60));
    let pause = async |cause, until| schema.store.hold(&by_relay(cause, until)).await.unwrap();

    assert_eq!(pause(Cause::QuotaExhausted, long).await, Paused::Began);
    assert_eq!(pause(Cause::RateLimited, short).await, Paused::Kept);
    assert_eq!(schema.store.pauses().await.unwrap()[0].until, long);
    assert_eq!(pause(Cause::LoginRefused, None).await, Paused::Renewed);
    assert_eq!(pause(Cause::RateLimited, long).await, Paused::Kept);

    let version = schema.store.directory_version().await.unwrap();
    assert_eq!(pause(Cause::LoginRefused, None).await, Paused::Kept);
    assert_eq!(schema.store.directory_version().await.unwrap(), version);
    let stands = &schema.store.pauses().await.unwrap()[0];
    assert_eq!((stands.cause, stands.until), (Cause::LoginRefused, None));
}

#[tokio::test]
async fn a_person_may_change_any_pause() {
    let schema = Schema::create().await;
    schema.store.hold(&by_relay(Cause::LoginRefused, None)).await.unwrap();

    assert_eq!(schema.store.pause(&by_hand(None)).await.unwrap(), Paused::Began);
    assert_eq!(
        schema.store.pause(&by_hand(in_minutes(5))).await.unwrap(),
        Paused::Renewed
    );

    assert!(schema.store.pauses().await.unwrap()[0].by_hand);
}

#[tokio::test]
async fn a_pause_whose_time_is_over_counts_as_none() {
    let schema = Schema::create().await;
    schema.store.pause(&by_hand(in_minutes(-1))).await.unwrap();
    assert!(schema.store.pauses().await.unwrap().is_empty());

    let paused = schema
        .store
        .hold(&by_relay(Cause::RateLimited, in_minutes(1)))
        .await
        .unwrap();

    assert_eq!(paused, Paused::Began);
    assert_eq!(schema.store.pauses().await.unwrap()[0].cause, Cause::RateLimited);
}

#[tokio::test]
async fn resuming_tells_what_was_paused_and_counts_the_version_up() {
    let schema = Schema::create().await;
    let scope = Scope::Login("agency".to_owned());
    schema.store.pause(&by_hand(None)).await.unwrap();
    let version = schema.store.directory_version().await.unwrap();

    let ended = schema.store.resume(&scope).await.unwrap();

    assert_eq!(ended.unwrap().cause, Cause::PausedByHand);
    assert!(schema.store.directory_version().await.unwrap() > version);
    assert!(schema.store.resume(&scope).await.unwrap().is_none());
}

#[tokio::test]
async fn the_directory_knows_the_pauses() {
    let schema = Schema::create().await;
    schema.store.pause(&by_hand(None)).await.unwrap();

    let directory = schema.store.directory().await.unwrap();

    let pause = directory.pause(&Scope::Login("agency".to_owned())).unwrap();
    assert!(pause.holds_at(Utc::now()));
}

#[tokio::test]
async fn what_waits_is_counted_by_ad_account_with_its_first_deadline() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    let insert = "INSERT INTO dispatches (event_key, account_id, platform, destination, state, deadline) \
                  VALUES ($1, 7, 'meta', '1', $2, $3)";
    for (state, minutes) in [("paused", 60), ("paused", 30), ("sent", 5)] {
        let deadline = in_minutes(minutes);
        client
            .execute(insert, &[&EventKey(Uuid::new_v4()).0, &state, &deadline])
            .await
            .unwrap();
    }

    let backlog = schema.store.paused_backlog().await.unwrap();

    let of_seven = backlog[&AccountId(7)];
    assert_eq!((backlog.len(), of_seven.count), (1, 2));
    assert!(of_seven.first_deadline < Utc::now() + TimeDelta::minutes(31));
}
