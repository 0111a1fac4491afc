//! What Google would refuse, found before it is asked: at Data Manager one bad event refuses the whole request.
//!
//! Age is not checked here, the deadline does that; nor consent, the router does that.

use crate::{
    domain::{
        Account, Cause, Click, Dispatch, EventRecord,
        account::TransactionId,
        click::{CLICK_ID_BYTES_MAX, ClickKind},
    },
    platform::Rejection,
};

/// The longest conversion action ID: digits of a 64-bit number.
const ACTION_DIGITS_MAX: usize = 19;

/// Checks one dispatch; the first thing that is wrong ends it.
pub(super) fn check(dispatch: &Dispatch, account: &Account) -> Result<(), Rejection> {
    check_action(&dispatch.event, account)?;
    check_click(dispatch)?;
    check_value(&dispatch.event)?;
    check_order(&dispatch.event, account)
}

fn check_action(event: &EventRecord, account: &Account) -> Result<(), Rejection> {
    let Some(action) = account.rules.actions.get(&event.name) else {
        return Err(Rejection::NotSent(Cause::EventNotMapped));
    };
    let is_number = (1..=ACTION_DIGITS_MAX).contains(&action.len()) && action.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        Ok(())
    } else {
        Err(Rejection::Failed(Cause::AccountNotSetUp, Some("actions")))
    }
}

fn check_click(dispatch: &Dispatch) -> Result<(), Rejection> {
    let Some(click) = dispatch.click.as_ref().filter(|click| is_googles(click)) else {
        return Err(Rejection::NotSent(Cause::NoClick));
    };
    let readable = click.value.len() <= CLICK_ID_BYTES_MAX && click.value.bytes().all(|byte| byte.is_ascii_graphic());
    if !readable {
        return Err(Rejection::Failed(Cause::InvalidClickId, Some(click.kind.as_str())));
    }
    // Google: CONVERSION_PRECEDES_EVENT. Where the click's time is the event's own, nothing can be said.
    if click.time_is_known && dispatch.event.time < click.first_seen {
        return Err(Rejection::Failed(Cause::InvalidField, Some("event_time")));
    }
    Ok(())
}

fn is_googles(click: &Click) -> bool {
    matches!(click.kind, ClickKind::Gclid | ClickKind::Gbraid | ClickKind::Wbraid) && !click.value.is_empty()
}

/// A value without a currency is sent: the conversion action's own currency applies. A currency must look like one.
fn check_value(event: &EventRecord) -> Result<(), Rejection> {
    match (&event.value, &event.currency) {
        (Some(_), Some(code)) if !is_currency(code) => Err(Rejection::Failed(Cause::InvalidCurrency, Some("currency"))),
        _ => Ok(()),
    }
}

/// Says whether a text has the form of an ISO 4217 code. Google alone knows which of them it takes.
pub(super) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Google: ORDER_ID_CONTAINS_PII. Only an address is recognised: an order number is as long as a phone number.
fn check_order(event: &EventRecord, account: &Account) -> Result<(), Rejection> {
    let goes_out = account.rules.transaction_id == TransactionId::OrderId;
    if goes_out && event.order_id.as_deref().is_some_and(|order| order.contains('@')) {
        return Err(Rejection::Failed(Cause::PersonalDataRefused, Some("order_id")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use rust_decimal::Decimal;

    use super::*;
    use crate::{
        domain::account::Transport,
        platform::google::sample::{account, dispatch},
    };

    fn checked(name: &str, make: impl FnOnce(&mut Dispatch, &mut Account)) -> Result<(), Rejection> {
        let mut dispatch = dispatch("e1", name);
        let mut account = account(Transport::DataManager);
        make(&mut dispatch, &mut account);
        check(&dispatch, &account)
    }

    fn click(dispatch: &mut Dispatch) -> &mut Click {
        dispatch.click.as_mut().unwrap()
    }

    #[test]
    fn an_event_without_a_conversion_action_is_not_sent() {
        assert_eq!(checked("Purchase", |_, _| ()), Ok(()));
        assert_eq!(
            checked("AddToCart", |_, _| ()),
            Err(Rejection::NotSent(Cause::EventNotMapped))
        );
    }

    #[test]
    fn actions_are_found_by_the_name_before_renaming() {
        let renamed = checked("Purchase", |_, account| {
            account.rules.rename.insert("Purchase".into(), "Sale".into());
        });

        assert_eq!(renamed, Ok(()));
    }

    #[test]
    fn an_action_that_is_no_number_never_reaches_google() {
        for action in ["", "customers/1/conversionActions/987", "12345678901234567890"] {
            let result = checked("Purchase", |_, account| {
                account.rules.actions.insert("Purchase".into(), action.into());
            });

            assert_eq!(
                result,
                Err(Rejection::Failed(Cause::AccountNotSetUp, Some("actions"))),
                "{action}"
            );
        }
    }

    #[test]
    fn without_a_click_of_google_nothing_is_sent() {
        // T12: a person alone is not enough, the design says always skip.
        let cases: [fn(&mut Dispatch, &mut Account); 3] = [
            |dispatch, _| dispatch.click = None,
            |dispatch, _| click(dispatch).kind = ClickKind::Ttclid,
            |dispatch, _| click(dispatch).value.clear(),
        ];
        for make in cases {
            assert_eq!(checked("Purchase", make), Err(Rejection::NotSent(Cause::NoClick)));
        }
    }

    #[test]
    fn a_click_id_that_cannot_be_one_never_reaches_google() {
        for value in [
            "Cj0K x".to_owned(),
            "Cj0K\n".to_owned(),
            "é".to_owned(),
            "x".repeat(1_001),
        ] {
            let result = checked("Purchase", |dispatch, _| click(dispatch).value = value);

            assert_eq!(result, Err(Rejection::Failed(Cause::InvalidClickId, Some("gclid"))));
        }
    }

    #[test]
    fn a_conversion_before_its_click_cannot_be_unless_the_clicks_time_is_a_guess() {
        let before = |dispatch: &mut Dispatch, _: &mut Account| {
            dispatch.event.time = click(dispatch).first_seen - TimeDelta::seconds(1);
        };

        assert_eq!(
            checked("Purchase", before),
            Err(Rejection::Failed(Cause::InvalidField, Some("event_time")))
        );
        let guessed = checked("Purchase", |dispatch, account| {
            before(dispatch, account);
            click(dispatch).time_is_known = false;
        });
        assert_eq!(guessed, Ok(()));
    }

    #[test]
    fn a_currency_that_cannot_be_one_never_reaches_google_and_none_is_fine() {
        let with = |currency: Option<&str>| {
            checked("Purchase", |dispatch, _| {
                dispatch.event.value = Some(Decimal::ONE);
                dispatch.event.currency = currency.map(str::to_owned);
            })
        };

        assert_eq!(with(Some("EUR")), Ok(()));
        assert_eq!(with(None), Ok(()));
        for code in ["eur", "EURO", "€", ""] {
            assert_eq!(
                with(Some(code)),
                Err(Rejection::Failed(Cause::InvalidCurrency, Some("currency"))),
                "{code}"
            );
        }
    }

    #[test]
    fn an_order_id_that_is_an_address_stays_here() {
        let with = |rule: TransactionId| {
            checked("Purchase", |dispatch, account| {
                dispatch.event.order_id = Some("jane@example.com".into());
                account.rules.transaction_id = rule;
            })
        };

        assert_eq!(with(TransactionId::EventId), Ok(()));
        assert_eq!(
            with(TransactionId::OrderId),
            Err(Rejection::Failed(Cause::PersonalDataRefused, Some("order_id")))
        );
    }
}
