//! Meta's browser IDs: `fbc` (the click) and `fbp` (the browser), which are sent plain.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/fbp-and-fbc>

use chrono::{DateTime, Utc};

use crate::domain::{Click, ClickKind, Dispatch};

/// A cookie of the shape `fb.<subdomain index>.<creation time in ms>.<payload>`, with or without an appendix.
struct Cookie<'a> {
    time: &'a str,
    payload: &'a str,
}

/// Takes a cookie apart. Anything of another shape gives nothing: Meta refuses the whole request for it (100/2804001), most often
/// because the fourth part was cut off. A time in seconds, or one with a fraction, is such a fault too.
fn parse(cookie: &str) -> Option<Cookie<'_>> {
    let mut parts = cookie.split('.');
    let (prefix, index, time, payload) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let appendix = parts.next();
    let well_formed = prefix == "fb"
        && matches!(index.len(), 1..=3)
        && is_digits(index)
        && time.len() == 13
        && is_digits(time)
        && is_payload(payload)
        && appendix.is_none_or(is_appendix)
        && parts.next().is_none();
    well_formed.then_some(Cookie { time, payload })
}

/// When a cookie was set, which is when its fbclid was first seen; nothing if it is no cookie.
pub fn cookie_time(cookie: &str) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(parse(cookie)?.time.parse().ok()?)
}

