//! Futures that are begun one after the other and awaited together.

use std::{future::poll_fn, pin::Pin, task::Poll};

use futures_util::future::{MaybeDone, maybe_done};

/// Polls a future once, so that what it does first is done before the next one begins.
///
/// lapin numbers a message and queues frames at the first poll: begun in order, they go out in order. Awaiting each
/// before the next would be a round trip each.
pub(super) async fn begin<F: Future>(future: F) -> Pin<Box<MaybeDone<F>>> {
    let mut begun = Box::pin(maybe_done(future));
    poll_fn(|context| {
        // Whether it is done already shows when it is awaited.
        let _ = begun.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    begun
}

/// Waits for a future that was begun; nothing if its output was taken before.
pub(super) async fn finish<F: Future>(mut begun: Pin<Box<MaybeDone<F>>>) -> Option<F::Output> {
    begun.as_mut().await;
    begun.as_mut().take_output()
}
