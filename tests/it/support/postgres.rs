//! A Postgres for one test, which may kill it.

use super::{instance::Instance, schema::Schema};

/// A Postgres of its own.
pub struct Postgres {
    instance: Instance,
}

impl Postgres {
    /// Starts one with its data in a folder of its own.
    pub async fn start() -> Postgres {
        Postgres {
            instance: Instance::start("postgres").await,
        }
    }

    /// A migrated schema in it, to be dropped before it is.
    pub async fn schema(&self) -> Schema {
        Schema::create_on(self.instance.address("RELAY_DATABASE_URL")).await
    }

    /// Starts it with the data it had; the address stays the same.
    pub async fn start_again(&mut self) {
        self.instance.start_again().await;
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub async fn kill(&self) {
        self.instance.kill().await;
    }
}
