//! Metrics of the click ledger, and of the webhooks that fill it.

use metrics::{counter, describe_counter};

use crate::domain::{ClickKind, Platform};

/// Clicks that came with somebody to remember them by, by `kind`.
pub const REMEMBERED: &str = "relay_clicks_remembered_total";
/// Conversions attributed to a click that came earlier and elsewhere, by `platform`.
pub const RECALLED: &str = "relay_clicks_recalled_total";
/// What webhooks held, by `part`.
pub const WEBHOOK_PARTS: &str = "relay_webhook_parts_total";

/// What a part of a webhook is.
pub const PARTS: [&str; 3] = ["click", "event", "ignored"];

/// Gives every metric of this file its help text, and puts every label value to zero.
pub fn describe() {
    describe_counter!(REMEMBERED, "Clicks that came with somebody to remember them by");
    describe_counter!(
        RECALLED,
        "Conversions attributed to a click that came earlier and elsewhere"
    );
    describe_counter!(WEBHOOK_PARTS, "What webhooks held");
    for kind in ClickKind::ALL {
        counter!(REMEMBERED, "kind" => kind.as_str()).increment(0);
    }
    for platform in Platform::ALL {
        counter!(RECALLED, "platform" => platform.as_str()).increment(0);
    }
    for part in PARTS {
        webhook_parts(part, 0);
    }
}

/// Counts a click that is remembered.
pub fn remembered(kind: ClickKind) {
    counter!(REMEMBERED, "kind" => kind.as_str()).increment(1);
}

/// Counts a conversion that an earlier click was found for.
pub fn recalled(platform: Platform) {
    counter!(RECALLED, "platform" => platform.as_str()).increment(1);
}

/// Counts parts of webhooks; `part` is one of [`PARTS`].
pub fn webhook_parts(part: &'static str, count: usize) {
    counter!(WEBHOOK_PARTS, "part" => part).increment(count as u64);
}
