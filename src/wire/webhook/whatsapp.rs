//! WhatsApp's webhooks: ad clicks of people who write to a business, and the sales and leads that WhatsApp itself finds in the chats.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages>

mod automatic;
#[cfg(test)]
mod automatic_tests;
mod node;
mod sender;
#[cfg(test)]
mod sender_tests;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde_json::Value;

use self::{
    node::Node,
    sender::{Contacts, sender},
};
use super::{PersonClick, Reading, json};
use crate::{
    domain::{
        Cause, Click, ClickKind, ClientId,
        event::{FUTURE_TOLERANCE, YEAR_2000},
    },
    wire::{
        event::{self, Malformed},
        fields::Moment,
    },
};

/// The most digits of a WhatsApp Business Account's ID; it has 15 or so.
const WABA_DIGITS_MAX: usize = 32;

/// Who an entry may belong to.
pub struct Owners<'a> {
    /// Whose the payload is, if that is told beside it.
    pub client: Option<&'a ClientId>,
    /// The clients that have a dataset of a WhatsApp Business Account.
    pub clients_of_waba: &'a dyn Fn(&str) -> Vec<ClientId>,
    /// Whether the one who spoke for `client` may speak for this one, too: Meta sends the payloads of an app to one address, whoever they concern.
    pub is_of_same_app: &'a dyn Fn(&ClientId) -> bool,
}

/// Reads a payload of the Cloud API as WhatsApp sent it: all of its entries, changes and messages. What it tells belongs to every client that has a
/// dataset of the entry's WhatsApp Business Account, and to the client that is told beside it where nobody has one; of others than that client
/// only to those for whom its sender may speak.
pub fn read(body: &[u8], owners: &Owners<'_>, now: DateTime<Utc>) -> Reading {
    let payload = match json(body) {
        Ok(payload) => payload,
        Err(fault) => return Reading::from(fault),
    };
    let mut reading = Reading::default();
    let top = Node::top(&payload);
    if !payload.is_object() {
        return Reading::from(Malformed::new(Cause::WrongType, "the whole message"));
    }
    if top.get("entry").is_none() {
        return Reading::from(Malformed::new(Cause::MissingField, "entry"));
    }
    for node in top.items("entry", &mut reading) {
        let entry = Entry {
            owner: owners.owner(&node),
            now,
        };
        for change in node.items("changes", &mut reading) {
            entry.change(&change, &mut reading);
            if reading.is_too_large() {
                return Reading::from(Malformed::of(Cause::TooLarge));
            }
        }
    }
    reading
}

impl Owners<'_> {
    fn owner(&self, entry: &Node<'_>) -> Result<Owner, Malformed> {
        let fault = |cause| Malformed::new(cause, &entry.path_of("id"));
        let waba = entry.checked_text("id")?;
        // Clicks are stored under it, so it is no place for just any text.
        if waba.as_deref().is_some_and(|waba| !is_waba(waba)) {
            return Err(fault(Cause::InvalidField));
        }
        let clients = match (self.client, &waba) {
            (Some(client), None) => vec![client.clone()],
            (Some(client), Some(waba)) => self.of_waba_beside(client, waba),
            (None, Some(waba)) => (self.clients_of_waba)(waba),
            (None, None) => return Err(fault(Cause::MissingField)),
        };
        if clients.is_empty() {
            return Err(fault(Cause::UnknownWaba));
        }
        Ok(Owner { waba, clients })
    }

    fn of_waba_beside(&self, client: &ClientId, waba: &str) -> Vec<ClientId> {
        let mut owners = (self.clients_of_waba)(waba);
        if owners.is_empty() || owners.contains(client) {
            return vec![client.clone()];
        }
        owners.retain(|owner| (self.is_of_same_app)(owner));
        owners
    }
}

