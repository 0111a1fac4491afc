//! What a sender holds and has not begun: dispatches by ad account, live ones first. Pure bookkeeping.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::domain::{AccountId, DispatchKey};

/// The lane that something came by; the order is that of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// What just happened.
    Live,
    /// What woke from waiting, replays, and what exceeded a share.
    Bulk,
}

/// Something held, with the dispatch that it is about.
pub struct Held<T> {
    /// Which dispatch.
    pub key: DispatchKey,
    /// The lane that it came by.
    pub way: Way,
    /// The thing itself.
    pub item: T,
}

/// How much is held for one ad account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldCount {
    /// Which.
    pub account: AccountId,
    /// Of the live lane.
    pub live: usize,
    /// Of the bulk lane.
    pub bulk: usize,
    /// Whether it has no request in flight.
    pub is_ready: bool,
}

/// What is held, by ad account.
pub struct Pending<T> {
    accounts: HashMap<AccountId, Queue<T>>,
    /// Every dispatch that is held and not begun: a second message about it adds nothing.
    known: HashSet<DispatchKey>,
    /// Every dispatch that is begun, with a further message about it if one came meanwhile: by then the ledger may want it sent again.
    begun: HashMap<DispatchKey, Option<Held<T>>>,
    busy: HashSet<AccountId>,
    counts: [usize; 2],
}

struct Queue<T> {
    live: VecDeque<Held<T>>,
    bulk: VecDeque<Held<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            live: VecDeque::new(),
            bulk: VecDeque::new(),
        }
    }
}

impl<T> Queue<T> {
    fn len(&self) -> usize {
        self.live.len() + self.bulk.len()
    }

    fn lane(&mut self, way: Way) -> &mut VecDeque<Held<T>> {
        match way {
            Way::Live => &mut self.live,
            Way::Bulk => &mut self.bulk,
        }
    }
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self {
            accounts: HashMap::new(),
            known: HashSet::new(),
            begun: HashMap::new(),
            busy: HashSet::new(),
            counts: [0; 2],
        }
    }
}

impl<T> Pending<T> {
    /// Takes something in; gives it back if another message speaks for its dispatch already. What is about a dispatch that is being sent waits for
    /// the end of that.
    pub fn add(&mut self, held: Held<T>) -> Result<(), T> {
        if let Some(further) = self.begun.get_mut(&held.key) {
            if further.is_some() {
                return Err(held.item);
            }
            *further = Some(held);
            return Ok(());
        }
        if !self.known.insert(held.key) {
            return Err(held.item);
        }
        self.counts[held.way as usize] += 1;
        self.accounts
            .entry(held.key.account)
            .or_default()
            .lane(held.way)
            .push_back(held);
        Ok(())
    }

    /// How many of a lane are held and not begun.
    pub fn count(&self, way: Way) -> usize {
        self.counts[way as usize]
    }

    /// The ad accounts that have something and no request in flight.
    pub fn ready(&self) -> Vec<AccountId> {
        self.accounts
            .keys()
            .filter(|account| !self.busy.contains(account))
            .copied()
            .collect()
    }

    /// How much each ad account has that is not begun.
    pub fn held(&self) -> Vec<HeldCount> {
        let count = |(account, queue): (&AccountId, &Queue<T>)| HeldCount {
            account: *account,
            live: queue.live.len(),
            bulk: queue.bulk.len(),
            is_ready: !self.busy.contains(account),
        };
        self.accounts
            .iter()
            .map(count)
            .filter(|held| held.live + held.bulk > 0)
            .collect()
    }

    /// Every dispatch that is held and not begun.
    pub fn keys(&self) -> Vec<DispatchKey> {
        self.known.iter().copied().collect()
    }

    /// Takes at most `limit` of an ad account, live ones first, and marks it as busy until [`Pending::finished`].
    pub fn begin(&mut self, account: AccountId, limit: usize) -> Vec<Held<T>> {
        let Some(queue) = self.accounts.get_mut(&account) else {
            return Vec::new();
        };
        let mut taken = Vec::with_capacity(limit.min(queue.len()));
        for way in [Way::Live, Way::Bulk] {
            let lane = queue.lane(way);
            let count = lane.len().min(limit - taken.len());
            taken.extend(lane.drain(..count));
            self.counts[way as usize] -= count;
        }
        if queue.len() == 0 {
            self.accounts.remove(&account);
        }
        for held in &taken {
            self.known.remove(&held.key);
            self.begun.insert(held.key, None);
        }
        if !taken.is_empty() {
            self.busy.insert(account);
        }
        taken
    }

    /// An ad account has no request in flight any more, and these dispatches are done with. What came meanwhile about one of them is held from
    /// now on.
    pub fn finished(&mut self, account: AccountId, keys: &[DispatchKey]) {
        self.busy.remove(&account);
        for key in keys {
            if let Some(Some(held)) = self.begun.remove(key) {
                self.known.insert(held.key);
                self.counts[held.way as usize] += 1;
                self.accounts.entry(account).or_default().lane(held.way).push_back(held);
            }
        }
    }

