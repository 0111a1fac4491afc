//! Tokens: requests of a shared quota that were granted to this sender and that it has not made. Pure bookkeeping.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::pending::Way;
use crate::store::quotas::{FRESH_SECONDS, QuotaGrant};

/// An ad account that holds more than so many lets them travel together, lest the last one waits for all others' answers.
const ALONE_MAX: usize = 100;

/// The right to make one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    quota: String,
    issue: u64,
}

/// The tokens of all quotas.
#[derive(Default)]
pub struct Tokens {
    quotas: HashMap<String, Quota>,
    issues: u64,
}

#[derive(Default)]
struct Quota {
    tokens: u32,
    /// How many more there were when we last asked, whoever gets them.
    left: u32,
    /// What was granted earlier may arrive in a minute that it was not counted for.
    fresh_until: Option<Instant>,
    /// Of the last grant; a token of an earlier one is not taken back.
    issue: u64,
    is_asked_for: bool,
    dry: Option<Dry>,
}

/// A quota that had nothing for us.
#[derive(Clone, Copy)]
struct Dry {
    way: Way,
    since: Instant,
    until: Instant,
}

impl Tokens {
    /// Takes a token, if there is one.
    pub fn take(&mut self, quota: &str, now: Instant) -> Option<Token> {
        let known = self.quotas.get_mut(quota)?;
        if known.fresh_until.is_none_or(|end| end <= now) {
            known.tokens = 0;
        }
        known.tokens = known.tokens.checked_sub(1)?;
        Some(Token {
            quota: quota.to_owned(),
            issue: known.issue,
        })
    }

    /// Takes back a token with which nothing was sent.
    pub fn give_back(&mut self, token: &Token) {
        if let Some(known) = self.quotas.get_mut(&token.quota)
            && known.issue == token.issue
        {
            known.tokens += 1;
        }
    }

    /// How many requests can still be made in this minute, as far as is known; at least one.
    pub fn left(&self, quota: &str) -> usize {
        let left = self.quotas.get(quota).map_or(0, |known| known.left + known.tokens);
        usize::try_from(left).unwrap_or(usize::MAX).max(1)
    }

    /// Says whether to ask for tokens now, for conversions of this lane; if so, they count as asked for until [`Tokens::answered`].
    pub fn ask(&mut self, quota: &str, way: Way, now: Instant) -> bool {
        let known = self.quotas.entry(quota.to_owned()).or_default();
        // What leaves nothing to live conversions leaves none to the others, but not the other way round.
        let is_dry = known.dry.is_some_and(|dry| dry.way <= way && now < dry.until);
        let asks = !known.is_asked_for && !is_dry;
        known.is_asked_for |= asks;
        asks
    }

    /// Notes what came of asking; where nothing came, it is asked again `pause` later.
    pub fn answered(&mut self, quota: &str, way: Way, grant: Option<QuotaGrant>, (now, pause): (Instant, Duration)) {
        let known = self.quotas.entry(quota.to_owned()).or_default();
        known.is_asked_for = false;
        let Some(grant) = grant else { return };
        known.left = grant.left;
        if grant.granted == 0 {
            let since = known.dry.map_or(now, |dry| dry.since);
            known.dry = Some(Dry {
                way,
                since,
                until: now + pause,
            });
            return;
        }
        self.issues += 1;
        *known = Quota {
            tokens: grant.granted,
            left: grant.left,
            fresh_until: Some(now + Duration::from_secs_f64(FRESH_SECONDS)),
            issue: self.issues,
            is_asked_for: false,
            dry: None,
        };
    }

    /// Says whether a quota has had nothing for longer than this.
    pub fn is_dry_for(&self, quota: &str, least: Duration, now: Instant) -> bool {
        let dry = self.quotas.get(quota).and_then(|known| known.dry);
        dry.is_some_and(|dry| now.duration_since(dry.since) > least)
    }
}

