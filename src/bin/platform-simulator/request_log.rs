//! The log of the last thousand requests to the platforms.
use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::call::Platform;

const KEPT: usize = 1000;

/// One request of the log.
#[derive(Clone, Debug, Serialize)]
pub struct LoggedRequest {
    pub at: DateTime<Utc>,
    pub platform: Option<Platform>,
    pub account: Option<String>,
    /// `None`: there was no answer.
    pub status: Option<u16>,
    pub code: String,
    pub detail: Option<String>,
    pub events: usize,
    /// The kind of the fault that applied.
    pub fault: Option<&'static str>,
}

/// The requests, oldest first.
#[derive(Debug, Default)]
pub struct RequestLog {
    requests: VecDeque<LoggedRequest>,
}

impl RequestLog {
    /// Adds a request; the oldest makes room.
    pub fn add(&mut self, request: LoggedRequest) {
        if self.requests.len() == KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub fn requests(&self) -> &VecDeque<LoggedRequest> {
        &self.requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_last_thousand_requests() {
        let mut log = RequestLog::default();

        for events in 0..1001 {
            log.add(LoggedRequest {
                at: DateTime::UNIX_EPOCH,
                platform: None,
                account: None,
                status: None,
                code: String::new(),
                detail: None,
                events,
                fault: None,
            });
        }

        assert_eq!(log.requests().len(), 1000);
        assert_eq!(log.requests()[0].events, 1);
    }
}
