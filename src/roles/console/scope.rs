//! Scopes as people write them, and whether there is such a thing.

use super::ConsoleError;
use crate::domain::{Account, Directory, Scope, spelling::closest};

/// Reads a scope and sees that it is there: `login:NAME`, `account:NUMBER`, `account:CLIENT/NAME`, `quota:NAME`, `platform:NAME`. A scope
/// that is paused counts as there, whatever became of it.
pub(super) fn known(text: &str, directory: &Directory) -> Result<Scope, ConsoleError> {
    let scope: Scope = match text.parse() {
        Ok(scope) => scope,
        Err(error) => {
            let label = text.strip_prefix("account:").unwrap_or(text);
            if label.contains('/') {
                return account_of(label, directory).map(|account| Scope::Account(account.id));
            }
            let message = format!("{error}, or account:CLIENT/NAME; given was {text}");
            return Err(ConsoleError::Usage(message));
        }
    };
    let is_there = match &scope {
        Scope::Login(name) => directory.login(name).is_some(),
        Scope::Account(id) => directory.account(*id).is_some_and(|account| !account.removed),
        Scope::Quota(name) => directory.logins().any(|login| login.quota_name() == name),
        Scope::Platform(_) => true,
    };
    if is_there || directory.pause(&scope).is_some() {
        return Ok(scope);
    }
    Err(unknown(&scope, directory))
}

fn account_of<'a>(label: &str, directory: &'a Directory) -> Result<&'a Account, ConsoleError> {
    let mut accounts = directory.accounts().filter(|account| !account.removed);
    let found = accounts.find(|account| account.label() == label);
    found.map(AsRef::as_ref).ok_or_else(|| {
        let labels: Vec<String> = directory.accounts().map(|account| account.label()).collect();
        ConsoleError::Unknown {
            kind: "ad account",
            name: label.to_owned(),
            hint: hint(label, labels.iter().map(String::as_str)),
        }
    })
}

fn unknown(scope: &Scope, directory: &Directory) -> ConsoleError {
    let (kind, name, hint) = match scope {
        Scope::Login(name) => {
            let names = directory.logins().map(|login| login.name.as_str());
            ("login", name.clone(), hint(name, names))
        }
        Scope::Quota(name) => {
            let names = directory.logins().map(|login| login.quota_name());
            ("quota", name.clone(), hint(name, names))
        }
        Scope::Account(id) => {
            let hint = "; `accounts list` shows the numbers".to_owned();
            ("ad account", id.to_string(), hint)
        }
        Scope::Platform(platform) => ("platform", platform.to_string(), String::new()),
    };
    ConsoleError::Unknown { kind, name, hint }
}

/// Nothing of this kind has this name; one of the known ones may be meant.
pub(super) fn no_such<'a>(kind: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> ConsoleError {
    ConsoleError::Unknown {
        kind,
        name: name.to_owned(),
        hint: hint(name, known),
    }
}

fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    closest(name, known).map_or_else(String::new, |likely| format!("; did you mean {likely}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AccountId, ClientId, Login, Platform,
        account::{AccountRules, Credential, SecretRef},
        directory::DirectoryParts,
    };

    fn directory() -> Directory {
        Directory::new(DirectoryParts {
            logins: vec![Login {
                name: "agency/meta".to_owned(),
                platform: Platform::Meta,
                credential: Credential::Token(SecretRef("env:META".to_owned())),
                manager: None,
                app_secret: None,
                quota: None,
                revision: 1,
            }],
            accounts: vec![Account {
                id: AccountId(7),
                client: ClientId::parse("acme").unwrap(),
                name: "meta".to_owned(),
                platform: Platform::Meta,
                destination: "1".to_owned(),
                login: "agency/meta".to_owned(),
                rules: AccountRules::default(),
                removed: false,
            }],
            ..DirectoryParts::default()
        })
    }

    #[test]
    fn an_account_is_found_by_its_number_and_by_its_name_and_a_login_with_a_slash_stays_a_login() {
        for (text, expected) in [
            ("account:7", Scope::Account(AccountId(7))),
            ("account:acme/meta", Scope::Account(AccountId(7))),
            ("acme/meta", Scope::Account(AccountId(7))),
            ("login:agency/meta", Scope::Login("agency/meta".to_owned())),
            ("quota:agency/meta", Scope::Quota("agency/meta".to_owned())),
            ("platform:google", Scope::Platform(Platform::Google)),
        ] {
            assert_eq!(known(text, &directory()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_no_scope() {
        for text in [
            "account:8",
            "acme/google",
            "login:agency",
            "quota:other",
            "platform:x",
            "meta",
            "",
        ] {
            assert!(known(text, &directory()).is_err(), "{text}");
        }
    }
}
