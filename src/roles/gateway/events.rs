//! `POST /v1/events`: events as their producers would publish them, checked first as the router does, and confirmed.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Gateway,
    body::{self, BYTES_MAX},
    problem::{Fault, Item, Problem},
    publishing::{seconds, trace_headers},
};
use crate::{
    broker::{Headers, Outgoing},
    domain::{ClientId, Directory, event::Event},
    metrics::gateway::{self, Refusal},
    roles::plan::{Recipients, Remembered, plan},
    wire::{
        event::{Envelope, Malformed, parse},
        submission,
    },
};

/// Key of what the gateway publishes.
pub(super) const ROUTING_KEY: &str = "events.gateway";
/// How many events are read before others have their turn.
const EVENTS_A_BREATH: usize = 32;

/// The answer where something was taken.
#[derive(Serialize)]
struct Taken {
    items: Vec<Item>,
}

/// An event that is to be published.
struct Good {
    index: usize,
    message: Outgoing,
}

pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let client = gateway.access.client(&headers, &gateway.context.directory).await?;
    let form = body::form(&headers)?;
    gateway.require_broker()?;
    let held = gateway.room.read(&headers, body, BYTES_MAX).await?;
    let bodies = submission::events(&held.bytes, form).map_err(|fault| Problem::malformed(Refusal::BadBody, &fault))?;
    let directory = gateway.context.directory.current();
    let now = Utc::now();
    let trace = trace_headers(&headers);
    let mut items = Vec::with_capacity(bodies.len());
    let mut good = Vec::new();
    for (index, body) in bodies.into_iter().enumerate() {
        if index % EVENTS_A_BREATH == EVENTS_A_BREATH - 1 {
            tokio::task::yield_now().await;
        }
        let body = submission::of_client(body, &client);
        let message_id = Uuid::now_v7().to_string();
        match read(&body, &message_id, &client, &directory, now) {
            Ok(event) => {
                items.push(Item {
                    event_id: Some(event.event_id.to_string()),
                    status: StatusCode::ACCEPTED.as_u16(),
                    error: None,
                });
                let message = gateway.event_message(body, message_id, trace.clone(), now);
                good.push(Good { index, message });
            }
            Err(fault) => items.push(Item {
                event_id: None,
                status: StatusCode::BAD_REQUEST.as_u16(),
                error: Some(fault),
            }),
        }
    }
    answer(&gateway, good, items).await
}

/// Reads an event as the router will.
fn read(
    body: &[u8],
    message_id: &str,
    client: &ClientId,
    directory: &Directory,
    now: DateTime<Utc>,
) -> Result<Event, Fault> {
    let envelope = Envelope {
        message_id: Some(message_id),
        timestamp: Some(now),
        now,
    };
    let event = parse(body, envelope).map_err(|fault| Fault::of(&fault))?;
    if event.client != *client {
        return Err(Fault {
            cause: Refusal::OtherClient.as_str(),
            field: Some("client_id".to_owned()),
            index: None,
        });
    }
    planned(&event, directory, now).map_err(|fault| Fault::of(&fault))?;
    Ok(event)
}

/// What only the client's defaults tell of an event.
fn planned(event: &Event, directory: &Directory, now: DateTime<Utc>) -> Result<(), Malformed> {
    let recipients = Recipients {
        client: directory.client(&event.client),
        // Whom it goes to is the router's to say.
        accounts: &[],
    };
    plan(event, recipients, &Remembered::default(), now).map(drop)
}

impl Gateway {
    /// A funnel event as a producer would publish it.
    pub(super) fn event_message(
        &self,
        body: Bytes,
        message_id: String,
        headers: Headers,
        now: DateTime<Utc>,
    ) -> Outgoing {
        Outgoing {
            exchange: self.context.topology.events(),
            routing_key: ROUTING_KEY.to_owned(),
            message_id,
            body,
            headers,
            timestamp_seconds: seconds(now),
            message_type: None,
        }
    }
}

async fn answer(gateway: &Gateway, good: Vec<Good>, mut items: Vec<Item>) -> Result<Response, Problem> {
    let errors = faults(&items);
    if good.is_empty() {
        let all_of_others = errors.iter().all(|fault| fault.cause == Refusal::OtherClient.as_str());
        let refusal = if all_of_others {
            Refusal::OtherClient
        } else {
            Refusal::BadEvent
        };
        return Err(Problem::from(refusal).with_errors(errors).with_items(items));
    }
    let (indices, messages): (Vec<usize>, Vec<Outgoing>) =
        good.into_iter().map(|good| (good.index, good.message)).unzip();
    if let Err(failure) = gateway.publish(messages).await {
        for unconfirmed in failure.unconfirmed {
            if let Some(item) = indices.get(unconfirmed).and_then(|index| items.get_mut(*index)) {
                item.status = StatusCode::SERVICE_UNAVAILABLE.as_u16();
            }
        }
        return Err(Problem::from(Refusal::Unconfirmed)
            .with_errors(errors)
            .with_items(items));
    }
    if errors.is_empty() {
        return Ok((StatusCode::ACCEPTED, Json(Taken { items })).into_response());
    }
    gateway::refused(Refusal::BadEvent, errors.len());
    Ok((StatusCode::MULTI_STATUS, Json(Taken { items })).into_response())
}

fn faults(items: &[Item]) -> Vec<Fault> {
    let faulty = items.iter().enumerate().filter_map(|(index, item)| {
        let mut fault = item.error.clone()?;
        fault.index = Some(index);
        Some(fault)
    });
    faulty.collect()
}
