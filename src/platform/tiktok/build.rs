//! Build: one request of many events of one pixel.
//!
//! Body: `{event_source, event_source_id, test_event_code?, data: [..]}`; there is no published page to link to, see
//! <https://ads.tiktok.com/help/article/event-deduplication> for what TikTok makes of `event` and `event_id`. `partner_name` is left out: it is
//! for registered partners, and others are refused for it (40063).

use std::net::IpAddr;

use bytes::Bytes;
use serde::Serialize;

use super::{
    check::event_name,
    properties::{Properties, said},
};
use crate::{
    domain::{Account, ClickKind, Dispatch, EventRecord, click::CLICK_ID_BYTES_MAX},
    platform::{
        Request, Sending,
        request::{Method, TokenHeader},
    },
};

/// The slash at the end belongs to it.
const PATH: &str = "/open_api/v1.3/event/track/";

/// Always the pixel. TikTok has `offline` and `crm` beside it, but those want an event set of their own, and an ad account's destination is a
/// pixel code; a sale in a shop goes to the pixel as well.
const EVENT_SOURCE: &str = "web";

#[derive(Serialize)]
struct Track<'a> {
    event_source: &'static str,
    event_source_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_event_code: Option<&'a str>,
    data: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'a str,
    /// Unix seconds.
    event_time: i64,
    event_id: &'a str,
    user: User<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Page<'a>>,
    /// Only what the person said: `false` is a claim as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    limited_data_use: Option<bool>,
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<OneOrMany<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<OneOrMany<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<OneOrMany<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttclid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<&'a str>,
}

/// A list only where there are several: a text is what more of TikTok's own examples show.
#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMany<'a> {
    One(&'a str),
    Many(&'a [String]),
}

#[derive(Serialize)]
struct Page<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer: Option<&'a str>,
}

/// Builds the request; the same dispatches always give the same bytes.
pub(super) fn request(dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
    let track = Track {
        event_source: EVENT_SOURCE,
        event_source_id: &sending.account.destination,
        test_event_code: sending.test_code,
        data: dispatches
            .iter()
            .map(|dispatch| event(dispatch, sending.account))
            .collect(),
    };
    let body = serde_json::to_vec(&track).expect("texts, numbers and lists of them are always JSON");
    Request {
        method: Method::Post,
        url: format!("{}{PATH}", sending.endpoints.tiktok),
        headers: vec![("content-type", "application/json".to_owned())],
        token: TokenHeader::AccessToken,
        body: Bytes::from(body),
    }
}

fn event<'a>(dispatch: &'a Dispatch, account: &'a Account) -> Event<'a> {
    let event = &dispatch.event;
    Event {
        event: event_name(&event.name, account),
        event_time: event.time.timestamp(),
        event_id: event.event_id.as_str(),
        user: user(dispatch),
        properties: Properties::of(event),
        page: event.source_url.as_deref().map(|url| Page {
            url,
            referrer: event.referrer_url.as_deref(),
        }),
        limited_data_use: event.consent.limited_data_use,
    }
}

fn user(dispatch: &Dispatch) -> User<'_> {
    let event = &dispatch.event;
    let identity = &event.identities.tiktok;
    let all = |key| match identity.get(key) {
        [] => None,
        [one] => Some(OneOrMany::One(one)),
        many => Some(OneOrMany::Many(many)),
    };
    User {
        email: all("email"),
        phone: all("phone"),
        external_id: all("external_id"),
        first_name: identity.first("first_name"),
        last_name: identity.first("last_name"),
        zip_code: identity.first("zip_code"),
        city: identity.first("city"),
        state: identity.first("state"),
        country: identity.first("country"),
        ttclid: ttclid(dispatch),
        ttp: ttp(event),
        ip: event.ip.map(|ip| ip.to_canonical()),
        user_agent: user_agent(event),
        locale: locale(event),
    }
}

/// TikTok's click ID, verbatim; one that is too long is left out, never cut.
pub(super) fn ttclid(dispatch: &Dispatch) -> Option<&str> {
    let click = dispatch.click.as_ref()?;
    (click.kind == ClickKind::Ttclid && click.value.len() <= CLICK_ID_BYTES_MAX)
        .then(|| said(&click.value))
        .flatten()
}

/// TikTok's browser cookie `_ttp`, verbatim.
pub(super) fn ttp(event: &EventRecord) -> Option<&str> {
    event.clicks.ttp.as_deref().and_then(said)
}

