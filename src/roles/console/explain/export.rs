//! What machines read: a JSON object a line, with each request byte for byte.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::verdict::{AtAccount, Explained, Fate, Remark};
use crate::{
    domain::Cause,
    platform::{Request, request::Method},
    wire::event::Malformed,
};

#[derive(Serialize)]
struct EventLine<'a> {
    event_id: &'a str,
    /// Only where the event concerns no ad account.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    results: Vec<ResultObject<'a>>,
}

#[derive(Serialize)]
struct ResultObject<'a> {
    account: &'a str,
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<RequestObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_sent: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// Only where it goes out later.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<Cause>,
}

#[derive(Serialize)]
struct RequestObject<'a> {
    method: &'static str,
    url: &'a str,
    headers: Headers<'a>,
    body: Option<&'a RawValue>,
}

struct Headers<'a>(&'a [(&'static str, String)]);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[derive(Serialize)]
struct RefusedLine<'a> {
    line: u64,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    cause: Cause,
    field: Option<&'a str>,
}

/// Writes the line of an event.
pub(super) fn event(explained: &Explained<'_>, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let line = EventLine {
        event_id: &explained.about.event_id,
        cause: explained.cause,
        results: explained.accounts.iter().map(result).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

/// Writes the line of an event whose person is forgotten.
pub(super) fn forgotten(event_id: &str, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let line = EventLine {
        event_id,
        cause: Some(Cause::Forgotten),
        results: Vec::new(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    writeln!(out)
}

/// Writes the line of an input that is no event.
pub(super) fn refused(line: u64, malformed: &Malformed, out: &mut (dyn Write + Send)) -> io::Result<()> {
    let error = ErrorObject {
        cause: malformed.cause,
        field: malformed.field.as_deref(),
    };
    serde_json::to_writer(&mut *out, &RefusedLine { line, error })?;
    writeln!(out)
}

/// The word of a method in HTTP.
pub(super) const fn method(method: Method) -> &'static str {
    match method {
        Method::Post => "POST",
        Method::Get => "GET",
    }
}

fn result<'a>(at: &'a AtAccount<'_>) -> ResultObject<'a> {
    let mut object = ResultObject {
        account: &at.account.name,
        platform: at.account.platform.as_str(),
        request: None,
        not_sent: None,
        field: None,
        waits_until: None,
        waits_for: None,
    };
    match &at.fate {
        Fate::Request(built, remark) => {
            object.request = Some(request(built));
            if let Some(Remark::Waits(due, cause)) = remark {
                object.waits_until = Some(due.to_rfc3339());
                object.waits_for = Some(*cause);
            }
        }
        Fate::NotSent { cause, field } => {
            object.not_sent = Some(*cause);
            object.field = field.as_deref();
        }
    }
    object
}

fn request(request: &Request) -> RequestObject<'_> {
    RequestObject {
        method: method(request.method),
        url: &request.url,
        headers: Headers(&request.headers),
        body: serde_json::from_slice(&request.body).ok(),
    }
}