/// The fbclid that a cookie was set for; nothing if it is no cookie.
pub fn cookie_fbclid(cookie: &str) -> Option<&str> {
    Some(parse(cookie)?.payload)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An fbclid is base64url, with `-` and `_`, but Meta promises no alphabet: only what would break the shape is kept out.
fn is_payload(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

/// What Meta's Parameter Builder adds after a dot to cookies and hashes: 2 characters of old, 8 of base64url since 2025. It is passed on.
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameter-builder-library>
pub(super) fn is_appendix(text: &str) -> bool {
    matches!(text.len(), 2 | 8)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The `fbc` of a dispatch: the cookie verbatim, unless its page was reached by a newer click than the cookie knows; then, and where there
/// is no cookie, one is made of the fbclid. No appendix of our own: there is no language byte for Rust.
pub(super) fn fbc(dispatch: &Dispatch) -> Option<String> {
    let click = dispatch.click.as_ref()?;
    let clicks = &dispatch.event.clicks;
    let (cookie, fbclid) = match click.kind {
        ClickKind::Fbc => (Some(click.value.as_str()), clicks.fbclid.as_deref()),
        ClickKind::Fbclid => (clicks.fbc.as_deref(), Some(click.value.as_str())),
        _ => return None,
    };
    let cookie = cookie.and_then(|text| Some((text, parse(text)?)));
    let fbclid = fbclid.filter(|text| is_payload(text));
    match (cookie, fbclid) {
        (Some((text, cookie)), Some(fbclid)) if cookie.payload == fbclid => Some(text.to_owned()),
        (_, Some(fbclid)) => Some(made(fbclid, click, dispatch)),
        (Some((text, _)), None) => Some(text.to_owned()),
        (None, None) => None,
    }
}

/// Index 1 is Meta's for one made on a server. The time is when the fbclid was first seen, the same with every try; never after the event,
/// which Meta takes for a fault.
fn made(fbclid: &str, click: &Click, dispatch: &Dispatch) -> String {
    let seen = click.first_seen.min(dispatch.event.time).timestamp_millis();
    format!("fb.1.{seen}.{fbclid}")
}

/// The `fbp` that came with the event, if it is one. It is never made up: a new one with every request breaks matching.
pub(super) fn fbp(dispatch: &Dispatch) -> Option<&str> {
    let text = dispatch.event.clicks.fbp.as_deref()?;
    parse(text)
        .is_some_and(|cookie| is_digits(cookie.payload))
        .then_some(text)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::platform::meta::sample;

    /// The `fbc` of an event with this cookie and this fbclid, as the router would attribute it.
    fn fbc_of(cookie: Option<&str>, fbclid: Option<&str>) -> Option<String> {
        let mut dispatch = sample::purchase("o1");
        let (kind, value) = match (cookie, fbclid) {
            (Some(cookie), _) => (ClickKind::Fbc, cookie),
            (None, fbclid) => (ClickKind::Fbclid, fbclid.unwrap_or_default()),
        };
        dispatch.event.clicks.fbc = cookie.map(str::to_owned);
        dispatch.event.clicks.fbclid = fbclid.map(str::to_owned);
        dispatch.click = Some(Click {
            first_seen: DateTime::from_timestamp_millis(1_554_763_741_205).unwrap(),
            ..sample::click(kind, value)
        });
        fbc(&dispatch)
    }

    #[test]
    fn vector_09_an_fbclid_becomes_an_fbc_with_the_time_it_was_first_seen() {
        let given = fbc_of(None, Some("IwAR1a-b_C"));

        assert_eq!(given.as_deref(), Some("fb.1.1554763741205.IwAR1a-b_C"));
    }

    #[test]
    fn vector_10_the_cookie_goes_verbatim_unless_the_page_has_a_newer_click() {
        let cookie = "fb.2.1700000000000.abc.AQECAQMB";

        assert_eq!(fbc_of(Some(cookie), Some("abc")).as_deref(), Some(cookie));
        assert_eq!(fbc_of(Some(cookie), None).as_deref(), Some(cookie));
        assert_eq!(
            fbc_of(Some(cookie), Some("def")).as_deref(),
            Some("fb.1.1554763741205.def")
        );
    }

    #[test]
    fn an_attributed_fbclid_prefers_the_cookie_of_the_same_click() {
        let mut dispatch = sample::purchase("o1");
        dispatch.click = Some(sample::click(ClickKind::Fbclid, "abc"));
        dispatch.event.clicks.fbc = Some("fb.1.1700000000000.abc".into());

        assert_eq!(fbc(&dispatch).as_deref(), Some("fb.1.1700000000000.abc"));
    }

    #[test]
    fn vector_11_a_malformed_cookie_is_left_out_or_made_anew() {
        for cookie in [
            "",
            "fb.1.1700000000000",
            "fb.1.1700000000000.",
            "fb1.1.1.x",
            "fb.1.1700000000.abc",
            "fb.1.17000000000000.abc",
            "fb.x.1700000000000.abc",
            "fb.1.1700000000000.9998.IwAR1a-b_C",
            "fb.1.1700000000000.abc.AQ.AQ",
            "fb.1.1700000000000.a b",
        ] {
            assert_eq!(fbc_of(Some(cookie), None), None, "{cookie}");
            assert_eq!(
                fbc_of(Some(cookie), Some("abc")).as_deref(),
                Some("fb.1.1554763741205.abc"),
                "{cookie}"
            );
        }
    }

    #[test]
    fn an_fbc_is_never_younger_than_its_event() {
        let mut dispatch = sample::purchase("o1");
        dispatch.click = Some(Click {
            first_seen: dispatch.event.time + chrono::TimeDelta::hours(1),
            ..sample::click(ClickKind::Fbclid, "abc")
        });

        assert_eq!(
            fbc(&dispatch),
            Some(format!("fb.1.{}.abc", dispatch.event.time.timestamp_millis()))
        );
    }

    #[test]
    fn an_fbp_goes_verbatim_if_it_is_one() {
        let mut dispatch = sample::purchase("o1");
        for (text, is_one) in [
            ("fb.1.1596403881668.1116446470", true),
            ("fb.1.1596403881668.1116446470.BA", true),
            ("fb.1.1596403881668.1116446470.AQQBAQMC", true),
            ("fb.1.1596403881668", false),
            ("fb.1.1596403881668.abc", false),
            ("1116446470", false),
        ] {
            dispatch.event.clicks.fbp = Some(text.to_owned());

            assert_eq!(fbp(&dispatch), is_one.then_some(text), "{text}");
        }
    }
}
