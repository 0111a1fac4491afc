//! Other systems' queues, as the accounts file names them: each is consumed from when the directory knows of it until it does no more.

use std::{collections::HashMap, sync::Arc};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Inbound;
use crate::{domain::mapping::Input, roles::context::Context};

/// Runs until `shutdown`, then until every input has finished what it has begun.
pub async fn run(context: Arc<Context>, shutdown: CancellationToken) {
    let mut looks = tokio::time::interval(context.pace.directory_interval);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tasks = JoinSet::new();
    let mut running: HashMap<Input, (Id, CancellationToken)> = HashMap::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = tasks.join_next_with_id() => {
                let id = match ended {
                    Ok((id, ())) => id,
                    Err(failure) => failure.id(),
                };
                // One that was not asked to end is begun again at the next look.
                if let Some(input) = running.iter().find(|(_, (known, _))| *known == id).map(|(input, _)| input.clone()) {
                    error!(input = input.name, "an input ended by itself");
                    running.remove(&input);
                }
            }
            _ = looks.tick() => {
                let directory = context.directory.current();
                let wanted = directory.inputs();
                running.retain(|input, (_, token)| {
                    let is_wanted = wanted.contains(input);
                    if !is_wanted {
                        info!(input = input.name, queue = input.queue, "input ends");
                        token.cancel();
                    }
                    is_wanted
                });
                for input in wanted.iter().filter(|input| !running.contains_key(*input)).cloned().collect::<Vec<_>>() {
                    info!(input = input.name, queue = input.queue, "input begins");
                    let token = shutdown.child_token();
                    let inbound = Inbound::Input(Arc::new(input.clone()));
                    let task = tasks.spawn(super::run(Arc::clone(&context), inbound, token.clone()));
                    running.insert(input, (task.id(), token));
                }
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}
