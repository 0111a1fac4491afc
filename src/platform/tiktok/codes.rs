//! Codes: what TikTok's return codes mean for the dispatches of a request, as a table.
//!
//! Names: the official SDK, <https://github.com/tiktok/tiktok-business-api-sdk>, `tiktok_code.py`, read 2026-11-21. TikTok says of none of them
//! what to do about it; that is how those who integrate it act, and else what the name says.

use crate::domain::{Cause, outcome::Reach};

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// TikTok took all of it.
    Taken,
    /// TikTok took all but what it names.
    PartlyTaken,
    /// An event is at fault and sinks the whole request: it is found, and the others go out without it.
    Culprit(Cause),
    /// Something about this request, perhaps one of its events: it goes out again in halves; a single one is tried again.
    Halves,
    /// The whole request is tried again, not before so many seconds.
    Again(Cause, Option<u64>),
    /// More than this request is affected; for so many seconds, or until it is repaired.
    Blocked(Cause, Reach, Option<u64>),
}

use Meaning::{Again, Blocked, Culprit, Halves, PartlyTaken, Taken};

const ERROR: Meaning = Again(Cause::PlatformError, None);
/// How long a login is left alone when TikTok does not say.
const SLOWER: Meaning = Blocked(Cause::RateLimited, Reach::Login, Some(60));
/// A business frequency control, by its name: for how long, and for whom, is nowhere said.
const MUCH_SLOWER: Meaning = Blocked(Cause::RateLimited, Reach::Account, Some(300));
/// Perhaps a limit of pace: a guess blocks nobody, and is tried only so often.
const LATER: Meaning = Again(Cause::RateLimited, Some(60));
const MAINTENANCE: Meaning = Blocked(Cause::PlatformDown, Reach::Platform, Some(300));
const REFUSED: Meaning = Culprit(Cause::Refused);
const PERSONAL_DATA: Meaning = Culprit(Cause::PersonalDataRefused);
const LOGIN: Meaning = Blocked(Cause::LoginRefused, Reach::Login, None);
const GONE: Meaning = Blocked(Cause::InterfaceGone, Reach::Platform, None);
/// A field was retired; not every event has it, so other ad accounts go on.
const FIELD_GONE: Meaning = Blocked(Cause::InterfaceGone, Reach::Account, None);
/// No permission for this pixel; the login may be good for others.
pub(super) const NO_PERMISSION: Meaning = Blocked(Cause::PermissionMissing, Reach::Account, None);
/// The request says something of the pixel, not of an event, that TikTok does not know.
pub(super) const NOT_SET_UP: Meaning = Blocked(Cause::AccountNotSetUp, Reach::Account, None);

/// First and last code, and their meaning. A code that could be about a single ad account never blocks more than that.
#[rustfmt::skip]
const TABLE: &[(i64, i64, Meaning)] = &[
    (0, 0, Taken),                  // OK
    (20001, 20001, PartlyTaken),    // PARTIAL_OK
    (40000, 40000, REFUSED),        // INVALID_PARAMS
    (40001, 40001, NO_PERMISSION),  // PERMISSION_ERROR
    (40002, 40002, REFUSED),        // PARAM_ERROR
    (40003, 40003, NO_PERMISSION),  // FORBIDDEN
    (40006, 40006, GONE),           // VERSION_ERROR
    (40007, 40007, NOT_SET_UP),     // NOT_EXIST: of what, it does not say; perhaps the pixel
    (40008, 40008, GONE),           // NOT_IMPL
    (40009, 40014, REFUSED),        // UNSUPPORTED_IN_SANDBOX to INVALID_CLUSTER, not of this interface
    (40016, 40016, MUCH_SLOWER),    // BIZ_FC_ERROR, frequency control by its name
    // DUPLICATED_REQUEST: the same request is there already. A repetition with the same event IDs has reached its aim.
    (40050, 40050, Taken),
    (40051, 40051, GONE),           // INVALID_API_VERSION
    (40052, 40053, REFUSED),        // material and video, not of this interface
    (40061, 40061, Halves),         // INVALID_BATCH_SIZE
    (40062, 40062, PERSONAL_DATA),  // PII_NOT_HASHED
    (40063, 40063, NOT_SET_UP),     // INVALID_PARTNER_NAME, although the relay sends none
    (40100, 40100, SLOWER),         // REQUEST_TOO_FREQUENT: no login code, whatever the number looks like
    (40101, 40110, LOGIN),          // INVALID_PARTNER, tokens expired, empty, invalid, to AUTH_CODE_ERROR
    (40112, 40113, LOGIN),          // PASSWORD_ERROR, APP_FORBIDDEN
    (40114, 40114, NOT_SET_UP),     // ADVERTISER_LOGOUT
    (40115, 40117, LOGIN),          // AUTH_TIMESTAMP_EXPIRE, AUTH_SIG_ERROR, APP_METHOD_FORBIDDEN
    (40118, 40118, NOT_SET_UP),     // NOT_IN_WHITELIST
    (40119, 40120, LOGIN),          // NOT_SAME_IDENTITY, TIKTOK_USER_NOT_LOGGED_IN
    (40121, 40122, REFUSED),        // creators, not of this interface
    (40124, 40125, LOGIN),          // DEVELOPER_REJECTED, DEVELOPER_NO_PERMISSION
    (40126, 40129, REFUSED),        // GARM, not of this interface
    (40130, 40131, LOGIN),          // SCOPE_NOT_AUTHORIZED, SCOPE_TT_USER_OAUTH_FAILED
    (40132, 40132, SLOWER),         // REQUEST_FREQUENCY_LIMITED
    (40133, 40133, LATER),          // not in the SDK; seen in the wild, and thought to be of the kind of 40132
    (40200, 40202, ERROR),          // GENERAL_TASK_ERROR, TASK_NOT_READY, WRITE_CONFLICT
    (40300, 40300, NOT_SET_UP),     // ADVERTISER_NOT_EXIST
    (40301, 40301, NO_PERMISSION),  // ADVERTISER_ROLE_ERROR
    (40302, 40302, NOT_SET_UP),     // CUSTOMER_ADVERTISER_NOT_EXIST
    (40309, 40309, LOGIN),          // REQUIRE_LOGIN
    (40400, 40400, GONE),           // ROUTE_NOT_FOUND
    (40502, 40502, REFUSED),        // AD_NUMBER_LIMIT, not of this interface
    (40700, 40700, Halves),         // RPC_VALIDATION_ERROR: some try it again; its name blames an event
    (40900, 40916, REFUSED),        // files and creatives, not of this interface
    (41000, 41000, NO_PERMISSION),  // BLOCKED
    (41001, 41001, GONE),           // INTERFACE_OFFLINE
    (41002, 41002, FIELD_GONE),     // FIELDS_OFFLINE
    (41013, 41013, REFUSED),        // SITE_TO_VIDEO_SERVICE_ERROR, not of this interface
    (50000, 50002, ERROR),          // SYS_ERROR, SYS_TIMEOUT
    (51000, 51099, ERROR),          // errors of TikTok's services among themselves
    (52000, 53103, ERROR),          // errors of its databases and stores
    (60001, 60001, MAINTENANCE),    // MAINTENANCE
    (61000, 61000, SLOWER),         // TOO_MANY_REQUESTS_BL
    (70001, 70001, ERROR),          // INVALID_BIZ_AUTH_TYPE
];

