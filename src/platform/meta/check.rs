//! What Meta would refuse, with the whole request that holds it (100): found before it is sent.

use super::{
    EVENT_BYTES_MAX,
    custom_data::is_currency,
    names::event_name,
    server_event::{self, ServerEvent},
    user_data::UserData,
};
use crate::{
    domain::{Account, Cause, ClickKind, Dispatch, EventRecord, event::ActionSource},
    platform::Rejection,
};

/// Says how the dispatch ends if Meta would not take it.
pub(super) fn check(dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
    let event = &dispatch.event;
    let name = event_name(&event.name, account).ok_or(Rejection::NotSent(Cause::EventNameNotTaken))?;
    match &account.rules.waba {
        Some(waba) => check_messaging(dispatch, waba)?,
        None => check_web(event)?,
    }
    if name == "Purchase" {
        check_sum(event)?;
    }
    if !UserData::of(dispatch, account).is_matchable() {
        return Err(Rejection::NotSent(Cause::NoIdentifiers));
    }
    if ServerEvent::of(dispatch, account).bytes() > EVENT_BYTES_MAX {
        return Err(Rejection::Failed(Cause::RequestTooLarge, None));
    }
    Ok(())
}

/// Meta checks the click against the business account that its ad led to (100/2804087, 100/2804132); a chat that began without an ad
/// cannot be reported at all.
fn check_messaging(dispatch: &Dispatch, waba: &str) -> Result<(), Rejection> {
    let click = dispatch
        .click
        .as_ref()
        .filter(|click| click.kind == ClickKind::CtwaClid)
        .ok_or(Rejection::NotSent(Cause::NoCtwaClickIdForPhone))?;
    match &click.waba {
        Some(of_click) if of_click != waba => Err(Rejection::NotSent(Cause::ClickKindElsewhere)),
        _ => Ok(()),
    }
}

fn check_web(event: &EventRecord) -> Result<(), Rejection> {
    match event.action_source {
        ActionSource::Website if event.source_url.is_none() => {
            Err(Rejection::Failed(Cause::MissingField, Some("source_url")))
        }
        ActionSource::App if server_event::app_data(event).is_none() => {
            Err(Rejection::Failed(Cause::MissingField, Some("custom.app_data")))
        }
        _ => Ok(()),
    }
}

/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/custom-data>: a purchase has value and currency
/// (100/2804009). A value of zero is one.
fn check_sum(event: &EventRecord) -> Result<(), Rejection> {
    if event.value.is_none() {
        return Err(Rejection::Failed(Cause::MissingValue, Some("value")));
    }
    match &event.currency {
        None => Err(Rejection::Failed(Cause::MissingValue, Some("currency"))),
        Some(code) if !is_currency(code) => Err(Rejection::Failed(Cause::InvalidCurrency, Some("currency"))),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        domain::{Click, hash::Identity},
        platform::meta::sample,
    };

    #[test]
    fn what_meta_takes_passes() {
        assert_eq!(check(&sample::purchase("o1"), &sample::pixel()), Ok(()));
        assert_eq!(check(&sample::whatsapp_lead(), &sample::whatsapp()), Ok(()));
    }

    #[test]
    fn vector_08_an_event_without_a_usable_identifier_is_not_sent() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.identities.meta = Identity::default();

        assert_eq!(
            check(&dispatch, &sample::pixel()),
            Err(Rejection::NotSent(Cause::NoIdentifiers))
        );
    }

    #[test]
    fn vector_15_a_purchase_without_value_or_currency_fails_here() {
        let sums = [
            (None, Some("EUR"), Err((Cause::MissingValue, "value"))),
            (Some(7), None, Err((Cause::MissingValue, "currency"))),
            (Some(7), Some("EURO"), Err((Cause::InvalidCurrency, "currency"))),
            (Some(0), Some("eur"), Ok(())),
        ];
        for (value, currency, expected) in sums {
            let mut dispatch = sample::purchase("o1");
            dispatch.event.value = value.map(Into::into);
            dispatch.event.currency = currency.map(str::to_owned);

            let expected = expected.map_err(|(cause, field)| Rejection::Failed(cause, Some(field)));
            assert_eq!(check(&dispatch, &sample::pixel()), expected);

            dispatch.event.name = "Lead".into();
            assert_eq!(check(&dispatch, &sample::pixel()), Ok(()));
        }
    }

    #[test]
    fn the_name_after_renaming_decides_whether_a_value_is_needed() {
        let mut account = sample::pixel();
        account.rules.rename.insert("Order".into(), "Purchase".into());
        let mut dispatch = sample::purchase("o1");
        dispatch.event.name = "Order".into();
        dispatch.event.value = None;

        assert_eq!(
            check(&dispatch, &account),
            Err(Rejection::Failed(Cause::MissingValue, Some("value")))
        );
    }

    #[test]
    fn a_website_event_needs_its_page_and_an_app_event_its_app() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.source_url = None;
        assert_eq!(
            check(&dispatch, &sample::pixel()),
            Err(Rejection::Failed(Cause::MissingField, Some("source_url")))
        );

        dispatch.event.action_source = ActionSource::PhoneCall;
        assert_eq!(check(&dispatch, &sample::pixel()), Ok(()));

        dispatch.event.action_source = ActionSource::App;
        for extinfo in [json!(null), json!(["a2"]), json!(vec![""; 16])] {
            dispatch.event.custom = sample::object(json!({"app_data": {"extinfo": extinfo}}));
            assert_eq!(
                check(&dispatch, &sample::pixel()),
                Err(Rejection::Failed(Cause::MissingField, Some("custom.app_data")))
            );
        }
        dispatch.event.custom = sample::object(sample::app_custom());
        assert_eq!(check(&dispatch, &sample::pixel()), Ok(()));
    }

    #[test]
    fn vectors_17_and_19_a_dataset_wants_its_own_names_and_its_own_clicks() {
        let account = sample::whatsapp();
        let mut dispatch = sample::whatsapp_lead();
        dispatch.event.name = "Schedule".into();
        assert_eq!(
            check(&dispatch, &account),
            Err(Rejection::NotSent(Cause::EventNameNotTaken))
        );

        dispatch = sample::whatsapp_lead();
        for click in [None, Some(sample::click(ClickKind::Fbclid, "abc"))] {
            dispatch.click = click;
            assert_eq!(
                check(&dispatch, &account),
                Err(Rejection::NotSent(Cause::NoCtwaClickIdForPhone))
            );
        }

        dispatch.click = Some(Click {
            waba: Some("999".into()),
            ..sample::click(ClickKind::CtwaClid, "C")
        });
        assert_eq!(
            check(&dispatch, &account),
            Err(Rejection::NotSent(Cause::ClickKindElsewhere))
        );
    }

    #[test]
    fn an_event_that_no_request_can_hold_fails_here() {
        let mut dispatch = sample::purchase("o1");
        dispatch.event.custom = sample::object(json!({"essay": "x".repeat(EVENT_BYTES_MAX)}));

        assert_eq!(
            check(&dispatch, &sample::pixel()),
            Err(Rejection::Failed(Cause::RequestTooLarge, None))
        );
    }
}