/// The browser's user agent, verbatim.
pub(super) fn user_agent(event: &EventRecord) -> Option<&str> {
    event.user_agent.as_deref().and_then(said)
}

/// A BCP 47 tag from the further properties, such as `en-US`.
fn locale(event: &EventRecord) -> Option<&str> {
    let locale = event.custom.get("locale")?.as_str()?;
    let is_tag =
        (2..=35).contains(&locale.len()) && locale.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then_some(locale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::EventId,
        platform::{
            Adapter, Endpoints,
            tiktok::{Tiktok, sample},
        },
    };

    fn build(dispatches: &[&Dispatch], test_code: Option<&str>) -> Request {
        let account = sample::account();
        let endpoints = Endpoints::default();
        request(
            dispatches,
            &Sending {
                account: &account,
                endpoints: &endpoints,
                test_code,
            },
        )
    }

    fn body(dispatches: &[&Dispatch], test_code: Option<&str>) -> Value {
        serde_json::from_slice(&build(dispatches, test_code).body).unwrap()
    }

    fn built(change: impl FnOnce(&mut Dispatch)) -> Value {
        let mut dispatch = sample::dispatch();
        change(&mut dispatch);
        body(&[&dispatch], None)["data"][0].take()
    }

    /// The fixture, and beside it the properties that TikTok's help centre names and the clients it was made from lack.
    fn schema() -> jsonschema::Validator {
        let mut schema: Value = serde_json::from_str(include_str!(
            "../../../tests/fixtures/tiktok/tiktok_events20.schema.json"
        ))
        .unwrap();
        let properties = schema["$defs"]["Properties"]["properties"].as_object_mut().unwrap();
        for key in ["status", "checkin_date", "make"] {
            properties.insert(key.to_owned(), json!({"type": "string"}));
        }
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn it_goes_to_the_track_path_with_a_bare_token() {
        let request = build(&[&sample::dispatch()], None);

        assert_eq!(request.method, Method::Post);
        assert_eq!(
            request.url,
            "https://business-api.tiktok.com/open_api/v1.3/event/track/"
        );
        assert_eq!(request.headers, [("content-type", "application/json".to_owned())]);
        assert_eq!(request.token, TokenHeader::AccessToken);
    }

    #[test]
    fn a_purchase_is_built_as_tiktok_wants_it_v1() {
        let dispatch = sample::purchase_of_jane();

        assert_eq!(
            body(&[&dispatch], None),
            json!({
                "event_source": "web",
                "event_source_id": "C0PIXEL0000000000001",
                "data": [{
                    "event": "Purchase",
                    "event_time": 1_795_168_800,
                    "event_id": "order-1001",
                    "user": {"email": "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d"},
                    "properties": {"value": 59.9, "currency": "USD"},
                    "page": {"url": "https://shop.example/thanks"}
                }]
            })
        );
    }

    #[test]
    fn what_is_known_of_browser_and_page_goes_out_plain_v12() {
        let event = built(|dispatch| {
            dispatch.event.source_url = Some("https://shop.example/p?ttclid=E.C.P.Ab-1&x=1".to_owned());
            dispatch.event.referrer_url = Some("https://ref.example/".to_owned());
        });

        assert_eq!(event["user"]["ttclid"], "E.C.P.Ab-1");
        assert_eq!(event["user"]["ttp"], "2F7h37Yk");
        assert_eq!(event["user"]["ip"], "203.0.113.9");
        assert_eq!(event["user"]["user_agent"], "Mozilla/5.0");
        assert_eq!(
            event["page"],
            json!({"url": "https://shop.example/p?ttclid=E.C.P.Ab-1&x=1", "referrer": "https://ref.example/"})
        );
    }

    #[test]
    fn places_are_plain_and_the_rest_is_hashed_v8() {
        let event = built(|dispatch| {
            for (key, value) in [
                ("city", "newyork"),
                ("state", "ny"),
                ("country", "us"),
                ("first_name", "81f8"),
                ("zip_code", "5c85"),
            ] {
                dispatch.event.identities.tiktok.add(key, value.to_owned());
            }
        });

        for (key, value) in [
            ("city", "newyork"),
            ("state", "ny"),
            ("country", "us"),
            ("first_name", "81f8"),
            ("zip_code", "5c85"),
        ] {
            assert_eq!(event["user"][key], value);
        }
    }

    #[test]
    fn a_click_id_that_is_too_long_or_another_platforms_is_left_out_v13() {
        let long = built(|dispatch| dispatch.click.as_mut().unwrap().value = "E".repeat(1_001));
        let longest = built(|dispatch| dispatch.click.as_mut().unwrap().value = "E".repeat(1_000));
        let other = built(|dispatch| dispatch.click.as_mut().unwrap().kind = ClickKind::Gclid);

        assert_eq!(long["user"].get("ttclid"), None);
        assert_eq!(longest["user"]["ttclid"], "E".repeat(1_000));
        assert_eq!(other["user"].get("ttclid"), None);
    }

    #[test]
    fn limited_data_use_is_what_the_person_said_v15() {
        for said in [None, Some(true), Some(false)] {
            let event = built(|dispatch| dispatch.event.consent.limited_data_use = said);

            assert_eq!(event.get("limited_data_use"), said.map(Value::Bool).as_ref());
        }
    }

    #[test]
    fn a_test_code_stands_beside_the_events_v16() {
        let dispatch = sample::dispatch();

        assert_eq!(body(&[&dispatch], Some("TEST123"))["test_event_code"], "TEST123");
        assert_eq!(body(&[&dispatch], None).get("test_event_code"), None);
    }

    #[test]
    fn an_event_id_of_digits_is_text_v19() {
        let event = built(|dispatch| dispatch.event.event_id = EventId::parse("273196").unwrap());

        assert_eq!(event["event_id"], json!("273196"));
    }

    #[test]
    fn several_addresses_are_a_list() {
        let event = built(|dispatch| {
            dispatch.event.identities.tiktok.add("phone", "1".repeat(64));
            dispatch.event.identities.tiktok.add("phone", "2".repeat(64));
        });

        assert_eq!(event["user"]["phone"], json!(["1".repeat(64), "2".repeat(64)]));
    }

    #[test]
    fn a_locale_is_a_tag_or_nothing() {
        for (text, sent) in [("en-US", true), ("x", false), ("so we say", false), ("de", true)] {
            let event = built(|dispatch| {
                dispatch.event.custom.insert("locale".to_owned(), json!(text));
            });

            assert_eq!(
                event["user"].get("locale"),
                sent.then(|| json!(text)).as_ref(),
                "{text}"
            );
        }
    }

    #[test]
    fn without_a_page_there_is_no_page() {
        let event = built(|dispatch| {
            dispatch.event.source_url = None;
            dispatch.event.referrer_url = Some("https://ref.example/".to_owned());
        });

        assert_eq!(event.get("page"), None);
    }

    #[test]
    fn events_keep_their_order() {
        let dispatches: Vec<Dispatch> = (0..1_000).map(sample::numbered).collect();

        let body = body(&dispatches.iter().collect::<Vec<_>>(), None);

        let data = body["data"].as_array().unwrap();
        assert_eq!(data.len(), 1_000);
        for (index, event) in data.iter().enumerate() {
            assert_eq!(event["event_id"], format!("order-{index}"));
        }
        assert!(schema().is_valid(&body));
    }

    proptest! {
        #[test]
        fn any_dispatch_builds_the_same_valid_small_body_every_time(
            dispatches in proptest::collection::vec(sample::any_dispatch(), 1..6), test_code in proptest::option::of("[A-Z0-9]{1,12}"),
        ) {
            let references: Vec<&Dispatch> = dispatches.iter().collect();

            let first = build(&references, test_code.as_deref());
            let again = build(&references, test_code.as_deref());

            prop_assert_eq!(&first, &again);
            prop_assert!(first.body.len() < Tiktok.limits(&sample::account()).bytes);
            let body: Value = serde_json::from_slice(&first.body).unwrap();
            let schema = schema();
            let error = schema.iter_errors(&body).next().map(|error| error.to_string());
            prop_assert_eq!(error, None);
            prop_assert_eq!(body["data"].as_array().unwrap().len(), dispatches.len());
        }

        #[test]
        fn checking_any_dispatch_gives_an_answer(dispatch in sample::any_dispatch()) {
            let account = sample::account();
            let first = Tiktok.check(&dispatch, &account);

            prop_assert_eq!(&first, &Tiktok.check(&dispatch, &account));
        }
    }
}
