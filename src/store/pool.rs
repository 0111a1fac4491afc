//! The pool of connections to Postgres, and what can go wrong with it.

use std::{path::PathBuf, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How Postgres is reached.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// `postgres://user:password@host:5432/database?sslmode=require`
    pub url: SecretString,
    /// An own certificate authority in PEM; none: the system's.
    pub ca: Option<PathBuf>,
    /// The most connections at a time.
    pub connections: usize,
    /// How long a connection may take to come up, and how long a free one is waited for.
    pub connect_timeout: Duration,
}

/// The way to Postgres; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
}

/// What went wrong with Postgres.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL cannot be read; it is not shown, for it holds a password.
    #[error("the URL of the database cannot be read")]
    InvalidUrl,
    /// The certificate authority's file cannot be used.
    #[error("certificates of the database's authority in {0} cannot be read")]
    InvalidCa(PathBuf),
    /// No connection.
    #[error("connect to the database")]
    Pool(#[from] PoolError),
    /// The pool could not be made.
    #[error("make the database pool")]
    Build(#[from] deadpool_postgres::BuildError),
    /// A statement failed.
    #[error("run a statement")]
    Statement(#[from] tokio_postgres::Error),
    /// A migration failed.
    #[error("migrate the database")]
    Migration(#[from] refinery::Error),
    /// A row that does not fit its type.
    #[error("table {table} holds a row that cannot be read: column {column}")]
    Row {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

impl StoreError {
    /// Says whether it is worth trying again as it is: the database is away, or two statements got into each other's way. Anything else
    /// is a mistake of ours or of the schema.
    pub fn is_passing(&self) -> bool {
        match self {
            StoreError::Pool(_) => true,
            StoreError::Statement(error) => match error.code() {
                // No SQLSTATE: the connection broke. 08 connection, 40 rollback (deadlock, serialisation), 53 resources, 57 shutdown.
                None => true,
                Some(code) => ["08", "40", "53", "57"]
                    .iter()
                    .any(|class| code.code().starts_with(class)),
            },
            _ => false,
        }
    }

    /// Says whether Postgres refuses the values themselves: out of range, not to be written as they are (class 22), or too large for a limit of its
    /// own (54).
    pub fn is_of_the_data(&self) -> bool {
        self.sqlstate()
            .is_some_and(|code| code.starts_with("22") || code.starts_with("54"))
    }

    /// Postgres's code for what went wrong, if it gave one: all that may be logged of an error that may quote a value.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            StoreError::Statement(error) => Some(error.code()?.code()),
            _ => None,
        }
    }
}

impl Store {
    /// Makes the pool; connects only when a connection is asked for.
    pub fn new(settings: &StoreSettings) -> Result<Self, StoreError> {
        let mut config: Config = settings
            .url
            .expose_secret()
            .parse()
            .map_err(|_| StoreError::InvalidUrl)?;
        config.connect_timeout(settings.connect_timeout);
        config.application_name("conversion-relay");
        config.keepalives_idle(Duration::from_secs(30));
        let manager_config = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let manager = match config.get_ssl_mode() {
            SslMode::Disable => Manager::from_config(config, tokio_postgres::NoTls, manager_config),
            _ => Manager::from_config(config, tls(settings)?, manager_config),
        };
        let pool = Pool::builder(manager)
            .max_size(settings.connections)
            // The connection used last is warm: few of them do the work, with their plans and caches ready.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(settings.connect_timeout))
            .create_timeout(Some(settings.connect_timeout))
            .build()?;
        Ok(Self { pool })
    }

    /// A connection of the pool.
    pub(crate) async fn client(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// Asks Postgres for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.client().await?.simple_query("SELECT 1").await?;
        Ok(())
    }
}

fn tls(settings: &StoreSettings) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &settings.ca {
        let invalid = || StoreError::InvalidCa(path.clone());
        for certificate in CertificateDer::pem_file_iter(path).map_err(|_| invalid())? {
            roots.add(certificate.map_err(|_| invalid())?).map_err(|_| invalid())?;
        }
    } else {
        for certificate in rustls_native_certs::load_native_certs().certs {
            // A system store may hold certificates that rustls does not take; the others still serve.
            let _ = roots.add(certificate);
        }
    }
    Ok(MakeRustlsConnect::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}
