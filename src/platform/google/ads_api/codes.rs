//! The codes of the Google Ads API: of a conversion, and of everything before it.
//!
//! Names and numbers as in the official types (`google-ads` 34.0.0, v26); v23 to v26 have the same.
//! <https://developers.google.com/google-ads/api/reference/rpc/v26/ConversionUploadErrorEnum.ConversionUploadError>
//! <https://developers.google.com/google-ads/api/docs/common-errors> (both read 2026-11-21)

use std::time::Duration;

use crate::{
    domain::{Cause, outcome::Reach},
    platform::google::codes::{Meaning, QUOTA_WAIT, SIX_HOURS, find},
};

const NOT_SET_UP: Meaning = Meaning::Block(Reach::Account, Cause::AccountNotSetUp);
const NO_PERMISSION: Meaning = Meaning::Block(Reach::Account, Cause::PermissionMissing);
const LOGIN: Meaning = Meaning::Block(Reach::Login, Cause::LoginRefused);
const REFUSED: Meaning = Meaning::Refuse(Cause::Refused);
const BADLY_HASHED: Meaning = Meaning::Refuse(Cause::PersonalDataRefused);
const BAD_CLICK_ID: Meaning = Meaning::Refuse(Cause::InvalidClickId);
const QUOTA: Meaning = Meaning::Quota(Reach::Quota, QUOTA_WAIT);

/// Any value of the category.
const ANY: &str = "*";

/// What an error code `{category: value}` means.
pub(super) fn meaning(category: &str, value: &str) -> Meaning {
    if category == CONVERSION_UPLOAD {
        return find(CONVERSION_UPLOAD_ERRORS, value).unwrap_or(Meaning::Unknown);
    }
    let of = |wanted: &str| {
        OTHER_ERRORS
            .iter()
            .find(|(known, value, _)| *known == category && *value == wanted)
            .map(|(_, _, meaning)| *meaning)
    };
    of(value).or_else(|| of(ANY)).unwrap_or(Meaning::Unknown)
}

/// The category of what concerns one conversion.
pub(super) const CONVERSION_UPLOAD: &str = "conversionUploadError";

/// Every value of `ConversionUploadError`.
const CONVERSION_UPLOAD_ERRORS: &[(&str, Meaning)] = &[
    // Newer than our version of the interface.
    ("UNSPECIFIED", Meaning::Unknown),
    ("UNKNOWN", Meaning::Unknown),
    ("TOO_MANY_CONVERSIONS_IN_REQUEST", Meaning::TooLarge),
    // Cut, in another case, or URL-encoded.
    ("UNPARSEABLE_GCLID", BAD_CLICK_ID),
    ("UNPARSEABLE_WBRAID", BAD_CLICK_ID),
    ("UNPARSEABLE_GBRAID", BAD_CLICK_ID),
    ("GBRAID_WBRAID_BOTH_SET", REFUSED),
    ("CONVERSION_PRECEDES_EVENT", Meaning::Refuse(Cause::InvalidField)),
    ("EXPIRED_EVENT", Meaning::Expected(Cause::ClickTooOld)),
    // Counted from the click. We already waited for a click whose time we knew, so Google's own is later than ours.
    ("TOO_RECENT_EVENT", Meaning::RetryIn(Cause::ClickTooRecent, SIX_HOURS)),
    // "Can be safely ignored", say the docs: the person did not come from an ad. A second try a day later is not made: others found
    // that it seldom helps.
    ("EVENT_NOT_FOUND", Meaning::Expected(Cause::ClickNotFound)),
    ("CLICK_NOT_FOUND", Meaning::Expected(Cause::ClickNotFound)),
    // A click of another ad account: with two customers of one client that is how it must be; one such click must not stop the account.
    ("UNAUTHORIZED_CUSTOMER", Meaning::Expected(Cause::ClickKindElsewhere)),
    (
        "INVALID_CUSTOMER_FOR_CLICK",
        Meaning::Expected(Cause::ClickKindElsewhere),
    ),
    (
        "INVALID_CUSTOMER_FOR_CALL",
        Meaning::Expected(Cause::ClickKindElsewhere),
    ),
    // The action was created minutes ago; the account's other actions go on.
    (
        "TOO_RECENT_CONVERSION_ACTION",
        Meaning::RetryIn(Cause::AccountNotSetUp, SIX_HOURS),
    ),
    (
        "CONVERSION_TRACKING_NOT_ENABLED_AT_IMPRESSION_TIME",
        Meaning::Refuse(Cause::AccountNotSetUp),
    ),
    (
        "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        NOT_SET_UP,
    ),
    (
        "EXTERNAL_ATTRIBUTION_DATA_NOT_SET_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        NOT_SET_UP,
    ),
    (
        "ORDER_ID_NOT_PERMITTED_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        NOT_SET_UP,
    ),
    (
        "EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION_NOT_PERMITTED_WITH_USER_IDENTIFIER",
        NOT_SET_UP,
    ),
    // Only the few conversions with a braid meet this; the account's others must go on.
    (
        "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID",
        Meaning::Refuse(Cause::AccountNotSetUp),
    ),
    ("ORDER_ID_ALREADY_IN_USE", Meaning::Already),
    ("CLICK_CONVERSION_ALREADY_EXISTS", Meaning::Already),
    ("CALL_CONVERSION_ALREADY_EXISTS", Meaning::Already),
    ("DUPLICATE_ORDER_ID", Meaning::Twin),
    ("DUPLICATE_CLICK_CONVERSION_IN_REQUEST", Meaning::Twin),
    ("DUPLICATE_CALL_CONVERSION_IN_REQUEST", Meaning::Twin),
    // Calls; we send none.
    ("TOO_RECENT_CALL", Meaning::RetryIn(Cause::ClickTooRecent, SIX_HOURS)),
    ("EXPIRED_CALL", Meaning::Expected(Cause::ClickTooOld)),
    ("CALL_NOT_FOUND", REFUSED),
    ("CONVERSION_PRECEDES_CALL", Meaning::Refuse(Cause::InvalidField)),
    ("CONVERSION_TRACKING_NOT_ENABLED_AT_CALL_TIME", REFUSED),
    ("UNPARSEABLE_CALLERS_PHONE_NUMBER", REFUSED),
    ("CUSTOM_VARIABLE_NOT_ENABLED", NOT_SET_UP),
    ("CUSTOM_VARIABLE_VALUE_CONTAINS_PII", BADLY_HASHED),
    ("CONVERSION_NOT_COMPLIANT_WITH_ATT_POLICY", REFUSED),
    ("INVALID_USER_IDENTIFIER", BADLY_HASHED),
    ("UNSUPPORTED_USER_IDENTIFIER", BADLY_HASHED),
    ("ORDER_ID_CONTAINS_PII", BADLY_HASHED),
    ("CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS", NOT_SET_UP),
    ("CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS", NOT_SET_UP),
    ("CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS", NOT_SET_UP),
    ("INVALID_JOB_ID", REFUSED),
    ("NO_CONVERSION_ACTION_FOUND", NOT_SET_UP),
    ("INVALID_CONVERSION_ACTION_TYPE", NOT_SET_UP),
];

