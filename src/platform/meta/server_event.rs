//! One event of a request, as Meta wants it.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event>

use std::io;

use serde::Serialize;
use serde_json::Value;

use super::{custom_data::CustomData, names::event_name, user_data::UserData};
use crate::domain::{
    Account, Dispatch, EventRecord,
    event::{ActionSource, Permission},
};

/// An event, borrowed from its dispatch.
#[derive(Serialize)]
pub(super) struct ServerEvent<'a> {
    event_name: &'a str,
    event_time: i64,
    event_id: &'a str,
    action_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_channel: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_outcome_data: Option<MessagingOutcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_source_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referrer_url: Option<&'a str>,
    user_data: UserData<'a>,
    #[serde(skip_serializing_if = "CustomData::is_empty")]
    custom_data: CustomData<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_event_data: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opt_out: Option<bool>,
    #[serde(flatten)]
    processing: Processing,
}

/// The event is one that Meta itself detected in the chat and told by webhook.
#[derive(Serialize)]
struct MessagingOutcome {
    outcome_type: &'static str,
}

#[derive(Serialize)]
struct Processing {
    #[serde(skip_serializing_if = "Option::is_none")]
    data_processing_options: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_processing_options_country: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_processing_options_state: Option<u16>,
}

impl<'a> ServerEvent<'a> {
    /// The event that a dispatch is to this ad account.
    pub(super) fn of(dispatch: &'a Dispatch, account: &'a Account) -> Self {
        let event = &dispatch.event;
        let is_messaging = account.rules.waba.is_some();
        // The conversion of a chat has no page, and Meta takes none there.
        let page = |url: &'a Option<String>| url.as_deref().filter(|_| !is_messaging);
        Self {
            event_name: event_name(&event.name, account).unwrap_or(&event.name),
            event_time: event.time.timestamp(),
            event_id: event.event_id.as_str(),
            action_source: action_source(event, account),
            messaging_channel: is_messaging.then_some("whatsapp"),
            messaging_outcome_data: messaging_outcome(event).filter(|_| is_messaging),
            event_source_url: page(&event.source_url),
            referrer_url: page(&event.referrer_url),
            user_data: UserData::of(dispatch, account),
            custom_data: CustomData::of(event),
            app_data: app_data(event).filter(|_| !is_messaging && event.action_source == ActionSource::App),
            original_event_data: original_event(event),
            opt_out: is_opted_out(event).then_some(true),
            processing: processing(event),
        }
    }

    /// Its size in a request, in bytes and without the comma.
    pub(super) fn bytes(&self) -> usize {
        let mut count = ByteCount(0);
        serde_json::to_writer(&mut count, self).expect("text keys and plain values always serialise");
        count.0
    }
}

/// Counts the bytes that are written to it.
struct ByteCount(usize);

impl io::Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A dataset's events are business messaging whatever the event says: its clicks lead into a chat. A pixel's are not, as Meta would ask for a
/// channel and a click of the chat; what was agreed there is a `chat` to it.
fn action_source(event: &EventRecord, account: &Account) -> &'static str {
    let source = match (&account.rules.waba, event.action_source) {
        (Some(_), _) => ActionSource::BusinessMessaging,
        (None, ActionSource::BusinessMessaging) => ActionSource::Chat,
        (None, source) => source,
    };
    source.as_str()
}

/// Limited Data Use. Country and state 0 let Meta find out where the person is: their state reaches us hashed, so no number of one (1000 for
/// California ..) can be given, and to claim one would withhold their own state's rules from everybody else. An empty list says that it is not
/// limited, no key says nothing.
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/data-processing-options>
fn processing(event: &EventRecord) -> Processing {
    let (options, place): (Option<&[&str]>, _) = match event.consent.limited_data_use {
        Some(true) => (Some(&["LDU"]), Some(0)),
        Some(false) => (Some(&[]), None),
        None => (None, None),
    };
    Processing {
        data_processing_options: options,
        data_processing_options_country: place,
        data_processing_options_state: place,
    }
}

/// `opt_out` lets Meta count the conversion and not learn from it, which is what a person asks for who denies personalised ads alone.
fn is_opted_out(event: &EventRecord) -> bool {
    let is_denied = event.consent.ad_personalization == Some(Permission::Denied);
    is_denied || event.custom.get("opt_out").and_then(Value::as_bool) == Some(true)
}

/// `custom.app_data` with the sixteen ordered values of `extinfo`: the first is the platform, the fifth the system's version, which must not
/// be blank (100/2804043).
pub(super) fn app_data(event: &EventRecord) -> Option<&Value> {
    let app_data = event.custom.get("app_data")?;
    let extinfo: Vec<&str> = app_data
        .get("extinfo")?
        .as_array()?
        .iter()
        .map_while(Value::as_str)
        .collect();
    let is_complete = extinfo.len() == 16 && matches!(extinfo[0], "a2" | "i2") && !extinfo[4].trim().is_empty();
    is_complete.then_some(app_data)
}

