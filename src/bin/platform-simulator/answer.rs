//! What a platform answers to one request, with what the request log says about it.
use std::borrow::Cow;

use serde_json::Value;

/// Whether the platform took what the request carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    Refused,
}

/// One HTTP answer of a platform.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(Cow<'static, str>, String)>,
    pub content_type: &'static str,
    pub body: String,
    /// The platform's own code, for the request log: `OK`, `100/2804003`, `40002`, `INVALID_SHA256_FORMAT`.
    pub code: String,
    /// What exactly was wrong and where; for the request log only, as the platform would not say it.
    pub detail: Option<String>,
    pub verdict: Verdict,
}

impl Answer {
    /// A request that was taken, answered with `body`.
    pub fn taken(body: &Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json; charset=UTF-8",
            body: body.to_string(),
            code: "OK".to_owned(),
            detail: None,
            verdict: Verdict::Taken,
        }
    }

    /// A request that was refused with the platform's `code`.
    pub fn refused(status: u16, code: impl Into<String>, body: &Value) -> Self {
        Self {
            status,
            code: code.into(),
            verdict: Verdict::Refused,
            ..Self::taken(body)
        }
    }

    /// The same answer with one header more.
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same answer with a word for the request log.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// What handling one request came to.
#[derive(Debug)]
pub struct Handled {
    pub answer: Answer,
    /// The ad accounts that the request was for; empty when it was refused before they were known.
    pub accounts: Vec<String>,
    /// How many events it carried.
    pub events: usize,
}

impl Handled {
    /// A request refused before anything in it was looked at.
    pub fn unread(answer: Answer) -> Self {
        Self {
            answer,
            accounts: Vec::new(),
            events: 0,
        }
    }
}
