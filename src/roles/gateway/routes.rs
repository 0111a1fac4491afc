//! The pages of the gateway, and what surrounds every request: its ID, its time, its line in the log.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, Method},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{Instrument, field::Empty, info, info_span};
use uuid::{Uuid, Version};

use super::{Gateway, events, leftover::Leftover, openapi, problem, problem::Problem, send_event, webhooks};
use crate::{
    domain::redact,
    metrics::gateway::{self, Refusal, Route},
};

/// How long a request may take from its head to its answer: more than its parts may take together, so that none is given up after it was taken.
const HANDLING_MAX: Duration = Duration::from_secs(35);
/// The header of a request's ID, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest ID of a caller that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;
/// So many digits in a row may be somebody's phone number.
const DIGITS_OF_A_PHONE: usize = 7;

/// A page, by method and path.
pub struct Page {
    /// The method.
    pub method: Method,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What it is counted as.
    pub route: Route,
}

/// Every page that is served; `schemas/openapi.json` describes the same.
pub static PAGES: [Page; 6] = [
    page(Method::POST, "/v1/events", Route::Events),
    page(Method::POST, "/api/v1/app/meta-ads/capi/send-event", Route::SendEvent),
    page(Method::GET, "/webhooks/whatsapp/{client}", Route::Handshake),
    page(Method::POST, "/webhooks/whatsapp/{client}", Route::Webhooks),
    page(Method::POST, "/webhooks/{source}/{client}", Route::Webhooks),
    page(Method::GET, "/openapi.json", Route::Openapi),
];

const fn page(method: Method, path: &'static str, route: Route) -> Page {
    Page { method, path, route }
}

/// Serves every page.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    let pages = PAGES
        .iter()
        .fold(Router::new(), |router, page| router.route(page.path, answering(page)));
    pages
        .fallback(async || Problem::from(Refusal::NoSuchPath))
        .method_not_allowed_fallback(async || Problem::from(Refusal::WrongMethod))
        .layer(middleware::from_fn(framed))
        .with_state(gateway)
}

fn answering(page: &Page) -> MethodRouter<Arc<Gateway>> {
    match (page.route, page.path) {
        (Route::Events, _) => post(events::post),
        (Route::SendEvent, _) => post(send_event::post),
        (Route::Handshake, _) => get(webhooks::handshake),
        (Route::Webhooks, "/webhooks/whatsapp/{client}") => post(webhooks::whatsapp),
        (Route::Webhooks, _) => post(webhooks::post),
        _ => get(openapi::get),
    }
}

/// What a request is counted as.
fn route_of(request: &Request) -> Route {
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return Route::None;
    };
    let page = PAGES
        .iter()
        .find(|page| page.path == path.as_str() && page.method == *request.method());
    page.map_or(Route::None, |page| page.route)
}

/// Gives a request its ID and its time, answers for a panic, counts it, and writes its line in the log.
async fn framed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = route_of(&request);
    let id = request_id(request.headers());
    let span = info_span!("request", request.id = %id, route = route.as_str(), client = Empty, key.id = Empty);
    let (leftover, request) = Leftover::of(request);
    let handled = async {
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        let response = match tokio::time::timeout(HANDLING_MAX, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => Problem::from(Refusal::Bug).into_response(),
            Err(_) => Problem::from(Refusal::TimedOut).into_response(),
        };
        let (response, refusal) = problem::finished(response, &id, &REQUEST_ID);
        if refusal.is_some_and(|refusal| refusal != Refusal::TooSlow) {
            leftover.discard().await;
        }
        let status = response.status().as_u16();
        let took = began.elapsed();
        gateway::answered(route, status, took);
        if let Some(refusal) = refusal {
            gateway::refused(refusal, 1);
        }
        info!(
            status,
            refusal = refusal.map(Refusal::as_str),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "request answered"
        );
        response
    };
    handled.instrument(span).await
}

/// The caller's ID of the request, if it is one that may stand in a log; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let sane = given.filter(|id| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
            && !redact::looks_personal(id)
            && (is_random(id) || !holds_digits(id))
    });
    sane.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Says whether it is a UUID that was made by chance, in which digits mean nothing.
fn is_random(id: &str) -> bool {
    let uuid = Uuid::parse_str(id).ok();
    uuid.is_some_and(|uuid| matches!(uuid.get_version(), Some(Version::Random | Version::SortRand)))
}

fn holds_digits(id: &str) -> bool {
    let mut runs = id.split(|character: char| !character.is_ascii_digit());
    runs.any(|run| run.len() >= DIGITS_OF_A_PHONE)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_callers_id_is_taken_over_unless_it_may_be_somebodys() {
        let id_of = |given: &'static str| {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(given))]);
            request_id(&headers)
        };

        for sane in [
            "4bf92f35-77b3",
            "req_1.2:3-123456",
            "0191f2c4-0000-7000-8000-123456789012",
            "f47ac10b58cc4372a5670e02b2c3d479",
        ] {
            assert_eq!(id_of(sane), sane);
        }
        for other in [
            "",
            "jane@example.com",
            "+4917012345678",
            "4917012345678",
            "order-1234567-a",
            "wa.4917012345678.7",
            "00000000-0000-0000-0000-491701234567",
            "a b",
            "a\"b",
        ] {
            assert_ne!(id_of(other), other);
        }
    }
}
