//! The probe: one conversion for each conversion action, which Google only validates. A login without access to the customer is refused there.
//!
//! <https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest> (`validateOnly`)

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{Account, Cause, Click, ClickKind, EventId, Outcome, Verdict},
    platform::probe::{self, Probe},
};

/// Long enough after its click, and long enough ago, that Google finds it neither too early nor too late.
const AGE: TimeDelta = TimeDelta::days(1);

/// Builds it; without a conversion action there is nothing that could be asked about.
pub(super) fn probe(account: &Account, now: DateTime<Utc>) -> Option<Probe> {
    let mut actions: Vec<(&String, &String)> = account.rules.actions.iter().collect();
    // Several events may feed one action: once is enough.
    actions.sort_by_key(|(_, action)| *action);
    actions.dedup_by_key(|(_, action)| *action);
    let dispatches: Vec<_> = actions
        .into_iter()
        .map(|(name, action)| {
            let mut dispatch = probe::nobody(account, name, now - AGE);
            dispatch.event.event_id =
                EventId::parse(&format!("conversion-relay-check-{action}")).unwrap_or(dispatch.event.event_id);
            dispatch.click = Some(Click {
                kind: ClickKind::Gclid,
                value: "conversion-relay-check".to_owned(),
                first_seen: dispatch.event.time - AGE,
                time_is_known: true,
                waba: None,
            });
            dispatch
        })
        .collect();
    // Google has no test code: that there is one means that the request is validated only.
    (!dispatches.is_empty()).then(|| Probe {
        dispatches,
        test_code: Some("TEST".to_owned()),
    })
}

/// Taken, or found fault with the click, which is none: Google judges that after access and conversion action.
pub(super) fn is_welcome(outcome: &Outcome) -> bool {
    matches!(
        outcome.verdict,
        Verdict::Delivered
            | Verdict::Accepted { .. }
            | Verdict::NotSent { .. }
            | Verdict::Refused {
                cause: Cause::InvalidClickId
            }
    )
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{
        domain::account::Transport,
        platform::{
            Adapter, Endpoints, Sending,
            google::{Google, sample},
        },
    };

    #[test]
    fn a_probe_asks_about_each_conversion_action_once_and_is_validated_only() {
        for transport in [Transport::DataManager, Transport::AdsApi] {
            let mut account = sample::account(transport);
            account.rules.actions = [("Purchase", "987"), ("Subscribe", "987"), ("Lead", "654")]
                .map(|(name, action)| (name.to_owned(), action.to_owned()))
                .into();

            let probe = probe(&account, sample::time("2026-11-21T10:00:00Z")).unwrap();
            let dispatches: Vec<_> = probe.dispatches.iter().collect();
            let request = Google.build(
                &dispatches,
                &Sending {
                    account: &account,
                    endpoints: &Endpoints::default(),
                    test_code: probe.test_code.as_deref(),
                },
            );

            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!((body["validateOnly"].as_bool(), dispatches.len()), (Some(true), 2));
            for dispatch in dispatches {
                assert_eq!(Google.check(dispatch, &account), Ok(()));
            }
        }
    }

    #[test]
    fn without_a_conversion_action_there_is_nothing_to_ask() {
        let mut account = sample::account(Transport::DataManager);
        account.rules.actions.clear();

        assert_eq!(probe(&account, DateTime::UNIX_EPOCH), None);
    }
}
