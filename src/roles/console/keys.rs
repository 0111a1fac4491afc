//! `keys`: the keys by which clients' systems speak to the gateway.

use std::io::Write;

use clap::Subcommand;
use rand::{Rng, RngExt};

use super::{Console, ConsoleError, Exit, moment::moment, table::table};
use crate::domain::{
    ClientId,
    api_key::{ApiKey, ID_CHARACTERS, PREFIX, SECRET_CHARACTERS, hash_of, written},
    redact,
    spelling::closest,
};

/// The longest name of a key, in characters.
const NAME_CHARACTERS_MAX: usize = 64;
/// So often another ID is tried when one is taken; of 62^8 that is never more than once.
const TRIES: usize = 5;

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum Args {
    /// Make a key that speaks for one client; it is shown once and stored nowhere
    Create {
        /// The client, as its events name it
        #[arg(long)]
        client: String,
        /// What the key is for, such as "shop backend"
        #[arg(long)]
        name: String,
    },
    /// List the keys, the revoked ones included
    List,
    /// Take a key out of use; every gateway refuses it within 5 seconds
    Revoke {
        /// The key's ID: the 8 characters behind crk_
        id: String,
    },
}

/// Runs the command.
pub async fn run(args: Args, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    match args {
        Args::Create { client, name } => create(&client, &name, console, out).await,
        Args::List => list(console, out).await,
        Args::Revoke { id } => revoke(&id, console, out).await,
    }
}

async fn create(client: &str, name: &str, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let client = known_client(client, console).await?;
    let name = name.trim();
    let is_name = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if !is_name || redact::looks_personal(name) {
        let message = "a key's name has 1 to 64 characters and is no e-mail address or phone number";
        return Err(ConsoleError::Usage(message.to_owned()));
    }
    for _ in 0..TRIES {
        let (key, text) = new_key(&client);
        if console.store.add_api_key(&key, name).await? {
            writeln!(out, "{text}")?;
            writeln!(
                out,
                "This is the key {} of {client}. It is shown only now; every gateway takes it within 5 seconds.",
                key.id
            )?;
            return Ok(Exit::Success);
        }
    }
    Err(ConsoleError::Usage("no free ID was found; try again".to_owned()))
}

async fn known_client(name: &str, console: &Console) -> Result<ClientId, ConsoleError> {
    let directory = console.store.directory().await?;
    let found = ClientId::parse(name)
        .ok()
        .and_then(|id| directory.client(&id).map(|client| client.id.clone()));
    found.ok_or_else(|| ConsoleError::Unknown {
        kind: "client",
        name: name.to_owned(),
        hint: closest(name, directory.clients().map(|client| client.id.as_str()))
            .map_or_else(String::new, |near| format!("; did you mean {near}?")),
    })
}

/// A new key with its hash, and the key itself.
fn new_key(client: &ClientId) -> (ApiKey, String) {
    // A generator that is good for secrets, seeded by the operating system.
    let mut random = rand::rng();
    let id = base_62(&mut random, ID_CHARACTERS);
    let text = written(&id, &base_62(&mut random, SECRET_CHARACTERS));
    let hash = hash_of(&text).expect("a key has the form of a key");
    let client = client.clone();
    (ApiKey { id, client, hash }, text)
}

fn base_62(random: &mut impl Rng, characters: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..characters)
        .map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())]))
        .collect()
}

async fn list(console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let keys = console.store.api_keys().await?;
    if keys.is_empty() {
        writeln!(out, "There are no keys; `keys create` makes one.")?;
        return Ok(Exit::Success);
    }
    let rows = keys.into_iter().map(|key| {
        [
            key.id,
            key.client.to_string(),
            key.name,
            moment(key.created_at, console.now),
            key.revoked_at
                .map_or_else(|| "-".to_owned(), |at| moment(at, console.now)),
        ]
    });
    write!(
        out,
        "{}",
        table(["KEY", "CLIENT", "NAME", "CREATED (UTC)", "REVOKED (UTC)"], rows)
    )?;
    Ok(Exit::Success)
}

async fn revoke(id: &str, console: &Console, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    // Whoever pastes the whole key here means its public part; the rest must not stand in an error.
    let id = id
        .strip_prefix(PREFIX)
        .unwrap_or(id)
        .split('_')
        .next()
        .unwrap_or_default();
    let Some(key) = console.store.revoke_api_key(id).await? else {
        return Err(ConsoleError::Unknown {
            kind: "key",
            name: id.chars().take(ID_CHARACTERS).collect(),
            hint: "; `keys list` shows them".to_owned(),
        });
    };
    writeln!(
        out,
        "The key {} of {} ({}) is revoked; every gateway refuses it within 5 seconds.",
        key.id, key.client, key.name
    )?;
    Ok(Exit::Success)
}
