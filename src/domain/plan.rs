//! What must change so that the directory becomes as people want it.

mod fields;
mod inputs;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};

pub use self::fields::Field;
use super::{
    account::{Account, Client, Login, Mode},
    desired::{DesiredAccount, DesiredDirectory},
    directory::Directory,
    ids::ClientId,
    mapping::{Input, Mapping},
    platform::Platform,
};

/// How long test mode lasts.
pub const TEST_MODE_LASTS: TimeDelta = TimeDelta::minutes(60);

/// What happens to what stands and is not wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pruning {
    /// It stays.
    #[default]
    Keep,
    /// It is removed; a removed ad account stays as a tombstone.
    Remove,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A client is added, or one that was removed comes back.
    AddClient(Client),
    /// A client changes.
    ChangeClient {
        /// As it stands.
        from: Client,
        /// As it will be.
        to: Client,
    },
    /// A client is removed.
    RemoveClient(Client),
    /// A login is added, or one that was removed comes back.
    AddLogin(Login),
    /// A login changes; its secret is then read anew.
    ChangeLogin {
        /// As it stands.
        from: Arc<Login>,
        /// As it will be.
        to: Login,
    },
    /// A login is removed.
    RemoveLogin(Arc<Login>),
    /// A mapping is added, or one that was removed comes back.
    AddMapping(String, Mapping),
    /// A mapping changes.
    ChangeMapping {
        /// Its name.
        name: String,
        /// As it stands.
        from: Arc<Mapping>,
        /// As it will be.
        to: Mapping,
    },
    /// A mapping is removed.
    RemoveMapping(String),
    /// An input is added, or one that was removed comes back.
    AddInput(Input),
    /// An input changes.
    ChangeInput {
        /// As it stands.
        from: Input,
        /// As it will be.
        to: Input,
    },
    /// An input is removed: its queue is consumed no more.
    RemoveInput(Input),
    /// An ad account is added.
    AddAccount(Box<DesiredAccount>),
    /// An ad account that was removed comes back under its old number.
    ReviveAccount {
        /// The tombstone.
        from: Arc<Account>,
        /// As it will be.
        to: Box<DesiredAccount>,
    },
    /// An ad account changes; client, platform and destination stay.
    ChangeAccount {
        /// As it stands.
        from: Arc<Account>,
        /// As it will be.
        to: Box<DesiredAccount>,
    },
    /// An ad account becomes a tombstone.
    RemoveAccount {
        /// As it stands.
        account: Arc<Account>,
        /// Why.
        why: Removal,
    },
}

/// Why an ad account is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The ad account of this name now points elsewhere, and that is another one.
    Repointed,
    /// It is not wanted any more.
    Unlisted,
}

/// What must change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it can be done.
    pub changes: Vec<Change>,
    /// What is not wanted and stays, for [`Pruning::Keep`]: such as `client acme`.
    pub kept: Vec<String>,
}

/// Compares what is wanted with what stands. Doing what the plan says and planning again gives an empty plan.
pub fn plan(desired: &DesiredDirectory, current: &Directory, pruning: Pruning, now: DateTime<Utc>) -> Plan {
    let mut changes = inputs::mapping_changes(desired, current);
    changes.extend(client_changes(desired, current));
    changes.extend(login_changes(desired, current));
    let accounts = Accounts::new(desired, current);
    changes.extend(accounts.changes(now));
    changes.extend(inputs::input_changes(desired, current));
    let unlisted: Vec<Change> = accounts
        .unlisted()
        .chain(unlisted_logins(desired, current))
        .chain(unlisted_clients(desired, current))
        .chain(inputs::unlisted(desired, current))
        .collect();
    match pruning {
        Pruning::Remove => {
            changes.extend(unlisted);
            Plan {
                changes,
                kept: Vec::new(),
            }
        }
        Pruning::Keep => Plan {
            changes,
            kept: unlisted.iter().map(Change::subject).collect(),
        },
    }
}

fn client_changes(desired: &DesiredDirectory, current: &Directory) -> Vec<Change> {
    let change = |to: &Client| match current.client(&to.id) {
        None => Some(Change::AddClient(to.clone())),
        Some(from) if from == to => None,
        Some(from) => Some(Change::ChangeClient {
            from: from.clone(),
            to: to.clone(),
        }),
    };
    desired.clients.values().filter_map(change).collect()
}

fn login_changes(desired: &DesiredDirectory, current: &Directory) -> Vec<Change> {
    let change = |to: &Login| match current.login(&to.name) {
        None => Some(Change::AddLogin(to.clone())),
        Some(from) => {
            let to = Login {
                revision: from.revision,
                ..to.clone()
            };
            let from = Arc::clone(from);
            (*from != to).then_some(Change::ChangeLogin { from, to })
        }
    };
    desired.logins.values().filter_map(change).collect()
}

fn unlisted_clients(desired: &DesiredDirectory, current: &Directory) -> impl Iterator<Item = Change> {
    current
        .clients()
        .filter(|client| !desired.clients.contains_key(&client.id))
        .map(|client| Change::RemoveClient(client.clone()))
}

