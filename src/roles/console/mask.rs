//! Masks what dead letters and events hold: who may look at them sees which field holds what kind of thing, and nobody's address, number or name.

use serde_json::Value;

use crate::domain::{hash::already_hashed, json, redact};

/// Fields whose texts are shown: IDs, names of events, times, money, choices from a closed list. All others are masked, whatever they are called.
const PLAIN: [&str; 30] = [
    "account",
    "action_source",
    "ad_personalization",
    "ad_user_data",
    "brand",
    "category",
    "client",
    "client_id",
    "clicked_at",
    "currency",
    "deadline",
    "destination",
    "event_id",
    "event_name",
    "event_time",
    "first_seen",
    "has_email_or_phone",
    "id",
    "kind",
    "limited_data_use",
    "order_id",
    "platform",
    "price",
    "quantity",
    "sku",
    "time",
    "time_is_known",
    "type",
    "v",
    "value",
];
/// Objects in which nothing is plain, whatever it is called.
const PERSONAL: [&str; 3] = ["user", "custom", "identities"];
/// The most that is shown of a body, in characters.
const CHARACTERS_MAX: usize = 2_000;

/// A body as it may be shown, on one line.
pub(super) fn body(bytes: &[u8]) -> String {
    let text = match json::read::<Value>(bytes) {
        Ok(mut value) => {
            mask(&mut value, Around::Anything);
            value.to_string()
        }
        Err(_) => unparsed(&String::from_utf8_lossy(bytes)),
    };
    cut(&text)
}

/// A JSON value as it may be shown.
pub(super) fn json(mut value: Value) -> String {
    mask(&mut value, Around::Anything);
    cut(&value.to_string())
}

/// A header's value as it may be shown: signatures and tokens shortened.
pub(super) fn header(name: &str, value: &str) -> String {
    let is_ours = name.starts_with("relay-") || name.starts_with("x-first-death-") || name.starts_with("x-last-death-");
    if is_ours && !redact::holds_email(value) {
        value.to_owned()
    } else {
        text(value)
    }
}

/// A short text that should be an ID or a name, as it may be shown: whole, unless it looks personal.
pub(super) fn plain(given: &str) -> String {
    if redact::holds_email(given) || given.trim_start().starts_with('+') {
        text(given)
    } else {
        cut(given)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Anything,
    Personal,
}

fn mask(value: &mut Value, around: Around) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, around)),
        Value::Object(object) => {
            for (key, value) in object {
                mask_field(key, value, around);
            }
        }
        Value::String(string) => *string = text(string),
        Value::Number(_) if around == Around::Personal => *value = Value::from("***"),
        _ => {}
    }
}

fn mask_field(key: &str, value: &mut Value, around: Around) {
    let around = if PERSONAL.contains(&key) {
        Around::Personal
    } else {
        around
    };
    let is_plain = around == Around::Anything && PLAIN.contains(&key);
    match value {
        Value::String(string) if key.ends_with("_url") => *string = url_shape(string),
        Value::String(string) if is_plain => *string = plain(string),
        Value::Number(_) if is_plain => {}
        // A number that nobody named may be a phone number.
        Value::Number(_) => *value = Value::from("***"),
        _ => mask(value, around),
    }
}

