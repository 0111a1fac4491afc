//! The request: `POST /{version}/{pixel or dataset}/events`.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api>

use bytes::Bytes;
use serde::Serialize;

use super::{proof, server_event::ServerEvent};
use crate::{
    domain::Dispatch,
    platform::{
        Request, Sending,
        request::{Method, TokenHeader},
    },
};

#[derive(Serialize)]
struct Body<'a> {
    data: Vec<ServerEvent<'a>>,
    // Of the request, never of an event: there it is ignored, and the test counts as a sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    test_event_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner_agent: Option<&'a str>,
}

/// Builds the request; the token travels in `Authorization: Bearer`, where no log of URLs shows it.
pub(super) fn build(dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
    let account = sending.account;
    let body = Body {
        data: dispatches
            .iter()
            .map(|dispatch| ServerEvent::of(dispatch, account))
            .collect(),
        test_event_code: sending.test_code.map(str::trim).filter(|code| !code.is_empty()),
        partner_agent: account.rules.partner_agent.as_deref().and_then(partner_agent),
    };
    let body = serde_json::to_vec(&body).expect("text keys and plain values always serialise");
    Request {
        method: Method::Post,
        url: format!(
            "{}/{}/{}/events",
            sending.endpoints.meta, sending.endpoints.meta_version, account.destination
        ),
        headers: vec![("content-type", "application/json".to_owned())],
        token: TokenHeader::BearerWithProof(proof::PARAMETER),
        body: Bytes::from(body),
    }
}

/// The name of a partner's software, as Meta takes it: at least two letters and less than 23 characters.
fn partner_agent(name: &str) -> Option<&str> {
    let letters = name.chars().filter(char::is_ascii_alphabetic).count();
    (letters >= 2 && name.chars().count() < 23).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::{Account, ClickKind, hash::sha256_hex},
        platform::{Endpoints, meta::sample},
    };

    fn request(dispatches: &[&Dispatch], account: &Account, test_code: Option<&str>) -> Request {
        let endpoints = Endpoints::default();
        build(
            dispatches,
            &Sending {
                account,
                endpoints: &endpoints,
                test_code,
            },
        )
    }

    fn body(dispatches: &[&Dispatch], account: &Account, test_code: Option<&str>) -> Value {
        serde_json::from_slice(&request(dispatches, account, test_code).body).unwrap()
    }

    #[test]
    fn vector_01_a_purchase_on_a_web_page() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.currency = Some("chf".into());
        dispatch.event.user_agent = Some("Mozilla/5.0 (X11; Linux x86_64)".into());
        dispatch.event.ip = Some("203.0.113.7".parse().unwrap());
        dispatch.event.referrer_url = Some("https://search.example/".into());
        dispatch.click = Some(sample::click(ClickKind::Fbc, "fb.1.1795000000000.abc"));

        let request = request(&[&dispatch], &sample::pixel(), None);

        assert_eq!(request.url, "https://graph.facebook.com/v26.0/1234567890/events");
        assert_eq!(
            (request.method, request.token),
            (Method::Post, TokenHeader::BearerWithProof("appsecret_proof"))
        );
        assert_eq!(
            String::from_utf8_lossy(&request.body),
            concat!(
                r#"{"data":[{"event_name":"Purchase","event_time":1795290000,"event_id":"o1","action_source":"website","#,
                r#""event_source_url":"https://shop.example/thanks","referrer_url":"https://search.example/","user_data":{"#,
                r#""em":["62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"],"#,
                r#""client_ip_address":"203.0.113.7","client_user_agent":"Mozilla/5.0 (X11; Linux x86_64)","#,
                r#""fbc":"fb.1.1795000000000.abc"},"custom_data":{"currency":"CHF","value":129.9}}]}"#
            )
        );
    }

    #[test]
    fn vectors_16_and_18_a_chat_that_began_with_an_ad() {
        let account = sample::whatsapp();
        let mut lead = sample::whatsapp_lead();
        // What a web event would say is not said of a chat.
        lead.event.source_url = Some("https://shop.example/".into());
        lead.event.user_agent = Some("Mozilla/5.0".into());
        let mut purchase = sample::whatsapp_lead();
        purchase.event.name = "Purchase".into();
        (purchase.event.value, purchase.event.currency) = (Some(25_000.into()), Some("ARS".into()));
        let user_data = json!({
            "ctwa_clid": "C", "whatsapp_business_account_id": "102290129340398", "ph": [sha256_hex("5491155551234")]
        });

        let request = request(&[&lead, &purchase], &account, None);
        let body: Value = serde_json::from_slice(&request.body).unwrap();

        assert_eq!(request.url, "https://graph.facebook.com/v26.0/778899001122334/events");
        assert_eq!(
            body["data"][0],
            json!({
                "event_name": "LeadSubmitted", "event_time": 1_795_290_000, "event_id": "w1", "action_source": "business_messaging",
                "messaging_channel": "whatsapp", "user_data": user_data
            })
        );
        assert_eq!(body["data"][1]["user_data"], user_data);
        assert_eq!(
            body["data"][1]["custom_data"],
            json!({"currency": "ARS", "value": 25_000})
        );
    }

    #[test]
    fn vector_24_a_test_code_stands_once_beside_the_events() {
        let dispatch = sample::purchase("o1");

        let tested = body(&[&dispatch, &dispatch], &sample::pixel(), Some(" TEST123 "));
        assert_eq!(tested["test_event_code"], "TEST123");
        assert!(
            tested["data"]
                .as_array()
                .unwrap()
                .iter()
                .all(|event| event.get("test_event_code").is_none())
        );
        for blank in [None, Some(""), Some("  ")] {
            assert_eq!(body(&[&dispatch], &sample::pixel(), blank).get("test_event_code"), None);
        }
    }

    #[test]
    fn a_partners_name_that_meta_would_refuse_is_left_out() {
        let mut account = sample::pixel();
        let dispatch = sample::purchase("o1");
        for (name, is_taken) in [
            ("acme-relay", true),
            ("a1", false),
            ("", false),
            ("abcdefghijklmnopqrstuvw", false),
        ] {
            account.rules.partner_agent = Some(name.to_owned());

            let sent = body(&[&dispatch], &account, None).get("partner_agent").cloned();
            assert_eq!(sent, is_taken.then(|| json!(name)), "{name}");
        }
    }

    #[test]
    fn the_size_of_an_event_is_counted_to_the_byte() {
        let dispatch = sample::purchase("o1");
        let account = sample::pixel();
        let one = request(&[&dispatch], &account, None).body.len();
        let two = request(&[&dispatch, &dispatch], &account, None).body.len();

        assert_eq!(two - one, ServerEvent::of(&dispatch, &account).bytes() + ",".len());
    }
}
