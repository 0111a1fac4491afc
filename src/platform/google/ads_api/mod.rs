//! The Google Ads API upload, `uploadClickConversions`: only for those whom Google still admits. It judges every conversion at once.
//! <https://developers.google.com/google-ads/api/docs/conversions/upload-offline> (read 2026-11-21)

mod build;
mod classify;
mod codes;

pub(super) use self::{build::build, classify::classify};
