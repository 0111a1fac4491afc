//! Takes requests, lets faults happen, has the platform answer and writes the log.
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use chrono::Utc;
use serde_json::{Value, json};

use crate::answer::{Answer, Handled, Verdict};
use crate::call::{Call, Endpoint, Platform};
use crate::connection::{ConnectionHandle, ResettableListener};
use crate::facts::Facts;
use crate::faults::Fault;
use crate::request_log::LoggedRequest;
use crate::world::World;
use crate::{control, google, meta, tiktok};

/// Far above a full batch of any platform.
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;
/// Totals of requests that were refused before their ad account was known.
const UNKNOWN_ACCOUNT: &str = "unknown";

/// Serves until the process ends.
pub async fn serve(listener: ResettableListener, world: Arc<World>) -> std::io::Result<()> {
    let app = Router::new()
        .route("/simulator/health", get(control::health))
        .route("/simulator/counts", get(control::counts))
        .route("/simulator/events", get(control::events))
        .route("/simulator/requests", get(control::requests))
        .route(
            "/simulator/faults",
            get(control::faults)
                .put(control::set_faults)
                .delete(control::clear_faults),
        )
        .route("/simulator/tokens", put(control::set_tokens))
        .route("/simulator/clicks", put(control::set_clicks))
        .route("/simulator/google", put(control::set_google))
        .route("/simulator/meta", put(control::set_meta))
        .route("/simulator/settings", get(control::settings))
        .route("/simulator/reset", post(control::reset))
        .fallback(answer_as_platform)
        .with_state(world);
    axum::serve(listener, app.into_make_service_with_connect_info::<ConnectionHandle>()).await
}

async fn answer_as_platform(
    State(world): State<Arc<World>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = Call {
        endpoint: Endpoint::of(parts.uri.path()),
        is_post: parts.method == Method::POST,
        headers: parts.headers,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        received_at: Utc::now(),
    };
    let Some(platform) = call.endpoint.platform() else {
        return not_found(&world, &call);
    };
    let fault = fault_for(&world, platform, &call);
    if !world.options.latency.is_zero() {
        tokio::time::sleep(world.options.latency).await;
    }
    match fault {
        None => {
            let handled = handle(&world, &call);
            note(&world, platform, &call, &handled, None);
            response(handled.answer)
        }
        Some((facts, fault)) => {
            let handled = disturbed(&world, platform, &call, facts, &fault);
            note(&world, platform, &call, &handled, Some(&fault));
            tokio::time::sleep(fault.delay()).await;
            if fault.is_answered() {
                response(handled.answer)
            } else {
                broken(&connection)
            }
        }
    }
}

/// Has the platform take the request or not, as the fault wants it, and replaces its answer.
fn disturbed(world: &World, platform: Platform, call: &Call, facts: Facts, fault: &Fault) -> Handled {
    let mut handled = if fault.is_taken() {
        handle(world, call)
    } else {
        let answer = Answer::refused(0, String::new(), &Value::Null);
        Handled {
            answer,
            accounts: facts.accounts,
            events: facts.event_ids.len(),
        }
    };
    match fault {
        Fault::Truncate => cut_in_half(&mut handled.answer.body),
        Fault::Slow { .. } | Fault::Hang | Fault::ResetBefore | Fault::ResetAfter => {}
        other => handled.answer = answer_of_fault(platform, &call.endpoint, other),
    }
    handled
}

/// Has the platform of the endpoint answer, and counts what it took.
pub fn handle(world: &World, call: &Call) -> Handled {
    match &call.endpoint {
        Endpoint::MetaEvents { version, dataset } => meta::answer(world, call, version.as_deref(), dataset),
        Endpoint::TiktokTrack => tiktok::answer(world, call),
        Endpoint::TiktokUnknown | Endpoint::Unknown => Handled::unread(tiktok::route_not_found()),
        Endpoint::GoogleToken => Handled::unread(google::token(world, call)),
        Endpoint::DataManagerIngest => google::ingest(world, call),
        Endpoint::DataManagerStatus => Handled::unread(google::request_status(world, call)),
        Endpoint::UploadClickConversions { version, customer } => google::upload(world, call, version, customer),
    }
}

fn fault_for(world: &World, platform: Platform, call: &Call) -> Option<(Facts, Fault)> {
    if world.faults().is_empty() {
        return None;
    }
    let facts = Facts::of(call, |token| world.google().login_of(token));
    let fault = world.faults().take(platform, &facts)?;
    Some((facts, fault))
}

