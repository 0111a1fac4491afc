//! `logins`: lists them with what they hold back, pauses and resumes them, seals their secrets.

use std::io::{Read, Write};

use clap::Subcommand;
use secrecy::{SecretSlice, SecretString};

use super::{
    Console, ConsoleError, Exit, check,
    holding::{Holding, note_pauses},
    moment::moment,
    pause::{self, Terms},
    scope,
    table::table,
};
use crate::{
    domain::{Login, Pause, Scope, account::Credential, secret::is_name},
    secrets::seal,
};

/// The longest secret that is sealed, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// What to do with logins, and what to ask about them.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    #[command(flatten)]
    Keep(Args),
    /// Ask the platforms whether they take the logins; no conversion is counted
    ///
    /// Google gives an access token or does not; Meta is asked through an ad account of the login, with an event that is too old to be taken. Exit
    /// code 1 if one is refused. A login that is taken and still paused goes on with --resume.
    Check(check::LoginArgs),
}

/// What to do with logins.
#[derive(Clone, Debug, Subcommand)]
pub enum Args {
    /// List the logins: where their secrets lie, how many ad accounts use them, what waits for them
    List,
    /// Hold back every ad account of a login; nothing is lost
    Pause {
        /// The login's name
        name: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Let the ad accounts of a login send again
    Resume {
        /// The login's name
        name: String,
    },
    /// Seal a secret in the database under a name, for logins that say db:NAME
    ///
    /// The secret is read from standard input, so that it stands neither in the shell's history nor in the list of processes:
    /// `conversion-relay logins seal agency-meta < token.txt`. It is encrypted with RELAY_SEAL_KEY. Sealing a name anew replaces the secret, and
    /// workers read it within 5 seconds.
    Seal {
        /// The secret's name: letters, digits, dots, dashes and underscores
        name: String,
    },
}

/// What sealing needs.
pub struct Sealing<'a, R> {
    /// `RELAY_SEAL_KEY`, if it is set.
    pub key: Option<&'a SecretSlice<u8>>,
    /// Where the secret is read from: standard input.
    pub input: R,
}

/// Runs the command.
pub async fn run(
    args: Args,
    console: &Console,
    sealing: Sealing<'_, impl Read>,
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    match args {
        Args::List => list(console, out).await,
        Args::Pause { name, terms } => {
            let directory = console.store.directory().await?;
            let scope = scope::known(&Scope::Login(name).to_string(), &directory)?;
            pause::begin(scope, terms, (console, &directory), out).await
        }
        Args::Resume { name } => {
            let directory = console.store.directory().await?;
            let scope = scope::known(&Scope::Login(name).to_string(), &directory)?;
            pause::end(&scope, (console, &directory), out).await
        }
        Args::Seal { name } => seal_secret(&name, console, sealing, out).await,
    }
}

async fn list(console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let directory = console.store.directory().await?;
    let backlog = console.store.paused_backlog().await?;
    let holding = Holding {
        directory: &directory,
        backlog: &backlog,
        now: console.now,
    };
    if directory.logins().next().is_none() {
        writeln!(out, "There are no logins; `accounts apply` adds them.")?;
        return Ok(Exit::Success);
    }
    let mut notes: Vec<&Pause> = Vec::new();
    let rows: Vec<_> = directory
        .logins()
        .map(|login| row(login, &holding, &mut notes))
        .collect();
    let header = [
        "LOGIN",
        "PLATFORM",
        "SECRET",
        "ACCOUNTS",
        "STATE",
        "WAITING",
        "FIRST EXPIRES (UTC)",
    ];
    write!(out, "{}", table(header, rows))?;
    for (number, pause) in notes.iter().enumerate() {
        writeln!(out, "({}) {}  {}", number + 1, pause.scope, holding.sentence(pause))?;
    }
    Ok(Exit::Success)
}

fn row<'a>(login: &Login, holding: &Holding<'a>, notes: &mut Vec<&'a Pause>) -> [String; 7] {
    let accounts = holding.accounts(&Scope::Login(login.name.clone()));
    let (Credential::Token(secret) | Credential::ServiceAccount(secret) | Credential::RefreshToken(secret)) =
        &login.credential;
    let scopes = [
        Scope::Platform(login.platform),
        Scope::Quota(login.quota_name().to_owned()),
        Scope::Login(login.name.clone()),
    ];
    let pauses = scopes.iter().filter_map(|scope| holding.pause(scope));
    let waiting = holding.waiting(&accounts);
    let first = waiting.map(|backlog| moment(backlog.first_deadline, holding.now));
    [
        login.name.clone(),
        login.platform.to_string(),
        secret.0.clone(),
        accounts.len().to_string(),
        note_pauses(pauses, notes),
        waiting.map_or(0, |backlog| backlog.count).to_string(),
        first.unwrap_or_else(|| "-".to_owned()),
    ]
}

async fn seal_secret(
    name: &str,
    console: &Console,
    sealing: Sealing<'_, impl Read>,
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    let usage = |message: &str| ConsoleError::Usage(message.to_owned());
    if !is_name(name) {
        return Err(usage(
            "a secret's name has 1 to 64 letters, digits, dots, dashes and underscores",
        ));
    }
    let key = sealing
        .key
        .ok_or_else(|| usage("RELAY_SEAL_KEY is not set; `openssl rand -base64 32` makes one"))?;
    let mut text = String::new();
    sealing
        .input
        .take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|_| usage("the secret cannot be read from standard input as text"))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(usage("the secret is longer than 64 KiB"));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(usage("nothing came in on standard input: `logins seal NAME < FILE`"));
    }
    let sealed =
        seal(key, name, &SecretString::from(secret)).map_err(|_| usage("RELAY_SEAL_KEY is not a key of 32 bytes"))?;
    let logins = console.store.put_sealed_secret(name, &sealed).await?;
    if logins.is_empty() {
        writeln!(out, "Sealed db:{name}. No login refers to it yet.")?;
    } else {
        writeln!(
            out,
            "Sealed db:{name}. These logins read it anew within 5 seconds: {}.",
            logins.join(", ")
        )?;
    }
    Ok(Exit::Success)
}
