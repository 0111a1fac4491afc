//! A request's body as people may see it: laid out, in the order in which it goes out, hashes in full and personal values masked.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    domain::hash::already_hashed,
    roles::console::mask::{self, url_shape},
};

/// Keys of the platforms whose values say nothing of a person. All others are masked, whatever they are called.
const PLAIN: &[&str] = &[
    // Meta
    "action_source",
    "content_category",
    "content_ids",
    "content_name",
    "content_type",
    "currency",
    "data_processing_options",
    "data_processing_options_country",
    "data_processing_options_state",
    "event_id",
    "event_name",
    "event_time",
    "id",
    "item_price",
    "messaging_channel",
    "num_items",
    "order_id",
    "outcome_type",
    "partner_agent",
    "predicted_ltv",
    "quantity",
    "test_event_code",
    "value",
    "whatsapp_business_account_id",
    // Google
    "accountId",
    "accountType",
    "adPersonalization",
    "adUserData",
    "conversionAction",
    "conversionDateTime",
    "conversionValue",
    "currencyCode",
    "customerType",
    "customerValueBucket",
    "destinationReferences",
    "encoding",
    "eventSource",
    "eventTimestamp",
    "feedCountryCode",
    "feedLanguageCode",
    "merchantFeedLabel",
    "merchantFeedLanguageCode",
    "merchantId",
    "merchantProductId",
    "orderId",
    "productDestinationId",
    "productId",
    "reference",
    "transactionId",
    "unitPrice",
    "userIdentifierSource",
    // TikTok
    "brand",
    "content_id",
    "event",
    "event_source",
    "event_source_id",
    "price",
];
/// Click IDs and browser IDs: their ends are enough to compare them.
const IDS: [&str; 8] = ["ctwa_clid", "fbc", "fbp", "gbraid", "gclid", "ttclid", "ttp", "wbraid"];
const URLS: [&str; 4] = ["event_source_url", "referrer_url", "url", "referrer"];
/// A list of plain values up to so many characters stands on one line.
const LINE_CHARACTERS_MAX: usize = 100;

/// The body, two blanks a level, each line after `indent` blanks.
pub(super) fn shown(body: &[u8], indent: usize) -> String {
    let mut text = " ".repeat(indent);
    match serde_json::from_slice::<Box<RawValue>>(body) {
        Ok(value) => write(&value, "", indent, &mut text),
        Err(_) => text.push_str("(no JSON)"),
    }
    text
}

/// A click ID by its ends.
pub(super) fn ends(id: &str) -> String {
    let characters: Vec<char> = id.chars().collect();
    if characters.len() < 16 {
        return format!("{}…", characters.iter().take(2).collect::<String>());
    }
    let start: String = characters[..6].iter().collect();
    let end: String = characters[characters.len() - 4..].iter().collect();
    format!("{start}…{end}")
}

fn write(value: &RawValue, key: &str, indent: usize, out: &mut String) {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<Entries>(text) {
            Ok(Entries(entries)) => write_object(&entries, indent, out),
            Err(_) => out.push_str("\"***\""),
        },
        Some(b'[') => match serde_json::from_str::<Vec<Box<RawValue>>>(text) {
            Ok(items) => write_array(&items, key, indent, out),
            Err(_) => out.push_str("\"***\""),
        },
        _ => out.push_str(&scalar(text, key)),
    }
}

fn write_object(entries: &[(String, Box<RawValue>)], indent: usize, out: &mut String) {
    if entries.is_empty() {
        out.push_str("{}");
        return;
    }
    out.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        new_line(index, indent + 2, out);
        out.push_str(&quoted(&mask::plain(key)));
        out.push_str(": ");
        write(value, key, indent + 2, out);
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push('}');
}

fn write_array(items: &[Box<RawValue>], key: &str, indent: usize, out: &mut String) {
    let is_flat = items.iter().all(|item| !item.get().starts_with(['{', '[']));
    if is_flat {
        let shown: Vec<String> = items.iter().map(|item| scalar(item.get(), key)).collect();
        let line = format!("[{}]", shown.join(", "));
        if line.chars().count() <= LINE_CHARACTERS_MAX {
            out.push_str(&line);
            return;
        }
    }
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        new_line(index, indent + 2, out);
        write(item, key, indent + 2, out);
    }
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    out.push(']');
}

fn new_line(index: usize, indent: usize, out: &mut String) {
    out.push_str(if index == 0 { "\n" } else { ",\n" });
    out.push_str(&" ".repeat(indent));
}

/// A text, a number or a word of JSON under this key.
fn scalar(json: &str, key: &str) -> String {
    let is_plain = PLAIN.contains(&key);
    let Ok(text) = serde_json::from_str::<String>(json) else {
        let is_number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        // A number that nobody named may be a phone number.
        return if is_number && !is_plain {
            quoted("***")
        } else {
            json.to_owned()
        };
    };
    quoted(&match key {
        _ if is_hash(&text) => text,
        _ if URLS.contains(&key) => url_shape(&text),
        _ if IDS.contains(&key) => ends(&text),
        _ if is_plain => mask::plain(&text),
        _ => hidden(&text),
    })
}

/// SHA-256 in hex, perhaps with the appendix of Meta's own library.
fn is_hash(text: &str) -> bool {
    let hash = text.split_once('.').map_or(text, |(hash, _)| hash);
    text.len() <= 73 && already_hashed(hash).is_some()
}

/// A value of which not even a short one shows whole: its first letter.
pub(super) fn hidden(text: &str) -> String {
    match text.chars().count() {
        0 => String::new(),
        1..=2 => "***".to_owned(),
        _ => text.chars().take(1).chain("***".chars()).collect(),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An object's entries in their order.
struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_hashes_are_whole_and_nobody_is_seen() {
        let hash = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b";
        let body = format!(
            r#"{{"event_name":"Purchase","event_id":"e-1","event_source_url":"https://shop.example/thanks?name=Jane&gclid=Cj0K",
            "user_data":{{"em":["{hash}"],"client_ip_address":"203.0.113.9","client_user_agent":"Mozilla/5.0","fbc":"fb.1.1795000000000.IwAR0123",
            "lead_id":123456789012345}},"city":"Köln","country":"de","custom_data":{{"value":59.90,"nick":"Janey","a":[],"b":{{}},"t":true}}}}"#
        );

        insta::assert_snapshot!(shown(body.as_bytes(), 0), @r#"
        {
          "event_name": "Purchase",
          "event_id": "e-1",
          "event_source_url": "https://shop.example/thanks?name=***&gclid=***",
          "user_data": {
            "em": ["973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"],
            "client_ip_address": "2***",
            "client_user_agent": "M***",
            "fbc": "fb.1.1…0123",
            "lead_id": "***"
          },
          "city": "K***",
          "country": "***",
          "custom_data": {
            "value": 59.90,
            "nick": "J***",
            "a": [],
            "b": {},
            "t": true
          }
        }
        "#);
    }

    #[test]
    fn what_is_no_json_is_not_shown() {
        assert_eq!(shown(b"jane@example.com", 2), "  (no JSON)");
    }

    #[test]
    fn a_short_value_does_not_show_whole() {
        for (given, expected) in [("", ""), ("f", "***"), ("DE", "***"), ("Ulm", "U***"), ("Jane", "J***")] {
            assert_eq!(hidden(given), expected);
        }
        assert_eq!(
            (ends("Cj0K"), ends("Cj0KCQiA_globex7001")),
            ("Cj…".to_owned(), "Cj0KCQ…7001".to_owned())
        );
    }
}