fn is_waba(text: &str) -> bool {
    (1..=WABA_DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whose an entry is.
struct Owner {
    /// The WhatsApp Business Account, if it is told.
    waba: Option<String>,
    /// At least one.
    clients: Vec<ClientId>,
}

/// One entry: what happened at one WhatsApp Business Account.
struct Entry {
    /// That nobody is known matters only once there is something to keep.
    owner: Result<Owner, Malformed>,
    now: DateTime<Utc>,
}

impl Entry {
    fn change(&self, change: &Node<'_>, reading: &mut Reading) {
        // Other fields tell of templates, calls, history and what not; one without a name is read by what it holds.
        let is_ours = change
            .text("field", reading)
            .is_none_or(|field| ["messages", "automatic_events"].contains(&field.as_str()));
        let Some(value) = change.object("value", reading).filter(|_| is_ours) else {
            reading.ignored += 1;
            return;
        };
        let messages = value.items("messages", reading);
        let events = value.items("automatic_events", reading);
        if messages.is_empty() && events.is_empty() {
            // Of statuses and errors nobody needs to know but how many there are.
            let others = ["statuses", "errors"].map(|key| value.get(key).and_then(Value::as_array).map_or(0, Vec::len));
            reading.ignored += others.iter().sum::<usize>().max(1);
            return;
        }
        let contacts = Contacts::read(&value, reading);
        for message in messages {
            if reading.is_too_large() {
                return;
            }
            match self.click(&message, &contacts, reading) {
                Ok(Some(())) => {}
                Ok(None) => reading.ignored += 1,
                Err(fault) => reading.note(fault),
            }
        }
        for event in events {
            if reading.is_too_large() {
                return;
            }
            if let Err(fault) = self.automatic_event(&event, reading) {
                reading.note(fault);
            }
        }
    }

    /// Keeps the ad click that a message begins with; `None`: it begins with none.
    fn click(&self, message: &Node<'_>, contacts: &Contacts, reading: &mut Reading) -> Result<Option<()>, Malformed> {
        let Some(referral) = message.checked_object("referral")? else {
            return Ok(None);
        };
        // Ads in WhatsApp's Status have none.
        let Some(value) = click_id(&referral)? else {
            return Ok(None);
        };
        let person = sender(message, contacts)?;
        let owner = self.owner.as_ref().map_err(Clone::clone)?;
        let time = self.time(message).map(|time| time.min(self.now));
        for client in &owner.clients {
            reading.clicks.push(PersonClick {
                client: client.clone(),
                person: person.clone(),
                click: Click {
                    kind: ClickKind::CtwaClid,
                    value: value.clone(),
                    first_seen: time.unwrap_or(self.now),
                    time_is_known: time.is_some(),
                    waba: owner.waba.clone(),
                },
            });
        }
        Ok(Some(()))
    }

    fn automatic_event(&self, event: &Node<'_>, reading: &mut Reading) -> Result<(), Malformed> {
        let owner = self.owner.as_ref().map_err(Clone::clone)?;
        for client in &owner.clients {
            let time = self.time(event);
            let mut found = automatic::event(event, client, time, self.now)?;
            found.clicks.waba.clone_from(&owner.waba);
            reading.events.push(found);
        }
        Ok(())
    }

    /// When it happened, as it says itself. Clocks may differ a little; a time that cannot be is none.
    fn time(&self, item: &Node<'_>) -> Option<DateTime<Utc>> {
        let moment: Moment = serde_json::from_value(item.get("timestamp")?.clone()).ok()?;
        let Moment::At(time) = moment else { return None };
        let can_be = time.timestamp() >= YEAR_2000 && time <= self.now + FUTURE_TOLERANCE;
        can_be.then_some(time)
    }
}

/// The click ID that an object holds; `None`: it holds none.
fn click_id(holder: &Node<'_>) -> Result<Option<String>, Malformed> {
    let Some(text) = holder.checked_text("ctwa_clid")? else {
        return Ok(None);
    };
    event::click_id(&text)
        .map(Some)
        .ok_or_else(|| Malformed::new(Cause::InvalidField, &holder.path_of("ctwa_clid")))
}
