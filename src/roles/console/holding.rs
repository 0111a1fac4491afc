//! What pauses hold back: which ad accounts, how many conversions, and in a sentence why and who must act.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, Utc};

use super::moment::moment;
use crate::{
    domain::{Account, AccountId, Directory, Pause, Platform, Scope, Who},
    store::pauses::Backlog,
};

/// The directory, together with what waits.
pub(super) struct Holding<'a> {
    pub directory: &'a Directory,
    pub backlog: &'a HashMap<AccountId, Backlog>,
    pub now: DateTime<Utc>,
}

impl<'a> Holding<'a> {
    /// The ad accounts that a scope concerns, the removed ones left out.
    pub fn accounts(&self, scope: &Scope) -> Vec<&'a Arc<Account>> {
        let accounts = self.directory.accounts().filter(|account| !account.removed);
        accounts
            .filter(|account| self.directory.concerns(scope, account))
            .collect()
    }

    /// The pauses that hold an ad account back, the widest first.
    pub fn pauses_of(&self, account: &Account) -> Vec<&'a Pause> {
        let scopes = self.directory.scopes_of(account);
        scopes.iter().filter_map(|scope| self.pause(scope)).collect()
    }

    /// The pause of a scope that holds now.
    pub fn pause(&self, scope: &Scope) -> Option<&'a Pause> {
        self.directory.pause(scope).filter(|pause| pause.holds_at(self.now))
    }

    /// What waits for these ad accounts; `None`: nothing.
    pub fn waiting(&self, accounts: &[&Arc<Account>]) -> Option<Backlog> {
        let of_each = accounts.iter().filter_map(|account| self.backlog.get(&account.id));
        of_each.copied().reduce(|one, other| Backlog {
            count: one.count + other.count,
            first_deadline: one.first_deadline.min(other.first_deadline),
        })
    }

    /// Why, since when and until when, what it holds back, and who must act.
    pub fn sentence(&self, pause: &Pause) -> String {
        let words = Words::new(pause, self.directory);
        let since = moment(pause.since, self.now);
        let until = match (pause.until, pause.probe_at) {
            (Some(until), _) => format!(" until {}", moment(until, self.now)),
            (None, Some(probe)) => format!(", next try at {}", moment(probe, self.now)),
            (None, None) => String::new(),
        };
        let held = self.waiting_words(&self.accounts(&pause.scope));
        let who = match pause.cause.who() {
            Who::Nobody => "nobody needs to act".to_owned(),
            who => format!("{}: {}", who.as_str(), words.fill(pause.cause.action())),
        };
        let sentence = words.fill(pause.cause.sentence());
        format!("{sentence} Paused since {since}{until}: {held}.   {who}")
    }

    /// `38 conversions of 12 clients wait, the first expires 27 Nov 09:17`
    pub fn waiting_words(&self, accounts: &[&Arc<Account>]) -> String {
        let Some(backlog) = self.waiting(accounts) else {
            return "nothing waits".to_owned();
        };
        let waiting = accounts.iter().filter(|account| self.backlog.contains_key(&account.id));
        let clients: BTreeSet<_> = waiting.map(|account| &account.client).collect();
        format!(
            "{} of {} {}, the first expires {}",
            counted(backlog.count, "conversion"),
            counted(i64::try_from(clients.len()).unwrap_or(i64::MAX), "client"),
            if backlog.count == 1 { "waits" } else { "wait" },
            moment(backlog.first_deadline, self.now)
        )
    }
}

/// `ready`, or `paused: login (1)`, with numbers that notes below a table explain; puts pauses that are new there among the notes.
pub(super) fn note_pauses<'a>(pauses: impl IntoIterator<Item = &'a Pause>, notes: &mut Vec<&'a Pause>) -> String {
    let numbered = pauses.into_iter().map(|pause| {
        let known = notes.iter().position(|noted| noted.scope == pause.scope);
        let index = known.unwrap_or_else(|| {
            notes.push(pause);
            notes.len() - 1
        });
        format!("{} ({})", pause.scope.kind(), index + 1)
    });
    let numbered: Vec<String> = numbered.collect();
    if numbered.is_empty() {
        return "ready".to_owned();
    }
    format!("paused: {}", numbered.join(", "))
}

/// `1 client`, `2 clients`.
pub(super) fn counted(count: i64, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// What stands for the placeholders of a cause's sentence.
struct Words {
    platform: String,
    client: String,
    account: String,
    login: String,
    detail: String,
}

impl Words {
    fn new(pause: &Pause, directory: &Directory) -> Self {
        let account = match &pause.scope {
            Scope::Account(id) => directory.account(*id),
            _ => None,
        };
        let login = match &pause.scope {
            Scope::Login(name) => directory.login(name),
            Scope::Quota(name) => directory.logins().find(|login| login.quota_name() == name),
            Scope::Account(_) => account.and_then(|account| directory.login(&account.login)),
            Scope::Platform(_) => None,
        };
        let platform = match &pause.scope {
            Scope::Platform(platform) => Some(*platform),
            _ => account
                .map(|account| account.platform)
                .or(login.map(|login| login.platform)),
        };
        let unknown = || "?".to_owned();
        Self {
            platform: platform.map_or("the platform", Platform::title).to_owned(),
            client: account.map_or_else(unknown, |account| account.client.to_string()),
            account: account.map_or_else(unknown, |account| account.id.to_string()),
            login: login.map_or_else(unknown, |login| login.name.clone()),
            detail: pause.detail.clone().unwrap_or_else(|| "no reason given".to_owned()),
        }
    }

    fn fill(&self, template: &str) -> String {
        // The detail last: it is not ours, and a placeholder in it is none.
        template
            .replace("{platform}", &self.platform)
            .replace("{client}", &self.client)
            .replace("{account}", &self.account)
            .replace("{login}", &self.login)
            .replace("{detail}", &self.detail)
    }
}
