//! One answer that is asked about, and how it is read from a line of JSON.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::{
    domain::{Cause, Platform, account::Transport, json},
    platform::Answer,
};

/// The most conversions of one request: more than any platform takes.
pub(super) const SENT_MAX: u32 = 10_000;

/// An answer, and what it is an answer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) platform: Platform,
    pub(super) transport: Transport,
    pub(super) answer: Answer,
    /// How many conversions the request held; at least one.
    pub(super) sent: usize,
}

/// Why a line asks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malady {
    pub(super) cause: Cause,
    pub(super) field: Option<&'static str>,
}

impl Question {
    /// Reads a line; null counts as absent.
    pub(super) fn read(line: &[u8]) -> Result<Self, Malady> {
        let value: Value = json::read(line).map_err(|_| Malady {
            cause: Cause::MalformedJson,
            field: None,
        })?;
        let Value::Object(object) = value else {
            return Err(Malady {
                cause: Cause::WrongType,
                field: None,
            });
        };
        Ok(Self {
            platform: platform(&object)?,
            transport: transport(&object)?,
            answer: Answer {
                status: status(&object)?,
                headers: headers(&object)?,
                body: body(&object),
            },
            sent: sent(&object)?,
        })
    }
}

fn given<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

const fn missing(field: &'static str) -> Malady {
    Malady {
        cause: Cause::MissingField,
        field: Some(field),
    }
}

const fn wrong_type(field: &'static str) -> Malady {
    Malady {
        cause: Cause::WrongType,
        field: Some(field),
    }
}

const fn invalid(field: &'static str) -> Malady {
    Malady {
        cause: Cause::InvalidField,
        field: Some(field),
    }
}

fn platform(object: &Map<String, Value>) -> Result<Platform, Malady> {
    let value = given(object, "platform").ok_or(missing("platform"))?;
    let word = value.as_str().ok_or(wrong_type("platform"))?;
    word.parse().map_err(|_| invalid("platform"))
}

fn transport(object: &Map<String, Value>) -> Result<Transport, Malady> {
    let Some(value) = given(object, "transport") else {
        return Ok(Transport::default());
    };
    let word = value.as_str().ok_or(wrong_type("transport"))?;
    super::transport(word).map_err(|_| invalid("transport"))
}

fn status(object: &Map<String, Value>) -> Result<u16, Malady> {
    let value = given(object, "status").ok_or(missing("status"))?;
    let number = number(value).ok_or(wrong_type("status"))?;
    number.try_into().map_err(|_| invalid("status"))
}

fn sent(object: &Map<String, Value>) -> Result<usize, Malady> {
    let Some(value) = given(object, "sent") else {
        return Ok(1);
    };
    let number = number(value).ok_or(wrong_type("sent"))?;
    let is_possible = (1..=u64::from(SENT_MAX)).contains(&number);
    usize::try_from(number)
        .ok()
        .filter(|_| is_possible)
        .ok_or(invalid("sent"))
}

/// A whole number, or its digits as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// `{"name": "value"}`, `{"name": ["value", …]}` or `[["name", "value"], …]`.
fn headers(object: &Map<String, Value>) -> Result<Vec<(String, String)>, Malady> {
    let wrong = wrong_type("headers");
    let mut headers = Vec::new();
    match given(object, "headers") {
        None => {}
        Some(Value::Object(object)) => {
            for (name, value) in object {
                match value {
                    Value::Array(values) => {
                        for value in values {
                            headers.push(header(name, value).ok_or(wrong)?);
                        }
                    }
                    value => headers.push(header(name, value).ok_or(wrong)?),
                }
            }
        }
        Some(Value::Array(pairs)) => {
            for pair in pairs {
                let Some([name, value]) = pair.as_array().map(Vec::as_slice) else {
                    return Err(wrong);
                };
                headers.push(name.as_str().and_then(|name| header(name, value)).ok_or(wrong)?);
            }
        }
        Some(_) => return Err(wrong),
    }
    Ok(headers)
}

fn header(name: &str, value: &Value) -> Option<(String, String)> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        // A header such as Meta's usage holds JSON: given as such it is meant so.
        Value::Object(_) => value.to_string(),
        _ => return None,
    };
    Some((name.trim().to_ascii_lowercase(), text))
}

/// A text is the body itself; anything else is the JSON that it holds.
fn body(object: &Map<String, Value>) -> Bytes {
    match given(object, "body") {
        None => Bytes::new(),
        Some(Value::String(text)) => Bytes::from(text.clone()),
        Some(value) => Bytes::from(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Question, Malady> {
        Question::read(line.as_bytes())
    }

    #[test]
    fn a_body_is_a_text_or_json_and_what_is_missing_has_a_default() {
        let question = read(
            r#"{"platform":"google","status":"429","headers":{"Retry-After":30,"Vary":["a","b"]},"body":{"error":{}},"sent":null}"#,
        )
        .unwrap();

        assert_eq!(
            (question.platform, question.transport, question.sent),
            (Platform::Google, Transport::DataManager, 1)
        );
        assert_eq!(
            (question.answer.status, question.answer.body.as_ref()),
            (429, &br#"{"error":{}}"#[..])
        );
        assert_eq!(question.answer.header("retry-after"), Some("30"));
        let text = read(r#"{"platform":"meta","status":502,"body":"<html>","headers":[["A","b"]],"sent":7}"#).unwrap();
        assert_eq!((text.answer.body.as_ref(), text.sent), (&b"<html>"[..], 7));
        assert_eq!(text.answer.header("a"), Some("b"));
    }

    #[test]
    fn what_asks_nothing_is_named() {
        for (line, expected) in [
            (
                "",
                Malady {
                    cause: Cause::MalformedJson,
                    field: None,
                },
            ),
            (
                "[]",
                Malady {
                    cause: Cause::WrongType,
                    field: None,
                },
            ),
            ("{}", missing("platform")),
            (r#"{"platform":"x"}"#, invalid("platform")),
            (r#"{"platform":1}"#, wrong_type("platform")),
            (r#"{"platform":"meta"}"#, missing("status")),
            (r#"{"platform":"meta","status":-1}"#, wrong_type("status")),
            (r#"{"platform":"meta","status":99999}"#, invalid("status")),
            (r#"{"platform":"meta","status":200,"sent":0}"#, invalid("sent")),
            (r#"{"platform":"meta","status":200,"sent":10001}"#, invalid("sent")),
            (
                r#"{"platform":"meta","status":200,"headers":"x"}"#,
                wrong_type("headers"),
            ),
            (
                r#"{"platform":"meta","status":200,"headers":[["x"]]}"#,
                wrong_type("headers"),
            ),
            (
                r#"{"platform":"google","status":200,"transport":"x"}"#,
                invalid("transport"),
            ),
        ] {
            assert_eq!(read(line), Err(expected), "{line}");
        }
    }
}