/// Errors of other categories.
const OTHER_ERRORS: &[(&str, &str, Meaning)] = &[
    // A fresh token helps; a second 401 is the login's.
    ("authenticationError", "OAUTH_TOKEN_EXPIRED", Meaning::Reauthenticate),
    ("authenticationError", "OAUTH_TOKEN_INVALID", Meaning::Reauthenticate),
    (
        "authenticationError",
        "OAUTH_TOKEN_HEADER_INVALID",
        Meaning::Reauthenticate,
    ),
    ("authenticationError", "AUTHENTICATION_ERROR", Meaning::Reauthenticate),
    ("authenticationError", "UNSPECIFIED", Meaning::Reauthenticate),
    ("authenticationError", "UNKNOWN", Meaning::Reauthenticate),
    ("authenticationError", "CUSTOMER_NOT_FOUND", NOT_SET_UP),
    ("authenticationError", "CLIENT_CUSTOMER_ID_INVALID", NOT_SET_UP),
    // Revoked, disabled, without two-step verification, and so on: a fresh token does not help.
    ("authenticationError", ANY, LOGIN),
    ("authorizationError", "CUSTOMER_NOT_ENABLED", NOT_SET_UP),
    ("authorizationError", "MISSING_TOS", NOT_SET_UP),
    ("authorizationError", "INCOMPLETE_SIGNUP", NOT_SET_UP),
    (
        "authorizationError",
        "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT",
        NOT_SET_UP,
    ),
    ("authorizationError", "PROJECT_DISABLED", LOGIN),
    ("authorizationError", "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", LOGIN),
    ("authorizationError", "CLOUD_PROJECT_NOT_UNDER_ORGANIZATION", LOGIN),
    ("authorizationError", "DEVELOPER_TOKEN_NOT_APPROVED", LOGIN),
    ("authorizationError", "DEVELOPER_TOKEN_PROHIBITED", LOGIN),
    ("authorizationError", "DEVELOPER_TOKEN_NOT_ON_ALLOWLIST", LOGIN),
    // USER_PERMISSION_DENIED: mostly the account's `manager` is missing or wrong (`login-customer-id`).
    ("authorizationError", ANY, NO_PERMISSION),
    // Where the path names a field that only some may send (environment, IP address, session attributes), leaving that field out would
    // help; we send none of them (T25), so it is always the upload itself.
    (
        "notAllowlistedError",
        ANY,
        Meaning::Block(Reach::Account, Cause::TransportNotAllowlisted),
    ),
    ("quotaError", "ACCESS_PROHIBITED", LOGIN),
    (
        "quotaError",
        "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION",
        Meaning::Quota(Reach::Quota, Duration::from_secs(60 * 60)),
    ),
    ("quotaError", ANY, QUOTA),
    ("internalError", ANY, Meaning::Retry),
    ("databaseError", "REQUEST_TOO_LARGE", Meaning::TooLarge),
    ("databaseError", ANY, Meaning::Retry),
    ("sizeLimitError", ANY, Meaning::TooLarge),
    (
        "requestError",
        "UNSUPPORTED_VERSION",
        Meaning::Block(Reach::Account, Cause::InterfaceGone),
    ),
    ("requestError", "RPC_DEADLINE_TOO_SHORT", Meaning::Retry),
    ("requestError", "INVALID_CUSTOMER_ID", NOT_SET_UP),
    ("requestError", "RESOURCE_NAME_MALFORMED", NOT_SET_UP),
    ("requestError", "RESOURCE_NAME_MISSING", NOT_SET_UP),
    ("requestError", "RESOURCE_NOT_FOUND", NOT_SET_UP),
    ("requestError", "BAD_RESOURCE_ID", NOT_SET_UP),
    ("requestError", "CANNOT_BE_EXECUTED_BY_MANAGER_ACCOUNT", NOT_SET_UP),
    ("requestError", "LOGIN_CUSTOMER_ID_PARAMETER_MISSING", NO_PERMISSION),
    ("requestError", "CLOUD_PROJECT_NOT_FOUND", LOGIN),
    ("requestError", "DEVELOPER_TOKEN_PARAMETER_MISSING", LOGIN),
    ("requestError", "REQUIRED_FIELD_MISSING", REFUSED),
    ("requestError", "INVALID_ENUM_VALUE", REFUSED),
    ("headerError", ANY, NOT_SET_UP),
    ("partialFailureError", "PARTIAL_FAILURE_MODE_REQUIRED", REFUSED),
    ("currencyCodeError", ANY, Meaning::Refuse(Cause::InvalidCurrency)),
    ("fieldError", "UNSPECIFIED", Meaning::Unknown),
    ("fieldError", "UNKNOWN", Meaning::Unknown),
    ("fieldError", ANY, REFUSED),
    ("dateError", ANY, REFUSED),
    ("stringFormatError", ANY, REFUSED),
    ("stringLengthError", ANY, REFUSED),
    ("rangeError", ANY, REFUSED),
    ("notEmptyError", ANY, REFUSED),
    ("collectionSizeError", ANY, REFUSED),
    ("userDataError", ANY, REFUSED),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[derive(serde::Deserialize)]
    struct UploadErrors {
        values: BTreeMap<String, serde_json::Value>,
    }

    #[derive(serde::Deserialize)]
    struct Official {
        categories: BTreeSet<String>,
        values: BTreeMap<String, BTreeSet<String>>,
    }

    #[test]
    fn every_conversion_upload_error_of_google_has_its_meaning_and_there_are_no_others() {
        let file = include_str!("../../../../tests/fixtures/google/conversion_upload_error.json");
        let official: UploadErrors = serde_json::from_str(file).unwrap();

        let known: BTreeSet<&str> = CONVERSION_UPLOAD_ERRORS.iter().map(|(value, _)| *value).collect();

        assert_eq!(known.len(), CONVERSION_UPLOAD_ERRORS.len(), "one stands twice");
        assert_eq!(known.len(), 46);
        assert_eq!(known, official.values.keys().map(String::as_str).collect());
    }

    #[test]
    fn every_other_code_is_spelt_as_google_spells_it_and_stands_once() {
        let file = include_str!("../../../../tests/fixtures/google/ads_error_codes.json");
        let official: Official = serde_json::from_str(file).unwrap();

        let mut seen = BTreeSet::new();
        for (category, value, _) in OTHER_ERRORS {
            assert!(official.categories.contains(*category), "{category}");
            let known = *value == ANY || official.values[*category].contains(*value);
            assert!(known, "{category}.{value}");
            assert!(seen.insert((category, value)), "{category}.{value} twice");
        }
    }

    #[test]
    fn an_exact_code_goes_before_its_category_and_a_stranger_is_unknown() {
        assert_eq!(
            meaning("authenticationError", "OAUTH_TOKEN_EXPIRED"),
            Meaning::Reauthenticate
        );
        assert_eq!(meaning("authenticationError", "BRAND_NEW"), LOGIN);
        assert_eq!(meaning("adGroupError", "UNKNOWN"), Meaning::Unknown);
        assert_eq!(meaning("conversionUploadError", "BRAND_NEW"), Meaning::Unknown);
    }
}
