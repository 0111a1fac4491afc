//! RabbitMQ: where it is and what the names there begin with.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::reader::Reader;

/// How RabbitMQ is reached.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `RELAY_AMQP_URL`: one URL for each node, at least one.
    pub urls: Vec<SecretString>,
    /// `RELAY_AMQP_CA`: an own certificate authority in PEM.
    pub ca: Option<PathBuf>,
    /// `RELAY_TOPOLOGY_PREFIX`
    pub prefix: String,
    /// `RELAY_MANAGEMENT_URL`, with user and password.
    pub management_url: Option<SecretString>,
}

impl BrokerConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let urls = reader.checked(
            "RELAY_AMQP_URL",
            "amqp:// or amqps:// URLs with commas between them (a special character in a password is percent-encoded)",
            amqp_urls,
        );
        let ca = reader.file("RELAY_AMQP_CA");
        let prefix = reader.checked(
            "RELAY_TOPOLOGY_PREFIX",
            "1 to 100 letters, digits, dots, dashes or underscores, and not amq.",
            topology_prefix,
        );
        let management_url = reader.web_address("RELAY_MANAGEMENT_URL").map(SecretString::from);
        Some(Self {
            urls: urls?,
            ca,
            prefix: prefix?,
            management_url,
        })
    }
}

fn amqp_urls(text: &str) -> Option<Vec<SecretString>> {
    text.split(',')
        .map(|url| {
            let parsed = Url::parse(url.trim()).ok()?;
            (matches!(parsed.scheme(), "amqp" | "amqps") && parsed.has_host()).then(|| SecretString::from(url.trim()))
        })
        .collect()
}

fn topology_prefix(text: &str) -> Option<String> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    // Names that begin with amq. are RabbitMQ's own.
    let is_valid = (1..=100).contains(&text.len()) && is_plain && text != "amq" && !text.starts_with("amq.");
    is_valid.then(|| text.to_owned())
}
