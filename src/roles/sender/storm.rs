//! Storms: when a platform fails on one ad account, or on all, again and again, it is left alone for a while. Pure.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::domain::{AccountId, Platform, Scope};

/// So many failing requests of one ad account in a row make a storm there.
const ACCOUNT_FAILURES: u32 = 5;
/// So many failing requests in a row, over at least [`PLATFORM_ACCOUNTS`] ad accounts and without a success between them, make a storm everywhere.
const PLATFORM_FAILURES: u32 = 10;
/// See [`PLATFORM_FAILURES`].
const PLATFORM_ACCOUNTS: usize = 3;
/// The first and the longest time that a platform or an ad account is left alone.
const LEFT_ALONE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(600));

/// What went before.
#[derive(Default)]
pub struct Storms {
    accounts: HashMap<AccountId, InARow>,
    everywhere: InARow,
    failing: HashSet<AccountId>,
}

#[derive(Default)]
struct InARow {
    failures: u32,
    storms: u32,
}

impl InARow {
    /// How long to leave it alone: at `limit` failures in a row, and longer at every further one.
    fn storm(&mut self, limit: u32) -> Option<Duration> {
        if self.failures < limit {
            return None;
        }
        let alone = LEFT_ALONE.0.saturating_mul(1 << self.storms.min(16)).min(LEFT_ALONE.1);
        self.storms += 1;
        Some(alone)
    }
}

impl Storms {
    /// Notes a request that the platform dealt with, whatever it said of the conversions.
    pub fn succeeded(&mut self, account: AccountId) {
        self.accounts.remove(&account);
        self.everywhere = InARow::default();
        self.failing.clear();
    }

    /// Notes a request on which the platform failed; gives what is to be left alone, and for how long.
    pub fn failed(&mut self, platform: Platform, account: AccountId) -> Option<(Scope, Duration)> {
        self.failing.insert(account);
        self.everywhere.failures += 1;
        let here = self.accounts.entry(account).or_default();
        here.failures += 1;
        if self.failing.len() >= PLATFORM_ACCOUNTS
            && let Some(alone) = self.everywhere.storm(PLATFORM_FAILURES)
        {
            return Some((Scope::Platform(platform), alone));
        }
        here.storm(ACCOUNT_FAILURES)
            .map(|alone| (Scope::Account(account), alone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_account_is_left_alone_and_longer_each_time() {
        let mut storms = Storms::default();

        let storm: Vec<_> = (0..7).map(|_| storms.failed(Platform::Meta, AccountId(1))).collect();

        assert!(storm[..4].iter().all(Option::is_none));
        assert_eq!(storm[4], Some((Scope::Account(AccountId(1)), Duration::from_secs(15))));
        assert_eq!(storm[5], Some((Scope::Account(AccountId(1)), Duration::from_secs(30))));
    }

    #[test]
    fn a_platform_that_fails_everywhere_is_left_alone_as_a_whole() {
        let mut storms = Storms::default();

        let storm: Vec<_> = (0..12)
            .filter_map(|i| storms.failed(Platform::Meta, AccountId(i % 4)))
            .collect();

        assert!(
            storm.iter().any(|(scope, _)| *scope == Scope::Platform(Platform::Meta)),
            "{storm:?}"
        );
    }

    #[test]
    fn a_success_anywhere_shows_that_the_platform_is_there() {
        let mut storms = Storms::default();
        for i in 0..9 {
            storms.failed(Platform::Meta, AccountId(i % 3));
        }

        storms.succeeded(AccountId(9));

        assert_eq!(storms.failed(Platform::Meta, AccountId(5)), None);
    }

    #[test]
    fn nothing_is_left_alone_for_longer_than_ten_minutes() {
        let mut storms = Storms::default();

        let longest = (0..100)
            .filter_map(|_| storms.failed(Platform::Meta, AccountId(1)))
            .map(|(_, alone)| alone)
            .max();

        assert_eq!(longest, Some(Duration::from_secs(600)));
    }
}
