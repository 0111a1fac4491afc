//! Bodies: read whole, in time, up to a limit, and never more of them at once than there is room for.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::problem::Problem;
use crate::{metrics::gateway::Refusal, wire::submission::Form};

/// The largest body.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Room for all bodies together, in bytes.
const ROOM_BYTES: usize = 16 * 1024 * 1024;

/// Room for the bodies that are with us now.
pub(super) struct Room(Semaphore);

/// A body, and the room that it takes.
pub(super) struct Held<'a> {
    /// What came, byte for byte.
    pub bytes: Bytes,
    _room: Option<SemaphorePermit<'a>>,
}

impl Room {
    /// All of it.
    pub fn new() -> Self {
        Self(Semaphore::new(ROOM_BYTES))
    }

    /// Reads a body of at most so many bytes.
    pub async fn read(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Held<'_>, Problem> {
        let said = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        if said
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: u64| length > most as u64)
        {
            return Err(Refusal::TooLarge.into());
        }
        match tokio::time::timeout(PATIENCE, self.gather(body, most)).await {
            Ok(read) => read,
            Err(_) => Err(Refusal::TooSlow.into()),
        }
    }

    async fn gather(&self, body: Body, most: usize) -> Result<Held<'_>, Problem> {
        let mut chunks = body.into_data_stream();
        let mut gathered = BytesMut::new();
        let mut room: Option<SemaphorePermit<'_>> = None;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Problem::from(Refusal::BadBody).saying("It ended before its end."))?;
            if gathered.len() + chunk.len() > most {
                return Err(Refusal::TooLarge.into());
            }
            let bytes = u32::try_from(chunk.len()).map_err(|_| Problem::from(Refusal::TooLarge))?;
            // Who comes when there is no room is sent away, rather than that all wait for each other.
            let more = self
                .0
                .try_acquire_many(bytes)
                .map_err(|_| Problem::from(Refusal::Busy).after(1))?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            gathered.extend_from_slice(&chunk);
        }
        Ok(Held {
            bytes: gathered.freeze(),
            _room: room,
        })
    }
}

/// How a body says that it is written; JSON if it says nothing.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let refused = || Problem::from(Refusal::WrongMediaType);
    let is_plain = headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if !is_plain {
        return Err(refused());
    }
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(Form::Json);
    };
    let given = given.to_str().map_err(|_| refused())?.to_ascii_lowercase();
    let essence = given.split(';').next().unwrap_or_default().trim();
    match essence {
        "application/json" => Ok(Form::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(Form::Json),
        _ => Err(refused()),
    }
}

/// The same where only one JSON document will do.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    match form(headers)? {
        Form::Json => Ok(()),
        Form::Lines => Err(Refusal::WrongMediaType.into()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(name: &'static str, value: &'static str) -> Option<Form> {
        let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
        form(&headers).ok()
    }

    #[test]
    fn a_body_is_json_by_its_own_word_or_says_nothing() {
        assert_eq!(form(&HeaderMap::new()).ok(), Some(Form::Json));
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/cloudevents+json",
        ] {
            assert_eq!(of("content-type", json), Some(Form::Json), "{json}");
        }
        assert_eq!(of("content-type", "application/x-ndjson"), Some(Form::Lines));
        for other in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "json",
        ] {
            assert_eq!(of("content-type", other), None, "{other}");
        }
        assert_eq!(of("content-encoding", "identity"), Some(Form::Json));
        assert_eq!(of("content-encoding", "gzip"), None);
    }

    #[tokio::test]
    async fn a_body_that_finds_no_room_is_sent_away_and_room_comes_back() {
        let room = Room::new();
        let full = Body::from(vec![b'x'; BYTES_MAX]);
        let held = room.read(&HeaderMap::new(), full, BYTES_MAX).await.ok();
        let rest = room
            .0
            .try_acquire_many(u32::try_from(ROOM_BYTES - BYTES_MAX).unwrap())
            .unwrap();

        let refused = room.read(&HeaderMap::new(), Body::from("x"), BYTES_MAX).await.err();
        drop(held);
        let taken = room.read(&HeaderMap::new(), Body::from("x"), BYTES_MAX).await;

        assert_eq!(refused.map(|problem| problem.refusal()), Some(Refusal::Busy));
        assert_eq!(taken.ok().unwrap().bytes, "x");
        drop(rest);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_so() {
        let room = Room::new();

        let refused = room.read(&HeaderMap::new(), Body::from("12345"), 4).await.err();

        assert_eq!(refused.map(|problem| problem.refusal()), Some(Refusal::TooLarge));
        assert!(room.read(&HeaderMap::new(), Body::from("1234"), 4).await.is_ok());
    }
}
