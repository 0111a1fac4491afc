//! The directory: every client, login, ad account and pause at one moment, as an immutable snapshot.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::{
    account::{Account, Client, Login},
    api_key::ApiKey,
    ids::{AccountId, ClientId},
    mapping::{Input, Mapping},
    pause::{Pause, Scope},
};

/// Who there is, as of one version. It is read whole and never changed; a change gives a new one.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Counts up with every change, pauses included.
    pub version: i64,
    clients: BTreeMap<ClientId, Client>,
    logins: BTreeMap<String, Arc<Login>>,
    accounts: BTreeMap<AccountId, Arc<Account>>,
    by_client: HashMap<ClientId, Vec<Arc<Account>>>,
    pauses: BTreeMap<Scope, Pause>,
    mappings: BTreeMap<String, Arc<Mapping>>,
    inputs: Vec<Input>,
    api_keys: HashMap<[u8; 32], ApiKey>,
}

/// What a directory is made of.
#[derive(Clone, Debug, Default)]
pub struct DirectoryParts {
    /// Counts up with every change.
    pub version: i64,
    /// Clients that are not removed.
    pub clients: Vec<Client>,
    /// Logins that are not removed.
    pub logins: Vec<Login>,
    /// Ad accounts, the removed ones included.
    pub accounts: Vec<Account>,
    /// Pauses, ended ones perhaps included.
    pub pauses: Vec<Pause>,
    /// Mappings that are not removed, by name.
    pub mappings: Vec<(String, Mapping)>,
    /// Inputs that are not removed.
    pub inputs: Vec<Input>,
    /// Keys that are not revoked.
    pub api_keys: Vec<ApiKey>,
}

impl Directory {
    /// Puts the parts in order.
    pub fn new(parts: DirectoryParts) -> Self {
        let accounts: BTreeMap<AccountId, Arc<Account>> = parts
            .accounts
            .into_iter()
            .map(|account| (account.id, Arc::new(account)))
            .collect();
        let mut by_client: HashMap<ClientId, Vec<Arc<Account>>> = HashMap::new();
        for account in accounts.values().filter(|account| !account.removed) {
            by_client
                .entry(account.client.clone())
                .or_default()
                .push(Arc::clone(account));
        }
        Self {
            version: parts.version,
            clients: parts.clients.into_iter().map(|c| (c.id.clone(), c)).collect(),
            logins: parts
                .logins
                .into_iter()
                .map(|l| (l.name.clone(), Arc::new(l)))
                .collect(),
            accounts,
            by_client,
            pauses: parts.pauses.into_iter().map(|p| (p.scope.clone(), p)).collect(),
            mappings: parts
                .mappings
                .into_iter()
                .map(|(name, m)| (name, Arc::new(m)))
                .collect(),
            inputs: parts.inputs,
            api_keys: parts.api_keys.into_iter().map(|key| (key.hash, key)).collect(),
        }
    }

