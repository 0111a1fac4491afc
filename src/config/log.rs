//! What is logged, and in which form.

use super::reader::Reader;

/// Settings of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `RELAY_LOG`: directives of tracing-subscriber's `EnvFilter`.
    pub filter: String,
    /// `RELAY_LOG_FORMAT`
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Plain text, for people.
    Text,
}

impl LogConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let filter = reader.checked(
            "RELAY_LOG",
            "error, warn, info, debug, or such as info,conversion_relay::roles=debug",
            |text| {
                let is_valid = text.parse::<tracing_subscriber::EnvFilter>().is_ok();
                is_valid.then(|| text.to_owned())
            },
        );
        let format = reader.checked("RELAY_LOG_FORMAT", "json or text", |text| match text {
            "json" => Some(LogFormat::Json),
            "text" => Some(LogFormat::Text),
            _ => None,
        });
        Some(Self {
            filter: filter?,
            format: format?,
        })
    }
}
