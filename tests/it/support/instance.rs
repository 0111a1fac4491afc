//! One service of a test's own, which it may kill and start again.

use std::{collections::HashMap, path::PathBuf, process::Output};

use tokio::process::Command;
use uuid::Uuid;

/// An instance of a service, started and stopped by `scripts/services`, removed when it is dropped.
pub struct Instance {
    service: &'static str,
    directory: PathBuf,
    /// `RELAY_AMQP_URL`, `RELAY_DATABASE_URL` and the like, as the script prints them.
    addresses: HashMap<String, String>,
}

impl Instance {
    /// Starts one with its data in a folder of its own.
    pub async fn start(service: &'static str) -> Instance {
        let instances = std::env::var("RELAY_INSTANCES").unwrap_or_else(|_| {
            panic!("RELAY_INSTANCES is not set: run `make test`, or `scripts/with-services dev -- cargo test`")
        });
        let mut instance = Instance {
            service,
            directory: PathBuf::from(instances).join(Uuid::new_v4().simple().to_string()),
            addresses: HashMap::new(),
        };
        instance.start_again().await;
        instance
    }

    /// Starts it with the data it had; the addresses stay the same.
    pub async fn start_again(&mut self) {
        let output = self.services("start").await;
        let lines = String::from_utf8(output.stdout).expect("KEY=VALUE lines");
        let addresses = lines.lines().filter_map(|line| line.split_once('='));
        self.addresses = addresses
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub async fn kill(&self) {
        self.services("kill").await;
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.services("stop").await;
    }

    /// One of the addresses.
    pub fn address(&self, key: &str) -> &str {
        &self.addresses[key]
    }

    async fn services(&self, verb: &str) -> Output {
        let output = self.command(verb).output().await;
        succeeded(output, verb)
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new("scripts/services");
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args([self.service, verb])
            .arg(&self.directory);
        command
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // What is left over when this fails is removed by `scripts/services down`.
        let _ = self.command("remove").as_std_mut().status();
    }
}

pub(super) fn succeeded(output: std::io::Result<Output>, what: &str) -> Output {
    let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
