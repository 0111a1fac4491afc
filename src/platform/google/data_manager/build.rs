//! The body of `events:ingest`.
//! <https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest> (read 2026-11-21)

use std::net::IpAddr;

use chrono::SecondsFormat;
use rust_decimal::{Decimal, serde::arbitrary_precision_option};
use serde::Serialize;

use super::{
    super::{
        build::{action, click_id, currency, digits, manager, post, transaction_id},
        cart::{self, Cart},
        identity::{EMAIL, FAMILY_NAME, GIVEN_NAME, PHONE, POSTAL_CODE, REGION_CODE},
        variables::variables,
    },
    destinations,
};
use crate::{
    domain::{
        Account, ClickKind, Dispatch,
        event::{ActionSource, Consent, Permission},
        hash::Identity,
    },
    platform::{Request, Sending},
};

/// Google takes ten; more refuse the request.
const USER_IDENTIFIERS_MAX: usize = 10;

/// Where the person's IP address must not be sent: EEA, United Kingdom, Switzerland. Said of the Ads API; we keep to it here as well.
const NO_IP_ADDRESS: [&str; 32] = [
    "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU", "IE", "IS", "IT",
    "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IngestEvents<'a> {
    destinations: Vec<Destination<'a>>,
    events: Vec<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validate_only: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination<'a> {
    reference: String,
    operating_account: ProductAccount,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_account: Option<ProductAccount>,
    product_destination_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProductAccount {
    account_type: &'static str,
    account_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    destination_references: [String; 1],
    transaction_id: &'a str,
    event_timestamp: String,
    event_source: &'static str,
    ad_identifiers: AdIdentifiers<'a>,
    #[serde(skip_serializing_if = "Option::is_none", with = "arbitrary_precision_option")]
    conversion_value: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<ConsentWords>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<UserData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_device_info: Option<DeviceInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cart_data: Option<CartData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_properties: Option<UserProperties>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custom_variables: Vec<CustomVariable<'a>>,
}

/// One custom conversion variable, called by its name.
#[derive(Serialize)]
struct CustomVariable<'a> {
    variable: &'a str,
    value: String,
}

#[derive(Serialize)]
struct AdIdentifiers<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gclid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gbraid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wbraid: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConsentWords {
    #[serde(skip_serializing_if = "Option::is_none")]
    ad_user_data: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad_personalization: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserData<'a> {
    user_identifiers: Vec<UserIdentifier<'a>>,
}

/// One identifier an object: Google reads only the last of several.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum UserIdentifier<'a> {
    EmailAddress(&'a str),
    PhoneNumber(&'a str),
    #[serde(rename_all = "camelCase")]
    Address {
        given_name: &'a str,
        family_name: &'a str,
        region_code: &'a str,
        postal_code: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInfo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: Option<IpAddr>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartData<'a> {
    merchant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_feed_label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_feed_language_code: Option<String>,
    items: Vec<CartItem<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CartItem<'a> {
    merchant_product_id: &'a str,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none", with = "arbitrary_precision_option")]
    unit_price: Option<Decimal>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_value_bucket: Option<&'static str>,
}

/// Builds `POST /v1/events:ingest`. Google has no test code; a test is a request that Google only validates.
pub(in crate::platform::google) fn build(dispatches: &[&Dispatch], sending: &Sending<'_>) -> Request {
    let account = sending.account;
    let actions = destinations(dispatches, account);
    let events: Vec<Event<'_>> = dispatches
        .iter()
        .map(|dispatch| event(dispatch, account, &actions))
        .collect();
    let has_user_data = events.iter().any(|event| event.user_data.is_some());
    let body = IngestEvents {
        destinations: actions
            .iter()
            .enumerate()
            .map(|(index, action)| destination(index, action, account))
            .collect(),
        events,
        encoding: has_user_data.then_some("HEX"),
        validate_only: sending.test_code.map(|_| true),
    };
    let url = format!("{}/v1/events:ingest", sending.endpoints.google_data_manager);
    post(url, Vec::new(), &body)
}

fn reference(index: usize) -> String {
    format!("a{index}")
}

fn destination<'a>(index: usize, action: &'a str, account: &Account) -> Destination<'a> {
    Destination {
        reference: reference(index),
        operating_account: google_ads(digits(&account.destination)),
        login_account: manager(account).map(google_ads),
        product_destination_id: action,
    }
}

fn google_ads(account_id: String) -> ProductAccount {
    ProductAccount {
        account_type: "GOOGLE_ADS",
        account_id,
    }
}

