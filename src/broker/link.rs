//! One connection to the broker: made under a deadline, and cut off when it will not close.

use std::{
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use lapin::{
    Channel, Connection, ConnectionProperties, Event,
    runtime::default_runtime,
    tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig},
    uri::AMQPUri,
};
use rand::seq::SliceRandom;
use tokio::sync::watch;

use super::{
    error::BrokerError,
    patience::{ANSWER_TIMEOUT, within},
    settings::BrokerSettings,
};

/// The current connection, if there is one; changes at every loss and every reconnect.
pub(super) type LinkWatch = watch::Receiver<Option<Arc<Link>>>;

/// A standing connection.
pub(super) struct Link {
    connection: Connection,
    socket: Socket,
    /// How many addresses there are.
    nodes: usize,
    /// The broker's reason for taking no messages from this connection, while it takes none.
    blocked: watch::Sender<Option<String>>,
}

impl Link {
    /// Connects to the first of the nodes, in random order, that answers.
    pub(super) async fn open(settings: &BrokerSettings, name: &str) -> Result<Self, BrokerError> {
        let mut urls: Vec<_> = settings.urls.iter().collect();
        urls.shuffle(&mut rand::rng());
        let mut last = Err(BrokerError::InvalidUrl {
            reason: "there is none",
        });
        for url in urls {
            let uri = settings.uri(url)?;
            last = Link::open_one(settings, uri, name).await;
            if last.is_ok() {
                break;
            }
        }
        last
    }

    async fn open_one(settings: &BrokerSettings, uri: AMQPUri, name: &str) -> Result<Self, BrokerError> {
        let doing = format!("connect to {}", BrokerSettings::host_of(&uri));
        let tls = tls_config(settings).await?;
        let runtime = default_runtime().map_err(|error| BrokerError::from_lapin(doing.clone(), error))?;
        let socket = Socket::default();
        // lapin ignores a timeout in the address, and its thread would wait for a silent peer for ever.
        let unless_opened = CutOnDrop(Some(socket.clone()));
        let opened = socket.clone();
        let limit = settings.connect_timeout;
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connect = Connection::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let connecting = AMQPUriTcpExt::connect_with_config_async(&uri, tls.as_ref(), &runtime);
                let stream = tokio::time::timeout(limit, connecting)
                    .await
                    .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
                match &stream {
                    AsyncTcpStream::Plain(tcp) => opened.remember(tcp.get_ref())?,
                    AsyncTcpStream::Rustls(tls) => opened.remember(tls.get_ref().0.get_ref())?,
                    _ => {}
                }
                Ok(stream)
            },
            properties,
        );
        let connection = within(limit, &doing, connect).await?;
        unless_opened.keep();
        Ok(Link {
            connection,
            socket,
            nodes: settings.urls.len(),
            blocked: watch::Sender::new(None),
        })
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        within(ANSWER_TIMEOUT, "open a channel", self.connection.create_channel()).await
    }

    /// Whether it still stands, as far as we know.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker takes no messages from this connection, and why.
    pub(super) fn blocked(&self) -> watch::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    pub(super) fn set_blocked(&self, reason: Option<String>) {
        self.blocked.send_replace(reason);
    }

    /// What happens to the connection. To be asked for once: lapin's listeners share the events among them.
    pub(super) fn events(&self) -> impl Stream<Item = Event> + Send + Unpin + use<> {
        self.connection.events_listener().boxed()
    }

    /// Closes it properly if the broker answers in time, and cuts it off otherwise.
    ///
    /// A blocked connection writes nothing, not even its own close.
    pub(super) async fn close(&self, limit: Duration) {
        let closing = self.connection.close(200, "closing".into());
        if let Err(error) = within(limit, "close the connection", closing).await {
            tracing::debug!(error = error.in_full(), "broker connection cut off");
        }
        self.cut();
    }

    /// Gives up a node that holds the connection but does not do its work, if there is another one to go to.
    pub(super) fn leave_node(&self) {
        if self.nodes > 1 {
            tracing::warn!("the broker node does not confirm, trying another one");
            self.cut();
        }
    }

    /// Ends it at once, as a crash would.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }
}

async fn tls_config(settings: &BrokerSettings) -> Result<OwnedTLSConfig, BrokerError> {
    let Some(path) = &settings.ca else {
        return Ok(OwnedTLSConfig::default());
    };
    // Read at every connect: files of certificate authorities are replaced while we run.
    let pem = tokio::fs::read_to_string(path)
        .await
        .map_err(|source| BrokerError::Ca {
            path: path.clone(),
            source,
        })?;
    Ok(OwnedTLSConfig {
        cert_chain: Some(pem),
        identity: None,
    })
}

/// A second handle on the connection's socket, with which it can be ended from outside.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Option<std::net::TcpStream>>>);

impl Socket {
    fn remember(&self, stream: &tokio::net::TcpStream) -> std::io::Result<()> {
        let second = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(second);
        Ok(())
    }

    fn cut(&self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // It may be closed already, which is what is wanted.
            let _ = socket.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// Cuts a socket when the attempt to connect through it fails or is given up.
struct CutOnDrop(Option<Socket>);

impl CutOnDrop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            socket.cut();
        }
    }
}
