//! A RabbitMQ node for one test, which may kill it.

use tokio::process::Command;

use super::instance::{Instance, succeeded};

/// A RabbitMQ node of its own.
pub struct Node {
    instance: Instance,
}

impl Node {
    /// Starts one with its data in a folder of its own.
    pub async fn start() -> Node {
        Node {
            instance: Instance::start("rabbitmq").await,
        }
    }

    /// Starts it with the data it had; the addresses stay the same.
    pub async fn start_again(&mut self) {
        self.instance.start_again().await;
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub async fn kill(&self) {
        self.instance.kill().await;
    }

    /// Stops it in order.
    pub async fn stop(&self) {
        self.instance.stop().await;
    }

    /// One of the addresses: `RELAY_AMQP_URL`, `RELAY_MANAGEMENT_URL`.
    pub fn address(&self, key: &str) -> &str {
        self.instance.address(key)
    }

    /// Runs `rabbitmqctl` on it.
    pub async fn ctl(&self, arguments: &[&str]) {
        self.run(&self.rabbitmqctl(), arguments).await;
    }

    /// Runs a script that calls `rabbitmqctl` by the variable `RABBITMQCTL`.
    pub async fn script(&self, path: &str, arguments: &[&str]) {
        let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        self.run(&path, arguments).await;
    }

    fn rabbitmqctl(&self) -> String {
        self.address("RELAY_RABBITMQCTL").to_owned()
    }

    async fn run(&self, program: &str, arguments: &[&str]) {
        let variables = std::fs::read_to_string(self.address("RELAY_RABBITMQ_NODE_ENV")).expect("the node's variables");
        let output = Command::new(program)
            .env_clear()
            .envs(variables.lines().filter_map(|line| line.split_once('=')))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("RABBITMQCTL", self.rabbitmqctl())
            .args(arguments)
            .output()
            .await;
        succeeded(output, &arguments.join(" "));
    }
}
