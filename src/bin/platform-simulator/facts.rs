//! What fault rules match on: the ad accounts, the tokens and the event IDs of a request, valid or not.
use serde_json::Value;

use crate::call::{Call, Endpoint};

/// What is known of a request before anyone judges it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub accounts: Vec<String>,
    /// The token that was sent; and, for Google, the login that it was issued to.
    pub tokens: Vec<String>,
    pub event_ids: Vec<String>,
}

impl Facts {
    /// Reads them; `login_of` tells whom Google issued an access token to.
    pub fn of(call: &Call, login_of: impl Fn(&str) -> Option<String>) -> Self {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        match &call.endpoint {
            Endpoint::MetaEvents { dataset, .. } => Self {
                accounts: vec![dataset.clone()],
                tokens: call
                    .bearer()
                    .map(str::to_owned)
                    .or_else(|| call.query_value("access_token"))
                    .or_else(|| body["access_token"].as_str().map(str::to_owned))
                    .into_iter()
                    .collect(),
                event_ids: texts(&body["data"], "/event_id"),
            },
            Endpoint::TiktokTrack | Endpoint::TiktokUnknown => Self {
                accounts: body["event_source_id"]
                    .as_str()
                    .map(str::to_owned)
                    .into_iter()
                    .collect(),
                tokens: call.header("access-token").map(str::to_owned).into_iter().collect(),
                event_ids: texts(&body["data"], "/event_id"),
            },
            Endpoint::DataManagerIngest => Self {
                accounts: texts(&body["destinations"], "/operatingAccount/accountId"),
                tokens: google_tokens(call, login_of),
                event_ids: texts(&body["events"], "/transactionId"),
            },
            Endpoint::UploadClickConversions { customer, .. } => Self {
                accounts: vec![customer.clone()],
                tokens: google_tokens(call, login_of),
                event_ids: texts(&body["conversions"], "/orderId"),
            },
            Endpoint::DataManagerStatus => Self {
                tokens: google_tokens(call, login_of),
                ..Self::default()
            },
            Endpoint::GoogleToken => Self {
                tokens: crate::google::login_asking(&call.body).into_iter().collect(),
                ..Self::default()
            },
            Endpoint::Unknown => Self::default(),
        }
    }
}

fn google_tokens(call: &Call, login_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let Some(token) = call.bearer() else {
        return Vec::new();
    };
    std::iter::once(token.to_owned()).chain(login_of(token)).collect()
}

fn texts(list: &Value, pointer: &str) -> Vec<String> {
    let Some(list) = list.as_array() else {
        return Vec::new();
    };
    list.iter()
        .filter_map(|item| item.pointer(pointer)?.as_str().map(str::to_owned))
        .collect()
}
