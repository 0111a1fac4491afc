//! `user_data`: the hashed identity, and beside it what Meta takes plain.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters>

use std::net::IpAddr;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::cookies;
use crate::domain::{Account, ClickKind, Dispatch, hash::Identity};

/// Meta's own IDs of a person, which come in `custom` of the event, for lack of a place of their own: `lead_id` of a lead form joins a CRM's
/// event to its lead.
pub(super) const META_IDS: [&str; 5] = ["lead_id", "fb_login_id", "subscription_id", "anon_id", "madid"];

/// An event that says no more than one of these sets is refused as too unspecific, with its whole request (100/2804050).
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/best-practices>
const TOO_LITTLE: [&[&str]; 4] = [
    &["ct", "country", "st", "zp", "ge", "client_user_agent"],
    &["db", "client_user_agent"],
    &["fn", "ge"],
    &["ln", "ge"],
];

/// The person of one event.
pub(super) struct UserData<'a> {
    identity: &'a Identity,
    plain: Vec<(&'static str, Plain<'a>)>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Plain<'a> {
    Borrowed(&'a str),
    Owned(String),
    Address(IpAddr),
    Number(u64),
}

impl<'a> UserData<'a> {
    /// Collects what the dispatch tells of the person.
    pub(super) fn of(dispatch: &'a Dispatch, account: &'a Account) -> Self {
        let plain = match &account.rules.waba {
            Some(waba) => messaging(dispatch, waba),
            None => web(dispatch),
        };
        Self {
            identity: &dispatch.event.identities.meta,
            plain,
        }
    }

    /// Says whether Meta can match a person by it.
    pub(super) fn is_matchable(&self) -> bool {
        let keys = || {
            let hashed = self.identity.iter().map(|(key, _)| key);
            hashed.chain(self.plain.iter().map(|(key, _)| *key))
        };
        keys().next().is_some() && !TOO_LITTLE.iter().any(|set| keys().all(|key| set.contains(&key)))
    }
}

impl Serialize for UserData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, values) in self.identity.iter() {
            map.serialize_entry(key, values)?;
        }
        for (key, value) in &self.plain {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The click and the WhatsApp Business Account, both unhashed. No `page_id`: that belongs to Messenger, and makes Meta ask for a page
/// (100/2804131, 100/2804072). No browser either: the conversion happened in the chat.
fn messaging<'a>(dispatch: &'a Dispatch, waba: &'a str) -> Vec<(&'static str, Plain<'a>)> {
    let mut plain = Vec::new();
    if let Some(click) = dispatch
        .click
        .as_ref()
        .filter(|click| click.kind == ClickKind::CtwaClid)
    {
        let waba = click.waba.as_deref().unwrap_or(waba);
        plain.push(("ctwa_clid", Plain::Borrowed(&click.value)));
        plain.push(("whatsapp_business_account_id", Plain::Borrowed(waba)));
    }
    plain
}

fn web(dispatch: &Dispatch) -> Vec<(&'static str, Plain<'_>)> {
    let event = &dispatch.event;
    let mut plain = Vec::new();
    if let Some(address) = event.ip.and_then(public) {
        plain.push(("client_ip_address", Plain::Address(address)));
    }
    if let Some(agent) = event.user_agent.as_deref().filter(|agent| !agent.trim().is_empty()) {
        plain.push(("client_user_agent", Plain::Borrowed(agent)));
    }
    if let Some(fbc) = cookies::fbc(dispatch) {
        plain.push(("fbc", Plain::Owned(fbc)));
    }
    if let Some(fbp) = cookies::fbp(dispatch) {
        plain.push(("fbp", Plain::Borrowed(fbp)));
    }
    for key in META_IDS {
        if let Some(value) = event.custom.get(key).and_then(|value| meta_id(key, value)) {
            plain.push((key, value));
        }
    }
    plain
}

/// IDs of leads and logins are integers, whether they come as such or as digits; the others are text.
fn meta_id<'a>(key: &str, value: &'a serde_json::Value) -> Option<Plain<'a>> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    match key {
        "lead_id" | "fb_login_id" => value.as_u64().or_else(|| text?.parse().ok()).map(Plain::Number),
        _ => text.map(Plain::Borrowed),
    }
}

/// The address, if it can be a browser's on the internet: one of a private network is that of a proxy of the publisher's own.
fn public(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let is_public = match address {
        IpAddr::V4(v4) => {
            let is_carrier_nat = v4.octets()[0] == 100 && v4.octets()[1] & 0b1100_0000 == 64;
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || is_carrier_nat)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    };
    is_public.then_some(address)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::platform::meta::sample;

    fn body(dispatch: &Dispatch, account: &Account) -> Value {
        serde_json::to_value(UserData::of(dispatch, account)).unwrap()
    }

    #[test]
    fn vector_12_addresses_go_plain_and_private_ones_stay() {
        let mut dispatch = sample::purchase("o1");
        for (given, expected) in [
            ("203.0.113.7", Some("203.0.113.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("10.0.0.1", None),
            ("127.0.0.1", None),
            ("100.64.0.1", None),
            ("fd00::1", None),
            ("fe80::1", None),
        ] {
            dispatch.event.ip = Some(given.parse().unwrap());

            assert_eq!(
                body(&dispatch, &sample::pixel())["client_ip_address"].as_str(),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn metas_own_ids_are_taken_from_custom() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.custom = sample::object(
            json!({"lead_id": "123456789012345", "subscription_id": "s1", "fb_login_id": "x", "madid": 7}),
        );

        let body = body(&dispatch, &sample::pixel());

        assert_eq!(body["lead_id"], json!(123_456_789_012_345_u64));
        assert_eq!(body["subscription_id"], json!("s1"));
        assert_eq!((body.get("fb_login_id"), body.get("madid")), (None, None));
    }

    #[test]
    fn a_person_of_whom_too_little_is_known_cannot_be_matched() {
        let sets: [(&[&str], bool); 10] = [
            (&[], false),
            (&["ct", "st", "zp", "country", "ge"], false),
            (&["db"], false),
            (&["fn", "ge"], false),
            (&["ln"], false),
            (&["fn", "ln"], true),
            (&["db", "ct"], true),
            (&["em"], true),
            (&["external_id"], true),
            (&["ge", "ph"], true),
        ];
        for (keys, expected) in sets {
            let mut dispatch = sample::purchase("o1");
            dispatch.event.identities.meta = Identity::default();
            for key in keys {
                dispatch.event.identities.meta.add(key, "0".repeat(64));
            }

            let account = sample::pixel();
            assert_eq!(UserData::of(&dispatch, &account).is_matchable(), expected, "{keys:?}");
        }
    }

    #[test]
    fn a_browser_alone_cannot_be_matched_and_its_cookie_can() {
        let account = sample::pixel();
        let mut dispatch = sample::purchase("o1");
        dispatch.event.identities.meta = Identity::default();
        dispatch.event.user_agent = Some("Mozilla/5.0".into());
        assert!(!UserData::of(&dispatch, &account).is_matchable());

        dispatch.event.clicks.fbp = Some("fb.1.1596403881668.1116446470".into());
        assert!(UserData::of(&dispatch, &account).is_matchable());
    }
}
