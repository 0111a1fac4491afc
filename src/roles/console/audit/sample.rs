//! The sample of the design's section on commands, as data.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::notes::View;
use crate::{
    domain::{
        Account, AccountId, Cause, Client, ClientId, Directory, EventKey, Login, Pause, Platform, Scope, State,
        account::{AccountRules, Credential, SecretRef},
        directory::DirectoryParts,
    },
    roles::console::clock::Clock,
    store::audit::{AuditEntry, AuditEvent, ScopeBacklog},
};

pub(super) const META: i32 = 1;
pub(super) const GOOGLE: i32 = 2;
pub(super) const TIKTOK: i32 = 3;
pub(super) const WHATSAPP: i32 = 4;

/// A time of 20 November 2026 in Berlin.
pub(super) fn berlin(time: &str) -> DateTime<Utc> {
    format!("2026-11-20T{time}:00+01:00").parse().unwrap()
}

pub(super) fn client(id: &str, timezone: Option<&str>) -> Client {
    Client {
        id: ClientId::parse(id).unwrap(),
        name: "ACME Shoes".to_owned(),
        country: Some("DE".to_owned()),
        currency: Some("EUR".to_owned()),
        timezone: timezone.map(str::to_owned),
        webhooks: Default::default(),
    }
}

pub(super) fn account(id: i32, client: &str, name: &str, platform: Platform) -> Account {
    Account {
        id: AccountId(id),
        client: ClientId::parse(client).unwrap(),
        name: name.to_owned(),
        platform,
        destination: "1234567890".to_owned(),
        login: format!("agency-{platform}"),
        rules: AccountRules::default(),
        removed: false,
    }
}

pub(super) fn parts() -> DirectoryParts {
    let login = |platform: Platform| Login {
        name: format!("agency-{platform}"),
        platform,
        credential: Credential::Token(SecretRef("env:TOKEN".to_owned())),
        manager: None,
        app_secret: None,
        quota: None,
        revision: 1,
    };
    DirectoryParts {
        version: 1,
        clients: vec![client("acme", Some("Europe/Berlin"))],
        logins: Platform::ALL.map(login).into(),
        accounts: vec![
            account(META, "acme", "meta", Platform::Meta),
            account(GOOGLE, "acme", "google", Platform::Google),
            account(TIKTOK, "acme", "tiktok", Platform::Tiktok),
            account(WHATSAPP, "acme", "whatsapp", Platform::Meta),
        ],
        pauses: vec![Pause {
            scope: Scope::Login("agency-meta".to_owned()),
            cause: Cause::LoginRefused,
            detail: None,
            by_hand: false,
            since: berlin("09:17"),
            until: None,
            probe_at: None,
        }],
        ..DirectoryParts::default()
    }
}

pub(super) fn directory() -> Directory {
    Directory::new(parts())
}

pub(super) fn backlogs() -> HashMap<Scope, ScopeBacklog> {
    let backlog = ScopeBacklog {
        conversions: 38,
        clients: 12,
        first_deadline: "2026-11-27T09:17:00+01:00".parse().unwrap(),
    };
    HashMap::from([(Scope::Login("agency-meta".to_owned()), backlog)])
}

pub(super) fn view<'a>(directory: &'a Directory, backlogs: &'a HashMap<Scope, ScopeBacklog>) -> View<'a> {
    View {
        directory,
        backlogs,
        clock: Clock::of_clients(directory.clients().map(Some), berlin("09:30")),
    }
}

pub(super) fn entry(account: i32, state: State, cause: Option<Cause>) -> AuditEntry {
    let platform = match account {
        META | WHATSAPP => Platform::Meta,
        GOOGLE => Platform::Google,
        _ => Platform::Tiktok,
    };
    AuditEntry {
        account: AccountId(account),
        platform,
        destination: "1234567890".to_owned(),
        state,
        cause,
        detail: None,
        due: None,
        deadline: "2026-11-27T09:12:00+01:00".parse().unwrap(),
        attempts: 1,
        first_ambiguous_at: None,
        receipt: None,
        click: None,
        updated_at: berlin("09:25"),
    }
}

pub(super) fn event(time: &str, order: Option<&str>, entries: Vec<AuditEntry>) -> AuditEvent {
    AuditEvent {
        key: EventKey(uuid::Uuid::from_u128(7)),
        client: ClientId::parse("acme").unwrap(),
        event_id: format!("e-{}", order.unwrap_or("lead")),
        name: if order.is_some() { "Purchase" } else { "Lead" }.to_owned(),
        order_id: order.map(str::to_owned),
        happened_at: berlin(time),
        received_at: berlin(time),
        value: None,
        currency: None,
        cause: None,
        differing: 0,
        forgotten_at: None,
        entries,
    }
}

/// The three conversions of the design's sample.
pub(super) fn events() -> Vec<AuditEvent> {
    let no_click = || entry(TIKTOK, State::NotSent, Some(Cause::NoClick));
    let sold = |value: &str, event: AuditEvent| AuditEvent {
        value: Some(value.parse().unwrap()),
        currency: Some("EUR".to_owned()),
        ..event
    };
    let third_try = AuditEntry {
        attempts: 3,
        ..entry(META, State::Sent, None)
    };
    let later = AuditEntry {
        due: Some(berlin("15:03")),
        attempts: 0,
        ..entry(GOOGLE, State::Waiting, Some(Cause::ClickTooRecent))
    };
    vec![
        sold(
            "149",
            event(
                "09:12",
                Some("10481"),
                vec![
                    entry(META, State::Sent, None),
                    entry(GOOGLE, State::Confirmed, None),
                    no_click(),
                ],
            ),
        ),
        sold(
            "59.9",
            event("09:15", Some("10482"), vec![third_try, later, no_click()]),
        ),
        event(
            "09:20",
            None,
            vec![
                entry(META, State::Paused, Some(Cause::LoginRefused)),
                entry(GOOGLE, State::NotSent, Some(Cause::ConsentDenied)),
            ],
        ),
    ]
}
