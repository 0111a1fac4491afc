//! `accounts.toml`: clients, logins and ad accounts as people write them, read into what they mean. All that is wrong is said at once.

mod account;
mod client;
mod error;
mod field_rule;
mod login;
mod mapping;
mod rules;
mod section;
#[cfg(test)]
mod tests;
mod values;
mod webhook;
#[cfg(test)]
mod webhook_tests;

use std::collections::BTreeMap;

pub use self::error::{AccountsFileError, AccountsFileErrors, Place};
use self::{
    client::ClientDraft,
    error::Problems,
    login::LoginDraft,
    rules::RuleLayer,
    section::{Document, Section},
    webhook::InputDraft,
};
use super::webhook::builtin;
use crate::domain::{
    Platform,
    desired::DesiredDirectory,
    mapping::{Input, Mapping},
    spelling::closest,
    webhook::WHATSAPP,
};

/// One file, already read.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its name, for errors.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Reads one file, or the files of a folder as if they were one.
pub fn parse(files: &[SourceFile]) -> Result<DesiredDirectory, AccountsFileErrors> {
    let problems = Problems::default();
    let documents: Vec<Document<'_>> = files.iter().map(|file| Document::parse(file, &problems)).collect();
    // Behind a mistake of notation nothing can be said for sure.
    problems.check()?;
    let mut draft = Draft::default();
    for document in &documents {
        draft.read(document.top(&problems), &problems);
    }
    let desired = draft.finish(&problems);
    problems.check()?;
    Ok(desired)
}

/// What the files say, before one part is compared with another.
#[derive(Default)]
struct Draft {
    defaults: Option<(Place, RuleLayer)>,
    logins: BTreeMap<String, (Place, LoginDraft)>,
    clients: BTreeMap<String, (Place, ClientDraft)>,
    mappings: BTreeMap<String, (Place, Mapping)>,
    inputs: BTreeMap<String, (Place, InputDraft)>,
}

/// For each login the platforms of the ad accounts that use it, each with one such ad account.
type Users<'a> = BTreeMap<&'a str, BTreeMap<Platform, String>>;

impl Draft {
    fn read(&mut self, mut top: Section<'_>, problems: &Problems) {
        if let Some(mut section) = top.table("defaults") {
            let place = section.place().clone();
            let layer = RuleLayer::read(&mut section);
            section.finish();
            match &self.defaults {
                Some((first, _)) => problems.add(&place, twice(first)),
                None => self.defaults = Some((place, layer)),
            }
        }
        for section in top.tables_of("login") {
            let (name, place) = (section.name().to_owned(), section.place().clone());
            let draft = LoginDraft::read(section);
            match self.logins.get(&name) {
                Some((first, _)) => problems.add(&place, twice(first)),
                None => drop(self.logins.insert(name, (place, draft))),
            }
        }
        for section in top.tables_of("client") {
            let (id, place) = (section.name().to_owned(), section.place().clone());
            let draft = ClientDraft::read(section);
            match self.clients.get(&id) {
                Some((first, _)) => problems.add(&place, twice(first)),
                None => drop(self.clients.insert(id, (place, draft))),
            }
        }
        for section in top.tables_of("mapping") {
            let (name, place) = (section.name().to_owned(), section.place().clone());
            let mapping = mapping::read(section);
            match self.mappings.get(&name) {
                Some((first, _)) => problems.add(&place, twice(first)),
                None => drop(self.mappings.insert(name, (place, mapping))),
            }
        }
        for section in top.tables_of("input") {
            let (name, place) = (section.name().to_owned(), section.place().clone());
            let draft = InputDraft::read(section);
            match self.inputs.get(&name) {
                Some((first, _)) => problems.add(&place, twice(first)),
                None => drop(self.inputs.insert(name, (place, draft))),
            }
        }
        top.finish();
    }

