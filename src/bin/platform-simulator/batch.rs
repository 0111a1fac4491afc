//! Reads a batch: the members of the request object and its events, each kept as the very text that was received.
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use serde_json::value::RawValue;

/// The members of a JSON object, not yet looked into.
pub type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The members of the JSON object that `body` is.
pub fn members(body: &[u8]) -> Result<Members<'_>, serde_json::Error> {
    serde_json::from_slice(body)
}

/// The elements of the JSON array that `raw` is; `None` if it is something else.
pub fn elements(raw: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(raw.get()).ok()
}

/// The value of a part of an already checked document.
pub fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Whether `text` is a SHA-256 in 64 lower-case hexadecimal digits.
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `text` has the form of an ISO 4217 code, in either case.
pub fn is_currency(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether an address cannot be that of a customer on the internet.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_event_stays_as_it_was_received() {
        let body = br#"{"data": [ {"value": 1499.00, "a":1}, {} ]}"#;

        let members = members(body).unwrap();
        let events = elements(members["data"]).unwrap();

        assert_eq!(events[0].get(), r#"{"value": 1499.00, "a":1}"#);
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let hash = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd";

        assert!(is_sha256_hex(hash));
        assert!(!is_sha256_hex(&hash.to_uppercase()));
        assert!(!is_sha256_hex(&hash[1..]));
    }
}
