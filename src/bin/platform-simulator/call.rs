//! One request to a platform: which endpoint it is for, and what it carries.
use axum::http::HeaderMap;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Whom a request is for. Google has three parts, so that a fault can hit one of them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    Meta,
    Google,
    /// Google's token endpoint.
    GoogleOauth,
    /// Google's answers on receipts (`requestStatus:retrieve`).
    GoogleStatus,
    Tiktok,
}

/// An endpoint of a platform, with what its path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `None`: called without a version.
    MetaEvents {
        version: Option<String>,
        dataset: String,
    },
    GoogleToken,
    DataManagerIngest,
    DataManagerStatus,
    UploadClickConversions {
        version: String,
        customer: String,
    },
    TiktokTrack,
    TiktokUnknown,
    Unknown,
}

impl Endpoint {
    /// The endpoint behind a path.
    pub fn of(path: &str) -> Self {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match segments.as_slice() {
            ["token"] => Self::GoogleToken,
            ["v1", "events:ingest"] => Self::DataManagerIngest,
            ["v1", "requestStatus:retrieve"] => Self::DataManagerStatus,
            // The trailing slash belongs to the path.
            ["open_api", "v1.3", "event", "track", ""] => Self::TiktokTrack,
            ["open_api", ..] => Self::TiktokUnknown,
            [version, "customers", rest] => match rest.split_once(':') {
                Some((customer, "uploadClickConversions")) => Self::UploadClickConversions {
                    version: (*version).to_owned(),
                    customer: customer.to_owned(),
                },
                _ => Self::Unknown,
            },
            [version, dataset, "events"] => Self::MetaEvents {
                version: Some((*version).to_owned()),
                dataset: (*dataset).to_owned(),
            },
            [dataset, "events"] => Self::MetaEvents {
                version: None,
                dataset: (*dataset).to_owned(),
            },
            _ => Self::Unknown,
        }
    }

    /// The platform that the endpoint belongs to.
    pub fn platform(&self) -> Option<Platform> {
        match self {
            Self::MetaEvents { .. } => Some(Platform::Meta),
            Self::GoogleToken => Some(Platform::GoogleOauth),
            Self::DataManagerStatus => Some(Platform::GoogleStatus),
            Self::DataManagerIngest | Self::UploadClickConversions { .. } => Some(Platform::Google),
            Self::TiktokTrack | Self::TiktokUnknown => Some(Platform::Tiktok),
            Self::Unknown => None,
        }
    }
}

/// A request to a platform, read whole.
#[derive(Debug)]
pub struct Call {
    pub endpoint: Endpoint,
    pub is_post: bool,
    pub headers: HeaderMap,
    pub query: String,
    pub body: Bytes,
    pub received_at: DateTime<Utc>,
}

impl Call {
    /// A header's text, trimmed; `None` when it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        let token = self.header("authorization")?.strip_prefix("Bearer ")?.trim();
        (!token.is_empty()).then_some(token)
    }

    /// A decoded parameter of the query.
    pub fn query_value(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// Whether the body is declared to be of this media type.
    pub fn has_content_type(&self, media_type: &str) -> bool {
        self.header("content-type")
            .and_then(|text| text.split(';').next())
            .is_some_and(|text| text.trim().eq_ignore_ascii_case(media_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_its_endpoint() {
        let meta = |version: Option<&str>| Endpoint::MetaEvents {
            version: version.map(str::to_owned),
            dataset: "12".to_owned(),
        };
        let upload = Endpoint::UploadClickConversions {
            version: "v26".to_owned(),
            customer: "123".to_owned(),
        };
        let table = [
            ("/v26.0/12/events", meta(Some("v26.0"))),
            ("/12/events", meta(None)),
            ("/token", Endpoint::GoogleToken),
            ("/v1/events:ingest", Endpoint::DataManagerIngest),
            ("/v1/requestStatus:retrieve", Endpoint::DataManagerStatus),
            ("/v26/customers/123:uploadClickConversions", upload),
            ("/v26/customers/123:uploadCallConversions", Endpoint::Unknown),
            ("/open_api/v1.3/event/track/", Endpoint::TiktokTrack),
            ("/open_api/v1.3/event/track", Endpoint::TiktokUnknown),
            ("/open_api/v2.0/event/track/", Endpoint::TiktokUnknown),
            ("/", Endpoint::Unknown),
        ];

        for (path, endpoint) in table {
            assert_eq!(Endpoint::of(path), endpoint, "{path}");
        }
    }
}
