//! What a change changes, field by field, under the names of `accounts.toml`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Change;
use crate::domain::{
    account::{AccountRules, Client, Credential, Login},
    desired::DesiredAccount,
    mapping::{Input, Mapping},
    webhook::Signature,
};

/// One field that changes. References to secrets are no secrets and are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in `accounts.toml`.
    pub name: String,
    /// What it says now; `None`: nothing.
    pub from: Option<String>,
    /// What it will say; `None`: nothing.
    pub to: Option<String>,
}

impl Change {
    /// The fields that differ; for what is added, all that say something; for what is removed, none.
    pub fn fields(&self) -> Vec<Field> {
        let nothing = BTreeMap::new;
        match self {
            Change::AddClient(to) => difference(nothing(), of_client(to)),
            Change::ChangeClient { from, to } => difference(of_client(from), of_client(to)),
            Change::AddLogin(to) => difference(nothing(), of_login(to)),
            Change::ChangeLogin { from, to } => difference(of_login(from), of_login(to)),
            Change::AddAccount(to) | Change::ReviveAccount { to, .. } => difference(nothing(), of_account(to)),
            Change::ChangeAccount { from, to } => {
                difference(of_account(&DesiredAccount::from(from.as_ref())), of_account(to))
            }
            Change::AddMapping(_, to) => difference(nothing(), of_mapping(to)),
            Change::ChangeMapping { from, to, .. } => difference(of_mapping(from), of_mapping(to)),
            Change::AddInput(to) => difference(nothing(), of_input(to)),
            Change::ChangeInput { from, to } => difference(of_input(from), of_input(to)),
            Change::RemoveClient(_)
            | Change::RemoveLogin(_)
            | Change::RemoveAccount { .. }
            | Change::RemoveMapping(_)
            | Change::RemoveInput(_) => Vec::new(),
        }
    }
}

type Texts = BTreeMap<String, String>;

fn difference(mut from: Texts, to: Texts) -> Vec<Field> {
    let mut fields: Vec<Field> = to
        .into_iter()
        .map(|(name, to)| Field {
            from: from.remove(&name),
            to: Some(to),
            name,
        })
        .filter(|field| field.from != field.to)
        .collect();
    fields.extend(from.into_iter().map(|(name, from)| Field {
        name,
        from: Some(from),
        to: None,
    }));
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    fields
}

fn texts(pairs: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Texts {
    pairs
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text?)))
        .collect()
}

fn of_client(client: &Client) -> Texts {
    let mut all = texts([
        ("name", Some(client.name.clone())),
        ("country", client.country.clone()),
        ("currency", client.currency.clone()),
        ("timezone", client.timezone.clone()),
    ]);
    for (source, webhook) in &client.webhooks {
        let (signature, header) = match &webhook.signature {
            Signature::Meta => ("meta", None),
            Signature::Shopify => ("shopify", None),
            Signature::Stripe => ("stripe", None),
            Signature::Hubspot => ("hubspot", None),
            Signature::Hmac(header) => ("hmac", Some(header.clone())),
        };
        let fields = texts([
            ("secret", Some(webhook.secret.0.clone())),
            ("signature", Some(signature.to_owned())),
            ("header", header),
            ("mapping", webhook.mapping.clone()),
            (
                "verify_token",
                webhook.verify_token.as_ref().map(|token| token.0.clone()),
            ),
        ]);
        all.extend(
            fields
                .into_iter()
                .map(|(name, text)| (format!("webhooks.{source}.{name}"), text)),
        );
    }
    all
}

/// A line for each field that a mapping fills.
fn of_mapping(mapping: &Mapping) -> Texts {
    let mut all = texts([
        ("client", mapping.client.as_ref().map(ToString::to_string)),
        ("each", mapping.each.as_ref().map(|each| format!("\"{each}\""))),
    ]);
    for (index, event) in mapping.events.iter().enumerate() {
        let place = format!("event[{index}]");
        if !event.when.is_empty() {
            let conditions: Vec<String> = event.when.iter().map(ToString::to_string).collect();
            all.insert(format!("{place}.when"), format!("[{}]", conditions.join(", ")));
        }
        for (path, field) in &event.fields {
            all.insert(format!("{place}.{path}"), field.to_string());
        }
        all.extend(
            event
                .contents
                .iter()
                .map(|contents| (format!("{place}.contents"), contents.to_string())),
        );
    }
    all
}

fn of_input(input: &Input) -> Texts {
    texts([
        ("queue", Some(input.queue.clone())),
        ("mapping", Some(input.mapping.clone())),
        ("client", input.client.as_ref().map(ToString::to_string)),
    ])
}

fn of_login(login: &Login) -> Texts {
    let (kind, reference) = match &login.credential {
        Credential::Token(reference) => ("token", reference),
        Credential::ServiceAccount(reference) => ("service_account", reference),
        Credential::RefreshToken(reference) => ("refresh_token", reference),
    };
    texts([
        (kind, Some(reference.0.clone())),
        ("platform", Some(login.platform.to_string())),
        ("manager", login.manager.clone()),
        (
            "app_secret",
            login.app_secret.as_ref().map(|reference| reference.0.clone()),
        ),
        ("quota", login.quota.clone()),
    ])
}

fn of_account(account: &DesiredAccount) -> Texts {
    let mut all = of_rules(&account.rules);
    all.extend(texts([
        ("name", Some(account.name.clone())),
        ("platform", Some(account.platform.to_string())),
        ("destination", Some(account.destination.clone())),
        ("login", Some(account.login.clone())),
    ]));
    all
}

/// The rules that differ from their defaults, and the mode.
fn of_rules(rules: &AccountRules) -> Texts {
    let as_json = |rules: &AccountRules| serde_json::to_value(rules).expect("rules have only text keys");
    let (Value::Object(all), Value::Object(mut usual)) = (as_json(rules), as_json(&AccountRules::default())) else {
        return Texts::new();
    };
    usual.remove("mode");
    all.iter()
        .filter(|(name, value)| usual.get(*name) != Some(value))
        .map(|(name, value)| named(name, value))
        .collect()
}

fn named(name: &str, value: &Value) -> (String, String) {
    let text = shown(value);
    match name {
        "look_back_days" => ("look_back".to_owned(), format!("{text}d")),
        "max_age_days" => ("max_age".to_owned(), format!("{text}d")),
        "wait_for_click_seconds" => ("wait_for_click".to_owned(), format!("{text}s")),
        other => (other.to_owned(), text),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Object(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| format!("{name} = {}", shown(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}
