//! The broker module against a real RabbitMQ, each test in a vhost of its own.

mod alarm;
mod crash_loop;
mod intake;
mod publishing;
mod recovery;
mod topology;
mod world;

/// What other tests use as well.
#[path = "../it/support"]
#[expect(dead_code, reason = "each test program uses a part of it")]
mod support {
    pub mod instance;
    pub mod management;
    pub mod node;
    pub mod vhost;
    pub mod wait;
}