/// `custom.original_event_data` joins a later event (a subscription that is paid) to the one that began it.
fn original_event(event: &EventRecord) -> Option<&Value> {
    let original = event.custom.get("original_event_data")?;
    let is_known = |(key, value): (&String, &Value)| match key.as_str() {
        "event_name" | "order_id" | "event_id" => value.is_string(),
        "event_time" => value.is_i64(),
        _ => false,
    };
    let fields = original.as_object()?;
    (!fields.is_empty() && fields.iter().all(is_known)).then_some(original)
}

fn messaging_outcome(event: &EventRecord) -> Option<MessagingOutcome> {
    let outcome = event.custom.get("messaging_outcome_data")?.get("outcome_type")?;
    (outcome == "automatic_events").then_some(MessagingOutcome {
        outcome_type: "automatic_events",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::meta::sample;

    fn event(dispatch: &Dispatch, account: &Account) -> Value {
        serde_json::from_slice(&serde_json::to_vec(&ServerEvent::of(dispatch, account)).unwrap()).unwrap()
    }

    #[test]
    fn the_business_account_of_the_click_is_named() {
        let mut dispatch = sample::whatsapp_lead();
        dispatch.click.as_mut().unwrap().waba = Some("555".into());

        let event = event(&dispatch, &sample::whatsapp());

        assert_eq!(event["user_data"]["whatsapp_business_account_id"], "555");
    }

    #[test]
    fn vector_13_the_time_goes_out_in_whole_seconds() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.time += chrono::TimeDelta::milliseconds(999);

        assert_eq!(event(&dispatch, &sample::pixel())["event_time"], 1_795_290_000);
    }

    #[test]
    fn vector_21_an_event_that_meta_detected_says_so() {
        let mut dispatch = sample::whatsapp_lead();
        dispatch.event.custom = sample::object(json!({"messaging_outcome_data": {"outcome_type": "automatic_events"}}));

        let in_chat = event(&dispatch, &sample::whatsapp());
        assert_eq!(
            in_chat["messaging_outcome_data"],
            json!({"outcome_type": "automatic_events"})
        );
        assert_eq!(in_chat.get("custom_data"), None);
        assert_eq!(event(&dispatch, &sample::pixel()).get("messaging_outcome_data"), None);
    }

    #[test]
    fn vector_29_limited_data_use_is_said_denied_or_not_mentioned() {
        let mut dispatch = sample::purchase("o1");
        let mut options = |limited| {
            dispatch.event.consent.limited_data_use = limited;
            let event = event(&dispatch, &sample::pixel());
            ["", "_country", "_state"].map(|suffix| event.get(format!("data_processing_options{suffix}")).cloned())
        };

        assert_eq!(
            options(Some(true)),
            [Some(json!(["LDU"])), Some(json!(0)), Some(json!(0))]
        );
        assert_eq!(options(Some(false)), [Some(json!([])), None, None]);
        assert_eq!(options(None), [None, None, None]);
    }

    #[test]
    fn who_denies_personalised_ads_is_counted_and_not_learned_from() {
        let mut dispatch = sample::purchase("o1");
        assert_eq!(event(&dispatch, &sample::pixel()).get("opt_out"), None);

        dispatch.event.consent.ad_personalization = Some(Permission::Denied);
        assert_eq!(event(&dispatch, &sample::pixel())["opt_out"], true);
    }

    #[test]
    fn a_chat_reported_to_a_pixel_is_no_business_messaging() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.action_source = ActionSource::BusinessMessaging;

        assert_eq!(event(&dispatch, &sample::pixel())["action_source"], "chat");
    }

    #[test]
    fn an_app_event_carries_its_app_and_others_do_not() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.custom = sample::object(sample::app_custom());
        assert_eq!(event(&dispatch, &sample::pixel()).get("app_data"), None);

        dispatch.event.action_source = ActionSource::App;
        assert_eq!(
            event(&dispatch, &sample::pixel())["app_data"],
            sample::app_custom()["app_data"]
        );
    }

    #[test]
    fn an_original_event_is_passed_on_if_it_is_one() {
        let mut dispatch = sample::purchase("o1");
        for (given, is_one) in [
            (
                json!({"event_name": "StartTrial", "event_time": 1_795_000_000, "order_id": "7"}),
                true,
            ),
            (json!({"event_time": "yesterday"}), false),
            (json!({"something": 1}), false),
            (json!({}), false),
            (json!(7), false),
        ] {
            dispatch.event.custom = sample::object(json!({"original_event_data": given}));

            let sent = event(&dispatch, &sample::pixel()).get("original_event_data").cloned();
            assert_eq!(sent, is_one.then_some(given));
        }
    }
}
