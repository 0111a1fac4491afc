//! Carries out mappings: another system's payload becomes funnel events, or a fault that names the pointer that failed.

mod field;
mod money;
#[cfg(test)]
mod providers_tests;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use self::field::{Found, Item};
use super::{ITEMS_MAX, Reading, json};
use crate::{
    domain::{
        Cause, ClientId, EventId,
        event::Event,
        mapping::{Condition, ContentsRule, EventRule, Mapping, Test},
    },
    wire::event::{Envelope, Malformed, parse},
};

/// Reads a payload by a mapping. What it tells belongs to `client`, or else to the client that the mapping finds in it. `headers` gives the
/// message's headers by their names in lower case.
pub fn read(
    mapping: &Mapping,
    body: &[u8],
    headers: &dyn Fn(&str) -> Option<String>,
    client: Option<&ClientId>,
    now: DateTime<Utc>,
) -> Reading {
    let payload = match json(body) {
        Ok(payload) => payload,
        Err(fault) => return Reading::from(fault),
    };
    let mapper = Mapper {
        mapping,
        whole: Item {
            value: &payload,
            pointer: String::new(),
            headers,
        },
        client,
        now,
    };
    let items = match mapper.items() {
        Ok(items) => items,
        Err(fault) => return Reading::from(fault),
    };
    let mut reading = Reading {
        // A list may be empty; that it came is counted all the same.
        ignored: usize::from(items.is_empty()),
        ..Reading::default()
    };
    for item in items {
        match mapper.event(&item) {
            Ok(Some(event)) => reading.events.push(event),
            Ok(None) => reading.ignored += 1,
            Err(fault) => reading.note(fault),
        }
    }
    reading
}

/// The funnel events that a payload becomes, as JSON before they are checked, each with the fault that the check then finds: for people who
/// write a mapping.
pub fn preview(
    mapping: &Mapping,
    body: &[u8],
    headers: &dyn Fn(&str) -> Option<String>,
    client: Option<&ClientId>,
    now: DateTime<Utc>,
) -> Result<Vec<Preview>, Malformed> {
    let payload = json(body)?;
    let whole = Item {
        value: &payload,
        pointer: String::new(),
        headers,
    };
    let mapper = Mapper {
        mapping,
        whole,
        client,
        now,
    };
    let previews = mapper.items()?.into_iter().map(|item| {
        let Some((index, rule)) = mapper.rule(&item) else {
            return Preview::Ignored;
        };
        match mapper.message(rule, &item) {
            Err(fault) => Preview::Event {
                index,
                message: None,
                fault: Some(fault),
            },
            Ok(message) => {
                let fault = mapper.checked(rule, &item, &message).err();
                Preview::Event {
                    index,
                    message: Some(message),
                    fault,
                }
            }
        }
    });
    Ok(previews.collect())
}

/// What one item of a payload becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Preview {
    /// No kind of event has conditions that hold.
    Ignored,
    /// The kind of event with this index, from 0.
    Event {
        /// Which of the mapping's events.
        index: usize,
        /// The funnel event, if it could be made.
        message: Option<Value>,
        /// What is wrong with it.
        fault: Option<Malformed>,
    },
}

struct Mapper<'a> {
    mapping: &'a Mapping,
    whole: Item<'a>,
    client: Option<&'a ClientId>,
    now: DateTime<Utc>,
}

