//! The codes of the Data Manager API: why a request is refused.
//!
//! Names as in the official types (`google-ads-datamanager` 0.9.4, `ErrorReason`), those that can concern events sent to Google Ads.
//! Enums grow within `/v1`, so unknown names are normal.
//! <https://developers.google.com/data-manager/api/reference/rest/v1/ErrorReason> (read 2026-11-21)

use crate::{
    domain::{Cause, outcome::Reach},
    platform::google::codes::{Meaning, QUOTA_WAIT, SIX_HOURS},
};

const NOT_SET_UP: Meaning = Meaning::Block(Reach::Account, Cause::AccountNotSetUp);
const NO_PERMISSION: Meaning = Meaning::Block(Reach::Account, Cause::PermissionMissing);
const REFUSED: Meaning = Meaning::Refuse(Cause::Refused);
const BADLY_HASHED: Meaning = Meaning::Refuse(Cause::PersonalDataRefused);

/// Why a request is refused.
pub(super) const REQUEST_REASONS: &[(&str, Meaning)] = &[
    // Google's own trouble, and quota.
    ("INTERNAL_ERROR", Meaning::Retry),
    ("DEADLINE_EXCEEDED", Meaning::Retry),
    ("RESOURCE_EXHAUSTED", Meaning::Quota(Reach::Quota, QUOTA_WAIT)),
    // The action was created minutes ago: 6 hours by the words of the Ads API for the same thing.
    (
        "CONVERSION_ACTION_TOO_RECENTLY_CREATED",
        Meaning::RetryIn(Cause::AccountNotSetUp, SIX_HOURS),
    ),
    // Seen by others, not yet in the published types.
    (
        "DESTINATION_TOO_RECENTLY_CREATED",
        Meaning::RetryIn(Cause::AccountNotSetUp, SIX_HOURS),
    ),
    // Too much at once.
    ("TOO_MANY_EVENTS", Meaning::TooLarge),
    ("TOO_MANY_DESTINATIONS", Meaning::TooLarge),
    ("TOO_MANY_ELEMENTS", Meaning::TooLarge),
    // Account, conversion action or login.
    ("PERMISSION_DENIED", NO_PERMISSION),
    ("OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH", NO_PERMISSION),
    ("NOT_FOUND", NOT_SET_UP),
    ("INVALID_DESTINATION", NOT_SET_UP),
    ("INVALID_CONVERSION_ACTION_ID", NOT_SET_UP),
    ("INVALID_CONVERSION_ACTION_TYPE", NOT_SET_UP),
    ("DESTINATION_ACCOUNT_TYPE_MISMATCH", NOT_SET_UP),
    ("MISMATCHED_ACCOUNT_TYPE", NOT_SET_UP),
    (
        "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS",
        NOT_SET_UP,
    ),
    (
        "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
        NOT_SET_UP,
    ),
    ("DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED", NOT_SET_UP),
    ("TERMS_AND_CONDITIONS_NOT_SIGNED", NOT_SET_UP),
    ("ADVERTISER_TOS_NOT_ACCEPTED", NOT_SET_UP),
    ("ACCOUNT_INELIGIBLE_FOR_STORE_SALES", NOT_SET_UP),
    ("NOT_ALLOWLISTED", NOT_SET_UP),
    ("DUPLICATE_DESTINATION_REFERENCE", NOT_SET_UP),
    ("REQUIRED_PREREQUISITE_LINK_MISSING", NOT_SET_UP),
    ("CUSTOM_VARIABLE_NOT_ENABLED", NOT_SET_UP),
    ("CUSTOM_VARIABLE_NOT_FOUND", NOT_SET_UP),
    // One event whose source does not fit its action: that must not stop the account.
    (
        "EVENT_SOURCE_AND_DESTINATION_MISMATCH",
        Meaning::Refuse(Cause::AccountNotSetUp),
    ),
    // The event.
    ("INVALID_ARGUMENT", REFUSED),
    ("REQUIRED_FIELD_MISSING", REFUSED),
    ("INVALID_FORMAT", REFUSED),
    ("INVALID_HEX_ENCODING", BADLY_HASHED),
    ("INVALID_BASE64_ENCODING", BADLY_HASHED),
    ("INVALID_SHA256_FORMAT", BADLY_HASHED),
    ("CUSTOM_VARIABLE_VALUE_CONTAINS_PII", BADLY_HASHED),
    ("INVALID_CUSTOM_VARIABLE_VALUE", REFUSED),
    ("INVALID_POSTAL_CODE", REFUSED),
    ("INVALID_COUNTRY_CODE", REFUSED),
    ("INVALID_REGION_CODE", REFUSED),
    ("INVALID_ENUM_VALUE", REFUSED),
    ("INVALID_MERCHANT_ID", REFUSED),
    ("INVALID_MERCHANT_FEED_LANGUAGE_CODE", REFUSED),
    ("TOO_MANY_USER_IDENTIFIERS", REFUSED),
    ("TOO_FEW_ELEMENTS", REFUSED),
    ("INVALID_CURRENCY_CODE", Meaning::Refuse(Cause::InvalidCurrency)),
    ("INVALID_EVENT", REFUSED),
    ("INVALID_EVENT_NAME", REFUSED),
    ("NO_IDENTIFIERS_PROVIDED", Meaning::Refuse(Cause::NoIdentifiers)),
    ("EVENT_TIME_INVALID", REFUSED),
    ("INVALID_NUMBER_FORMAT", REFUSED),
    ("FIELD_VALUE_TOO_LONG", REFUSED),
    ("FIELD_VALUE_TOO_SHORT", REFUSED),
    (
        "INVALID_AD_IDENTIFIER_FOR_ACCOUNT",
        Meaning::Refuse(Cause::InvalidClickId),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Official {
        error_reason: BTreeSet<String>,
    }

    #[test]
    fn every_reason_is_spelt_as_google_spells_it_and_stands_once() {
        let file = include_str!("../../../../tests/fixtures/google/data_manager_reasons.json");
        let official: Official = serde_json::from_str(file).unwrap();
        let unpublished = "DESTINATION_TOO_RECENTLY_CREATED";

        let mut seen = BTreeSet::new();
        for (reason, _) in REQUEST_REASONS {
            assert!(
                official.error_reason.contains(*reason) || *reason == unpublished,
                "{reason}"
            );
            assert!(seen.insert(reason), "{reason} twice");
        }
    }
}
