//! Secrets that lie sealed in Postgres, found through the store.

use std::sync::Arc;

use conversion_relay::{
    domain::secret::SecretRef,
    secrets::{SecretPlaces, Secrets, seal},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::schema::Schema;

#[tokio::test]
async fn a_secret_sealed_in_postgres_is_read_back_and_the_newest_counts() {
    let schema = Schema::create().await;
    let key = SecretSlice::from(vec![7; 32]);
    for text in ["old", "hunter2"] {
        let sealed = seal(&key, "meta", &SecretString::from(text)).unwrap();
        schema.store.put_sealed_secret("meta", &sealed).await.unwrap();
    }
    let secrets = Secrets::new(SecretPlaces {
        environment: Arc::new([]),
        vault: None,
        sealed: Arc::new(schema.store.clone()),
        seal_key: Some(key),
    });

    let secret = secrets.resolve(&SecretRef("db:meta".to_owned())).await.unwrap();

    assert_eq!(secret.expose_secret(), "hunter2");
}

#[tokio::test]
async fn sealing_a_secret_anew_makes_its_logins_read_it_anew() {
    let schema = Schema::create().await;
    let client = schema.client().await;
    client
        .batch_execute(
            r#"INSERT INTO logins (name, platform, credential, app_secret) VALUES
               ('by-token', 'meta', '{"token": "db:meta"}', NULL),
               ('by-app-secret', 'meta', '{"token": "env:META"}', 'db:meta'),
               ('other', 'meta', '{"token": "db:other"}', NULL)"#,
        )
        .await
        .unwrap();
    let key = SecretSlice::from(vec![7; 32]);
    let sealed = seal(&key, "meta", &SecretString::from("hunter2")).unwrap();
    let version = schema.store.directory_version().await.unwrap();

    let logins = schema.store.put_sealed_secret("meta", &sealed).await.unwrap();

    let directory = schema.store.directory().await.unwrap();
    let revision = |name: &str| directory.login(name).unwrap().revision;
    assert_eq!(logins, ["by-app-secret", "by-token"]);
    assert_eq!(
        (revision("by-token"), revision("by-app-secret"), revision("other")),
        (2, 2, 1)
    );
    assert!(directory.version > version);
}
