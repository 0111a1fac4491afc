//! The wire: messages in and out, as JSON and headers. Pure.

pub mod accounts_file;
pub mod dispatch;
pub mod event;
pub mod fields;
pub mod schema;
pub mod send_event;
pub mod submission;
pub mod webhook;