    fn finish(&self, problems: &Problems) -> DesiredDirectory {
        let defaults = self
            .defaults
            .as_ref()
            .map(|(_, layer)| layer.clone())
            .unwrap_or_default();
        let users = self.users(problems);
        let logins = self.logins.values().filter_map(|(_, draft)| {
            let users = users.get(draft.name.as_str()).cloned().unwrap_or_default();
            draft.finish(&users, problems)
        });
        let mut desired = DesiredDirectory {
            logins: logins.map(|login| (login.name.clone(), login)).collect(),
            ..DesiredDirectory::default()
        };
        for (_, draft) in self.clients.values() {
            let layer = defaults.overridden_by(&draft.rules);
            let accounts = draft.accounts.iter();
            let accounts = accounts.filter_map(|account| account.finish(draft, &layer, &desired.logins, problems));
            desired.accounts.extend(accounts);
            check_destinations(draft, problems);
            desired
                .clients
                .extend(draft.client.clone().map(|client| (client.id.clone(), client)));
            for webhook in &draft.webhooks {
                if let Some(mapping) = webhook.mapping() {
                    self.check_mapping(mapping, &webhook.place, problems);
                }
            }
        }
        let mappings = self.mappings.iter();
        desired.mappings = mappings
            .map(|(name, (_, mapping))| (name.clone(), mapping.clone()))
            .collect();
        desired.inputs = self.inputs(problems);
        desired
    }

    fn inputs(&self, problems: &Problems) -> BTreeMap<String, Input> {
        let mut inputs = BTreeMap::new();
        let mut queues: BTreeMap<&str, &Place> = BTreeMap::new();
        for (name, (place, draft)) in &self.inputs {
            let client = draft.client.as_ref();
            if client.is_some_and(|client| !self.clients.contains_key(client.as_str())) {
                problems.add(
                    place,
                    "its client is not defined in these files; a folder is applied whole",
                );
            }
            let (Some(queue), Some(mapping)) = (&draft.queue, &draft.mapping) else {
                continue;
            };
            if mapping != WHATSAPP {
                self.check_mapping(mapping, place, problems);
            }
            if let Some(first) = queues.insert(queue, place) {
                problems.add(place, format!("has the same queue as {}", first.path));
            }
            let input = Input {
                name: name.clone(),
                queue: queue.clone(),
                mapping: mapping.clone(),
                client: draft.client.clone(),
            };
            inputs.insert(name.clone(), input);
        }
        inputs
    }

    fn check_mapping(&self, name: &str, place: &Place, problems: &Problems) {
        if self.mappings.contains_key(name) || builtin::NAMES.contains(&name) {
            return;
        }
        let names = self.mappings.keys().map(String::as_str).chain(builtin::NAMES);
        let problem = match closest(name, names) {
            Some(likely) => format!("no mapping is called \"{name}\"; did you mean \"{likely}\"?"),
            None => format!(
                "no mapping is called \"{name}\": define [mapping.{name}], or say mapping = one of {}",
                builtin::NAMES.join(", ")
            ),
        };
        problems.add(place, problem);
    }

    fn users(&self, problems: &Problems) -> Users<'_> {
        let mut users = Users::new();
        for account in self.clients.values().flat_map(|(_, client)| &client.accounts) {
            let Some(login) = account.login.as_deref() else {
                continue;
            };
            if !self.logins.contains_key(login) {
                problems.add(&account.place, self.unknown_login(login));
            }
            if let Some(platform) = account.platform {
                let of_login = users.entry(login).or_default();
                of_login.entry(platform).or_insert_with(|| account.place.path.clone());
            }
        }
        users
    }

    fn unknown_login(&self, login: &str) -> String {
        match closest(login, self.logins.keys().map(String::as_str)) {
            Some(likely) => format!("its login is not defined; did you mean \"{likely}\"?"),
            None => "its login is not defined in these files; a folder is applied whole".to_owned(),
        }
    }
}

fn twice(first: &Place) -> String {
    format!("is defined twice, the first time in {}", first.line())
}

fn check_destinations(client: &ClientDraft, problems: &Problems) {
    let mut seen: BTreeMap<(Platform, &str), &Place> = BTreeMap::new();
    for account in &client.accounts {
        let (Some(platform), Some(destination)) = (account.platform, account.destination.as_deref()) else {
            continue;
        };
        if let Some(first) = seen.insert((platform, destination), &account.place) {
            problems.add(&account.place, format!("has the same destination as {}", first.path));
        }
    }
}
