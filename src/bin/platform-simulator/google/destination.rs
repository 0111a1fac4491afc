//! The destinations of a Data Manager request: accounts and their conversion actions.
use serde_json::{Map, Value};

use super::access::Caller;
use super::errors::Violation;
use crate::settings::Settings;

const MOST_DESTINATIONS: usize = 10;

/// An account and one of its conversion actions.
#[derive(Debug)]
pub struct Destination<'a> {
    pub reference: &'a str,
    pub account: &'a str,
    pub action: &'a str,
    pub json: &'a Value,
}

/// Reads and judges all destinations; what is wrong goes into `found`.
pub fn read<'a>(
    fields: &'a Map<String, Value>,
    settings: &Settings,
    found: &mut Vec<Violation>,
) -> Vec<Destination<'a>> {
    let list = fields
        .get("destinations")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        found.push(Violation {
            field: "destinations".to_owned(),
            reason: "REQUIRED_FIELD_MISSING",
        });
    }
    if list.len() > MOST_DESTINATIONS {
        found.push(Violation {
            field: "destinations".to_owned(),
            reason: "TOO_MANY_DESTINATIONS",
        });
    }
    let mut destinations: Vec<Destination<'a>> = Vec::with_capacity(list.len());
    for (index, json) in list.iter().enumerate() {
        let destination = Destination::of(json);
        let mut report = |field: &str, reason| {
            found.push(Violation {
                field: format!("destinations[{index}].{field}"),
                reason,
            });
        };
        destination.check(settings, &mut report);
        if destinations
            .iter()
            .any(|other| other.reference == destination.reference)
        {
            report("reference", "DUPLICATE_DESTINATION_REFERENCE");
        }
        destinations.push(destination);
    }
    destinations
}

impl<'a> Destination<'a> {
    fn of(json: &'a Value) -> Self {
        Self {
            reference: json["reference"].as_str().unwrap_or_default(),
            account: json["operatingAccount"]["accountId"].as_str().unwrap_or_default(),
            action: json["productDestinationId"].as_str().unwrap_or_default(),
            json,
        }
    }

    fn check(&self, settings: &Settings, report: &mut impl FnMut(&str, &'static str)) {
        let operating = &self.json["operatingAccount"];
        if operating["accountType"].as_str().or(operating["product"].as_str()) != Some("GOOGLE_ADS") {
            report("operating_account.account_type", "REQUIRED_FIELD_MISSING");
        }
        if self.account.is_empty() {
            report("operating_account.account_id", "REQUIRED_FIELD_MISSING");
        } else if !is_digits(self.account) {
            report("operating_account.account_id", "INVALID_DESTINATION");
        }
        if self.login().is_some_and(|login| !is_digits(login)) {
            report("login_account.account_id", "INVALID_DESTINATION");
        }
        let actions = settings
            .google
            .customers
            .get(self.account)
            .and_then(|one| one.actions.as_ref());
        if self.action.is_empty() {
            report("product_destination_id", "REQUIRED_FIELD_MISSING");
        } else if !is_digits(self.action)
            || actions.is_some_and(|actions| !actions.iter().any(|action| action == self.action))
        {
            report("product_destination_id", "INVALID_CONVERSION_ACTION_ID");
        }
    }

    /// Whether the caller reaches the account, through a manager where it takes one.
    pub fn is_reachable(&self, caller: &Caller, settings: &Settings) -> bool {
        let customer = settings.google.customers.get(self.account);
        let managers = customer.map_or(&[][..], |one| one.managers.as_slice());
        let is_managed = managers.is_empty()
            || self
                .login()
                .is_some_and(|login| managers.iter().any(|one| one == login));
        is_managed && caller.reaches(settings, self.account)
    }

    fn login(&self) -> Option<&str> {
        self.json["loginAccount"]["accountId"].as_str()
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
