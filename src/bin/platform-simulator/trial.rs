//! For the tests of the platforms: sends a request to a simulator in memory.
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::answer::Handled;
use crate::call::{Call, Endpoint};
use crate::server;
use crate::settings::StartState;
use crate::world::{Options, World};

/// The time at which all requests of the tests are received.
pub const NOW: i64 = 1_795_290_000;

/// A simulator that was started with `state`.
pub fn world(state: Value) -> World {
    let options = Options {
        latency: Duration::ZERO,
        keep_bodies: true,
        strict: true,
    };
    World::new(options, serde_json::from_value::<StartState>(state).unwrap())
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Trial {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub seconds_later: i64,
}

impl Trial {
    /// A JSON request with one more header, the login.
    pub fn json(path: &str, login: (&'static str, &str), body: &Value) -> Self {
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            (login.0, login.1.to_owned()),
        ];
        Self {
            path: path.to_owned(),
            headers,
            body: body.to_string(),
            seconds_later: 0,
        }
    }

    pub fn at(self, seconds_later: i64) -> Self {
        Self { seconds_later, ..self }
    }

    /// Posts it.
    pub fn send(&self, world: &World) -> Handled {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let call = Call {
            endpoint: Endpoint::of(path),
            is_post: true,
            headers,
            query: query.to_owned(),
            body: Bytes::from(self.body.clone()),
            received_at: received_at(self.seconds_later),
        };
        server::handle(world, &call)
    }

    /// Posts it; what comes back is the status and the platform's code.
    pub fn verdict(&self, world: &World) -> (u16, String) {
        let answer = self.send(world).answer;
        (answer.status, answer.code)
    }
}

/// The body of an answer.
pub fn body(handled: &Handled) -> Value {
    serde_json::from_str(&handled.answer.body).unwrap()
}

fn received_at(seconds_later: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(NOW + seconds_later, 0).unwrap()
}

/// `base` with the value at the JSON pointer replaced, or removed when it is `null`.
pub fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = base.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(object), Value::Null) => {
            object.remove(key);
        }
        (Value::Object(object), value) => {
            object.insert(key.to_owned(), value);
        }
        (Value::Array(array), value) => array[key.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{pointer} leads into {other}"),
    }
    changed
}
