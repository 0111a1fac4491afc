//! Match signals: by what a platform can find the person of a request, in the platform's own words, and how much that is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::{Account, Platform, account::Transport};

/// How much a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// It finds a person by itself.
    Best,
    /// It helps.
    Good,
    /// It finds a person by itself, and only few events can have it: missing, it is not counted.
    Rare,
}

/// Something that a platform matches by: its name there, and the keys of the request of which one must be there.
type Signal = (&'static str, Weight, &'static [&'static str]);

/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters>
const META: &[Signal] = &[
    ("Click ID (fbc)", Weight::Best, &["fbc"]),
    ("Email", Weight::Best, &["em"]),
    ("Phone number", Weight::Best, &["ph"]),
    ("External ID", Weight::Good, &["external_id"]),
    ("Browser ID (fbp)", Weight::Good, &["fbp"]),
    ("IP address", Weight::Good, &["client_ip_address"]),
    ("User agent", Weight::Good, &["client_user_agent"]),
    ("First and last name", Weight::Good, &["fn", "ln"]),
    (
        "City, state, zip code or country",
        Weight::Good,
        &["ct", "st", "zp", "country"],
    ),
    ("Date of birth or gender", Weight::Good, &["db", "ge"]),
    ("Lead ID", Weight::Rare, &["lead_id"]),
];

/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/business-messaging>
const WHATSAPP: &[Signal] = &[
    ("Click-to-WhatsApp click ID (ctwa_clid)", Weight::Best, &["ctwa_clid"]),
    ("Phone number", Weight::Best, &["ph"]),
    ("Email", Weight::Best, &["em"]),
    ("External ID", Weight::Good, &["external_id"]),
    ("First and last name", Weight::Good, &["fn", "ln"]),
    (
        "City, state, zip code or country",
        Weight::Good,
        &["ct", "st", "zp", "country"],
    ),
];

/// <https://developers.google.com/data-manager/api/devguides/concepts/formatting>
const DATA_MANAGER: &[Signal] = &[
    (
        "Click ID (GCLID, GBRAID or WBRAID)",
        Weight::Best,
        &["gclid", "gbraid", "wbraid"],
    ),
    ("Email address", Weight::Best, &["emailAddress"]),
    ("Phone number", Weight::Best, &["phoneNumber"]),
    ("Address", Weight::Good, &["postalCode"]),
    ("IP address", Weight::Good, &["ipAddress"]),
    ("User agent", Weight::Good, &["userAgent"]),
];

/// <https://developers.google.com/google-ads/api/docs/conversions/upload-offline>
const ADS_API: &[Signal] = &[
    (
        "Click ID (GCLID, GBRAID or WBRAID)",
        Weight::Best,
        &["gclid", "gbraid", "wbraid"],
    ),
    ("Email address", Weight::Best, &["hashedEmail"]),
    ("Phone number", Weight::Best, &["hashedPhoneNumber"]),
];

/// <https://ads.tiktok.com/help/article/advanced-matching-web>
const TIKTOK: &[Signal] = &[
    ("TikTok Click ID (ttclid)", Weight::Best, &["ttclid"]),
    ("Email", Weight::Best, &["email"]),
    ("Phone number", Weight::Best, &["phone"]),
    ("External ID", Weight::Good, &["external_id"]),
    ("Cookie ID (_ttp)", Weight::Good, &["ttp"]),
    ("IP address", Weight::Good, &["ip"]),
    ("User agent", Weight::Good, &["user_agent"]),
    ("First and last name", Weight::Good, &["first_name", "last_name"]),
    (
        "City, state, zip code or country",
        Weight::Good,
        &["city", "state", "zip_code", "country"],
    ),
];

/// Where the person stands in a body that holds one event.
const PLACES: [&str; 7] = [
    "/data/0/user_data",
    "/data/0/user",
    "/events/0/adIdentifiers",
    "/events/0/userData",
    "/events/0/eventDeviceInfo",
    "/conversions/0",
    "/conversions/0/userIdentifiers",
];

/// What the rating means, for whoever reads one.
pub(super) const MEANING: &str = "strong: two or more of click ID, e-mail and phone; fair: one of them; weak: none";

/// The signals of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signals {
    pub(super) present: Vec<&'static str>,
    pub(super) missing: Vec<&'static str>,
    best: usize,
}

impl Signals {
    /// The signals of a request that holds one event.
    pub(super) fn of(account: &Account, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut keys = BTreeSet::new();
        for place in PLACES {
            body.pointer(place)
                .into_iter()
                .for_each(|value| gather(value, &mut keys));
        }
        let mut signals = Self {
            present: Vec::new(),
            missing: Vec::new(),
            best: 0,
        };
        for (name, weight, any_of) in known(account) {
            let is_present = any_of.iter().any(|key| keys.contains(*key));
            match (is_present, weight) {
                (true, Weight::Best | Weight::Rare) => {
                    signals.present.push(*name);
                    signals.best += 1;
                }
                (true, Weight::Good) => signals.present.push(*name),
                (false, Weight::Rare) => {}
                (false, _) => signals.missing.push(*name),
            }
        }
        signals
    }

    /// `6 of 9: strong`
    pub(super) fn score(&self) -> String {
        let word = match self.best {
            0 => "weak",
            1 => "fair",
            _ => "strong",
        };
        let total = self.present.len() + self.missing.len();
        format!("{} of {total}: {word}", self.present.len())
    }
}

fn known(account: &Account) -> &'static [Signal] {
    match (account.platform, &account.rules.waba, account.rules.transport) {
        (Platform::Meta, None, _) => META,
        (Platform::Meta, Some(_), _) => WHATSAPP,
        (Platform::Google, _, Transport::DataManager) => DATA_MANAGER,
        (Platform::Google, _, Transport::AdsApi) => ADS_API,
        (Platform::Tiktok, ..) => TIKTOK,
    }
}

