//! The probe: one event too old to be taken. Meta looks at token and dataset first, so that it refuses the age shows that both are good.
//!
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/server-event>: older than seven days refuses the request.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{Account, Cause, Click, ClickKind, Outcome, Verdict, event::ActionSource, hash::sha256_hex},
    platform::probe::{self, Probe},
};

/// A day more than Meta takes.
const AGE: TimeDelta = TimeDelta::days(8);

/// Builds it.
pub(super) fn probe(account: &Account, now: DateTime<Utc>) -> Option<Probe> {
    let mut dispatch = probe::nobody(account, "ViewContent", now - AGE);
    dispatch
        .event
        .identities
        .meta
        .add("external_id", sha256_hex("conversion-relay-check"));
    if let Some(waba) = &account.rules.waba {
        dispatch.event.name = "LeadSubmitted".to_owned();
        dispatch.event.action_source = ActionSource::BusinessMessaging;
        dispatch.click = Some(Click {
            kind: ClickKind::CtwaClid,
            value: "conversion-relay-check".to_owned(),
            first_seen: dispatch.event.time,
            time_is_known: false,
            waba: Some(waba.clone()),
        });
    }
    // Meta counts what carries a test code, too: its age alone keeps it from counting.
    Some(Probe {
        dispatches: vec![dispatch],
        test_code: None,
    })
}

/// Too old (100/2804003), or of a click that is none (100/2804087): both are said only to whoever may write to the dataset.
pub(super) fn is_welcome(outcome: &Outcome) -> bool {
    matches!(
        outcome.verdict,
        Verdict::Delivered
            | Verdict::Refused {
                cause: Cause::EventTooOld | Cause::InvalidClickId
            }
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::platform::{
        Adapter, Endpoints, Sending,
        meta::{Meta, sample},
    };

    fn event(account: &Account) -> Value {
        let now = DateTime::from_timestamp_secs(1_795_290_000).unwrap();
        let probe = probe(account, now).unwrap();
        let request = Meta.build(
            &[&probe.dispatches[0]],
            &Sending {
                account,
                endpoints: &Endpoints::default(),
                test_code: probe.test_code.as_deref(),
            },
        );
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(Meta.check(&probe.dispatches[0], account), Ok(()));
        body["data"][0].clone()
    }

    #[test]
    fn a_probe_is_whole_but_for_its_age() {
        let web = event(&sample::pixel());
        let chat = event(&sample::whatsapp());

        assert_eq!(web["event_time"], 1_795_290_000 - 8 * 86_400);
        assert_eq!(web["action_source"], "website");
        assert_eq!(chat["action_source"], "business_messaging");
        assert_eq!(chat["user_data"]["whatsapp_business_account_id"], "102290129340398");
    }
}
