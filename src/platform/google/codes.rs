//! What Google's codes mean for a conversion, and the codes that both of its interfaces share. Each has its own table beside it.
//!
//! What a code is not known to mean is tried again: it is never delivered and never refused.
//! <https://developers.google.com/google-ads/api/docs/best-practices/understand-api-errors>
//! <https://developers.google.com/data-manager/api/devguides/concepts/understand-errors> (both read 2026-11-21)

use std::time::Duration;

use crate::domain::{Cause, Verdict, outcome::Reach};

/// How long a click or a new conversion action must have existed.
pub(super) const SIX_HOURS: Duration = Duration::from_secs(6 * 60 * 60);

/// How long to wait for quota when Google does not say: its limits count by the minute.
pub(super) const QUOTA_WAIT: Duration = Duration::from_secs(60);

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Google has this conversion already: it counts as delivered.
    Already,
    /// It met another of the same order or the same moment in its request, and Google took neither: it goes again apart.
    Twin,
    /// Google's own trouble: again, soon.
    Retry,
    /// Again, not before this time has passed.
    RetryIn(Cause, Duration),
    /// A code that we do not know: again, until there is a limit to it.
    Unknown,
    /// It will not count, and nobody is at fault.
    Expected(Cause),
    /// For good.
    Refuse(Cause),
    /// The request was too much at once: in smaller parts.
    TooLarge,
    /// Quota is used up, for this long unless Google says otherwise.
    Quota(Reach, Duration),
    /// The access token is not accepted, though the login may be good.
    Reauthenticate,
    /// Account or login must be repaired by someone.
    Block(Reach, Cause),
}

impl Meaning {
    /// Of several errors about one thing the highest decides.
    pub(super) const fn rank(self) -> u8 {
        match self {
            Meaning::Already => 0,
            Meaning::Unknown | Meaning::Retry => 1,
            Meaning::Twin | Meaning::RetryIn(..) => 2,
            Meaning::Expected(_) => 3,
            Meaning::TooLarge => 4,
            Meaning::Refuse(_) => 5,
            Meaning::Quota(..) => 6,
            Meaning::Reauthenticate => 7,
            Meaning::Block(_, Cause::TransportNotAllowlisted) => 9,
            Meaning::Block(..) => 8,
        }
    }

    /// The verdict; `wait` is what the answer itself asks for.
    pub(super) fn verdict(self, wait: Option<Duration>) -> Verdict {
        match self {
            Meaning::Already => Verdict::Delivered,
            Meaning::Twin => Verdict::Deferred {
                cause: Cause::BatchSplit,
                wait,
            },
            Meaning::Retry | Meaning::Unknown => Verdict::Deferred {
                cause: Cause::PlatformError,
                wait,
            },
            Meaning::RetryIn(cause, implied) => Verdict::Deferred {
                cause,
                wait: Some(wait.map_or(implied, |asked| asked.max(implied))),
            },
            Meaning::Expected(cause) => Verdict::NotSent { cause },
            Meaning::Refuse(cause) => Verdict::Refused { cause },
            Meaning::TooLarge => Verdict::Refused {
                cause: Cause::RequestTooLarge,
            },
            Meaning::Quota(reach, usual) => Verdict::Blocked {
                cause: Cause::QuotaExhausted,
                reach,
                wait: Some(wait.unwrap_or(usual)),
            },
            Meaning::Reauthenticate => Verdict::Blocked {
                cause: Cause::LoginRefused,
                reach: Reach::Login,
                wait: None,
            },
            Meaning::Block(reach, cause) => Verdict::Blocked {
                cause,
                reach,
                wait: None,
            },
        }
    }
}

const LOGIN: Meaning = Meaning::Block(Reach::Login, Cause::LoginRefused);
const NOT_SET_UP: Meaning = Meaning::Block(Reach::Account, Cause::AccountNotSetUp);

/// Finds a code in a table.
pub(super) fn find(table: &[(&str, Meaning)], code: &str) -> Option<Meaning> {
    table
        .iter()
        .find(|(known, _)| *known == code)
        .map(|(_, meaning)| *meaning)
}

/// Canonical statuses (`google.rpc.Code`), for answers that say nothing more exact.
pub(super) const STATUSES: &[(&str, Meaning)] = &[
    ("UNAUTHENTICATED", Meaning::Reauthenticate),
    (
        "PERMISSION_DENIED",
        Meaning::Block(Reach::Account, Cause::PermissionMissing),
    ),
    ("RESOURCE_EXHAUSTED", Meaning::Quota(Reach::Quota, QUOTA_WAIT)),
    ("UNAVAILABLE", Meaning::Retry),
    ("INTERNAL", Meaning::Retry),
    ("UNKNOWN", Meaning::Retry),
    ("DEADLINE_EXCEEDED", Meaning::Retry),
    ("ABORTED", Meaning::Retry),
    ("CANCELLED", Meaning::Retry),
    ("DATA_LOSS", Meaning::Retry),
    ("INVALID_ARGUMENT", Meaning::Refuse(Cause::Refused)),
    ("OUT_OF_RANGE", Meaning::Refuse(Cause::Refused)),
    ("FAILED_PRECONDITION", NOT_SET_UP),
    ("NOT_FOUND", NOT_SET_UP),
    ("UNIMPLEMENTED", Meaning::Block(Reach::Account, Cause::InterfaceGone)),
];

/// Reasons of Google's common layer (`google.rpc.ErrorInfo`, domain `googleapis.com`) that come before any of its services is asked.
/// <https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto>
pub(super) const COMMON_REASONS: &[(&str, Meaning)] = &[
    ("ACCESS_TOKEN_EXPIRED", Meaning::Reauthenticate),
    ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", LOGIN),
    ("ACCESS_TOKEN_TYPE_UNSUPPORTED", LOGIN),
    ("ACCOUNT_STATE_INVALID", LOGIN),
    ("API_KEY_SERVICE_BLOCKED", LOGIN),
    ("BILLING_DISABLED", LOGIN),
    ("CONSUMER_INVALID", LOGIN),
    ("CONSUMER_SUSPENDED", LOGIN),
    ("CREDENTIALS_MISSING", LOGIN),
    ("SERVICE_DISABLED", LOGIN),
    ("USER_PROJECT_DENIED", LOGIN),
    ("RATE_LIMIT_EXCEEDED", Meaning::Quota(Reach::Quota, QUOTA_WAIT)),
    ("RESOURCE_QUOTA_EXCEEDED", Meaning::Quota(Reach::Quota, QUOTA_WAIT)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_google_asks_for_only_ever_delays() {
        let meaning = Meaning::RetryIn(Cause::ClickTooRecent, SIX_HOURS);

        for (asked, expected) in [
            (None, SIX_HOURS),
            (Some(60), SIX_HOURS),
            (Some(90_000), Duration::from_secs(90_000)),
        ] {
            let verdict = meaning.verdict(asked.map(Duration::from_secs));

            assert_eq!(
                verdict,
                Verdict::Deferred {
                    cause: Cause::ClickTooRecent,
                    wait: Some(expected)
                }
            );
        }
    }

    #[test]
    fn what_is_not_known_is_tried_again() {
        assert_eq!(
            Meaning::Unknown.verdict(None),
            Verdict::Deferred {
                cause: Cause::PlatformError,
                wait: None
            }
        );
    }
}
