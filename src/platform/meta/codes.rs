//! Meta's error codes and what each means here, as data.
//!
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>,
//! <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>,
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/support>. Subcodes of 100 stand in no page of Meta's;
//! they were seen by integrators.

use crate::domain::{Cause, outcome::Reach};

/// What a code means for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Meta had a fault of its own; the same again later.
    Again,
    /// Too much at once; the same again after a wait that costs no try.
    Slower(Reach),
    /// Nothing of this reach goes through until someone acts.
    Blocked(Cause, Reach),
    /// An event of the request is refused for good.
    Refused(Cause),
    /// An event of the request will not count, and nobody is at fault.
    NotSent(Cause),
}

use Meaning::{Again, Blocked, NotSent, Refused, Slower};

/// Code (first and last of a range), subcode (none: any other), meaning. Of two that fit, the one with the subcode counts.
const CODES: &[(u64, u64, Option<u64>, Meaning)] = &[
    // Unknown, perhaps a short outage; 99 is a request that has the wrong shape.
    (1, 1, None, Again),
    (1, 1, Some(99), Refused(Cause::Refused)),
    // Outage.
    (2, 2, None, Again),
    // The app lacks a capability or calls what does not exist.
    (3, 3, None, Blocked(Cause::PermissionMissing, Reach::Account)),
    // Limits: of the app (1504022, 1504039), of the user (2446079), of the page, of the app again.
    (4, 4, None, Slower(Reach::Login)),
    (17, 17, None, Slower(Reach::Login)),
    (32, 32, None, Slower(Reach::Account)),
    (341, 341, None, Slower(Reach::Login)),
    // Limits of one ad account or business: custom (1487742, 5044001), and the business use cases.
    (613, 613, None, Slower(Reach::Account)),
    (80_000, 80_014, None, Slower(Reach::Account)),
    // Permission missing or withdrawn.
    (10, 10, None, Blocked(Cause::PermissionMissing, Reach::Account)),
    (200, 299, None, Blocked(Cause::PermissionMissing, Reach::Account)),
    // The token: expired (463), invalid (467), password changed (460), to be confirmed by its user (458, 459).
    (102, 102, None, Blocked(Cause::LoginRefused, Reach::Login)),
    (190, 190, None, Blocked(Cause::LoginRefused, Reach::Login)),
    // Blocked for a while for breaking a policy; a probe finds out when it is over, and meanwhile a person looks at it.
    (368, 368, None, Blocked(Cause::LoginRefused, Reach::Login)),
    // No object or alias of this ID; a path that means nothing. Both are the destination's, so no event is at fault.
    (803, 803, None, Blocked(Cause::AccountNotSetUp, Reach::Account)),
    (2_500, 2_500, None, Blocked(Cause::AccountNotSetUp, Reach::Account)),
    // "You are calling a deprecated version of the Ads API."
    (2_635, 2_635, None, Blocked(Cause::InterfaceGone, Reach::Platform)),
    // Unknown.
    (5_000, 5_000, None, Again),
    // The dataset is not ready for a moment.
    (21_009, 21_009, None, Again),
    // Invalid parameter: some event of the request.
    (100, 100, None, Refused(Cause::Refused)),
    // The pixel or dataset does not exist, or the login was not given access to it.
    (100, 100, Some(33), Blocked(Cause::AccountNotSetUp, Reach::Account)),
    // fbc malformed.
    (100, 100, Some(2_804_001), Refused(Cause::InvalidClickId)),
    // event_time too old.
    (100, 100, Some(2_804_003), Refused(Cause::EventTooOld)),
    // Purchase without value.
    (100, 100, Some(2_804_009), Refused(Cause::MissingValue)),
    // Too little about the person.
    (100, 100, Some(2_804_050), NotSent(Cause::NoIdentifiers)),
    // The dataset and its page do not belong together; no page on the dataset; no WhatsApp Business Account on the dataset.
    (
        100,
        100,
        Some(2_804_065),
        Blocked(Cause::AccountNotSetUp, Reach::Account),
    ),
    (
        100,
        100,
        Some(2_804_131),
        Blocked(Cause::AccountNotSetUp, Reach::Account),
    ),
    (
        100,
        100,
        Some(2_804_132),
        Blocked(Cause::AccountNotSetUp, Reach::Account),
    ),
    // Not a name for messaging.
    (100, 100, Some(2_804_066), NotSent(Cause::EventNameNotTaken)),
    // The click is of another page.
    (100, 100, Some(2_804_072), Refused(Cause::InvalidClickId)),
    (100, 100, Some(2_804_073), Refused(Cause::InvalidClickId)),
    // ctwa_clid is none of Meta's.
    (100, 100, Some(2_804_087), Refused(Cause::InvalidClickId)),
    // 2804007, 2804016, 2804017, 2804019 and 2804048 (meaning unknown), 2804043 (extinfo) and 2804079 (Instagram): as any other 100.
];

/// What a code means; nothing if it is in no list.
pub(super) fn meaning(code: u64, subcode: Option<u64>) -> Option<Meaning> {
    let of_code = || {
        CODES
            .iter()
            .filter(|(first, last, ..)| (*first..=*last).contains(&code))
    };
    of_code()
        .find(|(_, _, known, _)| known.is_some() && *known == subcode)
        .or_else(|| of_code().find(|(_, _, known, _)| known.is_none()))
        .map(|(.., meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subcode_goes_before_its_code_and_an_unknown_one_follows_it() {
        assert_eq!(meaning(100, Some(2_804_003)), Some(Refused(Cause::EventTooOld)));
        assert_eq!(meaning(100, Some(2_804_048)), Some(Refused(Cause::Refused)));
        assert_eq!(meaning(100, None), Some(Refused(Cause::Refused)));
        assert_eq!(meaning(1, Some(99)), Some(Refused(Cause::Refused)));
        assert_eq!(meaning(1, None), Some(Again));
        assert_eq!(
            meaning(190, Some(463)),
            Some(Blocked(Cause::LoginRefused, Reach::Login))
        );
        assert_eq!(meaning(999, None), None);
    }

    #[test]
    fn no_two_rows_say_something_of_the_same() {
        for (index, (first, last, subcode, _)) in CODES.iter().enumerate() {
            let twin = CODES[index + 1..].iter().find(|(other_first, other_last, other, _)| {
                other == subcode && first <= other_last && other_first <= last
            });
            assert_eq!(twin, None, "{first} {subcode:?}");
        }
    }
}
