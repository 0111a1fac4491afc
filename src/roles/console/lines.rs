//! Lines that hold an event each: read one by one, checked, and each given the ID that stays the same however often it is published.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use chrono::Utc;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{
    domain::{Cause, EventId},
    wire::event::{Envelope, parse},
};

/// The longest line, in bytes: the largest message that the relay takes.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Where the lines come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(PathBuf),
    StandardInput,
    Memory(Bytes),
}

/// Whether lines are looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checking {
    On,
    Off,
}

/// A line with an event.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// A line that is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) number: u64,
    pub(super) cause: Cause,
    pub(super) field: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.number, self.cause)?;
        match &self.field {
            Some(field) => write!(formatter, " {field}"),
            None => Ok(()),
        }
    }
}

/// Lines, one after the other.
pub(super) struct Lines {
    reader: Box<dyn AsyncBufRead + Send + Unpin>,
    checking: Checking,
    number: u64,
    bytes: Option<u64>,
    bytes_read: u64,
}

impl Source {
    pub(super) fn given(file: Option<&Path>) -> Self {
        match file {
            None => Source::StandardInput,
            Some(path) if path.as_os_str() == "-" => Source::StandardInput,
            Some(path) => Source::File(path.to_owned()),
        }
    }

    /// The same lines in a form that can be read twice.
    pub(super) async fn kept(self) -> std::io::Result<Self> {
        match self {
            Source::StandardInput => Ok(Source::Memory(self.whole().await?)),
            readable_twice => Ok(readable_twice),
        }
    }

    /// All that it holds.
    pub(super) async fn whole(&self) -> std::io::Result<Bytes> {
        match self {
            Source::StandardInput => {
                let mut all = Vec::new();
                tokio::io::stdin().read_to_end(&mut all).await?;
                Ok(all.into())
            }
            Source::File(path) => Ok(tokio::fs::read(path).await?.into()),
            Source::Memory(all) => Ok(all.clone()),
        }
    }

    pub(super) async fn lines(&self, checking: Checking) -> std::io::Result<Lines> {
        let (reader, bytes): (Box<dyn AsyncBufRead + Send + Unpin>, _) = match self {
            Source::StandardInput => (Box::new(BufReader::new(tokio::io::stdin())), None),
            Source::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                let bytes = file.metadata().await?.len();
                (Box::new(BufReader::new(file)), Some(bytes))
            }
            Source::Memory(all) => (
                Box::new(std::io::Cursor::new(all.clone())),
                u64::try_from(all.len()).ok(),
            ),
        };
        Ok(Lines {
            reader,
            checking,
            number: 0,
            bytes,
            bytes_read: 0,
        })
    }
}

impl Lines {
    /// The number of the line that was given last; the first is 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes there are, if that is known.
    pub(super) fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// How many bytes were read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line that is not blank; `None` at the end.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Result<Line, Refused>>> {
        loop {
            let Some(line) = self.read().await? else {
                return Ok(None);
            };
            self.number += 1;
            match line {
                Some(line) if line.trim_ascii().is_empty() => {}
                Some(line) => return Ok(Some(self.check(Bytes::from(line)))),
                None => return Ok(Some(Err(self.refused(Cause::TooLarge, None)))),
            }
        }
    }

    /// A line without its end; the inner `None` is one that is too long.
    async fn read(&mut self) -> std::io::Result<Option<Option<Vec<u8>>>> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        loop {
            let count = (&mut self.reader)
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)
                .await?;
            self.bytes_read += u64::try_from(count).unwrap_or(0);
            if count == 0 && line.is_empty() && !is_too_long {
                return Ok(None);
            }
            if line.last() == Some(&b'\n') || u64::try_from(count).unwrap_or(0) < LINE_BYTES_MAX {
                break;
            }
            is_too_long = true;
            line.clear();
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some((!is_too_long).then_some(line)))
    }

    fn check(&self, body: Bytes) -> Result<Line, Refused> {
        if self.checking == Checking::Off {
            return Ok(Line {
                id: raw_id(&body),
                body,
            });
        }
        let envelope = Envelope {
            message_id: None,
            timestamp: None,
            now: Utc::now(),
        };
        match parse(&body, envelope) {
            Ok(event) => Ok(Line {
                id: event.event_id.to_string(),
                body,
            }),
            Err(fault) => Err(self.refused(fault.cause, fault.field)),
        }
    }

    fn refused(&self, cause: Cause, field: Option<String>) -> Refused {
        Refused {
            number: self.number,
            cause,
            field,
        }
    }
}

/// The event ID of a line that nobody looked into, if it has one that could be one.
fn raw_id(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct WithId {
        event_id: Option<String>,
    }
    let given = serde_json::from_slice::<WithId>(body)
        .ok()
        .and_then(|line| line.event_id);
    let given = given.and_then(|id| EventId::parse(&id).ok());
    given.unwrap_or_else(|| EventId::from_body(body)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: impl Into<Bytes>, checking: Checking) -> Vec<Result<Line, Refused>> {
        let mut lines = Source::Memory(text.into()).lines(checking).await.unwrap();
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    fn id(line: &Result<Line, Refused>) -> &str {
        &line.as_ref().unwrap_or_else(|refused| panic!("{refused}")).id
    }

    #[tokio::test]
    async fn blank_lines_and_line_ends_do_not_matter_and_faults_bear_their_number() {
        let text = "\n{\"client_id\":\"acme\",\"event_name\":\"Lead\",\"event_id\":\"e-1\"}\r\n\n{\"event_name\":\"Lead\"}\nnot json";

        let lines = read(text, Checking::On).await;

        assert_eq!(id(&lines[0]), "e-1");
        let faults: Vec<String> = lines[1..]
            .iter()
            .map(|line| line.as_ref().err().unwrap().to_string())
            .collect();
        assert_eq!(faults, ["line 4: missing_field client_id", "line 5: malformed_json"]);
    }

    #[tokio::test]
    async fn an_event_without_an_id_gets_the_same_one_each_time() {
        let order = "{\"client_id\":\"acme\",\"event_name\":\"Lead\",\"order_id\":\"10482\"}";
        let bare = "{\"client_id\":\"acme\",\"event_name\":\"Lead\"}";

        for text in [order, bare] {
            let (first, second) = (read(text, Checking::On).await, read(text, Checking::On).await);
            assert_eq!(id(&first[0]), id(&second[0]));
        }
    }

    #[tokio::test]
    async fn raw_lines_go_as_they_are_under_an_id_that_fits() {
        let long = format!("{{\"event_id\":\"{}\"}}", "x".repeat(300));
        let text = format!("garbage\n{{\"event_id\":\"e-1\"}}\n{long}\n");

        let lines = read(text, Checking::Off).await;

        assert_eq!(id(&lines[1]), "e-1");
        assert!(id(&lines[0]).len() == 36 && id(&lines[2]).len() == 36);
        assert_eq!(lines[0].as_ref().ok().unwrap().body, "garbage");
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_and_the_next_one_still_read() {
        let mut text = vec![b'x'; 9 * 1024 * 1024];
        text.extend_from_slice(b"\n{\"event_id\":\"e-2\"}\n");

        let lines = read(text, Checking::Off).await;

        assert_eq!(lines[0].as_ref().err().unwrap().to_string(), "line 1: too_large");
        assert_eq!((id(&lines[1]), lines.len()), ("e-2", 2));
    }
}
