//! `dead drop`: gives dead letters up. The ledger's rows stay as failed, so the audit still tells of them, and `resend` still finds them.

use std::io::Write;

use super::{
    Tools,
    choice::{Choice, DeadQueue},
    forecast, lock, progress,
    walk::{WINDOW, Walk},
};
use crate::roles::console::{ConsoleError, Exit, words::grouped};

/// What to give up.
#[derive(Debug, clap::Args)]
pub struct DropArgs {
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Do it; without this, only foretell what it would do
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &DropArgs, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    if !args.yes {
        return forecast::drop(&args.choice, tools, out).await;
    }
    let mut exit = Exit::Success;
    for queue in args.choice.queues() {
        let Some(_lock) = lock(queue, tools, out).await? else {
            exit = Exit::Attention;
            continue;
        };
        let (dropped, kept) = all(queue, args, tools).await?;
        writeln!(
            out,
            "{}: {} dropped, {} kept",
            queue.as_str(),
            grouped(dropped),
            grouped(kept)
        )?;
        out.flush()?;
    }
    Ok(exit)
}

async fn all(queue: DeadQueue, args: &DropArgs, tools: Tools<'_>) -> Result<(i64, i64), ConsoleError> {
    let mut walk = Walk::begin(tools, queue).await?;
    let progress = progress(queue, walk.total());
    let (mut dropped, mut kept) = (0, 0);
    loop {
        let letters = walk.next(WINDOW).await;
        if letters.is_empty() {
            break;
        }
        let (meant, others): (Vec<_>, Vec<_>) = letters
            .into_iter()
            .partition(|letter| args.choice.takes(&letter.facts, tools.console.now));
        dropped += i64::try_from(meant.len()).unwrap_or(0);
        kept += i64::try_from(others.len()).unwrap_or(0);
        walk.keep(others).await?;
        walk.settle(meant, Vec::new());
        progress.set_position(u64::from(walk.met()));
    }
    progress.finish_and_clear();
    walk.end().await;
    Ok((dropped, kept))
}