fn gather<'a>(value: &'a Value, keys: &mut BTreeSet<&'a str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| gather(item, keys)),
        Value::Object(object) => {
            for (key, value) in object {
                keys.insert(key);
                gather(value, keys);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::roles::console::explain::tests::account;

    fn score(platform: Platform, body: &Value) -> String {
        Signals::of(&account(platform), body.to_string().as_bytes()).score()
    }

    #[test]
    fn two_of_the_best_are_strong_one_is_fair_and_none_is_weak() {
        let meta = |user: Value| score(Platform::Meta, &json!({"data": [{"user_data": user}]}));

        assert_eq!(
            meta(json!({"em": ["x"], "fbc": "x", "country": ["x"]})),
            "3 of 10: strong"
        );
        assert_eq!(meta(json!({"em": ["x"], "fn": ["x"], "ln": ["x"]})), "2 of 10: fair");
        assert_eq!(
            meta(json!({"client_ip_address": "x", "client_user_agent": "x"})),
            "2 of 10: weak"
        );
        assert_eq!(meta(json!({"lead_id": 1, "em": ["x"]})), "2 of 11: strong");
    }

    #[test]
    fn every_interface_has_its_own_signals() {
        let google = json!({"events": [{"adIdentifiers": {"gclid": "x"}, "userData": {"userIdentifiers": [{"emailAddress": "x"}]}}]});
        let tiktok = json!({"data": [{"user": {"ttclid": "x", "ip": "x"}}]});
        let upload = json!({"conversions": [{"gclid": "x", "userIdentifiers": [{"hashedPhoneNumber": "x"}]}]});
        let chat = json!({"data": [{"user_data": {"ctwa_clid": "x", "whatsapp_business_account_id": "1"}}]});
        let mut older = account(Platform::Google);
        older.rules.transport = Transport::AdsApi;
        let mut whatsapp = account(Platform::Meta);
        whatsapp.rules.waba = Some("1".to_owned());

        assert_eq!(score(Platform::Google, &google), "2 of 6: strong");
        assert_eq!(score(Platform::Tiktok, &tiktok), "2 of 9: fair");
        assert_eq!(
            Signals::of(&older, upload.to_string().as_bytes()).score(),
            "2 of 3: strong"
        );
        let signals = Signals::of(&whatsapp, chat.to_string().as_bytes());
        assert_eq!(signals.present, ["Click-to-WhatsApp click ID (ctwa_clid)"]);
        assert_eq!(signals.score(), "1 of 6: fair");
    }
}
