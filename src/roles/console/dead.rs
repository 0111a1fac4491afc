//! `dead`: what could not be handled lies in queues of its own until someone lists it, looks at it, replays it or drops it.

mod choice;
mod discard;
mod erase;
mod forecast;
mod letter;
mod list;
mod replay;
mod show;
mod walk;

use std::{io::Write, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

pub use self::{
    choice::{Choice, DeadQueue},
    discard::DropArgs,
    replay::ReplayArgs,
    show::ShowArgs,
};
pub(super) use self::{
    erase::{Erasing, erase},
    letter::Facts,
};
use super::{Console, ConsoleError, Exit, connect::connected};
use crate::{
    broker::{Broker, topology::Topology},
    store::replay::QueueLock,
};

const EXAMPLES: &str = "\
Examples:
  dead list                                        what failed, by cause and client, and who must act
  dead show --queue events                         messages that could not be read, with their errors
  dead replay --platform meta --cause refused      a forecast: nothing is sent
  dead replay --platform meta --cause refused --yes
  dead drop --queue events --cause malformed_json --yes";

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub enum Args {
    /// Count them, by queue, cause and client
    List(Choice),
    /// Show them one by one, personal data masked
    Show(ShowArgs),
    /// Send them again; without --yes only a forecast
    Replay(ReplayArgs),
    /// Give them up; without --yes only a forecast
    Drop(DropArgs),
}

/// What the commands work with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The ledger.
    pub console: &'a Console,
    /// RabbitMQ.
    pub broker: &'a Broker,
    /// The names there.
    pub topology: &'a Topology,
    /// After which time without news a conversion is published again.
    pub silence: Duration,
}

/// Does it.
pub async fn run(args: &Args, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    connected(tools.broker).await?;
    match args {
        Args::List(choice) => list::run(choice, tools, out).await,
        Args::Show(args) => show::run(args, tools, out).await,
        Args::Replay(args) => replay::run(args, tools, out).await,
        Args::Drop(args) => discard::run(args, tools, out).await,
    }
}

/// Takes the right to walk a queue; without it, says so.
async fn lock(
    queue: DeadQueue,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Option<QueueLock>, ConsoleError> {
    let name = tools.topology.dead_queue(queue.as_str());
    let lock = tools.console.store.lock_queue(&name).await?;
    if lock.is_none() {
        writeln!(
            out,
            "{}: another `dead` command is at work on this queue; nothing was done, try again when it has ended",
            queue.as_str()
        )?;
    }
    Ok(lock)
}

/// A bar on standard error, if that is a terminal.
fn progress(queue: DeadQueue, total: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {bar:40} {pos}/{len}  {msg}  {eta} left");
    ProgressBar::new(u64::from(total))
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(queue.as_str())
}
