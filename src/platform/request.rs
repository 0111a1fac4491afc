//! Requests: what is sent to a platform, without secrets.

use bytes::Bytes;

use crate::domain::Account;

/// How much one request may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events.
    pub events: usize,
    /// Bytes of body; requests are cut so that they stay below.
    pub bytes: usize,
}

/// Where the platforms are; other than the real ones only for tests and demonstrations. Without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// `https://graph.facebook.com`
    pub meta: String,
    /// Version of Meta's Graph API, such as `v26.0`.
    pub meta_version: String,
    /// `https://datamanager.googleapis.com`
    pub google_data_manager: String,
    /// `https://googleads.googleapis.com`
    pub google_ads: String,
    /// Version of the Google Ads API, such as `v26`.
    pub google_ads_version: String,
    /// `https://oauth2.googleapis.com/token`
    pub google_token: String,
    /// `https://business-api.tiktok.com`
    pub tiktok: String,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            meta: "https://graph.facebook.com".to_owned(),
            meta_version: "v26.0".to_owned(),
            google_data_manager: "https://datamanager.googleapis.com".to_owned(),
            google_ads: "https://googleads.googleapis.com".to_owned(),
            google_ads_version: "v26".to_owned(),
            google_token: "https://oauth2.googleapis.com/token".to_owned(),
            tiktok: "https://business-api.tiktok.com".to_owned(),
        }
    }
}

/// What a request is built for.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The ad account that all dispatches of the request go to.
    pub account: &'a Account,
    /// Where the platforms are.
    pub endpoints: &'a Endpoints,
    /// The platform's test code, if this is a test.
    pub test_code: Option<&'a str>,
}

/// A request to a platform. The access token is not in it: `http` adds it in the header that `token` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `POST` or `GET`.
    pub method: Method,
    /// The full URL, without secrets.
    pub url: String,
    /// Headers beside the token's, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// How the access token travels.
    pub token: TokenHeader,
    /// The body.
    pub body: Bytes,
}

/// The request's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// With a body.
    Post,
    /// Without.
    Get,
}

/// The header that carries the access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHeader {
    /// `Authorization: Bearer <token>`
    Bearer,
    /// The same, and for a login with an app secret the proof of it in this parameter of the query (Meta).
    BearerWithProof(&'static str),
    /// `Access-Token: <token>`, raw (TikTok).
    AccessToken,
}
