//! The messages that roles publish: dispatches for the senders, and dead copies of those that failed.

use std::collections::BTreeMap;

use bytes::Bytes;

pub use crate::broker::topology::Lane;
use crate::{
    broker::{
        Delivery, HeaderValue, Headers, Outgoing, headers_for_republish,
        topology::{self, Topology},
    },
    domain::{Cause, Dispatch, Platform},
    store::sending::DeadFacts,
    wire::dispatch::{VERSION, encode, header},
};

/// The message that brings a dispatch to its platform's sender.
pub fn dispatch_message(topology: &Topology, dispatch: &Dispatch, lane: Lane) -> Outgoing {
    Outgoing {
        exchange: topology.work(),
        routing_key: topology::lane(dispatch.platform.as_str(), lane),
        message_id: dispatch.event.event_id.to_string(),
        body: Bytes::from(encode(dispatch)),
        headers: headers(dispatch),
        timestamp_seconds: seconds(dispatch),
        message_type: Some("dispatch"),
    }
}

/// The copy of a failed dispatch that lies among the dead letters until someone replays or drops it.
pub fn dead_message(topology: &Topology, dispatch: &Dispatch, facts: &DeadFacts) -> Outgoing {
    let mut headers = headers(dispatch);
    headers.insert(
        header::CAUSE.to_owned(),
        HeaderValue::Text(facts.cause.as_str().to_owned()),
    );
    headers.insert(
        header::DEAD_COUNT.to_owned(),
        HeaderValue::Integer(i64::from(facts.dead_count)),
    );
    headers.insert(
        header::ATTEMPTS.to_owned(),
        HeaderValue::Integer(i64::from(facts.attempts)),
    );
    headers.insert(
        header::FAILED_AT.to_owned(),
        HeaderValue::Text(facts.failed_at.to_rfc3339()),
    );
    if let Some(detail) = &facts.detail {
        headers.insert(header::DETAIL.to_owned(), HeaderValue::Text(detail.clone()));
    }
    Outgoing {
        exchange: topology.dead(),
        routing_key: topology::dead(dispatch.platform.as_str()),
        message_id: dispatch.event.event_id.to_string(),
        body: Bytes::from(encode(dispatch)),
        headers,
        timestamp_seconds: seconds(dispatch),
        message_type: Some("dispatch"),
    }
}

fn headers(dispatch: &Dispatch) -> Headers {
    let mut headers = BTreeMap::from([
        (header::VERSION.to_owned(), HeaderValue::Integer(VERSION)),
        (
            header::CLIENT.to_owned(),
            HeaderValue::Text(dispatch.event.client.to_string()),
        ),
        (
            header::ACCOUNT.to_owned(),
            HeaderValue::Integer(i64::from(dispatch.account.0)),
        ),
        (
            header::FIRST_SEEN.to_owned(),
            HeaderValue::Text(dispatch.event.first_seen.to_rfc3339()),
        ),
    ]);
    if let Some(trace) = &dispatch.event.trace {
        headers.insert(header::TRACE.to_owned(), HeaderValue::Text(trace.as_str().to_owned()));
    }
    headers
}

fn seconds(dispatch: &Dispatch) -> Option<u64> {
    u64::try_from(dispatch.event.first_seen.timestamp()).ok()
}

/// The copy of a message in a sender's queue that is no dispatch, byte for byte.
pub fn unreadable_message(topology: &Topology, platform: Platform, delivery: &Delivery, cause: Cause) -> Outgoing {
    let mut headers = headers_for_republish(&delivery.headers);
    headers.insert(header::CAUSE.to_owned(), HeaderValue::Text(cause.as_str().to_owned()));
    headers.insert(
        header::ROUTING_KEY.to_owned(),
        HeaderValue::Text(delivery.routing_key.clone()),
    );
    Outgoing {
        exchange: topology.dead(),
        routing_key: topology::dead(platform.as_str()),
        message_id: delivery.message_id.clone().unwrap_or_default(),
        body: delivery.body.clone(),
        headers,
        timestamp_seconds: delivery.timestamp_seconds,
        message_type: None,
    }
}
