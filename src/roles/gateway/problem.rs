//! Problems: what a request that is not taken is answered, in the form of RFC 9457. They name fields and never values.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{metrics::gateway::Refusal, wire::event::Malformed};

/// After so many seconds it is worth to come again, where nothing else is known.
const RETRY_AFTER_SECONDS: u64 = 5;

/// Why a request is not taken.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    refusal: Refusal,
    detail: Option<&'static str>,
    errors: Vec<Fault>,
    items: Vec<Item>,
    retry_after: Option<u64>,
}

/// What is wrong with one thing.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fault {
    /// A cause of docs/CAUSES.md, or `other_client`.
    pub cause: &'static str,
    /// The field, never its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Which of several events, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// What became of one event of a request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Item {
    /// Its ID; none where it is no event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// As if it had come alone.
    pub status: u16,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

impl Fault {
    /// What is wrong with an event.
    pub fn of(malformed: &Malformed) -> Self {
        Self {
            cause: malformed.cause.as_str(),
            field: malformed.field.clone(),
            index: None,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            detail: None,
            errors: Vec::new(),
            items: Vec::new(),
            retry_after: None,
        }
    }
}

impl Problem {
    /// A body that cannot be read, or an event that is none.
    pub fn malformed(refusal: Refusal, malformed: &Malformed) -> Self {
        Self::from(refusal).with_errors(vec![Fault::of(malformed)])
    }

    /// Says more than its title.
    pub fn saying(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    /// Names what is wrong.
    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// Says what became of each event.
    pub fn with_items(mut self, items: Vec<Item>) -> Self {
        self.items = items;
        self
    }

    /// Asks to come again after so many seconds.
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Why it is not taken.
    pub fn refusal(&self) -> Refusal {
        self.refusal
    }

    fn status(&self) -> StatusCode {
        match self.refusal {
            Refusal::BadBody | Refusal::BadEvent | Refusal::OtherClient => StatusCode::BAD_REQUEST,
            Refusal::BadKey | Refusal::BadSignature => StatusCode::UNAUTHORIZED,
            Refusal::BadVerifyToken => StatusCode::FORBIDDEN,
            Refusal::NoSuchPath | Refusal::NoSuchSource => StatusCode::NOT_FOUND,
            Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::WrongMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Refusal::Busy
            | Refusal::BrokerAway
            | Refusal::Unconfirmed
            | Refusal::DatabaseAway
            | Refusal::SecretUnreadable
            | Refusal::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Bug => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self.refusal {
            Refusal::BadKey => "There is no such key.",
            Refusal::BadSignature => "The signature is not that of the source's secret.",
            Refusal::BadVerifyToken => "The handshake is not that of the source's verify token.",
            Refusal::BadBody => "The body cannot be read.",
            Refusal::BadEvent => "Nothing of this is an event.",
            Refusal::OtherClient => "The key speaks for another client.",
            Refusal::NoSuchPath => "There is nothing here.",
            Refusal::NoSuchSource => "The client has no such source of webhooks.",
            Refusal::WrongMethod => "This is not to be asked by this method.",
            Refusal::WrongMediaType => "The body must be JSON, not compressed.",
            Refusal::TooLarge => "The body is too large.",
            Refusal::TooSlow => "The body did not come in time.",
            Refusal::RateLimited => "The key has made too many requests.",
            Refusal::Busy => "The gateway holds as much as it can.",
            Refusal::BrokerAway => "The queue takes nothing now; nothing was taken.",
            Refusal::Unconfirmed => {
                "The queue did not confirm in time; sent again under the same event IDs, nothing counts twice."
            }
            Refusal::DatabaseAway => "The database does not answer.",
            Refusal::SecretUnreadable => "The secret that this is checked with cannot be read now.",
            Refusal::TimedOut => "It took too long; sent again under the same event IDs, nothing counts twice.",
            Refusal::Bug => "This is a mistake of the gateway.",
        }
    }

    /// The answer, with the request's ID in it.
    fn rendered(&self, request_id: &str) -> Response {
        let status = self.status();
        let page = Page {
            kind: format!("urn:conversion-relay:problem:{}", self.refusal.as_str()),
            title: self.title(),
            status: status.as_u16(),
            detail: self.detail,
            request_id,
            errors: &self.errors,
            items: &self.items,
        };
        let body = serde_json::to_vec(&page).expect("a page of texts and numbers is JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.refusal == Refusal::BadKey {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let is_passing = status == StatusCode::SERVICE_UNAVAILABLE;
        let retry_after = self.retry_after.or(is_passing.then_some(RETRY_AFTER_SECONDS));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Serialize)]
struct Page<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
    #[serde(skip_serializing_if = "<[Item]>::is_empty")]
    items: &'a [Item],
}

/// The problem travels beside an empty answer until the request's ID is known.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer as it goes out: a problem is written, any other stays; gives what was refused beside it.
pub(super) fn finished(mut response: Response, request_id: &str, name: &HeaderName) -> (Response, Option<Refusal>) {
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        let mut written = problem.rendered(request_id);
        // Whatever was said beside the problem, such as which methods are allowed.
        if let Some(allowed) = response.headers().get(header::ALLOW) {
            written.headers_mut().insert(header::ALLOW, allowed.clone());
        }
        response = written;
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(name, id);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (response, problem.map(|problem| problem.refusal()))
}
