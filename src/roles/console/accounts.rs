//! `accounts`: shows and does what must change so that clients, logins and ad accounts are as the files say; lists what there is.

use std::{io::Write, path::PathBuf};

use clap::Subcommand;

use super::{
    Console, ConsoleError, Exit, check, diff, files,
    holding::{Holding, note_pauses},
    moment::moment,
    table::table,
};
use crate::domain::{
    Account, Mode, Pause,
    plan::{Plan, Pruning, plan},
};

/// What to do with ad accounts.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Directory(Args),
    /// Ask the platforms whether they would take a conversion of each ad account; none is counted
    ///
    /// Meta gets an event that is too old to be taken, Google one that it only validates. What is wrong is said with who must put it right, and the
    /// exit code is then 1.
    Check(check::AccountArgs),
}

/// What to do with clients, logins and ad accounts.
#[derive(Clone, Debug, Subcommand)]
pub enum Args {
    /// Show what `apply` would change, and change nothing
    Plan(FileArgs),
    /// Make clients, logins and ad accounts as the files say; shows what it changes, safe to repeat
    ///
    /// Workers know of it within 5 seconds. Nothing is removed without --prune, and pauses made by hand stay as they are. An ad account whose
    /// pixel or customer changes becomes another one; the former one stays as a tombstone, so that its history can be read.
    Apply(FileArgs),
    /// List the ad accounts: where they send, in which mode, and what holds them back
    List(ListArgs),
}

/// Which files, and what to do with the rest.
#[derive(Clone, Debug, clap::Args)]
pub struct FileArgs {
    /// A file such as schemas/examples/accounts.toml, or a folder whose .toml files count as one
    #[arg(short, long, value_name = "FILE|FOLDER")]
    pub file: PathBuf,
    /// Also remove clients, logins and ad accounts that the files do not name
    #[arg(long)]
    pub prune: bool,
}

/// Which ad accounts to list.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ListArgs {
    /// Only those of this client
    #[arg(long)]
    pub client: Option<String>,
    /// Also those that were removed
    #[arg(long)]
    pub removed: bool,
}

/// Runs the command.
pub async fn run(args: Args, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    match args {
        Args::Plan(args) => show(&args, console, out).await,
        Args::Apply(args) => apply(&args, console, out).await,
        Args::List(args) => list(&args, console, out).await,
    }
}

async fn show(args: &FileArgs, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let plan = made(args, console).await?;
    write!(out, "{}", diff::render(&plan))?;
    if plan.changes.is_empty() {
        writeln!(out, "Nothing to change.")?;
    } else {
        writeln!(out, "{}. `accounts apply` does it.", diff::summary(&plan))?;
    }
    Ok(Exit::Success)
}

async fn apply(args: &FileArgs, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let plan = made(args, console).await?;
    write!(out, "{}", diff::render(&plan))?;
    if plan.changes.is_empty() {
        writeln!(out, "Nothing to change.")?;
        return Ok(Exit::Success);
    }
    console.store.apply(&plan.changes).await?;
    writeln!(
        out,
        "{}: done. Workers know of it within 5 seconds.",
        diff::summary(&plan)
    )?;
    Ok(Exit::Success)
}

async fn made(args: &FileArgs, console: &Console) -> Result<Plan, ConsoleError> {
    let desired = files::read(&args.file)?;
    let current = console.store.directory().await?;
    let pruning = if args.prune { Pruning::Remove } else { Pruning::Keep };
    Ok(plan(&desired, &current, pruning, console.now))
}

async fn list(args: &ListArgs, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let directory = console.store.directory().await?;
    let backlog = console.store.paused_backlog().await?;
    let holding = Holding {
        directory: &directory,
        backlog: &backlog,
        now: console.now,
    };
    let is_wanted = |account: &Account| {
        let is_of_client = args
            .client
            .as_ref()
            .is_none_or(|client| account.client.as_str() == client);
        is_of_client && (args.removed || !account.removed)
    };
    let mut accounts: Vec<_> = directory.accounts().filter(|account| is_wanted(account)).collect();
    if accounts.is_empty() {
        writeln!(out, "There are no such ad accounts; `accounts apply` adds them.")?;
        return Ok(Exit::Success);
    }
    accounts.sort_by_key(|account| (&account.client, &account.name, account.id));
    let mut notes = Vec::new();
    let rows: Vec<_> = accounts
        .iter()
        .map(|account| row(account, &holding, &mut notes))
        .collect();
    let header = [
        "CLIENT",
        "ACCOUNT",
        "SCOPE",
        "PLATFORM",
        "DESTINATION",
        "MODE",
        "LOGIN",
        "STATE",
    ];
    write!(out, "{}", table(header, rows))?;
    for (number, pause) in notes.iter().enumerate() {
        writeln!(out, "({}) {}  {}", number + 1, pause.scope, holding.sentence(pause))?;
    }
    Ok(Exit::Success)
}

fn row<'a>(account: &Account, holding: &Holding<'a>, notes: &mut Vec<&'a Pause>) -> [String; 8] {
    let mode = match (account.mode_at(holding.now), account.rules.test_until) {
        (Mode::Live, _) => "live".to_owned(),
        (Mode::Test, Some(until)) => format!("test until {}", moment(until, holding.now)),
        (Mode::Test, None) => "test".to_owned(),
        (Mode::Shadow, _) => "shadow".to_owned(),
    };
    let state = if account.removed {
        "removed".to_owned()
    } else {
        note_pauses(holding.pauses_of(account), notes)
    };
    [
        account.client.to_string(),
        account.name.clone(),
        format!("account:{}", account.id),
        account.platform.to_string(),
        account.destination.clone(),
        mode,
        account.login.clone(),
        state,
    ]
}
