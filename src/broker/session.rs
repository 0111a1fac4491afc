//! One consuming channel, from its opening to its close.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use super::{
    acks::write_verdicts,
    error::BrokerError,
    holder::Holder,
    intake::Drained,
    link::Link,
    patience::{ANSWER_TIMEOUT, within},
    settings::IntakeSettings,
    solo::Mode,
};
use crate::metrics::broker::IntakeMetrics;

/// Deliveries taken over from lapin at once.
const BATCH: usize = 256;

/// One consuming channel.
///
/// It opens with a prefetch of one. To let in more, it gets a second consumer beside the first: a prefetch holds for
/// the consumers that come after it was set, so the first stays as it is, nothing is given back, and no count rises.
pub(super) struct Session {
    /// Keeps the connection as long as the channel.
    _link: Arc<Link>,
    channel: Channel,
    queue: ShortString,
    prefetch: u16,
    one: Consumer,
    rest: Option<Consumer>,
    holder: Arc<Holder>,
    writer: JoinHandle<lapin::Result<()>>,
}

impl Session {
    /// Opens a channel on the queue, with a prefetch of one.
    pub(super) async fn open(
        link: Arc<Link>,
        settings: &IntakeSettings,
        metrics: &IntakeMetrics,
    ) -> Result<Self, BrokerError> {
        let channel = link.channel().await?;
        let queue = ShortString::try_new(settings.queue.as_str()).map_err(|_| BrokerError::Refused {
            doing: "consume".to_owned(),
            code: 404,
            text: "a queue name has at most 255 bytes".to_owned(),
        })?;
        let one = consume(&channel, &queue, "one", 1).await?;
        let (verdicts, settlements) = mpsc::unbounded_channel();
        let writer = tokio::spawn(write_verdicts(channel.clone(), settlements, metrics.clone()));
        let holder = Holder::new(settings.queue.clone(), metrics.clone(), verdicts);
        Ok(Session {
            _link: link,
            channel,
            queue,
            prefetch: settings.prefetch,
            one,
            rest: None,
            holder: Arc::new(holder),
            writer,
        })
    }

    /// The deliveries in our hands.
    pub(super) fn holder(&self) -> &Arc<Holder> {
        &self.holder
    }

    /// How much the channel lets in.
    pub(super) fn mode(&self) -> Mode {
        if self.rest.is_some() { Mode::Wide } else { Mode::Narrow }
    }

    /// Lets in the full prefetch.
    pub(super) async fn widen(&mut self) -> Result<(), BrokerError> {
        if self.rest.is_none() && self.prefetch > 1 {
            let rest = consume(&self.channel, &self.queue, "rest", self.prefetch - 1).await?;
            self.rest = Some(rest);
        }
        Ok(())
    }

    /// Waits for deliveries and takes all that are there. An error is the end of the channel, in words.
    pub(super) async fn next(&mut self, batch: &mut Vec<Delivery>) -> Result<(), String> {
        poll_fn(|context| self.poll_next(context, batch)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>, batch: &mut Vec<Delivery>) -> Poll<Result<(), String>> {
        if Pin::new(&mut self.writer).poll(context).is_ready() {
            return Poll::Ready(Err("acks could not be written".to_owned()));
        }
        for consumer in std::iter::once(&mut self.one).chain(&mut self.rest) {
            while batch.len() < BATCH {
                match Pin::new(&mut *consumer).poll_next(context) {
                    Poll::Pending => break,
                    Poll::Ready(Some(Ok(delivery))) => batch.push(delivery),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.to_string())),
                    // Without a cancel of ours this is the broker's: the queue was deleted, or moved to another node.
                    Poll::Ready(None) => {
                        return Poll::Ready(Err("the broker ended the subscription".to_owned()));
                    }
                }
            }
        }
        if batch.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Asks the broker to send no more on this channel. It is not to be opened again after that: a new subscription on
    /// a channel with unsettled deliveries fails on RabbitMQ 3.10.8.
    /// <https://github.com/rabbitmq/rabbitmq-server/pull/5927> (read 2026-11-21).
    pub(super) async fn stop_intake(&self) {
        for consumer in std::iter::once(&self.one).chain(&self.rest) {
            let cancel = self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
            if let Err(error) = within(ANSWER_TIMEOUT, "cancel a subscription", cancel).await {
                tracing::debug!(error = error.in_full(), "subscription not cancelled");
            }
        }
    }

    /// Writes the verdicts given so far and closes the channel; the broker's answer proves that it processed them.
    pub(super) async fn close(self) -> Drained {
        let unsettled = self.holder.close();
        if !self.channel.status().connected() {
            return Drained {
                clean: false,
                unsettled,
            };
        }
        let flushed = timeout(ANSWER_TIMEOUT, self.holder.flush()).await.unwrap_or(false);
        let closing = self.channel.close(200, "closing".into());
        let closed = within(ANSWER_TIMEOUT, "close a consuming channel", closing).await;
        if let Err(error) = &closed {
            tracing::debug!(error = error.in_full(), queue = %self.queue, "consuming channel not closed properly");
        }
        Drained {
            clean: flushed && closed.is_ok() && unsettled == 0,
            unsettled,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.holder.close();
        self.writer.abort();
    }
}

async fn consume(channel: &Channel, queue: &ShortString, tag: &str, prefetch: u16) -> Result<Consumer, BrokerError> {
    let doing = format!("consume {queue}");
    let qos = channel.basic_qos(prefetch, BasicQosOptions { global: false });
    within(ANSWER_TIMEOUT, &doing, qos).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.clone(), tag.into(), options, FieldTable::default());
    within(ANSWER_TIMEOUT, &doing, consumer).await
}
