//! Bodies of requests that are refused before they are read: taken in and thrown away, so that their sender comes to read why.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::header,
};
use bytes::Bytes;
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};

/// So much of a body is thrown away, and so long; who sends more finds the connection closed.
const BYTES_MAX: usize = 8 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a body comes back to when whoever had it has not read it to its end.
#[derive(Default)]
pub(super) struct Leftover(Arc<Mutex<Option<Body>>>);

/// A body that comes back.
struct Lent {
    body: Body,
    home: Arc<Mutex<Option<Body>>>,
}

impl Leftover {
    /// Lends a request's body out. One whose sender waits to be asked for it is not, and so stays out.
    pub fn of(request: Request) -> (Self, Request) {
        let leftover = Self::default();
        if request.headers().contains_key(header::EXPECT) {
            return (leftover, request);
        }
        let home = Arc::clone(&leftover.0);
        let request = request.map(|body| Body::new(Lent { body, home }));
        (leftover, request)
    }

    /// Throws away what is left of it.
    pub async fn discard(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(body) = left else { return };
        let mut chunks = body.into_data_stream();
        let mut read = 0;
        let discarding = async {
            while let Some(Ok(chunk)) = chunks.next().await {
                read += chunk.len();
                if read > BYTES_MAX {
                    return;
                }
            }
        };
        // Whoever is slower than that has to do without.
        let _ = tokio::time::timeout(PATIENCE, discarding).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            let body = std::mem::take(&mut self.body);
            *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_read_comes_back_and_what_was_does_not() {
        let (leftover, request) = Leftover::of(Request::new(Body::from("unread")));
        drop(request);
        assert!(leftover.0.lock().unwrap().is_some());
        leftover.discard().await;

        let (leftover, request) = Leftover::of(Request::new(Body::from("read")));
        let read = axum::body::to_bytes(request.into_body(), 10).await.unwrap();
        assert_eq!(read, "read");
        assert!(leftover.0.lock().unwrap().is_none());
    }
}
