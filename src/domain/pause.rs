//! Pauses: scopes that do not send until a time or until someone resumes them.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};

use super::{
    account::{Account, Login},
    cause::Cause,
    ids::AccountId,
    platform::Platform,
};

/// What a pause holds back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// All ad accounts of a login.
    Login(String),
    /// One ad account.
    Account(AccountId),
    /// All logins that share a quota.
    Quota(String),
    /// A whole platform.
    Platform(Platform),
}

impl Scope {
    /// The kind: `login`, `account`, `quota` or `platform`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Scope::Login(_) => "login",
            Scope::Account(_) => "account",
            Scope::Quota(_) => "quota",
            Scope::Platform(_) => "platform",
        }
    }

    /// Every scope that holds an ad account back, the widest first. The column `ad_accounts.scopes` holds the same, written out.
    pub fn all_of(account: &Account, login: &Login) -> [Self; 4] {
        [
            Scope::Platform(account.platform),
            Scope::Quota(login.quota_name().to_owned()),
            Scope::Login(login.name.clone()),
            Scope::Account(account.id),
        ]
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::Login(name) => write!(formatter, "login:{name}"),
            Scope::Account(id) => write!(formatter, "account:{id}"),
            Scope::Quota(name) => write!(formatter, "quota:{name}"),
            Scope::Platform(platform) => write!(formatter, "platform:{platform}"),
        }
    }
}

/// The text is no scope.
#[derive(Debug, thiserror::Error)]
#[error("a scope is login:NAME, account:NUMBER, quota:NAME or platform:meta|google|tiktok")]
pub struct InvalidScope;

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let (kind, name) = text
            .split_once(':')
            .filter(|(_, name)| !name.is_empty())
            .ok_or(InvalidScope)?;
        match kind {
            "login" => Ok(Scope::Login(name.to_owned())),
            "account" => name
                .parse()
                .map(|id| Scope::Account(AccountId(id)))
                .map_err(|_| InvalidScope),
            "quota" => Ok(Scope::Quota(name.to_owned())),
            "platform" => name.parse().map(Scope::Platform).map_err(|_| InvalidScope),
            _ => Err(InvalidScope),
        }
    }
}

/// A scope that does not send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// What it holds back.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// The platform's words, cleaned, or the person's reason.
    pub detail: Option<String>,
    /// Whether a person made it; the relay then neither ends nor changes it.
    pub by_hand: bool,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When it ends by itself; `None`: when someone resumes it or a probe gets through.
    pub until: Option<DateTime<Utc>>,
    /// When the next probe may go out; `None`: none does.
    pub probe_at: Option<DateTime<Utc>>,
}

impl Pause {
    /// Says whether it still holds at a time.
    pub fn holds_at(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_back_as_it_is_written() {
        for text in ["login:agency-meta", "account:7", "quota:project-1", "platform:tiktok"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in ["", "login", "login:", "account:x", "platform:x", "queue:x"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
