//! The roles: what the relay does, each on top of broker, store, platforms and secrets.

pub mod directory;
mod sealed;

pub use directory::DirectoryWatch;
