//! Bodies: read whole, in time, up to a limit, and never more of them at once than there is room for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use super::{access, problem::Problem};
use crate::{metrics::gateway::Refusal, wire::submission::Form};

/// The largest body.
pub(super) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of a body must come every so long, but for the first time; what lacks less than that comes whole.
const PACE_BYTES: usize = 64 * 1024;
const PACE_WINDOW: Duration = Duration::from_secs(1);
/// Room for all bodies of one door together, in bytes, and what one caller may have of it.
const ROOM_BYTES: usize = 16 * 1024 * 1024;
const SHARE_BYTES: usize = ROOM_BYTES / 4;

/// Room for the bodies that are with us now.
pub(super) struct Room {
    all: Semaphore,
    /// How many bytes each caller has who has any.
    shares: Mutex<HashMap<Whose, usize>>,
}

/// Who has a share of the room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// A key, by its hash.
    Key(Option<[u8; 32]>),
    /// A source of a client's webhooks.
    Source {
        /// The client.
        client: String,
        /// The source.
        source: String,
    },
}

/// A body, and the room that it takes.
pub(super) struct Held<'a> {
    /// What came, byte for byte.
    pub bytes: Bytes,
    _place: Place<'a>,
}

/// What a body takes of the room while it is there.
struct Place<'a> {
    room: &'a Room,
    whose: Whose,
    bytes: usize,
    permit: Option<SemaphorePermit<'a>>,
}

impl<'a> Place<'a> {
    /// Takes more; who comes when there is no room is sent away, rather than that all wait for each other.
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let busy = || Problem::from(Refusal::Busy).after(1);
        let count = u32::try_from(bytes).map_err(|_| Problem::from(Refusal::TooLarge))?;
        let more = self.room.all.try_acquire_many(count).map_err(|_| busy())?;
        let mut shares = self.room.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let had = shares.get(&self.whose).copied().unwrap_or_default();
        if had + bytes > SHARE_BYTES {
            return Err(busy());
        }
        shares.insert(self.whose.clone(), had + bytes);
        self.bytes += bytes;
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            None => self.permit = Some(more),
        }
        Ok(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shares = self.room.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get_mut(&self.whose) {
            *share = share.saturating_sub(self.bytes);
            if *share == 0 {
                shares.remove(&self.whose);
            }
        }
    }
}

impl Room {
    /// All of it.
    pub fn new() -> Self {
        Self {
            all: Semaphore::new(ROOM_BYTES),
            shares: Mutex::default(),
        }
    }

    /// Reads a body of at most so many bytes, on the share of the key in its headers.
    pub async fn read(&self, headers: &HeaderMap, body: Body, most: usize) -> Result<Held<'_>, Problem> {
        self.read_for(Whose::Key(access::key_hash(headers)), headers, body, most)
            .await
    }

    /// Reads a body of at most so many bytes, on this share.
    pub async fn read_for(
        &self,
        whose: Whose,
        headers: &HeaderMap,
        body: Body,
        most: usize,
    ) -> Result<Held<'_>, Problem> {
        let said = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok());
        if said
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: u64| length > most as u64)
        {
            return Err(Refusal::TooLarge.into());
        }
        match tokio::time::timeout(PATIENCE, self.gather(whose, body, most)).await {
            Ok(read) => read,
            Err(_) => Err(Refusal::TooSlow.into()),
        }
    }

    async fn gather(&self, whose: Whose, body: Body, most: usize) -> Result<Held<'_>, Problem> {
        let mut chunks = body.into_data_stream();
        let mut gathered = BytesMut::new();
        let mut place = Place {
            room: self,
            whose,
            bytes: 0,
            permit: None,
        };
        let mut window_ends = Instant::now() + PACE_WINDOW;
        let mut due = 0;
        loop {
            let Ok(chunk) = tokio::time::timeout_at(window_ends, chunks.next()).await else {
                if gathered.len() < due {
                    return Err(Refusal::TooSlow.into());
                }
                due = gathered.len() + PACE_BYTES;
                window_ends = Instant::now() + PACE_WINDOW;
                continue;
            };
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|_| Problem::from(Refusal::BadBody).saying("It ended before its end."))?;
            if gathered.len() + chunk.len() > most {
                return Err(Refusal::TooLarge.into());
            }
            place.grow(chunk.len())?;
            gathered.extend_from_slice(&chunk);
        }
        Ok(Held {
            bytes: gathered.freeze(),
            _place: place,
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
        let other = Whose::Key(Some([7; 32]));
        let held = room.read_for(other, &HeaderMap::new(), full, BYTES_MAX).await.ok();
        let rest = room
            .all
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
    async fn nobody_has_more_than_a_quarter_of_the_room_and_others_still_find_some() {
        let room = Room::new();
        let of = |source: &str| Whose::Source {
            client: "acme".to_owned(),
            source: source.to_owned(),
        };
        let read = async |source: &str, bytes: usize| {
            let body = Body::from(vec![b'x'; bytes]);
            room.read_for(of(source), &HeaderMap::new(), body, BYTES_MAX).await
        };
        let held = read("shopify", SHARE_BYTES).await.ok();

        let refused = read("shopify", 1).await.err();
        let of_another = read("stripe", SHARE_BYTES).await;
        drop(held);

        assert_eq!(refused.map(|problem| problem.refusal()), Some(Refusal::Busy));
        assert!(of_another.is_ok());
        assert!(read("shopify", SHARE_BYTES).await.is_ok());
        drop(of_another);
        assert!(room.shares.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_body_that_comes_in_drops_is_not_waited_for() {
        let room = Room::new();
        let began = Instant::now();
        let drops = futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>("x"), ()))
        });

        let refused = room.read(&HeaderMap::new(), Body::from_stream(drops), BYTES_MAX).await;

        assert_eq!(refused.err().map(|problem| problem.refusal()), Some(Refusal::TooSlow));
        assert!(began.elapsed() < PATIENCE / 2);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_whether_or_not_it_says_so() {
        let room = Room::new();

        let refused = room.read(&HeaderMap::new(), Body::from("12345"), 4).await.err();

        assert_eq!(refused.map(|problem| problem.refusal()), Some(Refusal::TooLarge));
        assert!(room.read(&HeaderMap::new(), Body::from("1234"), 4).await.is_ok());
    }
}
