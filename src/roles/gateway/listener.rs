//! The listener: connections in, a bounded number of them, each with its patience; an orderly end of all.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// The most connections at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1_024;
/// How long the head of a request may take, and how long a connection may stand idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection lives before it is asked to end, and how long the request under way may take then: longer than any may be handled. Who
/// does not read the answers would otherwise hold a place forever.
const LIFE: Duration = Duration::from_secs(5 * 60);
const LAST_REQUEST: Duration = Duration::from_secs(60);
/// The most headers of a request, and the most bytes of its head.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long accepting pauses when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then finishes the requests under way; says whether all of them were finished before `deadline` was over.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    deadline: Duration,
) -> bool {
    let patience = Patience {
        life: LIFE,
        last_request: LAST_REQUEST,
    };
    let closing = CancellationToken::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = live(connection(stream, router.clone()), patience, closing.clone());
                connections.spawn(async move {
                    let _place = place;
                    served.await;
                });
            }
            Err(failure) => {
                warn!(error = %failure, "connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    closing.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(deadline, ended).await.is_ok()
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

/// How long a connection lives.
#[derive(Clone, Copy)]
struct Patience {
    /// Until it is asked to end.
    life: Duration,
    /// After that.
    last_request: Duration,
}

/// Serves a connection until its caller ends it, its life is over, or all are closing.
async fn live(connection: Connection, patience: Patience, closing: CancellationToken) {
    let mut connection = pin!(connection);
    let asked_to_end = async {
        tokio::select! {
            () = closing.cancelled() => {}
            () = tokio::time::sleep(patience.life) => {}
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => Ok(ended),
        () = asked_to_end => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(patience.last_request, connection).await
        }
    };
    // Whatever becomes of a connection concerns nobody but its caller.
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => debug!(timed_out = failure.is_timeout(), "connection ended"),
        Err(_) => debug!(timed_out = true, "connection ended"),
    }
}

fn connection(stream: TcpStream, router: Router) -> Connection {
    // Answers are small and somebody waits for them; where it cannot be set, they come a little later.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Patience = Patience {
        life: Duration::from_millis(50),
        last_request: Duration::from_millis(50),
    };
    const PATIENCE: Duration = Duration::from_secs(10);

    /// A caller's end of a connection, and what serves the other.
    async fn connected(router: Router) -> (TcpStream, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let served = live(connection(stream, router), SHORT, CancellationToken::new());
        (caller, served)
    }

    #[tokio::test]
    async fn a_caller_who_does_not_read_holds_no_place_forever() {
        let router = Router::new().route("/", get(async || vec![b'x'; 64 * 1024 * 1024]));
        let (mut caller, served) = connected(router).await;
        caller.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();

        let ended = tokio::time::timeout(PATIENCE, served).await;

        assert!(ended.is_ok(), "the connection lives on");
        drop(caller);
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_although_the_life_of_its_connection_is_over() {
        let slow = async || {
            tokio::time::sleep(SHORT.life + SHORT.last_request / 4).await;
            "done"
        };
        let (mut caller, served) = connected(Router::new().route("/", get(slow))).await;
        caller.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();

        let mut answer = String::new();
        let (_, read) = tokio::join!(served, caller.read_to_string(&mut answer));

        read.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
    }
}
