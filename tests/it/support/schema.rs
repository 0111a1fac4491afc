//! A schema of its own for each test, in the Postgres of RELAY_DATABASE_URL; gone when the test ends.

use std::time::Duration;

use conversion_relay::store::{Store, StoreSettings};
use secrecy::SecretString;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// A migrated schema.
pub struct Schema {
    /// The database's URL with this schema as search path.
    pub url: String,
    /// The way to it.
    pub store: Store,
    name: String,
    base: String,
}

impl Schema {
    /// Makes a schema in the Postgres that all tests share, and migrates it.
    pub async fn create() -> Self {
        let base = std::env::var("RELAY_DATABASE_URL").expect(
            "RELAY_DATABASE_URL is not set: `scripts/services up` starts a Postgres for tests and says how to set it",
        );
        Self::create_on(&base).await
    }

    /// Makes a schema in the database at this URL, and migrates it.
    pub async fn create_on(base: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        client(base)
            .await
            .batch_execute(&format!("CREATE SCHEMA {name}"))
            .await
            .expect("a schema can be made");
        let separator = if base.contains('?') { '&' } else { '?' };
        let url = format!("{base}{separator}options=-csearch_path%3D{name}");
        let store = Store::new(&StoreSettings {
            url: SecretString::from(url.clone()),
            ca: None,
            connections: 8,
            connect_timeout: Duration::from_secs(10),
        })
        .expect("the URL of the database can be read");
        store.migrate().await.expect("the schema can be migrated");
        Self {
            url,
            store,
            name,
            base: base.to_owned(),
        }
    }

    /// A plain connection, for what a test arranges or looks at behind the store's back.
    pub async fn client(&self) -> Client {
        client(&self.url).await
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let base = self.base.clone();
        // A test that failed amid a transaction may still hold locks, and its connection cannot run while we wait for it here.
        let statement = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_class ON pg_class.oid = relation \
             WHERE relnamespace = '{0}'::regnamespace AND pid <> pg_backend_pid(); DROP SCHEMA {0} CASCADE",
            self.name
        );
        // A runtime cannot be entered from within another: the test's may be around us.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = client(&base).await;
                client.batch_execute(&statement).await.map_err(std::io::Error::other)
            })
        })
        .join();
        if !std::thread::panicking() {
            dropped
                .expect("the schema's end does not panic")
                .expect("the schema can be dropped");
        }
    }
}

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("Postgres answers at RELAY_DATABASE_URL");
    // It ends with the client.
    tokio::spawn(connection);
    client
}