/// How many conversions of an ad account go together: one, as long as half of the requests left are as many as the conversions held, for then each has
/// its own verdict later. The other half is for other workers, of whom nothing is known here.
pub fn batch(held_of_quota: usize, held_of_account: usize, left: usize) -> usize {
    let by_quota = held_of_quota.saturating_mul(2).div_ceil(left.max(1));
    let by_backlog = held_of_account.div_ceil(ALONE_MAX);
    by_quota.max(by_backlog).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_millis(500);

    fn grant(granted: u32, left: u32) -> Option<QuotaGrant> {
        Some(QuotaGrant { granted, left })
    }

    #[test]
    fn with_requests_at_hand_each_conversion_travels_alone() {
        assert_eq!(batch(1, 1, 300), 1);
        assert_eq!(batch(150, 40, 300), 1);
        assert_eq!(batch(0, 0, 0), 1);
    }

    #[test]
    fn batches_grow_only_as_much_as_the_quota_is_short() {
        assert_eq!(batch(151, 100, 300), 2);
        assert_eq!(batch(450, 10, 300), 3);
        assert_eq!(batch(500, 500, 1), 1_000);
    }

    #[test]
    fn a_backlog_at_one_ad_account_does_not_wait_for_a_thousand_answers() {
        assert_eq!(batch(2_000, 2_000, 1_000_000), 20);
    }

    #[test]
    fn every_token_is_one_request() {
        let mut tokens = Tokens::default();
        let now = Instant::now();
        assert!(tokens.take("q", now).is_none());
        assert!(tokens.ask("q", Way::Live, now));
        assert!(!tokens.ask("q", Way::Live, now), "it has been asked for");

        tokens.answered("q", Way::Live, grant(2, 7), (now, PAUSE));

        assert_eq!(tokens.left("q"), 9);
        assert!(tokens.take("q", now).is_some());
        assert!(tokens.take("q", now).is_some());
        assert!(tokens.take("q", now).is_none());
        assert!(tokens.take("other", now).is_none());
        assert_eq!(tokens.left("q"), 7);
    }

    #[test]
    fn a_token_that_was_not_used_comes_back_and_goes_stale() {
        let mut tokens = Tokens::default();
        let now = Instant::now();
        tokens.answered("q", Way::Live, grant(1, 0), (now, PAUSE));
        let token = tokens.take("q", now).unwrap();

        tokens.give_back(&token);
        let again = tokens.take("q", now).unwrap();
        assert_eq!(again, token);
        tokens.give_back(&again);
        assert!(
            tokens.take("q", now + Duration::from_secs(6)).is_none(),
            "it would arrive in another minute"
        );

        // One of an earlier grant is not taken back: nobody knows when it was granted.
        tokens.answered("q", Way::Live, grant(1, 0), (now, PAUSE));
        tokens.give_back(&token);
        assert!(tokens.take("q", now).is_some());
        assert!(tokens.take("q", now).is_none());
    }

    #[test]
    fn a_quota_that_is_used_up_is_left_alone_for_a_moment_and_a_live_sale_asks_all_the_same() {
        let mut tokens = Tokens::default();
        let now = Instant::now();
        tokens.answered("q", Way::Bulk, grant(0, 30), (now, PAUSE));

        assert!(!tokens.ask("q", Way::Bulk, now));
        assert!(tokens.ask("q", Way::Live, now));
        tokens.answered("q", Way::Live, grant(0, 0), (now, PAUSE));
        assert!(!tokens.ask("q", Way::Live, now));
        assert!(!tokens.ask("q", Way::Bulk, now));
        assert!(tokens.ask("q", Way::Bulk, now + PAUSE));
    }

    #[test]
    fn how_long_a_quota_is_used_up_counts_from_the_first_time() {
        let mut tokens = Tokens::default();
        let now = Instant::now();
        for step in 0..4 {
            tokens.answered("q", Way::Live, grant(0, 0), (now + PAUSE * step, PAUSE));
        }
        assert!(tokens.is_dry_for("q", Duration::from_secs(1), now + PAUSE * 3));

        tokens.answered("q", Way::Live, grant(1, 0), (now + PAUSE * 4, PAUSE));
        assert!(!tokens.is_dry_for("q", Duration::ZERO, now + PAUSE * 5));
    }
}
