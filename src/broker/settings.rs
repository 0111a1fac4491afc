//! How to reach the broker, and how patient to be with it.

use std::{path::PathBuf, time::Duration};

use lapin::uri::{AMQPScheme, AMQPUri};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::error::BrokerError;

/// How to reach the broker.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// `amqp://` or `amqps://` addresses of one cluster, one per node; tried in a random order at every connect.
    pub urls: Vec<SecretString>,
    /// The connection name that the management UI shows, such as `relay@host`.
    pub name: String,
    /// A PEM file with own certificate authorities, trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// For TCP, TLS and the AMQP handshake together.
    pub connect_timeout: Duration,
    /// Seconds between heartbeats; the peer counts as dead after twice that without a byte.
    pub heartbeat: u16,
    /// How long a window of published messages may wait for its confirms while the broker is not blocking us.
    pub confirm_timeout: Duration,
    /// The first pause before connecting again.
    pub backoff_min: Duration,
    /// The longest pause before connecting again.
    pub backoff_max: Duration,
}

impl BrokerSettings {
    /// Settings for these addresses with the usual patience.
    pub fn new(urls: Vec<SecretString>, name: impl Into<String>) -> Self {
        BrokerSettings {
            urls,
            name: name.into(),
            ca: None,
            connect_timeout: Duration::from_secs(10),
            heartbeat: 10,
            confirm_timeout: Duration::from_secs(30),
            backoff_min: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
        }
    }

    /// Says what is wrong with the addresses, without showing them; for the check before anything is opened.
    pub fn check(&self) -> Result<(), BrokerError> {
        if self.urls.is_empty() {
            return Err(BrokerError::InvalidUrl {
                reason: "there is none",
            });
        }
        self.urls.iter().try_for_each(|url| self.uri(url).map(drop))
    }

    /// lapin's form of one of the addresses, with our heartbeat unless the address asks for its own.
    pub(super) fn uri(&self, url: &SecretString) -> Result<AMQPUri, BrokerError> {
        let invalid = |reason| BrokerError::InvalidUrl { reason };
        // lapin's own messages quote the address and with it the password.
        let parsed = Url::parse(url.expose_secret()).map_err(|_| invalid("not a URL"))?;
        let host = parsed.host().ok_or_else(|| invalid("no host"))?;
        let mut uri: AMQPUri = url
            .expose_secret()
            .parse()
            .map_err(|_| invalid("not an amqp:// or amqps:// address"))?;
        // lapin takes an IPv6 host for absent and would connect to localhost.
        if let Host::Ipv6(address) = host {
            uri.authority.host = address.to_string();
        }
        // `amqp://host/` means the vhost "" to the letter, and `/` to everyone who writes it.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        uri.query.heartbeat.get_or_insert(self.heartbeat);
        Ok(uri)
    }

    /// The host and port of an address, for the log.
    pub(super) fn host_of(uri: &AMQPUri) -> String {
        let scheme = match uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        format!("{scheme}://{}:{}", uri.authority.host, uri.authority.port)
    }
}

/// What to consume.
#[derive(Clone, Debug)]
pub struct IntakeSettings {
    /// The queue, with the topology's prefix.
    pub queue: String,
    /// How many deliveries may be with us unsettled; at least 1.
    pub prefetch: u16,
    /// The metric label `role`.
    pub role: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(url: &str) -> Result<AMQPUri, BrokerError> {
        BrokerSettings::new(Vec::new(), "test").uri(&url.into())
    }

    #[test]
    fn the_usual_ways_to_write_an_address_mean_what_people_mean() {
        let cases = [
            ("amqp://localhost", "amqp://localhost:5672", "/"),
            ("amqp://localhost/", "amqp://localhost:5672", "/"),
            ("amqp://u:p@10.0.0.1:5673/%2f", "amqp://10.0.0.1:5673", "/"),
            ("amqps://u:p@mq.example/ads", "amqps://mq.example:5671", "ads"),
            ("amqp://[::1]:5672/ads", "amqp://::1:5672", "ads"),
        ];
        for (url, host, vhost) in cases {
            let uri = uri(url).unwrap();
            assert_eq!(
                (BrokerSettings::host_of(&uri).as_str(), uri.vhost.as_str()),
                (host, vhost)
            );
        }
    }

    #[test]
    fn an_address_may_ask_for_its_own_heartbeat() {
        assert_eq!(uri("amqp://localhost").unwrap().query.heartbeat, Some(10));
        assert_eq!(uri("amqp://localhost?heartbeat=30").unwrap().query.heartbeat, Some(30));
    }

    #[test]
    fn a_bad_address_is_refused_without_showing_the_password() {
        for url in [
            "hunter2",
            "http://u:hunter2@host",
            "amqp:u:hunter2",
            "amqp://u:hunter2@host:99999",
        ] {
            let error = uri(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(BrokerSettings::new(Vec::new(), "test").check().is_err());
    }
}
