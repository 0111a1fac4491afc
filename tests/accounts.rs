//! The directory against a real Postgres: read, changed, paused, and seen by everyone.

#[path = "it/support/schema.rs"]
mod schema;

#[path = "accounts/applying.rs"]
mod applying;
#[path = "accounts/console.rs"]
mod console;
#[path = "accounts/directory.rs"]
mod directory;
#[path = "accounts/pauses.rs"]
mod pauses;
#[path = "accounts/sealed.rs"]
mod sealed;