fn unlisted_logins(desired: &DesiredDirectory, current: &Directory) -> impl Iterator<Item = Change> {
    current
        .logins()
        .filter(|login| !desired.logins.contains_key(&login.name))
        .map(|login| Change::RemoveLogin(Arc::clone(login)))
}

/// What makes an ad account that account; everything else of it may change.
type Key<'a> = (&'a ClientId, Platform, &'a str);

/// What people call an ad account.
type Name<'a> = (&'a ClientId, &'a str);

struct Accounts<'a> {
    desired: &'a [DesiredAccount],
    standing: BTreeMap<Key<'a>, &'a Arc<Account>>,
    /// What stands and is not wanted.
    unwanted: BTreeMap<Name<'a>, Vec<&'a Arc<Account>>>,
}

impl<'a> Accounts<'a> {
    fn new(desired: &'a DesiredDirectory, current: &'a Directory) -> Self {
        let desired = desired.accounts.as_slice();
        let wanted: BTreeSet<Key<'_>> = desired
            .iter()
            .map(|account| (&account.client, account.platform, account.destination.as_str()))
            .collect();
        let mut standing = BTreeMap::new();
        let mut unwanted: BTreeMap<Name<'_>, Vec<&Arc<Account>>> = BTreeMap::new();
        for account in current.accounts() {
            let key = (&account.client, account.platform, account.destination.as_str());
            standing.insert(key, account);
            if !account.removed && !wanted.contains(&key) {
                let name = (&account.client, account.name.as_str());
                unwanted.entry(name).or_default().push(account);
            }
        }
        Self {
            desired,
            standing,
            unwanted,
        }
    }

    fn changes(&self, now: DateTime<Utc>) -> Vec<Change> {
        let mut changes = Vec::new();
        for to in self.desired {
            // What had this one's name and pointed elsewhere.
            let former = self.unwanted.get(&(&to.client, to.name.as_str()));
            changes.extend(
                former
                    .into_iter()
                    .flatten()
                    .map(|account| removal(account, Removal::Repointed)),
            );
            let key = (&to.client, to.platform, to.destination.as_str());
            changes.extend(change(self.standing.get(&key).copied(), to, now));
        }
        changes
    }

    fn unlisted(&self) -> impl Iterator<Item = Change> {
        let names: BTreeSet<Name<'_>> = self
            .desired
            .iter()
            .map(|account| (&account.client, account.name.as_str()))
            .collect();
        self.unwanted
            .iter()
            .filter(move |(name, _)| !names.contains(*name))
            .flat_map(|(_, accounts)| accounts)
            .map(|account| removal(account, Removal::Unlisted))
    }
}

fn removal(account: &Arc<Account>, why: Removal) -> Change {
    Change::RemoveAccount {
        account: Arc::clone(account),
        why,
    }
}

fn change(standing: Option<&Arc<Account>>, to: &DesiredAccount, now: DateTime<Utc>) -> Option<Change> {
    let to = Box::new(with_test_end(standing.map(Arc::as_ref), to, now));
    match standing {
        None => Some(Change::AddAccount(to)),
        Some(from) if from.removed => Some(Change::ReviveAccount {
            from: Arc::clone(from),
            to,
        }),
        Some(from) if DesiredAccount::from(from.as_ref()) == *to => None,
        Some(from) => Some(Change::ChangeAccount {
            from: Arc::clone(from),
            to,
        }),
    }
}

/// Lets a test go on that is going on, and begins a new one otherwise.
fn with_test_end(standing: Option<&Account>, to: &DesiredAccount, now: DateTime<Utc>) -> DesiredAccount {
    let mut to = to.clone();
    let going_on = standing.filter(|account| !account.removed && account.mode_at(now) == Mode::Test);
    to.rules.test_until = match to.rules.mode {
        Mode::Test => going_on
            .and_then(|account| account.rules.test_until)
            .or(Some(now + TEST_MODE_LASTS)),
        _ => None,
    };
    to
}

impl Change {
    /// What changes, such as `client acme`, `login agency-meta` or `ad account acme/meta`.
    pub fn subject(&self) -> String {
        match self {
            Change::AddClient(client) | Change::ChangeClient { to: client, .. } | Change::RemoveClient(client) => {
                format!("client {}", client.id)
            }
            Change::AddLogin(login) | Change::ChangeLogin { to: login, .. } => format!("login {}", login.name),
            Change::RemoveLogin(login) => format!("login {}", login.name),
            Change::AddAccount(account)
            | Change::ReviveAccount { to: account, .. }
            | Change::ChangeAccount { to: account, .. } => format!("ad account {}", account.label()),
            Change::RemoveAccount { account, .. } => format!("ad account {}", account.label()),
            Change::AddMapping(name, _) | Change::ChangeMapping { name, .. } | Change::RemoveMapping(name) => {
                format!("mapping {name}")
            }
            Change::AddInput(input) | Change::ChangeInput { to: input, .. } | Change::RemoveInput(input) => {
                format!("input {}", input.name)
            }
        }
    }
}
