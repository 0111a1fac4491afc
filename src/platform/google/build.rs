//! The request: which interface gets it, and what both make the same way.

use bytes::Bytes;
use serde::Serialize;

use super::{ads_api, check::is_currency, data_manager};
use crate::{
    domain::{
        Account, ClickKind, Dispatch,
        account::{TransactionId, Transport},
    },
    platform::{
        Request, Sending,
        request::{Method, TokenHeader},
    },
};

/// Builds one request for the account's interface.
pub(super) fn build(dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
    match sending.account.rules.transport {
        Transport::DataManager => data_manager::build(dispatches, sending),
        Transport::AdsApi => ads_api::build(dispatches, sending),
    }
}

/// A POST of JSON.
pub(super) fn post(url: String, more_headers: Vec<(&'static str, String)>, body: &impl Serialize) -> Request {
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(more_headers);
    Request {
        method: Method::Post,
        url,
        headers,
        token: TokenHeader::Bearer,
        body: Bytes::from(serde_json::to_vec(body).expect("plain structs with text keys serialise")),
    }
}

/// What goes out as transaction or order ID, by which Google recognises a repetition: the same at every try.
///
/// The ledger's keys are unique, so event IDs never meet in a request. Order IDs may, when two events of one order feed one conversion
/// action: Data Manager then takes the later one as a correction of the former's value; the Ads API refuses both as
/// `DUPLICATE_ORDER_ID`, which `classify` sends again apart (vector T17).
pub(super) fn transaction_id<'a>(dispatch: &'a Dispatch, account: &Account) -> &'a str {
    sent_order_id(dispatch, account).unwrap_or_else(|| dispatch.event.event_id.as_str())
}

/// The order ID, if that is what goes out.
pub(super) fn sent_order_id<'a>(dispatch: &'a Dispatch, account: &Account) -> Option<&'a str> {
    let order = dispatch.event.order_id.as_deref().filter(|order| !order.is_empty())?;
    (account.rules.transaction_id == TransactionId::OrderId).then_some(order)
}

/// The conversion action of an event; `check` lets none through without. Actions go by the name before `rename`.
pub(super) fn action<'a>(dispatch: &Dispatch, account: &'a Account) -> &'a str {
    account
        .rules
        .actions
        .get(&dispatch.event.name)
        .map_or("", String::as_str)
}

/// The click ID, if it is of this kind. Exactly one kind goes out: gbraid and wbraid together are refused.
pub(super) fn click_id(dispatch: &Dispatch, kind: ClickKind) -> Option<&str> {
    let click = dispatch.click.as_ref().filter(|click| click.kind == kind)?;
    Some(click.value.as_str())
}

/// The currency, where there is money that it belongs to.
pub(super) fn currency(dispatch: &Dispatch, has_cart: bool) -> Option<&str> {
    let has_money = dispatch.event.value.is_some() || has_cart;
    dispatch
        .event
        .currency
        .as_deref()
        .filter(|code| has_money && is_currency(code))
}

/// A customer ID as Google wants it: digits, without the hyphens that people write (T15).
pub(super) fn digits(customer: &str) -> String {
    customer.chars().filter(char::is_ascii_digit).collect()
}

/// The login's manager account, if there is one: an empty header or account is refused.
pub(super) fn manager(account: &Account) -> Option<String> {
    let manager = account.rules.manager.as_deref().map(digits)?;
    (!manager.is_empty()).then_some(manager)
}