    /// Takes out what ad accounts with a request in flight, and those that are `starved` of the right to make one, hold of a lane beyond `share`,
    /// the newest first.
    pub fn excess(&mut self, way: Way, share: usize, starved: &HashSet<AccountId>) -> Vec<Held<T>> {
        let mut excess = Vec::new();
        for (account, queue) in &mut self.accounts {
            let lane = queue.lane(way);
            if (self.busy.contains(account) || starved.contains(account)) && lane.len() > share {
                excess.extend(lane.drain(share..));
            }
        }
        self.forget(way, &excess);
        excess
    }

    /// Takes out everything of a lane that is not begun.
    pub fn clear(&mut self, way: Way) -> Vec<Held<T>> {
        let mut all = Vec::new();
        for queue in self.accounts.values_mut() {
            all.extend(queue.lane(way).drain(..));
        }
        self.accounts.retain(|_, queue| queue.len() > 0);
        self.forget(way, &all);
        let further = self
            .begun
            .values_mut()
            .filter_map(|further| further.take_if(|held| held.way == way));
        all.extend(further);
        all
    }

    fn forget(&mut self, way: Way, gone: &[Held<T>]) {
        self.counts[way as usize] -= gone.len();
        for held in gone {
            self.known.remove(&held.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::EventKey;

    fn held(account: i32, event: u128, way: Way) -> Held<u128> {
        let key = DispatchKey {
            event: EventKey(Uuid::from_u128(event)),
            account: AccountId(account),
        };
        Held { key, way, item: event }
    }

    fn items(held: Vec<Held<u128>>) -> Vec<u128> {
        held.into_iter().map(|held| held.item).collect()
    }

    #[test]
    fn live_ones_go_first_and_each_lane_keeps_its_order() {
        let mut pending = Pending::default();
        for (event, way) in [(1, Way::Bulk), (2, Way::Live), (3, Way::Bulk), (4, Way::Live)] {
            pending.add(held(7, event, way)).unwrap();
        }

        assert_eq!(items(pending.begin(AccountId(7), 3)), [2, 4, 1]);
        assert_eq!((pending.count(Way::Live), pending.count(Way::Bulk)), (0, 1));
    }

    #[test]
    fn an_account_with_a_request_in_flight_is_not_ready() {
        let mut pending = Pending::default();
        pending.add(held(7, 1, Way::Live)).unwrap();
        pending.add(held(7, 2, Way::Live)).unwrap();
        pending.add(held(8, 3, Way::Live)).unwrap();

        let begun = pending.begin(AccountId(7), 1);

        assert_eq!(pending.ready(), [AccountId(8)]);
        pending.finished(AccountId(7), &[begun[0].key]);
        assert_eq!(pending.ready().len(), 2);
    }

    #[test]
    fn a_second_message_about_a_dispatch_that_is_held_is_given_back() {
        let mut pending = Pending::default();
        pending.add(held(7, 1, Way::Live)).unwrap();

        assert!(pending.add(held(7, 1, Way::Bulk)).is_err());
    }

    // The ledger may want a dispatch sent again before this process has noticed that the first try is over.
    #[test]
    fn a_message_about_a_dispatch_that_is_being_sent_waits_for_its_end() {
        let mut pending = Pending::default();
        pending.add(held(7, 1, Way::Live)).unwrap();
        let begun = pending.begin(AccountId(7), 10);

        assert!(pending.add(held(7, 1, Way::Bulk)).is_ok());
        assert!(pending.add(held(7, 1, Way::Bulk)).is_err());
        assert_eq!(pending.count(Way::Bulk), 0);

        pending.finished(AccountId(7), &[begun[0].key]);
        assert_eq!((pending.count(Way::Bulk), pending.ready()), (1, vec![AccountId(7)]));
        assert_eq!(items(pending.begin(AccountId(7), 10)), [1]);
    }

    #[test]
    fn only_what_a_busy_account_holds_beyond_its_share_is_excess() {
        let mut pending = Pending::default();
        for event in 0..10 {
            pending.add(held(7, event, Way::Live)).unwrap();
            pending.add(held(8, event, Way::Live)).unwrap();
        }
        pending.begin(AccountId(7), 2);

        let none = HashSet::new();
        assert_eq!(items(pending.excess(Way::Live, 3, &none)), [5, 6, 7, 8, 9]);
        assert_eq!(pending.count(Way::Live), 13);

        let starved = HashSet::from([AccountId(8)]);
        assert_eq!(items(pending.excess(Way::Live, 3, &starved)), [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn clearing_a_lane_leaves_the_other_and_what_is_begun() {
        let mut pending = Pending::default();
        pending.add(held(7, 1, Way::Live)).unwrap();
        pending.add(held(7, 2, Way::Live)).unwrap();
        pending.add(held(7, 3, Way::Bulk)).unwrap();
        pending.begin(AccountId(7), 1);

        pending.add(held(7, 1, Way::Bulk)).unwrap();
        assert_eq!(items(pending.clear(Way::Live)), [2]);
        assert!(pending.add(held(7, 1, Way::Live)).is_err());
        assert!(pending.add(held(7, 2, Way::Live)).is_ok());
        assert_eq!(pending.count(Way::Bulk), 1);
    }
}
