//! The console's commands as people run them: the binary, against a real RabbitMQ and a real Postgres.

#[path = "console/audit.rs"]
mod audit;
#[path = "console/publish.rs"]
mod publish;
#[path = "console/world.rs"]
mod world;

/// What other tests use as well.
#[expect(dead_code, reason = "each test program uses a part of it")]
#[path = "it/support"]
mod support {
    pub mod management;
    pub mod schema;
    pub mod vhost;
}
