//! What can go wrong with the broker.

use std::{error::Error, fmt, path::PathBuf, time::Duration};

use lapin::ErrorKind;

/// Something asked of the broker did not work out.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// An address cannot be used; the address itself is a secret and not shown.
    #[error("broker address: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file with own certificate authorities cannot be read.
    #[error("read certificate authorities from {}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no connection at the moment.
    #[error("{doing}: not connected to the broker")]
    Disconnected {
        /// What was asked.
        doing: String,
    },
    /// The broker did not answer in time.
    #[error("{doing}: no answer from the broker within {} s", after.as_secs())]
    TimedOut {
        /// What was asked.
        doing: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The broker refused: its reply code (403 no permission, 404 no such queue, 406 other arguments, …) and text.
    #[error("{doing}: {code} {text}")]
    Refused {
        /// What was asked.
        doing: String,
        /// AMQP's reply code.
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// The connection or its channel failed in between.
    #[error("{doing}")]
    Failed {
        /// What was asked.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl BrokerError {
    /// The error and all its causes in one line, for the log.
    pub fn in_full(&self) -> String {
        let mut line = self.to_string();
        let mut cause = self.source();
        while let Some(source) = cause {
            let text = source.to_string();
            // lapin's errors repeat their cause in their own text.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = source.source();
        }
        line
    }

    /// Sorts lapin's error: a reply of the broker, or a failure underneath.
    pub(super) fn from_lapin(doing: impl Into<String>, error: lapin::Error) -> Self {
        match reply(&error) {
            Some((code, text)) => BrokerError::Refused {
                doing: doing.into(),
                code,
                text,
            },
            None => BrokerError::Failed {
                doing: doing.into(),
                source: Box::new(error),
            },
        }
    }
}

/// The broker's reply code and text, if the error is one.
pub(super) fn reply(error: &lapin::Error) -> Option<(u16, String)> {
    match error.kind() {
        ErrorKind::ProtocolError(reply) => Some((reply.get_id(), reply.get_message().to_string())),
        _ => None,
    }
}

/// Which messages are not known to be with the broker, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("publish: {} not confirmed, {cause}", unconfirmed.len())]
pub struct PublishFailure {
    /// Indices into what was passed to `publish`, ascending; the others are confirmed. Some of these may have arrived.
    pub unconfirmed: Vec<usize>,
    /// Why the first of those that nobody would take, else the last try, did not work out.
    pub cause: PublishCause,
}

/// Why a message was not confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishCause {
    /// No queue took it, and no alternate exchange either: the topology is incomplete.
    Unroutable,
    /// A queue said no until patience was over (its length limit is reached).
    Rejected,
    /// The broker takes no messages at the moment (memory or disk alarm).
    Blocked,
    /// There was no connection, or it broke and did not come back in time.
    Disconnected,
    /// The broker did not confirm in time.
    TimedOut,
    /// The broker refused the exchange or the message: 404, 403 or 406 and its words.
    Refused(String),
    /// This process is closing its connections.
    Closed,
}

impl fmt::Display for PublishCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishCause::Unroutable => formatter.write_str("no queue is bound for them"),
            PublishCause::Rejected => formatter.write_str("the queue refuses them (full)"),
            PublishCause::Blocked => formatter.write_str("the broker takes no messages (memory or disk alarm)"),
            PublishCause::Disconnected => formatter.write_str("not connected to the broker"),
            PublishCause::TimedOut => formatter.write_str("the broker did not confirm in time"),
            PublishCause::Refused(text) => write!(formatter, "the broker refused: {text}"),
            PublishCause::Closed => formatter.write_str("this process is shutting down"),
        }
    }
}
