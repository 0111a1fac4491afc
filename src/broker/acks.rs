//! The ack-writer: the one task that writes verdicts on one channel.

use lapin::{
    Channel,
    options::{BasicAckOptions, BasicNackOptions},
};
use tokio::sync::mpsc;

use super::{
    begun::{begin, finish},
    holder::Settlement,
    tags::{Frame, Tags, Verdict},
};
use crate::metrics::broker::IntakeMetrics;

/// Verdicts taken at once. What piles up while a batch is written goes into the next.
const BATCH: usize = 1024;

/// Writes verdicts until nobody can give any more, or the channel fails.
///
/// One task a channel, and not lapin's own ackers: their frames have no order among them, and a late single ack behind
/// a `multiple` closes the channel.
pub(super) async fn write_verdicts(
    channel: Channel,
    mut settlements: mpsc::UnboundedReceiver<Settlement>,
    metrics: IntakeMetrics,
) -> lapin::Result<()> {
    let mut tags = Tags::default();
    let mut batch = Vec::with_capacity(BATCH);
    let mut frames = Vec::new();
    while settlements.recv_many(&mut batch, BATCH).await > 0 {
        let mut acked = 0;
        let mut flushes = Vec::new();
        for settlement in batch.drain(..) {
            match settlement {
                Settlement::Verdict(tag, verdict) => {
                    acked += u64::from(verdict == Verdict::Ack);
                    tags.settle(tag, verdict);
                }
                Settlement::Flush(written) => flushes.push(written),
            }
        }
        tags.take_frames(&mut frames);
        write(&channel, &frames).await?;
        metrics.acked.increment(acked);
        for written in flushes {
            // Whoever asked may have stopped waiting.
            let _ = written.send(());
        }
    }
    Ok(())
}

async fn write(channel: &Channel, frames: &[Frame]) -> lapin::Result<()> {
    let mut writes = Vec::with_capacity(frames.len());
    for frame in frames {
        writes.push(begin(write_one(channel, *frame)).await);
    }
    for write in writes {
        finish(write).await.unwrap_or(Ok(()))?;
    }
    Ok(())
}

async fn write_one(channel: &Channel, frame: Frame) -> lapin::Result<()> {
    match frame {
        Frame::AckUpTo(tag) => channel.basic_ack(tag, BasicAckOptions { multiple: true }).await,
        Frame::Ack(tag) => channel.basic_ack(tag, BasicAckOptions { multiple: false }).await,
        Frame::Requeue(tag) => {
            // nack and not reject: from RabbitMQ 4.3 on, only the latter counts as a failure of the message.
            let options = BasicNackOptions {
                multiple: false,
                requeue: true,
            };
            channel.basic_nack(tag, options).await
        }
    }
}