/// A text by its kind: `j***@e***.com`, `+49***67`, the beginning of a hash, the first letter of anything else.
pub(super) fn text(text: &str) -> String {
    if let Some(hash) = already_hashed(text) {
        return format!("{}…", &hash[..8]);
    }
    if let Some((local, domain)) = text.split_once('@') {
        let end = domain.rsplit_once('.').map_or("", |(_, end)| end);
        return format!("{}***@{}***.{}", first(local), first(domain), end);
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if digits >= 7 && text.chars().all(|c| c.is_ascii_digit() || " +-.()/".contains(c)) {
        let characters: Vec<char> = text.chars().collect();
        let start: String = characters[..3].iter().collect();
        let end: String = characters[characters.len() - 2..].iter().collect();
        return format!("{start}***{end}");
    }
    if text.is_empty() {
        return String::new();
    }
    format!("{}***", first(text))
}

fn first(text: &str) -> String {
    text.chars().take(1).collect()
}

/// An address without what its query says: `https://shop.example/thanks?gclid=***`. A path may hold a name, too.
pub(super) fn url_shape(address: &str) -> String {
    let Ok(url) = url::Url::parse(address) else {
        return text(address);
    };
    let names: Vec<String> = url
        .query_pairs()
        .map(|(name, _)| {
            if redact::looks_personal(&name) {
                "***".into()
            } else {
                name
            }
        })
        .map(|name| format!("{name}=***"))
        .collect();
    let query = if names.is_empty() {
        String::new()
    } else {
        format!("?{}", names.join("&"))
    };
    let path = redact::url(&format!("https://x{}", url.path())).unwrap_or_default();
    let path = path.strip_prefix("https://x").unwrap_or("/");
    format!("{}://{}{path}{query}", url.scheme(), url.host_str().unwrap_or(""))
}

/// A text that is no JSON: its signs and the names of known fields stay, so that one sees where it goes wrong; of every other word the first letter.
fn unparsed(text: &str) -> String {
    let mut shown = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if word.chars().count() <= 1 || PLAIN.contains(&word.as_str()) || PERSONAL.contains(&word.as_str()) {
            shown.push_str(&word);
        } else {
            shown.push_str(&format!("{}*", first(&word)));
        }
        word.clear();
        shown.push(if c.is_control() { ' ' } else { c });
    }
    shown.trim_end().to_owned()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CHARACTERS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(CHARACTERS_MAX).collect();
    format!("{start}… (cut)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_shows_its_shape_and_nobody() {
        let body = body(
            br#"{"event_id":"e-1","client_id":"acme","event_name":"Purchase","value":59.9,"order_id":"10482",
                 "source_url":"https://shop.example/thanks/jane%40example.com?gclid=Cj0KSecret&email=jane%40example.com",
                 "click":{"gclid":"Cj0KSecret"},"name":"Jane Doe","customer":{"note":"call Jane","number":4917012345678},
                 "user":{"email":["jane.doe@example.com","973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"],
                         "phone":"+49 170 1234567","first_name":"Jane","ip":"203.0.113.9","country":"DE","id":"Jane-77"},
                 "custom":{"nickname":"Janey","age":31},"contents":[{"id":"sku-1","price":59.9,"quantity":1}]}"#,
        );

        insta::assert_snapshot!(body, @r#"{"click":{"gclid":"C***"},"client_id":"acme","contents":[{"id":"sku-1","price":59.9,"quantity":1}],"custom":{"age":"***","nickname":"J***"},"customer":{"note":"c***","number":"***"},"event_id":"e-1","event_name":"Purchase","name":"J***","order_id":"10482","source_url":"https://shop.example/thanks/cut?gclid=***&email=***","user":{"country":"D***","email":["j***@e***.com","973dfe46…"],"first_name":"J***","id":"J***","ip":"203***.9","phone":"+49***67"},"value":59.9}"#);
        for secret in [
            "Jane",
            "jane",
            "Doe",
            "doe",
            "1234567",
            "203.0",
            "Secret",
            "4917",
            "973dfe463ec8",
            ":31",
        ] {
            assert!(!body.contains(secret), "{secret}: {body}");
        }
    }

    #[test]
    fn an_address_in_the_place_of_an_id_is_masked_all_the_same() {
        let body = body(br#"{"event_id":"jane@example.com","order_id":"+491701234567"}"#);

        assert_eq!(body, r#"{"event_id":"j***@e***.com","order_id":"+49***67"}"#);
    }

    #[test]
    fn what_is_no_json_shows_where_it_goes_wrong_and_nobody() {
        let body =
            body(b"{\"event_id\": \"e-1\", \"user\": {\"email\": jane@example.com, \"phone\": \"+491701234567\"");

        assert_eq!(body, r#"{"event_id": "e-1", "user": {"e*": j*@e*.c*, "p*": "+4*""#);
    }

    #[test]
    fn a_signature_is_shortened_and_our_own_headers_are_not() {
        assert_eq!(header("relay-cause", "missing_field"), "missing_field");
        assert_eq!(header("x-hub-signature-256", "sha256=abcdef0123"), "s***");
        assert_eq!(header("relay-detail", "jane@example.com"), "j***@e***.com");
    }

    #[test]
    fn a_long_body_is_cut() {
        let body = body(format!("{{\"event_id\":\"{}\"}}", "e".repeat(5_000)).as_bytes());

        assert!(body.ends_with("… (cut)") && body.chars().count() < 2_010);
    }
}
