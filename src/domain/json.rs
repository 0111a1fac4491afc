//! JSON that others wrote, read without trusting serde_json's private words.

use serde::{Deserialize, de::Error};

/// What the keys begin with by which serde_json tells itself how an object is meant. One that comes from outside is taken for its own: the text
/// behind `…RawValue` is then read as JSON once more with a depth of its own, so that nothing bounds the depth of the whole, and an object with
/// `…Number` and something else is written well and can never be read again.
/// <https://github.com/serde-rs/json/blob/v1.0.154/src/value/de.rs#L123-L133> (read 2026-11-28)
const PRIVATE: &str = "$serde_json::private::";

/// Reads JSON from outside; whoever shows the error must not show its words, which may quote the JSON.
pub fn read<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, serde_json::Error> {
    if !is_plain(json) {
        return Err(serde_json::Error::custom("a private word of the parser"));
    }
    serde_json::from_slice(json)
}

/// Says whether none of its texts begins like a private word of serde_json.
pub fn is_plain(json: &[u8]) -> bool {
    // Without either nothing in it can be such a word, and most JSON has neither.
    if !json.contains(&b'$') && !json.contains(&b'\\') {
        return true;
    }
    let mut rest = json;
    while let Some(begin) = rest.iter().position(|byte| *byte == b'"') {
        let end = end_of_text(&rest[begin..]);
        let (text, after) = rest[begin..].split_at(end);
        if is_private(text) {
            return false;
        }
        rest = after;
    }
    true
}

/// Where the text ends that begins here: behind its quotation mark, or with the JSON if it has none.
fn end_of_text(json: &[u8]) -> usize {
    let mut index = 1;
    while let Some(byte) = json.get(index) {
        match byte {
            b'"' => return index + 1,
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
    json.len()
}

fn is_private(quoted: &[u8]) -> bool {
    if !quoted.contains(&b'\\') {
        return quoted[1..].starts_with(PRIVATE.as_bytes());
    }
    // One that cannot be read is no key either.
    serde_json::from_slice::<String>(quoted).is_ok_and(|text| text.starts_with(PRIVATE))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_private_word_is_found_however_it_is_written_and_wherever_it_stands() {
        for foul in [
            r#"{"$serde_json::private::RawValue":"[]"}"#,
            r#"{"a":[1,{"b":2,"$serde_json::private::RawValue":"[]"}]}"#,
            r#"{"\u0024serde_json::private::RawValue":"[]"}"#,
            r#"{"$serde_json::private::Raw\u0056alue":"[]"}"#,
            r#"{"a\"b\\":1,"\u0024\u0073erde_json::private::RawValue":"[]"}"#,
            r#"{"a":1,"$serde_json::private::Number":"zz"}"#,
            r#"{"$serde_json::private::RawValue":"#,
        ] {
            assert!(!is_plain(foul.as_bytes()), "{foul}");
            assert!(read::<Value>(foul.as_bytes()).is_err(), "{foul}");
        }
        for plain in [
            "",
            "\"",
            "\"\\",
            r#"{"price":"$5","tab":"\t","letter":"\u00e9","lone":"\ud800"}"#,
            r#"{"a":"see $serde_json::private::RawValue"}"#,
            r#"{"a":1.50,"b":[true,null]}"#,
        ] {
            assert!(is_plain(plain.as_bytes()), "{plain}");
        }
    }

    #[test]
    fn what_is_plain_is_read_as_ever() {
        assert_eq!(read::<Value>(br#"{"a":1.50}"#).unwrap().to_string(), r#"{"a":1.50}"#);
        assert!(read::<Value>(b"{").is_err());
    }
}
