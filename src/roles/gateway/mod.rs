//! The gateway: events and webhooks over HTTP into the queue. Whoever is answered 202 or 200 has it in the queue, on disk.

mod access;
mod body;
mod events;
mod keyring;
mod leftover;
mod listener;
pub mod openapi;
mod problem;
mod publishing;
pub mod routes;
mod send_event;
mod webhooks;

use std::sync::{Arc, atomic::Ordering};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{access::Access, body::Room, keyring::Keyring};
use super::context::Context;
use crate::{broker::Publisher, config::GatewayConfig, secrets::Secrets};

/// What every request is handled with.
struct Gateway {
    context: Arc<Context>,
    config: GatewayConfig,
    publisher: Publisher,
    access: Access,
    keyring: Keyring,
    /// For those who have shown a key.
    room: Room,
    /// For webhooks, whose senders prove themselves only by what they sent: they must not take the others' room.
    webhook_room: Room,
}

/// What the gateway is given beside the context.
pub struct Doors {
    /// Where it listens, open already.
    pub listener: TcpListener,
    /// How it is set.
    pub config: GatewayConfig,
    /// Where the secrets of webhooks lie.
    pub secrets: Secrets,
}

/// Runs until `shutdown`, then finishes the requests under way.
pub async fn run(context: Arc<Context>, doors: Doors, shutdown: CancellationToken) {
    let deadline = context.pace.shutdown_deadline;
    let gateway = Arc::new(Gateway {
        publisher: context.broker.publisher("gateway"),
        access: Access::new(doors.config.rate),
        keyring: Keyring::new(doors.secrets),
        room: Room::new(),
        webhook_room: Room::new(),
        config: doors.config,
        context: Arc::clone(&context),
    });
    if let Ok(address) = doors.listener.local_addr() {
        info!(%address, "gateway listens");
    }
    let served = listener::serve(doors.listener, routes::router(gateway), shutdown.clone(), deadline);
    tokio::pin!(served);
    let clean = tokio::select! {
        clean = &mut served => clean,
        () = say_readiness(&context, &shutdown) => served.await,
    };
    info!(clean, "gateway stopped");
}

/// Keeps the word for `/readyz`: it listens, and the broker takes messages.
async fn say_readiness(context: &Context, shutdown: &CancellationToken) {
    let ready = context.readiness.expect("requests of the gateway");
    let mut changes = context.broker.changes();
    while !shutdown.is_cancelled() {
        let health = changes.borrow_and_update().clone();
        ready.store(health.publish_connected && health.blocked.is_none(), Ordering::Relaxed);
        tokio::select! {
            () = shutdown.cancelled() => {}
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    ready.store(false, Ordering::Relaxed);
}
