//! The roles: what the relay does, each on top of broker, store, platforms and secrets.

pub mod directory;

pub use directory::DirectoryWatch;
