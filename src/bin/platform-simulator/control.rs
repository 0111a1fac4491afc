//! The control API under `/simulator/`: what was counted, what shall go wrong, who may do what.
use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::call::Platform;
use crate::faults::Rule;
use crate::settings::{Clicks, GoogleSettings, MetaSettings, TokenRule};
use crate::world::World;

/// How many counted events the list leaves out, because there are too many to keep.
const UNLISTED: HeaderName = HeaderName::from_static("x-simulator-unlisted");

/// Which events to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    platform: Option<Platform>,
    account: Option<String>,
}

pub async fn health() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

pub async fn counts(State(world): State<Arc<World>>) -> Response {
    Json(world.ledger().counts()).into_response()
}

pub async fn events(State(world): State<Arc<World>>, Query(filter): Query<EventFilter>) -> Response {
    let ledger = world.ledger();
    let (events, unlisted) = ledger.events(filter.platform, filter.account.as_deref());
    ([(UNLISTED, unlisted.to_string())], Json(events)).into_response()
}

pub async fn requests(State(world): State<Arc<World>>) -> Response {
    Json(world.log().requests()).into_response()
}

pub async fn faults(State(world): State<Arc<World>>) -> Response {
    Json(world.faults().rules()).into_response()
}

pub async fn set_faults(State(world): State<Arc<World>>, Json(rules): Json<Vec<Rule>>) -> StatusCode {
    world.faults().replace(rules);
    StatusCode::NO_CONTENT
}

pub async fn clear_faults(State(world): State<Arc<World>>) -> StatusCode {
    world.faults().replace(Vec::new());
    StatusCode::NO_CONTENT
}

/// Sets the tokens that are named; the others stay as they are.
pub async fn set_tokens(State(world): State<Arc<World>>, Json(tokens): Json<HashMap<String, TokenRule>>) -> StatusCode {
    world.change_settings(|settings| settings.tokens.extend(tokens.clone()));
    StatusCode::NO_CONTENT
}

/// Sets the Google clicks that are named, the others stay as they are; and the whole list of ctwa_clids.
pub async fn set_clicks(State(world): State<Arc<World>>, Json(clicks): Json<Clicks>) -> StatusCode {
    world.change_settings(|settings| {
        settings.clicks.google.extend(clicks.google.clone());
        settings.clicks.meta_ctwa.clone_from(&clicks.meta_ctwa);
    });
    StatusCode::NO_CONTENT
}

/// Replaces all of Google's settings.
pub async fn set_google(State(world): State<Arc<World>>, Json(google): Json<GoogleSettings>) -> StatusCode {
    world.change_settings(|settings| settings.google = google.clone());
    StatusCode::NO_CONTENT
}

/// Replaces all of Meta's settings.
pub async fn set_meta(State(world): State<Arc<World>>, Json(meta): Json<MetaSettings>) -> StatusCode {
    world.change_settings(|settings| settings.meta = meta.clone());
    StatusCode::NO_CONTENT
}

pub async fn settings(State(world): State<Arc<World>>) -> Response {
    Json(world.settings().as_ref()).into_response()
}

pub async fn reset(State(world): State<Arc<World>>) -> StatusCode {
    world.reset();
    StatusCode::NO_CONTENT
}