fn event<'a>(dispatch: &'a Dispatch, account: &'a Account, actions: &[&str]) -> Event<'a> {
    let event = &dispatch.event;
    let index = actions.binary_search(&action(dispatch, account)).unwrap_or_default();
    let cart = cart::cart(dispatch);
    Event {
        destination_references: [reference(index)],
        transaction_id: transaction_id(dispatch, account),
        event_timestamp: event.time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        event_source: source(event.action_source),
        ad_identifiers: AdIdentifiers {
            gclid: click_id(dispatch, ClickKind::Gclid),
            gbraid: click_id(dispatch, ClickKind::Gbraid),
            wbraid: click_id(dispatch, ClickKind::Wbraid),
        },
        conversion_value: event.value,
        currency: currency(dispatch, cart.is_some()),
        consent: consent(event.consent),
        user_data: user_data(&event.identities.google),
        event_device_info: device_info(dispatch),
        cart_data: cart.map(cart_data),
        user_properties: user_properties(dispatch),
        custom_variables: variables(dispatch, account)
            .into_iter()
            .map(|(variable, value)| CustomVariable { variable, value })
            .collect(),
    }
}

const fn source(source: ActionSource) -> &'static str {
    match source {
        ActionSource::Website => "WEB",
        ActionSource::App => "APP",
        ActionSource::PhysicalStore => "IN_STORE",
        ActionSource::PhoneCall => "PHONE",
        ActionSource::Chat | ActionSource::BusinessMessaging => "MESSAGE",
        ActionSource::Email | ActionSource::SystemGenerated | ActionSource::Other => "OTHER",
    }
}

/// What nobody told is absent, so that the advertiser's own default applies.
fn consent(consent: Consent) -> Option<ConsentWords> {
    let word = |permission| match permission {
        Permission::Granted => "CONSENT_GRANTED",
        Permission::Denied => "CONSENT_DENIED",
    };
    let known = consent.ad_user_data.is_some() || consent.ad_personalization.is_some();
    known.then(|| ConsentWords {
        ad_user_data: consent.ad_user_data.map(word),
        ad_personalization: consent.ad_personalization.map(word),
    })
}

/// E-mail addresses first, then phone numbers, then the address; what is over ten is left out.
fn user_data(identity: &Identity) -> Option<UserData<'_>> {
    let emails = identity
        .get(EMAIL)
        .iter()
        .map(|hash| UserIdentifier::EmailAddress(hash));
    let phones = identity.get(PHONE).iter().map(|hash| UserIdentifier::PhoneNumber(hash));
    let user_identifiers: Vec<UserIdentifier<'_>> = emails
        .chain(phones)
        .chain(address(identity))
        .take(USER_IDENTIFIERS_MAX)
        .collect();
    (!user_identifiers.is_empty()).then_some(UserData { user_identifiers })
}

fn address(identity: &Identity) -> Option<UserIdentifier<'_>> {
    Some(UserIdentifier::Address {
        given_name: identity.first(GIVEN_NAME)?,
        family_name: identity.first(FAMILY_NAME)?,
        region_code: identity.first(REGION_CODE)?,
        postal_code: identity.first(POSTAL_CODE)?,
    })
}

/// The device of the event, not of the landing page. The IP address only where the person's country is known and allows it.
fn device_info(dispatch: &Dispatch) -> Option<DeviceInfo<'_>> {
    let event = &dispatch.event;
    let region = event.identities.google.first(REGION_CODE);
    let ip_address = event
        .ip
        .filter(|_| region.is_some_and(|code| !NO_IP_ADDRESS.contains(&code)));
    let user_agent = event.user_agent.as_deref().filter(|agent| !agent.is_empty());
    (user_agent.is_some() || ip_address.is_some()).then_some(DeviceInfo { user_agent, ip_address })
}

fn cart_data(cart: Cart<'_>) -> CartData<'_> {
    CartData {
        merchant_id: cart.merchant_id,
        merchant_feed_label: cart.feed_label,
        merchant_feed_language_code: cart.feed_language,
        items: cart
            .items
            .into_iter()
            .map(|item| CartItem {
                merchant_product_id: item.id,
                quantity: item.quantity,
                unit_price: item.price,
            })
            .collect(),
    }
}

fn user_properties(dispatch: &Dispatch) -> Option<UserProperties> {
    let custom = &dispatch.event.custom;
    let customer_type = cart::word(custom, "customer_type", &["NEW", "RETURNING", "REENGAGED"]);
    let customer_value_bucket = cart::word(custom, "customer_value_bucket", &["LOW", "MEDIUM", "HIGH"]);
    (customer_type.is_some() || customer_value_bucket.is_some()).then_some(UserProperties {
        customer_type,
        customer_value_bucket,
    })
}

#[cfg(test)]
mod tests;
