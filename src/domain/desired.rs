//! The directory as people want it: what `accounts.toml` says, checked and merged.

use std::collections::BTreeMap;

use super::{
    account::{Account, AccountRules, Client, Login},
    ids::{AccountId, ClientId},
    mapping::{Input, Mapping},
    platform::Platform,
};

/// Who there should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredDirectory {
    /// Clients, by ID.
    pub clients: BTreeMap<ClientId, Client>,
    /// Logins, by name; their `revision` says nothing.
    pub logins: BTreeMap<String, Login>,
    /// Ad accounts, each of one of the clients and with one of the logins; (client, platform, destination) is unique among them, and so
    /// is (client, name).
    pub accounts: Vec<DesiredAccount>,
    /// Mappings, by name.
    pub mappings: BTreeMap<String, Mapping>,
    /// Inputs, by name.
    pub inputs: BTreeMap<String, Input>,
}

/// An ad account as it should be; it has no number before it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredAccount {
    /// Its client.
    pub client: ClientId,
    /// Its name among the client's ad accounts.
    pub name: String,
    /// Its platform.
    pub platform: Platform,
    /// Meta pixel or dataset, Google customer (digits only), TikTok pixel code.
    pub destination: String,
    /// The login that serves it.
    pub login: String,
    /// How it wants things done, after merging defaults, client and ad account; without `test_until`.
    pub rules: AccountRules,
}

impl DesiredAccount {
    /// `client/name`, as people refer to it.
    pub fn label(&self) -> String {
        format!("{}/{}", self.client, self.name)
    }

    /// The ad account that it becomes, under a number.
    pub fn standing(&self, number: i32) -> Account {
        Account {
            id: AccountId(number),
            client: self.client.clone(),
            name: self.name.clone(),
            platform: self.platform,
            destination: self.destination.clone(),
            login: self.login.clone(),
            rules: self.rules.clone(),
            removed: false,
        }
    }
}

impl From<&Account> for DesiredAccount {
    fn from(account: &Account) -> Self {
        Self {
            client: account.client.clone(),
            name: account.name.clone(),
            platform: account.platform,
            destination: account.destination.clone(),
            login: account.login.clone(),
            rules: account.rules.clone(),
        }
    }
}