fn answer_of_fault(platform: Platform, endpoint: &Endpoint, fault: &Fault) -> Answer {
    match fault {
        Fault::Status {
            status, body, headers, ..
        } => {
            let is_json = body.starts_with(['{', '[']);
            let content_type = if is_json { "application/json" } else { "text/plain" };
            let headers = headers.iter().map(|(name, value)| (name.clone().into(), value.clone()));
            Answer {
                headers: headers.collect(),
                ..other_server(*status, content_type, body.clone())
            }
        }
        Fault::Html { status, .. } => {
            let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
            other_server(*status, "text/html", page)
        }
        Fault::RateLimit { retry_after_seconds } => match platform {
            Platform::Meta => meta::rate_limited(*retry_after_seconds),
            Platform::Tiktok => tiktok::rate_limited(*retry_after_seconds),
            _ => google::rate_limited(endpoint, *retry_after_seconds),
        },
        Fault::BadToken => match platform {
            Platform::Meta => meta::bad_token(),
            Platform::Tiktok => tiktok::bad_token(),
            _ => google::bad_token(endpoint),
        },
        _ => match platform {
            Platform::Meta => meta::server_error(),
            Platform::Tiktok => tiktok::server_error(),
            _ => google::server_error(endpoint),
        },
    }
}

fn other_server(status: u16, content_type: &'static str, body: String) -> Answer {
    Answer {
        content_type,
        body,
        ..Answer::refused(status, format!("HTTP {status}"), &json!(null))
    }
}

fn broken(connection: &ConnectionHandle) -> Response {
    connection.reset();
    // Never reaches the peer: the broken connection refuses its first byte.
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn cut_in_half(body: &mut String) {
    let mut middle = body.len() / 2;
    while !body.is_char_boundary(middle) {
        middle -= 1;
    }
    body.truncate(middle);
}

fn response(answer: Answer) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, headers, Body::from(answer.body)).into_response()
}

fn not_found(world: &World, call: &Call) -> Response {
    world.log().add(LoggedRequest {
        at: call.received_at,
        platform: None,
        account: None,
        status: Some(404),
        code: "no such endpoint".to_owned(),
        detail: None,
        events: 0,
        fault: None,
    });
    StatusCode::NOT_FOUND.into_response()
}

/// Counts and logs a request.
fn note(world: &World, platform: Platform, call: &Call, handled: &Handled, fault: Option<&Fault>) {
    let Handled {
        answer,
        accounts,
        events,
    } = handled;
    let is_answered = fault.is_none_or(Fault::is_answered);
    let kind = fault.map(Fault::kind);
    if answer.verdict == Verdict::Refused || fault.is_some() {
        tracing::info!(
            ?platform,
            account = accounts.first().map_or("", String::as_str),
            status = answer.status,
            code = answer.code,
            detail = answer.detail.as_deref().unwrap_or_default(),
            events,
            fault = kind,
            "request refused or disturbed"
        );
    }
    if is_answered || fault.is_some_and(Fault::is_taken) {
        count_request(world, platform, handled);
    }
    world.log().add(LoggedRequest {
        at: call.received_at,
        platform: Some(platform),
        account: accounts.first().cloned(),
        status: is_answered.then_some(answer.status),
        code: answer.code.clone(),
        detail: answer.detail.clone(),
        events: *events,
        fault: kind,
    });
}

fn count_request(world: &World, platform: Platform, handled: &Handled) {
    let Some(counted_as) = counted_platform(platform) else {
        return;
    };
    let unknown = [UNKNOWN_ACCOUNT.to_owned()];
    let accounts = if handled.accounts.is_empty() {
        &unknown[..]
    } else {
        &handled.accounts
    };
    let mut ledger = world.ledger();
    for account in accounts {
        let totals = ledger.totals(counted_as, account);
        totals.requests += 1;
        totals.refused_requests += u64::from(handled.answer.verdict == Verdict::Refused);
    }
}

/// Where a request is counted: token and receipt requests belong to no ad account.
fn counted_platform(platform: Platform) -> Option<Platform> {
    match platform {
        Platform::Meta | Platform::Google | Platform::Tiktok => Some(platform),
        Platform::GoogleOauth | Platform::GoogleStatus => None,
    }
}