    /// The client with this ID; `None` also if it was removed.
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        self.clients.get(id)
    }

    /// All clients, by ID.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.values()
    }

    /// The ad accounts of a client that are not removed, the oldest first.
    pub fn accounts_of(&self, client: &ClientId) -> &[Arc<Account>] {
        self.by_client.get(client).map_or(&[], Vec::as_slice)
    }

    /// The clients with a dataset that takes the clicks of this WhatsApp Business Account, by ID.
    pub fn clients_of_waba(&self, waba: &str) -> Vec<&ClientId> {
        let accounts = self.accounts.values().filter(|account| !account.removed);
        let mut clients: Vec<&ClientId> = accounts
            .filter(|account| account.rules.waba.as_deref() == Some(waba))
            .map(|account| &account.client)
            .collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// The mapping of this name that the accounts file defines; those that come with the relay are not among them.
    pub fn mapping(&self, name: &str) -> Option<&Arc<Mapping>> {
        self.mappings.get(name)
    }

    /// All mappings that the accounts file defines, by name.
    pub fn mappings(&self) -> impl Iterator<Item = (&str, &Arc<Mapping>)> {
        self.mappings.iter().map(|(name, mapping)| (name.as_str(), mapping))
    }

    /// Other systems' queues whose messages become events.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The key with this SHA-256, if it is not revoked.
    pub fn api_key(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.api_keys.get(hash)
    }

    /// The ad account with this number, be it removed.
    pub fn account(&self, id: AccountId) -> Option<&Arc<Account>> {
        self.accounts.get(&id)
    }

    /// All ad accounts, the removed ones included, the oldest first.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// The login of this name; `None` also if it was removed.
    pub fn login(&self, name: &str) -> Option<&Arc<Login>> {
        self.logins.get(name)
    }

    /// All logins, by name.
    pub fn logins(&self) -> impl Iterator<Item = &Arc<Login>> {
        self.logins.values()
    }

    /// The pause of a scope. It may have ended meanwhile: see [`Pause::holds_at`].
    pub fn pause(&self, scope: &Scope) -> Option<&Pause> {
        self.pauses.get(scope)
    }

    /// Says whether a scope is paused at a time.
    pub fn is_paused(&self, scope: &Scope, now: DateTime<Utc>) -> bool {
        self.pause(scope).is_some_and(|pause| pause.holds_at(now))
    }

    /// All pauses, by scope; some may have ended meanwhile.
    pub fn pauses(&self) -> impl Iterator<Item = &Pause> {
        self.pauses.values()
    }

    /// Says whether a pause of this scope holds an ad account back.
    pub fn concerns(&self, scope: &Scope, account: &Account) -> bool {
        match scope {
            Scope::Platform(platform) => account.platform == *platform,
            Scope::Login(name) => account.login == *name,
            Scope::Account(id) => account.id == *id,
            Scope::Quota(name) => {
                let login = self.login(&account.login);
                login.is_some_and(|login| login.quota_name() == name)
            }
        }
    }

    /// Every scope that holds an ad account back, the widest first; without a login, those that are known.
    pub fn scopes_of(&self, account: &Account) -> Vec<Scope> {
        match self.login(&account.login) {
            Some(login) => Scope::all_of(account, login).into(),
            None => vec![Scope::Platform(account.platform), Scope::Account(account.id)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        account::{AccountRules, Credential, SecretRef},
        platform::Platform,
    };

    fn account(id: i32, client: &str, removed: bool) -> Account {
        Account {
            id: AccountId(id),
            client: ClientId::parse(client).unwrap(),
            name: format!("meta-{id}"),
            platform: Platform::Meta,
            destination: format!("{id}"),
            login: "agency".to_owned(),
            rules: AccountRules::default(),
            removed,
        }
    }

    #[test]
    fn a_scope_concerns_exactly_the_accounts_that_have_it_among_theirs() {
        let login = |name: &str, quota: Option<&str>| Login {
            name: name.to_owned(),
            platform: Platform::Meta,
            credential: Credential::Token(SecretRef("env:TOKEN".to_owned())),
            manager: None,
            app_secret: None,
            quota: quota.map(str::to_owned),
            revision: 1,
        };
        let mut other = account(2, "acme", false);
        other.login = "other".to_owned();
        let directory = Directory::new(DirectoryParts {
            logins: vec![login("agency", None), login("other", Some("shared"))],
            accounts: vec![account(1, "acme", false), other],
            ..DirectoryParts::default()
        });

        for text in [
            "platform:meta",
            "platform:google",
            "login:agency",
            "login:other",
            "quota:agency",
            "quota:other",
            "quota:shared",
            "account:1",
            "account:3",
        ] {
            let scope: Scope = text.parse().unwrap();
            for account in directory.accounts() {
                let expected = directory.scopes_of(account).contains(&scope);
                assert_eq!(directory.concerns(&scope, account), expected, "{text} {}", account.id);
            }
        }
    }

    #[test]
    fn a_removed_account_is_found_by_its_number_and_not_by_its_client() {
        let directory = Directory::new(DirectoryParts {
            accounts: vec![
                account(3, "acme", false),
                account(2, "acme", true),
                account(1, "acme", false),
            ],
            ..DirectoryParts::default()
        });

        let acme = ClientId::parse("acme").unwrap();
        let ids: Vec<i32> = directory.accounts_of(&acme).iter().map(|a| a.id.0).collect();
        assert_eq!(ids, [1, 3]);
        assert!(directory.account(AccountId(2)).unwrap().removed);
        assert!(directory.accounts_of(&ClientId::parse("other").unwrap()).is_empty());
    }
}
