//! The names of all metrics, one file a concern.

pub mod broker;
pub mod clicks;
pub mod conversions;
pub mod gateway;
pub mod google;
