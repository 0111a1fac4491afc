//! The probe: one event with the ad account's test code, which TikTok shows among the test events and does not process. It has no way to ask
//! that leaves nothing behind.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Account, Outcome, Verdict, hash::sha256_hex},
    platform::probe::{self, Probe},
};

/// Builds it; without a test code it would count.
pub(super) fn probe(account: &Account, now: DateTime<Utc>) -> Option<Probe> {
    let test_code = account.rules.test_code.clone().filter(|code| !code.trim().is_empty())?;
    let mut dispatch = probe::nobody(account, "ViewContent", now);
    dispatch
        .event
        .identities
        .tiktok
        .add("external_id", sha256_hex("conversion-relay-check"));
    Some(Probe {
        dispatches: vec![dispatch],
        test_code: Some(test_code),
    })
}

/// Taken.
pub(super) fn is_welcome(outcome: &Outcome) -> bool {
    outcome.verdict == Verdict::Delivered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{
        Adapter,
        tiktok::{Tiktok, sample},
    };

    #[test]
    fn without_a_test_code_nothing_is_asked() {
        let mut account = sample::account();
        account.rules.test_code = None;
        assert_eq!(probe(&account, DateTime::UNIX_EPOCH), None);

        account.rules.test_code = Some("TEST123".to_owned());
        let probe = probe(&account, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(probe.test_code.as_deref(), Some("TEST123"));
        assert_eq!(Tiktok.check(&probe.dispatches[0], &account), Ok(()));
    }
}
