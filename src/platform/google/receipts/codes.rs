//! The codes of receipts: why an event that Data Manager took is not processed.
//!
//! Names as in the official types (`google-ads-datamanager` 0.9.4, `ProcessingErrorReason`). Enums grow within `/v1`, so unknown names
//! are normal.
//! <https://developers.google.com/data-manager/api/reference/rest/v1/ProcessingErrorReason> (read 2026-11-21)

use crate::{
    domain::Cause,
    platform::google::codes::{Meaning, SIX_HOURS},
};

const REFUSED: Meaning = Meaning::Refuse(Cause::Refused);
const NOT_SET_UP: Meaning = Meaning::Refuse(Cause::AccountNotSetUp);
const BAD_CLICK_ID: Meaning = Meaning::Refuse(Cause::InvalidClickId);

/// Why an event that was taken is not processed, without the prefix `PROCESSING_ERROR_REASON_` (one has only `PROCESSING_ERROR_`).
///
/// What the advertiser must set up is a refusal here, not a block: the conversion was taken, so it fails and can be replayed after the
/// repair, while what still waits is judged by its own answers.
pub(super) const PROCESSING_REASONS: &[(&str, Meaning)] = &[
    ("DUPLICATE_GCLID", Meaning::Already),
    ("DUPLICATE_TRANSACTION_ID", Meaning::Already),
    ("TOO_RECENT_CLICK", Meaning::RetryIn(Cause::ClickTooRecent, SIX_HOURS)),
    ("INTERNAL_ERROR", Meaning::Retry),
    ("CLICK_NOT_FOUND", Meaning::Expected(Cause::ClickNotFound)),
    ("INVALID_CLICK", Meaning::Expected(Cause::ClickNotFound)),
    ("DENIED_CONSENT", Meaning::Expected(Cause::ConsentDenied)),
    // A click of another ad account: with two customers of one client that is how it must be, and nobody's fault.
    (
        "INVALID_OPERATING_ACCOUNT_FOR_CLICK",
        Meaning::Expected(Cause::ClickKindElsewhere),
    ),
    (
        "OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
        Meaning::Expected(Cause::ClickKindElsewhere),
    ),
    // The advertiser gave no consent of its own, or nobody said anything of the person's.
    ("NO_CONSENT", NOT_SET_UP),
    ("UNKNOWN_CONSENT", Meaning::Refuse(Cause::ConsentMissing)),
    ("DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED", NOT_SET_UP),
    ("CUSTOM_VARIABLE_NOT_ENABLED", NOT_SET_UP),
    ("ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID", NOT_SET_UP),
    ("EXTERNAL_ATTRIBUTION_DATA_MISSING", NOT_SET_UP),
    ("DECRYPTION_ERROR", NOT_SET_UP),
    ("DEK_DECRYPTION_ERROR", NOT_SET_UP),
    ("INVALID_WIP", NOT_SET_UP),
    ("INVALID_KEK", NOT_SET_UP),
    ("WIP_AUTH_FAILED", NOT_SET_UP),
    ("KEK_PERMISSION_DENIED", NOT_SET_UP),
    ("AWS_AUTH_FAILED", NOT_SET_UP),
    // The event.
    ("EVENT_TOO_OLD", Meaning::Refuse(Cause::EventTooOld)),
    ("INVALID_GCLID", BAD_CLICK_ID),
    ("INVALID_GBRAID", BAD_CLICK_ID),
    ("INVALID_WBRAID", BAD_CLICK_ID),
    ("INVALID_AD_IDENTIFIERS", BAD_CLICK_ID),
    ("CONVERSION_PRECEDES_CLICK", Meaning::Refuse(Cause::InvalidField)),
    ("INVALID_CUSTOM_VARIABLE", REFUSED),
    ("INVALID_MERCHANT_ID", REFUSED),
    ("INVALID_EVENT", REFUSED),
    ("INVALID_FORMAT", REFUSED),
    (
        "USER_IDENTIFIER_DECRYPTION_ERROR",
        Meaning::Refuse(Cause::PersonalDataRefused),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Official {
        processing_error_reason: BTreeSet<String>,
    }

    /// Google's names without their prefix.
    fn official() -> BTreeSet<String> {
        let file = include_str!("../../../../tests/fixtures/google/data_manager_reasons.json");
        let official: Official = serde_json::from_str(file).unwrap();
        let bare = |name: &String| {
            let bare = name.strip_prefix("PROCESSING_ERROR_").unwrap();
            bare.strip_prefix("REASON_").unwrap_or(bare).to_owned()
        };
        official.processing_error_reason.iter().map(bare).collect()
    }

    #[test]
    fn every_reason_is_spelt_as_google_spells_it_and_stands_once() {
        let official = official();

        let mut seen = BTreeSet::new();
        for (reason, _) in PROCESSING_REASONS {
            assert!(official.contains(*reason), "{reason}");
            assert!(seen.insert(reason), "{reason} twice");
        }
    }

    #[test]
    fn reasons_that_are_not_listed_are_those_of_other_products() {
        let listed: BTreeSet<&str> = PROCESSING_REASONS.iter().map(|(reason, _)| *reason).collect();
        let official = official();
        let missing: Vec<&str> = official
            .iter()
            .map(String::as_str)
            .filter(|reason| !listed.contains(reason))
            .collect();

        // Store sales and Floodlight.
        assert_eq!(
            missing,
            [
                "EVENT_ID_DECODE_ERROR",
                "INSUFFICIENT_MATCHED_TRANSACTIONS",
                "INSUFFICIENT_TRANSACTIONS",
                "INVALID_MOBILE_ID_FORMAT",
                "MATCH_ID_NOT_FOUND",
                "ORIGINAL_CONVERSIONS_NOT_FOUND",
                "UNSPECIFIED",
                "USER_ID_NOT_FOUND",
                "USER_ID_NOT_FOUND_FOR_DCLID",
                "USER_ID_NOT_FOUND_FOR_GCLID",
                "USER_ID_NOT_FOUND_FOR_IMPRESSION_ID",
                "USER_ID_NOT_FOUND_FOR_MATCH_ID",
            ]
        );
    }
}
