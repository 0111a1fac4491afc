//! What becomes of one event at each ad account of its client, with the very request that would go out. Pure.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        Account, Cause, Click, Directory, Dispatch, EventRecord, Mode, State, account::Client, event::Event,
        hash::Identity, person::Person,
    },
    platform::{Endpoints, Request, Sending, adapter},
    roles::{
        console::words::money,
        plan::{Plan, Recipients, Remembered, country, decide, plan, wants},
    },
    store::routing::NewDispatch,
    wire::event::{Envelope, Malformed, parse},
};

/// What is needed to explain.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) directory: &'a Directory,
    pub(super) endpoints: &'a Endpoints,
    pub(super) now: DateTime<Utc>,
}

/// An event, explained.
pub(super) struct Explained<'a> {
    pub(super) about: About,
    /// Its client, if there is one.
    pub(super) client: Option<&'a Client>,
    /// Why it concerns no ad account, if it concerns none.
    pub(super) cause: Option<Cause>,
    pub(super) accounts: Vec<AtAccount<'a>>,
    /// The person in plain text; of an event of the ledger only hashes are kept.
    pub(super) given: Option<Given>,
}

/// The person as the event has it.
pub(super) struct Given {
    pub(super) person: Person,
    /// The country that phone numbers without a country code are taken to be of.
    pub(super) country: Option<String>,
}

/// What tells an event from others.
pub(super) struct About {
    pub(super) client_id: String,
    pub(super) event_id: String,
    pub(super) name: String,
    pub(super) order_id: Option<String>,
    pub(super) time: DateTime<Utc>,
    /// `59.90 EUR`; `-` without a value.
    pub(super) worth: String,
}

impl About {
    fn of_event(event: &Event) -> Self {
        Self {
            client_id: event.client.to_string(),
            event_id: event.event_id.to_string(),
            name: event.name.clone(),
            order_id: event.order_id.clone(),
            time: event.time,
            worth: money(event.value, event.currency.as_deref()),
        }
    }

    fn of_record(record: &EventRecord) -> Self {
        Self {
            client_id: record.client.to_string(),
            event_id: record.event_id.to_string(),
            name: record.name.clone(),
            order_id: record.order_id.clone(),
            time: record.time,
            worth: money(record.value, record.currency.as_deref()),
        }
    }
}

/// What becomes of the event at one ad account.
pub(super) struct AtAccount<'a> {
    pub(super) account: &'a Account,
    pub(super) click: Option<Click>,
    /// The hashed identity as this platform wants it.
    pub(super) identity: Identity,
    pub(super) fate: Fate,
}

/// Whether a request goes out.
pub(super) enum Fate {
    /// It does, unless a remark says otherwise.
    Request(Box<Request>, Option<Remark>),
    /// It does not.
    NotSent {
        cause: Cause,
        /// The field that is at fault, where one is.
        field: Option<String>,
    },
}

/// What there is to know about a request that is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remark {
    /// The ad account is in shadow mode.
    Shadow,
    /// The ad account is in test mode.
    Test,
    /// It goes out later.
    Waits(DateTime<Utc>, Cause),
}

