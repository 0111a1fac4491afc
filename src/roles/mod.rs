//! The roles: they join wire, platforms, broker and ledger into work that goes on by itself.

pub mod console;
pub mod context;
pub mod credentials;
pub mod decide;
pub mod directory;
pub mod gateway;
pub mod keeper;
pub mod messages;
pub mod plan;
mod quota;
pub mod receipts;
pub mod recorder;
pub mod router;
mod sealed;
pub mod sender;
mod trial;

pub use directory::DirectoryWatch;

/// An error with all its sources, for a log line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