/// What a code means, if it is a listed one.
fn listed(code: i64) -> Option<Meaning> {
    TABLE
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&code))
        .map(|(_, _, meaning)| *meaning)
}

/// What a code means. An unknown one is never a verdict: among the login codes it is taken for a limit of pace (so is 40133), among the other
/// client errors an event may be the reason, which halves bring out; all else is tried again.
pub(super) fn meaning(code: i64) -> Meaning {
    listed(code).unwrap_or(match code {
        40100..=40199 => LATER,
        40000..=49999 => Halves,
        _ => ERROR,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn official() -> BTreeMap<String, i64> {
        let fixture: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/fixtures/tiktok/tiktok_error_codes.json")).unwrap();
        serde_json::from_value(fixture["codes"].clone()).unwrap()
    }

    #[test]
    fn every_code_of_the_official_sdk_is_decided() {
        let official = official();
        assert_eq!(official.len(), 163);
        for (name, code) in official {
            assert!(listed(code).is_some(), "{code} {name}");
        }
    }

    #[test]
    fn rows_are_in_order_and_do_not_overlap() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].0 <= pair[0].1 && pair[0].1 < pair[1].0, "{pair:?}");
        }
    }

    #[test]
    fn only_two_codes_say_that_all_was_taken() {
        let taken: Vec<i64> = (0..100_000).filter(|code| meaning(*code) == Taken).collect();

        assert_eq!(taken, [0, 40050]);
    }

    #[test]
    fn a_code_that_nobody_knows_is_never_a_verdict() {
        for code in [1, 30_000, 40_004, 40_064, 40_199, 42_000, 54_000, 62_000, 99_999] {
            assert!(matches!(meaning(code), Again(..) | Halves), "{code}");
        }
    }

    #[test]
    fn codes_mean_what_their_names_say() {
        let official = official();
        let cases = [
            ("INVALID_ACCESS_TOKEN", LOGIN),
            ("ACCESS_TOKEN_EXPIRE", LOGIN),
            ("EMPTY_ACCESS_TOKEN", LOGIN),
            ("INVALID_PARTNER", LOGIN),
            ("REQUEST_TOO_FREQUENT", SLOWER),
            ("REQUEST_FREQUENCY_LIMITED", SLOWER),
            ("TOO_MANY_REQUESTS_BL", SLOWER),
            ("PERMISSION_ERROR", NO_PERMISSION),
            ("FORBIDDEN", NO_PERMISSION),
            ("BLOCKED", NO_PERMISSION),
            ("ROUTE_NOT_FOUND", GONE),
            ("INTERFACE_OFFLINE", GONE),
            ("INVALID_API_VERSION", GONE),
            ("VERSION_ERROR", GONE),
            ("PIXEL_ERROR", ERROR),
            ("RDS_TIMEOUT_ERROR", ERROR),
            ("SERIALIZATION_ERROR", ERROR),
            ("SYS_TIMEOUT", ERROR),
            ("WRITE_CONFLICT", ERROR),
            ("PARAM_ERROR", REFUSED),
            ("INVALID_BATCH_SIZE", Halves),
        ];
        for (name, expected) in cases {
            assert_eq!(meaning(official[&format!("ERROR_CODE_{name}")]), expected, "{name}");
        }
    }
}
