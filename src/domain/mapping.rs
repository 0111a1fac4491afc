//! Mappings: how payloads of other systems become funnel events. Plain data; `wire::webhook` carries them out.

mod notation;

use std::{collections::BTreeMap, ops::Not};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::ClientId;

/// How the payloads of one system become funnel events. Pointers are JSON Pointers (RFC 6901), counted from the payload or, with `each`, from
/// the item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Where the payload names the client, for messages that come without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<FieldRule>,
    /// Where the payload holds a list of which each item is read by itself; what is no list there is read as the one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// The kinds of events, of which the first counts whose conditions hold.
    pub events: Vec<EventRule>,
}

/// One kind of event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventRule {
    /// All of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<Condition>,
    /// How each field of the funnel event is filled, by its path, such as `user.email`.
    pub fields: BTreeMap<String, FieldRule>,
    /// How `contents` is filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contents: Option<ContentsRule>,
}

/// Something that must be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// What is looked at.
    pub source: Source,
    /// What must be there.
    pub test: Test,
}

/// What a condition asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// It is one of these texts; numbers and booleans count as they are written.
    Is(Vec<String>),
    /// It is none of these texts, or not there.
    IsNot(Vec<String>),
    /// It is there and not blank, or it is not.
    Exists(bool),
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Always this.
    Constant(Value),
    /// What the first of these pointers leads to that leads to something; never empty.
    Pointers(Vec<String>),
    /// A header of the message, in lower case.
    Header(String),
}

/// How one field is filled: the source, and what is then done to the value, in the order of the fields here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// Where the value comes from.
    pub source: Source,
    /// The value is a list of objects: the one is meant whose members are these texts, and of it what `take` points to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub find: Option<Find>,
    /// The value is a URL, perhaps a relative one: the query parameter of this name is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// What it is read as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    /// Which text stands for which; one that is not named here counts as missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: BTreeMap<String, String>,
    /// Whether it is put into lower case.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub lower_case: bool,
    /// What is put before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How it is filled where all this leads to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<Box<FieldRule>>,
    /// What counts where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether a payload without it is at fault, also where the event could do without.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub required: bool,
}

/// Which object of a list is meant, and what of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// What its members say.
    pub members: BTreeMap<String, String>,
    /// A pointer within it.
    pub take: String,
}

/// What a value is read as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conversion {
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// RFC 3339; without a time zone, or a date alone, which are UTC; Unix seconds or milliseconds, told apart by their size.
    DateTime,
    /// A whole web address; anything else counts as missing.
    Url,
    /// An amount in the smallest unit of its currency, such as cents.
    MinorUnits(Unit),
}

/// How many of an amount's digits are decimals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// As many as the currency has that this pointer leads to.
    CurrencyAt(String),
    /// So many.
    Decimals(u32),
}

/// How `contents` is filled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContentsRule {
    /// Where the list of products is.
    pub each: String,
    /// How each field of a product is filled; their pointers count from the product.
    pub fields: BTreeMap<String, FieldRule>,
}

impl From<Source> for FieldRule {
    fn from(source: Source) -> Self {
        Self {
            source,
            find: None,
            query: None,
            conversion: None,
            words: BTreeMap::new(),
            lower_case: false,
            prefix: None,
            otherwise: None,
            default: None,
            required: false,
        }
    }
}

/// Somebody else's queue whose messages become events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Input {
    /// Its name, as in the file.
    pub name: String,
    /// The queue, without the topology's prefix; it is consumed and never declared.
    pub queue: String,
    /// The mapping that makes events of its messages.
    pub mapping: String,
    /// Whose events these are; none: the mapping or the message's header says so.
    pub client: Option<ClientId>,
}
