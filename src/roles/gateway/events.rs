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
use chrono::{DateTime, TimeDelta, Utc};
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
    domain::{Cause, ClientId, Directory, EventId, event::Event},
    metrics::gateway::{self, Refusal},
    roles::plan::{Recipients, Remembered, plan},
    wire::{
        event::{Envelope, Malformed, parse},
        submission,
    },
};

/// Key of what the gateway publishes.
pub(super) const ROUTING_KEY: &str = "events.gateway";
/// By how much clocks may differ: the router may see an event by an earlier one, and must not find it in the future.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(1);
/// The header by which a request that is sent again is told from another, and the longest such key, in bytes.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
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
    let request_key = request_key(&headers)?;
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
        let message_id = match request_key {
            Some(key) => EventId::from_request(&client, key, index).to_string(),
            None => Uuid::now_v7().to_string(),
        };
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

/// What the caller tells this request from others by.
fn request_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(given) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = given.to_str().ok().filter(|key| {
        (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let fault = Malformed {
        cause: Cause::InvalidField,
        field: Some("Idempotency-Key".to_owned()),
    };
    key.map(Some)
        .ok_or_else(|| Problem::malformed(Refusal::BadBody, &fault))
}

/// Reads an event as the router will, by a clock that is a little late.
fn read(
    body: &[u8],
    message_id: &str,
    client: &ClientId,
    directory: &Directory,
    now: DateTime<Utc>,
) -> Result<Event, Fault> {
    let late = now - CLOCKS_DIFFER;
    let envelope = Envelope {
        message_id: Some(message_id),
        timestamp: Some(late),
        now: late,
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::domain::directory::DirectoryParts;

    fn cause_at(ahead: TimeDelta) -> Option<&'static str> {
        let now = Utc::now();
        let body =
            json!({"client_id": "acme", "event_name": "Lead", "event_time": (now + ahead).to_rfc3339()}).to_string();
        let acme = ClientId::parse("acme").unwrap();
        let directory = Directory::new(DirectoryParts::default());
        let fault = read(body.as_bytes(), "m-1", &acme, &directory, now).err();
        fault.map(|fault| fault.cause)
    }

    #[test]
    fn an_event_is_taken_only_so_far_ahead_that_a_router_whose_clock_is_late_takes_it_too() {
        assert_eq!(cause_at(TimeDelta::seconds(9 * 60 - 5)), None);
        assert_eq!(cause_at(TimeDelta::seconds(9 * 60 + 5)), Some("event_time_in_future"));
    }

    #[test]
    fn a_request_s_key_is_visible_ascii_or_refused() {
        let long = "k".repeat(IDEMPOTENCY_KEY_BYTES_MAX);
        let of = |key: &str| {
            let headers = HeaderMap::from_iter([(
                IDEMPOTENCY_KEY.parse().unwrap(),
                HeaderValue::from_bytes(key.as_bytes()).unwrap(),
            )]);
            request_key(&headers).map(|key| key.map(str::to_owned))
        };

        assert_eq!(request_key(&HeaderMap::new()).ok(), Some(None));
        for key in ["a", "9c4f-\"~!", long.as_str()] {
            assert_eq!(of(key).ok(), Some(Some(key.to_owned())), "{key}");
        }
        for wrong in ["", "a b", "ä", &format!("{long}k")] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
