//! The baseline: bare lapin doing the two broker hops alone. Consume, publish confirmed, ack, consume, ack; quorum queues, persistent messages.

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, future::maybe_done};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        QueueDeclareOptions, QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::{
    processes::{Span, Watch},
    support::vhost::Vhost,
};

/// Bytes of a message.
const BYTES: usize = 700;
/// Messages that are published before their confirms are awaited.
const WINDOW: usize = 400;
/// Pairs of channels that forward, so that one window is on its way while another waits for the disk.
const FORWARDERS: usize = 2;
/// Unacknowledged messages a consumer.
const PREFETCH: u16 = 1_000;
const FIRST: &str = "bare.first";
const SECOND: &str = "bare.second";

/// What the broker alone can do.
pub struct Bare {
    pub messages: usize,
    pub span: Span,
}

impl Bare {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.span.seconds()
    }

    /// Fills the first queue, then times how long the messages take through both.
    pub async fn measure(watch: &Watch, messages: usize) -> anyhow::Result<Bare> {
        let vhost = Vhost::create().await;
        let consuming = connect(&vhost.url).await?;
        let publishing = connect(&vhost.url).await?;
        for queue in [FIRST, SECOND] {
            declare(&consuming, queue).await?;
        }
        fill(&publishing, messages).await?;

        let span = watch.begin()?;
        let draining = tokio::spawn(drain(consumer(&consuming, SECOND).await?, messages));
        let mut forwarding = Vec::new();
        for _ in 0..FORWARDERS {
            let arriving = consumer(&consuming, FIRST).await?;
            let leaving = confirming(&publishing).await?;
            forwarding.push(tokio::spawn(forward(arriving, leaving)));
        }
        draining.await.context("drain the second queue")??;
        let span = span.end()?;

        for task in &forwarding {
            // It waits for messages that never come; the acks are out when all came through the second queue and this purge says so.
            task.abort();
        }
        let channel = consuming.create_channel().await?;
        let left = channel.queue_purge(FIRST.into(), QueuePurgeOptions::default()).await?;
        ensure!(left == 0, "{left} messages are left in the first queue");
        for connection in [consuming, publishing] {
            // A channel that is closing by itself at this moment makes an error of it, and the end is the same.
            let _ = connection.close(200, "done".into()).await;
        }
        Ok(Bare { messages, span })
    }
}

async fn connect(url: &str) -> anyhow::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default())
        .await
        .context("connect to the broker")
}

async fn declare(connection: &Connection, queue: &str) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(20));
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), arguments)
        .await?;
    Ok(())
}

async fn consumer(connection: &Connection, queue: &str) -> anyhow::Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let consumer = channel
        .basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    Ok((channel, consumer))
}

async fn confirming(connection: &Connection) -> anyhow::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn fill(connection: &Connection, messages: usize) -> anyhow::Result<()> {
    let channel = confirming(connection).await?;
    let body = vec![b'x'; BYTES];
    for start in (0..messages).step_by(WINDOW) {
        let window = vec![body.as_slice(); WINDOW.min(messages - start)];
        publish(&channel, FIRST, &window).await?;
    }
    Ok(())
}

/// Publishes a window and awaits its confirms.
async fn publish(channel: &Channel, queue: &str, bodies: &[&[u8]]) -> anyhow::Result<()> {
    let mut writes = Vec::with_capacity(bodies.len());
    for body in bodies {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let mut write = Box::pin(maybe_done(channel.basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            body,
            properties,
        )));
        // All frames are queued before the first one is awaited.
        let _ = futures_util::poll!(write.as_mut());
        writes.push(write);
    }
    let mut confirms = Vec::with_capacity(bodies.len());
    for mut write in writes {
        write.as_mut().await;
        confirms.extend(write.as_mut().take_output());
    }
    for confirm in confirms {
        let confirmation = confirm?.await?;
        ensure!(
            matches!(confirmation, Confirmation::Ack(None)),
            "the broker did not take a message"
        );
    }
    Ok(())
}

async fn forward((channel, consumer): (Channel, Consumer), leaving: Channel) -> anyhow::Result<()> {
    let mut windows = consumer.ready_chunks(WINDOW);
    while let Some(window) = windows.next().await {
        let window: Vec<Delivery> = window.into_iter().collect::<Result<_, _>>()?;
        let bodies: Vec<&[u8]> = window.iter().map(|delivery| delivery.data.as_slice()).collect();
        publish(&leaving, SECOND, &bodies).await?;
        ack(&channel, &window).await?;
    }
    Ok(())
}

async fn drain((channel, consumer): (Channel, Consumer), messages: usize) -> anyhow::Result<()> {
    let mut windows = consumer.ready_chunks(WINDOW);
    let mut count = 0;
    while count < messages
        && let Some(window) = windows.next().await
    {
        let window: Vec<Delivery> = window.into_iter().collect::<Result<_, _>>()?;
        count += window.len();
        ack(&channel, &window).await?;
    }
    // The answer to this proves that the broker has processed every ack.
    channel.close(200, "done".into()).await?;
    Ok(())
}

async fn ack(channel: &Channel, window: &[Delivery]) -> anyhow::Result<()> {
    if let Some(last) = window.last() {
        channel
            .basic_ack(last.delivery_tag, BasicAckOptions { multiple: true })
            .await?;
    }
    Ok(())
}
