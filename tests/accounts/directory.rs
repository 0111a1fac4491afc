//! Reading the directory, and watching it.

use std::{sync::Arc, time::Duration};

use conversion_relay::{
    domain::{AccountId, ClientId, Mode},
    roles::DirectoryWatch,
    store::{Store, StoreError, StoreSettings},
};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use crate::schema::Schema;

const ACME: &str = "
    INSERT INTO clients (id, name, country) VALUES ('acme', 'ACME Shoes', 'DE');
    INSERT INTO logins (name, platform, credential) VALUES ('agency', 'meta', '{\"token\": \"env:META\"}');
    INSERT INTO ad_accounts (client_id, name, platform, destination, login, rules)
        VALUES ('acme', 'meta', 'meta', '1234567890', 'agency', '{\"mode\": \"live\"}');
    UPDATE directory_version SET version = version + 1;";

#[tokio::test]
async fn the_directory_is_read_whole() {
    let schema = Schema::create().await;
    schema.client().await.batch_execute(ACME).await.unwrap();

    let directory = schema.store.directory().await.unwrap();

    let acme = ClientId::parse("acme").unwrap();
    let account = &directory.accounts_of(&acme)[0];
    assert_eq!(directory.version, schema.store.directory_version().await.unwrap());
    assert_eq!(directory.client(&acme).unwrap().country.as_deref(), Some("DE"));
    assert_eq!(account.rules.mode, Mode::Live);
    assert_eq!(directory.login(&account.login).unwrap().quota_name(), "agency");
    assert!(directory.account(AccountId(99)).is_none());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_by_table_and_column() {
    let cases = [
        (
            "UPDATE ad_accounts SET rules = '{\"mode\": \"loud\"}'",
            "ad_accounts",
            "rules",
        ),
        ("UPDATE ad_accounts SET platform = 'myspace'", "ad_accounts", "platform"),
        ("UPDATE logins SET credential = '{}'", "logins", "credential"),
        (
            "INSERT INTO pauses (scope, cause) VALUES ('login:agency', 'no_such_cause')",
            "pauses",
            "cause",
        ),
    ];
    for (statement, table, column) in cases {
        let schema = Schema::create().await;
        let client = schema.client().await;
        client.batch_execute(ACME).await.unwrap();
        client.batch_execute(statement).await.unwrap();

        let error = schema.store.directory().await.unwrap_err();

        let StoreError::Row { table: t, column: c } = error else {
            panic!("{statement}: {error}");
        };
        assert_eq!((t, c), (table, column), "{statement}");
    }
}

#[tokio::test]
async fn a_miss_finds_what_was_committed_before_it() {
    let schema = Schema::create().await;
    let watch = DirectoryWatch::load(schema.store.clone()).await.unwrap();
    let acme = ClientId::parse("acme").unwrap();
    assert!(watch.current().client(&acme).is_none());
    schema.client().await.batch_execute(ACME).await.unwrap();

    let refreshed = watch.refresh().await.unwrap();

    assert!(refreshed.client(&acme).is_some());
    assert!(watch.current().client(&acme).is_some());
}

#[tokio::test]
async fn many_misses_make_few_queries() {
    let schema = Schema::create().await;
    let watch = Arc::new(DirectoryWatch::load(schema.store.clone()).await.unwrap());
    let began = std::time::Instant::now();

    let misses: Vec<_> = (0..500)
        .map(|_| {
            let watch = Arc::clone(&watch);
            tokio::spawn(async move { watch.refresh().await.map(drop) })
        })
        .collect();
    for miss in misses {
        miss.await.unwrap().unwrap();
    }

    // One query each, every 200 ms, would take 100 s.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_change_is_seen_without_being_asked_for() {
    let schema = Schema::create().await;
    let watch = Arc::new(DirectoryWatch::load(schema.store.clone()).await.unwrap());
    let cancel = CancellationToken::new();
    let task = {
        let (watch, cancel) = (Arc::clone(&watch), cancel.clone());
        tokio::spawn(async move { watch.run(Duration::from_millis(20), cancel).await })
    };
    let acme = ClientId::parse("acme").unwrap();
    schema.client().await.batch_execute(ACME).await.unwrap();

    let seen = tokio::time::timeout(Duration::from_secs(5), async {
        while watch.current().client(&acme).is_none() {
            tokio::task::yield_now().await;
        }
    });

    seen.await.expect("the change is seen within 5 seconds");
    cancel.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn the_last_directory_stands_while_postgres_is_away() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    client.batch_execute(ACME).await.unwrap();
    let watch = DirectoryWatch::load(schema.store.clone()).await.unwrap();
    client
        .batch_execute("ALTER TABLE directory_version RENAME TO hidden")
        .await
        .unwrap();

    let refreshed = watch.refresh().await;

    assert!(refreshed.is_err());
    assert!(watch.current().client(&ClientId::parse("acme").unwrap()).is_some());
    client
        .batch_execute("ALTER TABLE hidden RENAME TO directory_version")
        .await
        .unwrap();
    assert!(watch.refresh().await.is_ok());
}

#[tokio::test]
async fn without_postgres_there_is_no_directory_to_begin_with() {
    // Port 9 is "discard": nobody listens there.
    let store = Store::new(&StoreSettings {
        url: SecretString::from("postgres://relay@127.0.0.1:9/relay?sslmode=disable"),
        ca: None,
        connections: 1,
        connect_timeout: Duration::from_secs(2),
    })
    .unwrap();

    let error = DirectoryWatch::load(store).await.err().unwrap();

    assert!(error.is_passing(), "{error}");
}
