//! Reaches an address: name, TCP, and TLS where the address wants it. Nothing is sent beyond the handshake.

use std::{
    fmt,
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};
use url::Url;

/// For each step.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an address was reached.
pub(super) struct Way {
    address: String,
    how: How,
}

enum How {
    Connected(Duration),
    /// Requests go through a proxy, so a direct connection says nothing.
    Proxy,
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::Connected(duration) => write!(formatter, "{} within {} ms", self.address, duration.as_millis()),
            How::Proxy => write!(
                formatter,
                "{}: not looked at, requests go through a proxy",
                self.address
            ),
        }
    }
}

/// Why an address was not reached.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {step}: {reason}")]
pub(super) struct Unreachable {
    address: String,
    step: &'static str,
    reason: String,
}

/// Reaches an `http` or `https` address.
pub(super) async fn reach(address: &str) -> Result<Way, Unreachable> {
    let way = |how| Way {
        address: address.to_owned(),
        how,
    };
    let url = Url::parse(address).map_err(|error| failed(address, "read the address", error))?;
    if has_proxy(&url) {
        return Ok(way(How::Proxy));
    }
    let began = Instant::now();
    let address_again = address.to_owned();
    // The handshake is the standard library's and rustls's own, which block.
    let reached = tokio::task::spawn_blocking(move || connect(&address_again, &url)).await;
    match reached {
        Ok(Ok(())) => Ok(way(How::Connected(began.elapsed()))),
        Ok(Err(failure)) => Err(failure),
        Err(failure) => Err(failed(address, "connect", failure)),
    }
}

fn connect(address: &str, url: &Url) -> Result<(), Unreachable> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(443);
    let resolved = (host.trim_matches(['[', ']']), port)
        .to_socket_addrs()
        .map_err(|error| failed(address, "find the host", error))?;
    let mut last = Err(failed(address, "find the host", "it has no address"));
    for target in resolved {
        last = TcpStream::connect_timeout(&target, PATIENCE).map_err(|error| failed(address, "connect", error));
        if last.is_ok() {
            break;
        }
    }
    let mut stream = last?;
    if url.scheme() != "https" {
        return Ok(());
    }
    handshake(host, &mut stream).map_err(|reason| failed(address, "TLS", reason))
}

fn handshake(host: &str, stream: &mut TcpStream) -> Result<(), String> {
    let words = |error: &dyn fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| words(&error))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| words(&error))?;
    let timeouts = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    timeouts.map_err(|error| words(&error))?;
    while connection.is_handshaking() {
        connection.complete_io(stream).map_err(|error| words(&error))?;
    }
    connection.send_close_notify();
    // The other side may be gone by now, and all is known.
    let _ = connection.complete_io(stream);
    Ok(())
}

/// Whether requests to this address go through a proxy of the environment, as the HTTP client reads it.
fn has_proxy(url: &Url) -> bool {
    let names: [&str; 4] = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    let is_set = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
    names.into_iter().any(is_set) && !is_exempt(url.host_str().unwrap_or_default())
}

fn is_exempt(host: &str) -> bool {
    let list = std::env::var("NO_PROXY")
        .or_else(|_| std::env::var("no_proxy"))
        .unwrap_or_default();
    let entries = list.split(',').map(|entry| entry.trim().trim_start_matches('.'));
    entries
        .filter(|entry| !entry.is_empty())
        .any(|entry| entry == "*" || host == entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.')))
}

fn failed(address: &str, step: &'static str, reason: impl fmt::Display) -> Unreachable {
    Unreachable {
        address: address.to_owned(),
        step,
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_listening_port_is_reached_and_a_closed_one_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let url = Url::parse(&address).unwrap();

        assert!(connect(&address, &url).is_ok());
        drop(listener);
        let failure = connect(&address, &url).unwrap_err().to_string();
        assert!(failure.starts_with(&format!("{address}: connect: ")), "{failure}");
    }

    #[test]
    fn whoever_speaks_no_tls_is_not_reached_over_https() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let answering = std::thread::spawn(move || {
            use std::io::Write;
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        // Another test may have installed it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

        let failure = connect(&address, &Url::parse(&address).unwrap())
            .unwrap_err()
            .to_string();

        assert!(failure.starts_with(&format!("{address}: TLS: ")), "{failure}");
        answering.join().unwrap();
    }
}