impl<'a> Desk<'a> {
    /// Explains an event as it is published. `Err` says why it is none.
    pub(super) fn explain(self, body: &[u8], remembered: &Remembered) -> Result<Explained<'a>, Malformed> {
        // As the router does: a panic over one event costs no other.
        catch_unwind(AssertUnwindSafe(|| self.read(body, remembered))).unwrap_or(Err(Malformed {
            cause: Cause::Bug,
            field: None,
        }))
    }

    fn read(self, body: &[u8], remembered: &Remembered) -> Result<Explained<'a>, Malformed> {
        let envelope = Envelope {
            message_id: None,
            timestamp: None,
            now: self.now,
        };
        let event = parse(body, envelope)?;
        let client = self.directory.client(&event.client);
        let accounts = self.directory.accounts_of(&event.client);
        let planned = plan(&event, Recipients { client, accounts }, remembered, self.now)?;
        let mut explained = Explained {
            about: About::of_event(&event),
            client,
            cause: None,
            accounts: Vec::new(),
            given: None,
        };
        match planned {
            Plan::Unwanted => {
                explained.accounts = accounts.iter().map(|account| unwanted(account)).collect();
            }
            Plan::Store(stored) => {
                explained.cause = stored.cause;
                explained.about = About::of_record(&stored.record);
                let mut decisions = stored.dispatches;
                for account in accounts {
                    let place = decisions.iter().position(|decision| decision.account == account.id);
                    explained.accounts.push(match place {
                        Some(place) => self.at(&stored.record, account, decisions.swap_remove(place)),
                        None => unwanted(account),
                    });
                }
            }
        }
        let country = country(&event, client);
        explained.given = Some(Given {
            person: event.person,
            country,
        });
        Ok(explained)
    }

    /// Explains an event of the ledger.
    pub(super) fn explain_record(self, record: &EventRecord, remembered: &Remembered) -> Explained<'a> {
        let accounts = self.directory.accounts_of(&record.client);
        let client = self.directory.client(&record.client);
        let wanting: Vec<&Account> = accounts
            .iter()
            .map(AsRef::as_ref)
            .filter(|account| wants(account, &record.name))
            .collect();
        let mut decisions = decide(record, &wanting, remembered, self.now).into_iter().peekable();
        let mut at = |account: &'a Account| match decisions.next_if(|decision| decision.account == account.id) {
            Some(decision) => self.at(record, account, decision),
            None => unwanted(account),
        };
        Explained {
            about: About::of_record(record),
            client,
            cause: match (client, accounts.is_empty()) {
                (None, _) => Some(Cause::UnknownClient),
                (Some(_), true) => Some(Cause::NoAdAccount),
                (Some(_), false) => None,
            },
            accounts: accounts.iter().map(|account| at(account)).collect(),
            given: None,
        }
    }

    fn at(self, record: &EventRecord, account: &'a Account, decision: NewDispatch) -> AtAccount<'a> {
        let dispatch = Dispatch {
            account: account.id,
            platform: account.platform,
            destination: decision.destination,
            click: decision.click,
            deadline: decision.deadline,
            event: record.for_platform(account.platform),
        };
        let remark = match (decision.state, decision.cause, decision.due) {
            (State::NotSent, Some(Cause::Shadow), _) => Some(Remark::Shadow),
            // What goes out then is decided then.
            (State::Waiting, Some(Cause::WaitingForClick), _) => None,
            (State::Waiting, Some(cause), Some(due)) => Some(Remark::Waits(due, cause)),
            (State::Queued, ..) if account.mode_at(self.now) == Mode::Test => Some(Remark::Test),
            _ => None,
        };
        let fate = match (decision.cause, remark) {
            (Some(cause), None) => Fate::NotSent {
                cause,
                field: decision.detail,
            },
            (_, remark) => match self.build(&dispatch, account) {
                Ok(request) => Fate::Request(Box::new(request), remark),
                Err(cause) => Fate::NotSent { cause, field: None },
            },
        };
        let mut identities = dispatch.event.identities;
        AtAccount {
            account,
            click: dispatch.click,
            identity: std::mem::take(identities.get_mut(account.platform)),
            fate,
        }
    }

    /// The request of this one event, as the sender would build it.
    fn build(self, dispatch: &Dispatch, account: &Account) -> Result<Request, Cause> {
        let test_code = match account.mode_at(self.now) {
            Mode::Test => Some(account.rules.test_code.as_deref().unwrap_or("TEST")),
            Mode::Live | Mode::Shadow => None,
        };
        let sending = Sending {
            account,
            endpoints: self.endpoints,
            test_code,
        };
        let adapter = adapter(account.platform);
        let build = || adapter.build(&[dispatch], &sending);
        let request = catch_unwind(AssertUnwindSafe(build)).map_err(|_| Cause::Bug)?;
        if request.body.len() > adapter.limits(account).bytes {
            return Err(Cause::RequestTooLarge);
        }
        Ok(request)
    }
}

fn unwanted(account: &Account) -> AtAccount<'_> {
    AtAccount {
        account,
        click: None,
        identity: Identity::default(),
        fate: Fate::NotSent {
            cause: Cause::EventNotWanted,
            field: None,
        },
    }
}
