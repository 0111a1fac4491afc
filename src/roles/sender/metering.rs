//! Metering: which ad accounts draw on a shared quota, whose turn it is when requests are short, and how much goes into each.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use chrono::Utc;
use tokio::task::JoinError;
use tracing::warn;

use super::{
    LOOK_INTERVAL, Sender,
    pending::{HeldCount, Way},
    tokens::batch,
};
use crate::{
    domain::{AccountId, Directory, Mode, Platform, account::Transport},
    roles::{
        chain,
        context::Context,
        quota::{Purpose, quota_of},
    },
    store::{StoreError, quotas::QuotaGrant},
};

/// The part of a minute's quota that a sender asks for at a time, beyond what it can use at once.
const BLOCK_SHARE: u32 = 30;
/// How often the ledger hears of what waits for quota.
const VOUCH_INTERVAL: Duration = Duration::from_secs(5);

/// What came of asking for tokens.
pub(super) struct Granting {
    quota: String,
    way: Way,
    result: Result<QuotaGrant, StoreError>,
}

/// An ad account that can begin, and with how many conversions at most.
pub(super) type Start = (AccountId, usize);

/// What is held for one quota.
#[derive(Default)]
struct Metered {
    accounts: Vec<HeldCount>,
    live: usize,
    all: usize,
}

impl Sender {
    /// Parts the ad accounts that may begin: those without a quota, and of those with one as many as there are tokens. Asks for more tokens where
    /// they are short.
    pub(super) fn starts(&mut self, directory: &Directory) -> Vec<Start> {
        if !self.is_metered() {
            let ready = self.pending.ready();
            return ready.into_iter().map(|account| (account, usize::MAX)).collect();
        }
        let mut starts = Vec::new();
        let mut metered: HashMap<String, Metered> = HashMap::new();
        for held in self.pending.held() {
            match metered_by(&self.context, directory, held.account) {
                None if held.is_ready => starts.push((held.account, usize::MAX)),
                None => {}
                Some(quota) => {
                    let group = metered.entry(quota).or_default();
                    group.live += held.live;
                    group.all += held.live + held.bulk;
                    group.accounts.push(held);
                }
            }
        }
        for (quota, group) in metered {
            starts.extend(self.metered_starts(&quota, group));
        }
        starts
    }

    fn metered_starts(&mut self, quota: &str, group: Metered) -> Vec<Start> {
        let now = Instant::now();
        let mut ready: Vec<HeldCount> = group.accounts.into_iter().filter(|held| held.is_ready).collect();
        // What just happened goes first, and of equals the one that has waited longest for its turn.
        ready.sort_by_key(|held| {
            (
                held.live == 0,
                self.turns.get(&held.account).copied().unwrap_or_default(),
            )
        });
        let mut starts = Vec::new();
        let mut without = ready.into_iter();
        for held in without.by_ref() {
            let left = self.tokens.left(quota);
            let Some(token) = self.tokens.take(quota, now) else {
                let (live, bulk) = without.fold((usize::from(held.live > 0), 1), |(live, all), held| {
                    (live + usize::from(held.live > 0), all + 1)
                });
                self.ask_for_tokens(quota, (live, group.live), (bulk, group.all));
                break;
            };
            starts.push((held.account, batch(group.all, held.live + held.bulk, left)));
            self.turn += 1;
            self.turns.insert(held.account, self.turn);
            self.held_tokens.insert(held.account, token);
        }
        starts
    }

    /// Asks for as many tokens as can be used at once, and a few more for those that come next. Each pair: ad accounts that wait, conversions held.
    fn ask_for_tokens(&mut self, quota: &str, live: (usize, usize), all: (usize, usize)) {
        let (way, purpose, (accounts, conversions)) = if live.0 > 0 {
            (Way::Live, Purpose::Live, live)
        } else {
            (Way::Bulk, Purpose::Bulk, all)
        };
        if !self.tokens.ask(quota, way, Instant::now()) {
            return;
        }
        let block = usize::try_from(self.context.pace.google_quota.per_minute / BLOCK_SHARE).unwrap_or(usize::MAX);
        let wanted = u32::try_from(conversions.min(block).max(accounts)).unwrap_or(u32::MAX);
        let (context, quota) = (std::sync::Arc::clone(&self.context), quota.to_owned());
        self.granting.spawn(async move {
            Granting {
                result: context.take_quota(&quota, wanted, purpose).await,
                quota,
                way,
            }
        });
    }

    /// Takes in tokens; without Postgres nothing is sent.
    pub(super) async fn granted(&mut self, joined: Result<Granting, JoinError>) {
        let when = (Instant::now(), LOOK_INTERVAL);
        match joined {
            Ok(Granting { quota, way, result }) => match result {
                Ok(grant) => self.tokens.answered(&quota, way, Some(grant), when),
                Err(failure) => {
                    warn!(error = %chain(&failure), "quota could not be asked for");
                    self.tokens.answered(&quota, way, None, when);
                    self.hold_on().await;
                }
            },
            Err(_) => self.hold_on().await,
        }
    }

    /// Tells the ledger of what waits here for quota, lest the keeper takes it for lost.
    pub(super) async fn vouch(&mut self) {
        let silence = self.context.pace.silence;
        let is_due = self.vouched.elapsed() >= VOUCH_INTERVAL.min(silence / 4);
        if !self.is_metered() || !is_due {
            return;
        }
        self.vouched = Instant::now();
        let keys = self.pending.keys();
        if !keys.is_empty()
            && let Err(failure) = self.context.store.still_held(&keys, silence).await
        {
            warn!(error = %chain(&failure), "what waits for quota could not be vouched for");
        }
    }

    /// Says whether a quota is counted at this platform.
    fn is_metered(&self) -> bool {
        self.platform == Platform::Google && self.context.pace.google_quota.per_minute > 0
    }

    /// Ad accounts that hold something and have waited for tokens for longer than this.
    pub(super) fn starved(&self, least: Duration) -> HashSet<AccountId> {
        if !self.is_metered() {
            return HashSet::new();
        }
        let directory = self.context.directory.current();
        let now = Instant::now();
        let is_starved = |account| {
            metered_by(&self.context, &directory, account)
                .is_some_and(|quota| self.tokens.is_dry_for(&quota, least, now))
        };
        let accounts = self.pending.held().into_iter().map(|held| held.account);
        accounts.filter(|account| is_starved(*account)).collect()
    }
}

/// The quota on which an ad account draws now. What is not sent draws on none: neither in shadow mode nor while it is paused, when its conversions are
/// only to be laid into the ledger.
fn metered_by(context: &Context, directory: &Directory, account: AccountId) -> Option<String> {
    let now = Utc::now();
    let account = directory.account(account)?;
    let sends = account.rules.transport == Transport::DataManager
        && account.mode_at(now) != Mode::Shadow
        && !directory
            .pauses()
            .any(|pause| pause.holds_at(now) && directory.concerns(&pause.scope, account));
    let quota = quota_of(account, directory, context.pace.google_quota).filter(|_| sends)?;
    Some(quota.to_owned())
}
