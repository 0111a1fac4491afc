//! What the tests stand on.

pub mod callers;
pub mod gateway;
pub mod instance;
pub mod management;
pub mod node;
pub mod postgres;
mod publishing;
pub mod purchases;
pub mod relay;
pub mod schema;
pub mod simulator;
pub mod vhost;
pub mod wait;
pub mod world;