impl<'a> Mapper<'a> {
    /// The items that are read, each by itself. What is no list is the only one; nothing at all is a fault, for then the mapping is meant for
    /// another payload.
    fn items(&self) -> Result<Vec<Item<'a>>, Malformed> {
        let Some(each) = &self.mapping.each else {
            return Ok(vec![self.whole.clone()]);
        };
        let items = self.whole.items(each).ok_or_else(|| missing(each))?;
        if items.len() > ITEMS_MAX {
            return Err(Malformed::new(Cause::TooLarge, each));
        }
        Ok(items)
    }

    fn rule(&self, item: &Item<'_>) -> Option<(usize, &'a EventRule)> {
        let mut rules = self.mapping.events.iter().enumerate();
        rules.find(|(_, rule)| rule.when.iter().all(|condition| holds(condition, item)))
    }

    fn event(&self, item: &Item<'_>) -> Result<Option<Event>, Malformed> {
        let Some((_, rule)) = self.rule(item) else {
            return Ok(None);
        };
        let message = self.message(rule, item)?;
        self.checked(rule, item, &message).map(Some)
    }

    /// The funnel event as it would have been published.
    fn message(&self, rule: &EventRule, item: &Item<'_>) -> Result<Value, Malformed> {
        let mut message = json!({ "client_id": self.client_of(item)? });
        for (path, field) in &rule.fields {
            let is_needed = field.required || ["event_id", "event_name"].contains(&path.as_str());
            match item.look(field)? {
                Some(value) => put(&mut message, path, value),
                None if is_needed => return Err(item.fault(field)),
                None => {}
            }
        }
        let id = match &message["event_id"] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let event_id = rule.fields.get("event_id");
        let id = id.ok_or_else(|| event_id.map_or_else(|| missing("event_id"), |field| item.fault(field)))?;
        message["event_id"] = json!(EventId::from_foreign(&id));
        if let Some(contents) = &rule.contents {
            message["contents"] = products(contents, item)?;
        }
        Ok(message)
    }

    fn client_of(&self, item: &Item<'_>) -> Result<Value, Malformed> {
        if let Some(client) = self.client {
            return Ok(json!(client));
        }
        let field = self.mapping.client.as_ref().ok_or_else(|| missing("client"))?;
        // A list of items mostly names the client once, beside it.
        let found = match item.look(field)? {
            Some(value) => Some(value),
            None => self.whole.look(field)?,
        };
        found.ok_or_else(|| item.fault(field))
    }

    /// Checks the message as any other; what is wrong is said by the pointer that it came from.
    fn checked(&self, rule: &EventRule, item: &Item<'_>, message: &Value) -> Result<Event, Malformed> {
        let envelope = Envelope {
            message_id: None,
            timestamp: None,
            now: self.now,
        };
        parse(message.to_string().as_bytes(), envelope).map_err(|fault| {
            let cause = match fault.cause {
                Cause::MissingField | Cause::WrongType | Cause::InvalidField => Cause::WebhookNotMapped,
                other => other,
            };
            let field = fault.field.map(|path| self.origin(rule, item, &path));
            Malformed { cause, field }
        })
    }

    /// Where a field of the funnel event came from.
    fn origin(&self, rule: &EventRule, item: &Item<'_>, path: &str) -> String {
        if path == "client_id" {
            return match &self.mapping.client {
                Some(field) if self.client.is_none() => item.origin(field),
                _ => "client".to_owned(),
            };
        }
        if let (Some(contents), Some(rest)) = (&rule.contents, path.strip_prefix("contents")) {
            let product = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let (index, member) = product.unwrap_or_default();
            let products = format!("{}{}", item.pointer, contents.each);
            return match contents.fields.get(member.trim_start_matches('.')) {
                Some(field) => format!("{products}/{index}{}", field::own_origin(field)),
                None => products,
            };
        }
        rule.fields
            .get(path)
            .map_or_else(|| path.to_owned(), |field| item.origin(field))
    }
}

fn missing(field: &str) -> Malformed {
    Malformed::new(Cause::WebhookNotMapped, field)
}

fn holds(condition: &Condition, item: &Item<'_>) -> bool {
    let found = item.found(&condition.source);
    match &condition.test {
        Test::Exists(wanted) => matches!(found, Found::Value(_)) == *wanted,
        Test::Is(texts) => found.text().is_some_and(|text| texts.contains(&text)),
        Test::IsNot(texts) => found.text().is_none_or(|text| !texts.contains(&text)),
    }
}

fn products(rule: &ContentsRule, item: &Item<'_>) -> Result<Value, Malformed> {
    let mut products = Vec::new();
    for product in item.items(&rule.each).unwrap_or_default() {
        let mut fields = Map::new();
        for (name, field) in &rule.fields {
            match product.look(field)? {
                Some(value) => drop(fields.insert(name.clone(), value)),
                None if field.required => return Err(product.fault(field)),
                None => {}
            }
        }
        products.push(Value::Object(fields));
    }
    Ok(Value::Array(products))
}

/// Puts a value where its path leads: `user.email`.
fn put(message: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        Some((group, name)) => message[group][name] = value,
        None => message[path] = value,
    }
}
