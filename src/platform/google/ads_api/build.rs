//! The body of `uploadClickConversions`.
//!
//! Not sent, because Google takes them only from those it listed for them, and refuses the conversion otherwise: the environment, the IP
//! address, session attributes. Nor `adPersonalization`, which is for other services, nor an address, which this one does not take.
//! <https://developers.google.com/google-ads/api/reference/rpc/v26/ClickConversion> (read 2026-11-21)

use rust_decimal::{Decimal, serde::arbitrary_precision_option};
use serde::Serialize;

use super::super::{
    build::{action, click_id, currency, digits, manager, post, transaction_id},
    cart::{self, Cart},
    identity::{EMAIL, PHONE},
    variables::variables,
};
use crate::{
    domain::{Account, ClickKind, Dispatch, event::Permission},
    platform::{Request, Sending},
};

/// Google takes five.
const USER_IDENTIFIERS_MAX: usize = 5;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UploadClickConversions<'a> {
    conversions: Vec<ClickConversion<'a>>,
    partial_failure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    validate_only: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClickConversion<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gclid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gbraid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wbraid: Option<&'a str>,
    conversion_action: String,
    conversion_date_time: String,
    #[serde(skip_serializing_if = "Option::is_none", with = "arbitrary_precision_option")]
    conversion_value: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency_code: Option<&'a str>,
    order_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_identifiers: Vec<UserIdentifier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_data: Option<CartData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custom_variables: Vec<CustomVariable>,
}

/// One custom conversion variable, called by its resource name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CustomVariable {
    conversion_custom_variable: String,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent {
    ad_user_data: &'static str,
}

/// One identifier an object: Google reads only the last of several.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentifier<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed_email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed_phone_number: Option<&'a str>,
    user_identifier_source: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartData<'a> {
    merchant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_country_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed_language_code: Option<String>,
    items: Vec<CartItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartItem<'a> {
    product_id: &'a str,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none", with = "arbitrary_precision_option")]
    unit_price: Option<Decimal>,
}

/// Builds `POST /{version}/customers/{customer}:uploadClickConversions`. Google has no test code; a test is only validated.
pub(in crate::platform::google) fn build(dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
    let account = sending.account;
    let customer = digits(&account.destination);
    let body = UploadClickConversions {
        conversions: dispatches
            .iter()
            .map(|dispatch| conversion(dispatch, account, &customer))
            .collect(),
        // Without it Google refuses the request (PARTIAL_FAILURE_MODE_REQUIRED).
        partial_failure: true,
        validate_only: sending.test_code.map(|_| true),
    };
    let url = format!(
        "{}/{}/customers/{customer}:uploadClickConversions",
        sending.endpoints.google_ads, sending.endpoints.google_ads_version
    );
    let headers = manager(account).map(|manager| ("login-customer-id", manager));
    post(url, headers.into_iter().collect(), &body)
}

fn conversion<'a>(dispatch: &'a Dispatch, account: &Account, customer: &str) -> ClickConversion<'a> {
    let event = &dispatch.event;
    let cart = cart::cart(dispatch);
    ClickConversion {
        gclid: click_id(dispatch, ClickKind::Gclid),
        gbraid: click_id(dispatch, ClickKind::Gbraid),
        wbraid: click_id(dispatch, ClickKind::Wbraid),
        conversion_action: format!("customers/{customer}/conversionActions/{}", action(dispatch, account)),
        // No T, no Z, no fraction; in UTC, so that it is the same at every try.
        conversion_date_time: event.time.format("%Y-%m-%d %H:%M:%S+00:00").to_string(),
        conversion_value: event.value,
        currency_code: currency(dispatch, cart.is_some()),
        order_id: transaction_id(dispatch, account),
        consent: event.consent.ad_user_data.map(|permission| Consent {
            ad_user_data: match permission {
                Permission::Granted => "GRANTED",
                Permission::Denied => "DENIED",
            },
        }),
        user_identifiers: user_identifiers(dispatch),
        cart_data: cart.map(cart_data),
        customer_type: cart::word(&event.custom, "customer_type", &["NEW", "RETURNING"]),
        custom_variables: variables(dispatch, account)
            .into_iter()
            .map(|(id, value)| CustomVariable {
                conversion_custom_variable: format!("customers/{customer}/conversionCustomVariables/{id}"),
                value,
            })
            .collect(),
    }
}

/// E-mail addresses first, then phone numbers; what is over five is left out. None with gbraid and wbraid: Google has refused such
/// conversions, and does not say whether it still does.
fn user_identifiers(dispatch: &Dispatch) -> Vec<UserIdentifier<'_>> {
    if click_id(dispatch, ClickKind::Gclid).is_none() {
        return Vec::new();
    }
    let identity = &dispatch.event.identities.google;
    let emails = identity.get(EMAIL).iter().map(|hash| (Some(hash.as_str()), None));
    let phones = identity.get(PHONE).iter().map(|hash| (None, Some(hash.as_str())));
    emails
        .chain(phones)
        .take(USER_IDENTIFIERS_MAX)
        .map(|(hashed_email, hashed_phone_number)| UserIdentifier {
            hashed_email,
            hashed_phone_number,
            user_identifier_source: "FIRST_PARTY",
        })
        .collect()
}

fn cart_data(cart: Cart<'_>) -> CartData<'_> {
    CartData {
        merchant_id: cart.merchant_id,
        feed_country_code: cart
            .feed_label
            .filter(|label| cart::is_two_letters(label))
            .map(|label| label.to_ascii_uppercase()),
        feed_language_code: cart.feed_language,
        items: cart
            .items
            .into_iter()
            .map(|item| CartItem {
                product_id: item.id,
                quantity: item.quantity,
                unit_price: item.price,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
