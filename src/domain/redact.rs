//! Cuts what looks like personal data or a secret out of URLs and of texts that others wrote.

use url::Url;

/// The longest text of a platform that is kept, in characters.
const TEXT_CHARACTERS_MAX: usize = 512;

/// The character that Postgres takes in no text. Nobody means it, so it is cut wherever a text is free.
pub const NUL: char = '\0';

/// What stands where something was cut.
const CUT: &str = "<cut>";

/// Names of query parameters whose values are never kept.
const SECRET_PARAMETERS: [&str; 10] = [
    "access_token",
    "token",
    "password",
    "passwd",
    "pwd",
    "secret",
    "api_key",
    "apikey",
    "signature",
    "session",
];

/// Cuts query values and fragments that look like an e-mail address or a phone number, and known secrets, out of a URL; click IDs stay.
/// What is no absolute http(s) URL gives `None`.
pub fn url(text: &str) -> Option<String> {
    let mut url = Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let has_user_info = !url.username().is_empty() || url.password().is_some();
    if has_user_info {
        // Only a URL that cannot be a base refuses this, and http(s) URLs can.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    if url.fragment().is_some_and(looks_personal) {
        url.set_fragment(None);
    }
    let cut_path = url
        .path_segments()
        .is_some_and(|mut segments| segments.any(|segment| looks_personal(&decode(segment))));
    if cut_path {
        let path: Vec<String> = url
            .path_segments()
            .into_iter()
            .flatten()
            .map(|segment| {
                if looks_personal(&decode(segment)) {
                    "cut".to_owned()
                } else {
                    segment.to_owned()
                }
            })
            .collect();
        url.set_path(&path.join("/"));
    }
    let has_cut = url.query_pairs().any(|(name, value)| is_cut(&name, &value));
    if has_cut {
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, value)| !is_cut(name, value))
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
    // Unchanged text stays byte for byte: platforms compare it with what their browser tag saw.
    if has_user_info || has_cut || cut_path || url.as_str() != text.trim() {
        Some(url.into())
    } else {
        Some(text.trim().to_owned())
    }
}

fn decode(segment: &str) -> String {
    url::form_urlencoded::parse(segment.replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

fn is_cut(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARAMETERS.contains(&name.as_str()) || looks_personal(value) || looks_personal(&name)
}

/// Says whether a text looks like an e-mail address or a phone number.
pub fn looks_personal(text: &str) -> bool {
    looks_like_email(text) || looks_like_phone(text)
}

fn looks_like_email(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
        || text.to_ascii_lowercase().contains("%40")
}

/// Says whether some word of a text looks like an e-mail address.
pub fn holds_email(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || "<>()[],;\"'".contains(c))
        .any(looks_like_email)
}

/// Cuts texts that hold an e-mail address or are a phone number with its plus out of free properties, at any depth; so are keys that do, and
/// keys with a NUL. Out of a text NUL alone is cut.
pub fn json_object(object: &mut serde_json::Map<String, serde_json::Value>) {
    object.retain(|key, value| !key.contains(NUL) && !is_personal_text(key) && keep(value));
}

fn keep(value: &mut serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => {
            text.retain(|character| character != NUL);
            !is_personal_text(text)
        }
        serde_json::Value::Array(items) => {
            items.retain_mut(keep);
            true
        }
        serde_json::Value::Object(object) => {
            json_object(object);
            true
        }
        _ => true,
    }
}

fn is_personal_text(text: &str) -> bool {
    holds_email(text) || (text.trim().starts_with('+') && looks_like_phone(text))
}

/// A phone number: 8 to 15 digits with a leading plus, or with separators, and nothing else. A bare run of digits is as likely an order
/// number or a time, and counts as a phone number only with a leading `00` or of 10 to 13 digits.
fn looks_like_phone(text: &str) -> bool {
    let trimmed = text.trim();
    let digits = trimmed.bytes().filter(u8::is_ascii_digit).count();
    let only_phone_characters = trimmed.chars().all(|c| c.is_ascii_digit() || " +-.()/".contains(c));
    if !only_phone_characters || !(8..=15).contains(&digits) {
        return false;
    }
    let bare = trimmed.len() == digits;
    !bare || trimmed.starts_with("00") || (10..=13).contains(&digits)
}

/// Cleans a text that a platform or a library wrote: e-mail addresses, runs of seven or more digits, and long words that may be tokens, hashes
/// or click IDs are cut, control characters become blanks, and it ends after 512 characters.
pub fn text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(TEXT_CHARACTERS_MAX));
    for word in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        if clean.chars().count() >= TEXT_CHARACTERS_MAX {
            break;
        }
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(&clean_word(word));
    }
    clean.chars().take(TEXT_CHARACTERS_MAX).collect()
}

fn clean_word(word: &str) -> String {
    if looks_like_email(word) || word.contains('@') {
        return CUT.to_owned();
    }
    let mut clean = String::new();
    let mut run = String::new();
    for character in word.chars().chain(['\u{0}']) {
        if character.is_alphanumeric() || character == '_' || character == '-' || character == '+' {
            run.push(character);
            continue;
        }
        clean.push_str(if is_secret_like(&run) { CUT } else { &run });
        run.clear();
        if character != '\u{0}' {
            clean.push(character);
        }
    }
    clean
}

fn is_secret_like(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    // Names of error codes, such as INVALID_SHA256_FORMAT.
    let constant = run.contains('_')
        && run
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let number = digits >= 7 && !run.bytes().any(|byte| byte.is_ascii_alphabetic());
    let long = run.len() >= 20 && digits > 0 || run.len() >= 40;
    number || long && !constant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_personal_are_cut_from_a_url_and_click_ids_stay() {
        let cases = [
            (
                "https://a.test/t?email=jane%40example.com&gclid=Cj0K_x-1",
                "https://a.test/t?gclid=Cj0K_x-1",
            ),
            ("https://a.test/t?e=jane@example.com", "https://a.test/t"),
            ("https://a.test/t?p=%2B49%20170%201234567&x=1", "https://a.test/t?x=1"),
            ("https://a.test/t?p=004917012345678&x=1", "https://a.test/t?x=1"),
            ("https://a.test/t?access_token=abc&x=1", "https://a.test/t?x=1"),
            ("https://jane:pw@a.test/t", "https://a.test/t"),
            ("https://a.test/u/jane%40example.com/ok", "https://a.test/u/cut/ok"),
            ("https://a.test/t#jane@example.com", "https://a.test/t"),
        ];
        for (given, expected) in cases {
            assert_eq!(url(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn a_harmless_url_stays_byte_for_byte() {
        for text in [
            "https://shop.example/p?ttclid=E.C.P.Ab-1&x=1",
            "https://shop.example/thanks?order=10482&fbclid=IwAR1a-b_C",
            "https://shop.example/a%20b?q=red%20shoes",
        ] {
            assert_eq!(url(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_web_address_is_dropped() {
        for text in [
            "",
            "shop.example",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "mailto:a@b.c",
        ] {
            assert_eq!(url(text), None, "{text}");
        }
    }

    #[test]
    fn texts_of_platforms_lose_addresses_numbers_and_tokens() {
        let given = "Invalid em jane@example.com, ph +4917012345678 (token EAABsbCS1iHgBAOZC9ZC8) code 40002 INVALID_SHA256_FORMAT";

        assert_eq!(
            text(given),
            "Invalid em <cut> ph <cut> (token <cut>) code 40002 INVALID_SHA256_FORMAT"
        );
    }

    #[test]
    fn a_text_never_exceeds_its_limit() {
        assert_eq!(text(&"ab ".repeat(10_000)).chars().count(), 512);
    }
}
