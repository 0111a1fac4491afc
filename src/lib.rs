//! conversion-relay: the library behind the two binaries, `conversion-relay` and `platform-simulator`.

#[cfg(all(feature = "crash-points", not(debug_assertions)))]
compile_error!("crash points are for tests: never build a release with them");

pub mod config;
pub mod domain;
pub mod platform;
pub mod roles;
pub mod secrets;
pub mod store;
pub mod wire;
