//! Postgres: where it is and how many connections it gives us.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::reader::Reader;

/// How Postgres is reached.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `RELAY_DATABASE_URL`
    pub url: SecretString,
    /// `RELAY_DATABASE_CA`: an own certificate authority in PEM.
    pub ca: Option<PathBuf>,
    /// `RELAY_DATABASE_CONNECTIONS`
    pub connections: usize,
}

impl DatabaseConfig {
    /// Reads the variables of this part.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.checked("RELAY_DATABASE_URL", "a postgres:// URL", |text| {
            let parsed = Url::parse(text).ok()?;
            matches!(parsed.scheme(), "postgres" | "postgresql").then(|| SecretString::from(text))
        });
        let ca = reader.file("RELAY_DATABASE_CA");
        let connections = reader.count("RELAY_DATABASE_CONNECTIONS");
        Some(Self {
            url: url?,
            ca,
            connections: connections?,
        })
    }
}
