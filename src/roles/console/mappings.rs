//! `mappings`: checks how other systems' payloads become funnel events, and shows with a sample what one becomes. It changes nothing.

mod sample;
#[cfg(test)]
mod tests;

use std::{io::Write, path::PathBuf};

use chrono::{DateTime, Utc};
use clap::Subcommand;

use super::{ConsoleError, Exit, files, table::table, words::count};
use crate::{
    domain::{
        ClientId, Directory,
        desired::DesiredDirectory,
        directory::DirectoryParts,
        mapping::{Mapping, Source},
        spelling::closest,
        webhook::WHATSAPP,
    },
    store::Store,
    wire::webhook::builtin,
};

const EXAMPLES: &str = "\
Examples:
  mappings check accounts.toml                                   every mapping of the file, all mistakes with their places
  mappings check --mapping stripe --sample payload.json --client acme
  mappings check accounts.toml --mapping crm --sample payload.json --header x-topic=orders/paid
  mappings check --mapping whatsapp --sample payload.json --client acme

Personal values of the sample are masked in what is shown.";

/// What to do with mappings.
#[derive(Clone, Debug, Subcommand)]
pub enum Args {
    /// Check mappings, and show with a sample which funnel event a payload becomes, or which pointer fails
    ///
    /// With a file neither database nor broker is needed. The exit code is 1 if something is wrong.
    #[command(after_help = EXAMPLES)]
    Check(CheckArgs),
    /// List the mappings that come with the relay, and those of a file
    List(ListArgs),
    /// Print a mapping that comes with the relay, to copy into the accounts file and change
    Show(ShowArgs),
}

/// What to check.
#[derive(Clone, Debug, clap::Args)]
pub struct CheckArgs {
    /// A file with mappings, such as the accounts file, or a folder whose .toml files count as one [default: those of the database]
    #[arg(value_name = "FILE|FOLDER")]
    pub file: Option<PathBuf>,
    /// The mapping to try: one of the file, or one that comes with the relay, or whatsapp
    #[arg(long, value_name = "NAME", requires = "sample")]
    pub mapping: Option<String>,
    /// A payload to try it with
    #[arg(long, value_name = "PAYLOAD.json", requires = "mapping")]
    pub sample: Option<PathBuf>,
    /// A header that comes with the payload; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// Whose payload it is, as the gateway, an input or the header relay-client would say it
    #[arg(long, value_parser = client_id)]
    pub client: Option<ClientId>,
}

/// What to list.
#[derive(Clone, Debug, clap::Args)]
pub struct ListArgs {
    /// A file with mappings, or a folder whose .toml files count as one
    #[arg(value_name = "FILE|FOLDER")]
    pub file: Option<PathBuf>,
}

/// What to print.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// Its name
    pub name: String,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.trim().to_ascii_lowercase(), value.to_owned()))
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

impl Args {
    /// Says whether the database is needed: for mappings that no file gives and that do not come with the relay.
    pub fn needs_database(&self) -> bool {
        let Args::Check(args) = self else { return false };
        let comes_with_us = |name: &String| name == WHATSAPP || builtin::NAMES.contains(&name.as_str());
        args.file.is_none() && !args.mapping.as_ref().is_some_and(comes_with_us)
    }
}

/// Runs the command; `store` is there where [`Args::needs_database`].
pub async fn run(
    args: &Args,
    store: Option<&Store>,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    match args {
        Args::Check(args) => check(args, store, now, out).await,
        Args::List(args) => list(args, out),
        Args::Show(args) => show(&args.name, out),
    }
}

async fn check(
    args: &CheckArgs,
    store: Option<&Store>,
    now: DateTime<Utc>,
    out: &mut impl Write,
) -> Result<Exit, ConsoleError> {
    let directory = match (&args.file, store) {
        (Some(path), _) => match files::read(path) {
            Ok(desired) => of_file(desired),
            Err(ConsoleError::Files(mistakes)) => {
                writeln!(out, "{mistakes}")?;
                return Ok(Exit::Attention);
            }
            Err(other) => return Err(other),
        },
        (None, Some(store)) => store.directory().await?,
        (None, None) => Directory::default(),
    };
    match (&args.mapping, &args.sample) {
        (Some(name), Some(path)) => {
            let body = tokio::fs::read(path).await.map_err(|source| ConsoleError::Read {
                path: path.clone(),
                source,
            })?;
            let sample = sample::Sample {
                body: &body,
                headers: &args.header,
                client: args.client.as_ref(),
                now,
            };
            if name == WHATSAPP {
                return sample.whatsapp(&directory, out);
            }
            let mapping = builtin::lookup(&directory, name).ok_or_else(|| unknown(name, &directory))?;
            sample.mapped(&mapping, out)
        }
        _ => {
            for (name, mapping) in directory.mappings() {
                writeln!(out, "mapping {name}: {}", outline(mapping))?;
            }
            let mappings = counted(directory.mappings().count(), "mapping");
            let inputs = counted(directory.inputs().len(), "input");
            writeln!(out, "No mistakes in {mappings} and {inputs}.")?;
            Ok(Exit::Success)
        }
    }
}

/// The part of a directory that matters for reading payloads: its mappings, inputs, and which client has which WhatsApp Business Account.
fn of_file(desired: DesiredDirectory) -> Directory {
    let accounts = (1..)
        .zip(&desired.accounts)
        .map(|(number, account)| account.standing(number));
    Directory::new(DirectoryParts {
        accounts: accounts.collect(),
        mappings: desired.mappings.into_iter().collect(),
        inputs: desired.inputs.into_values().collect(),
        ..DirectoryParts::default()
    })
}

fn unknown(name: &str, directory: &Directory) -> ConsoleError {
    let names = directory.mappings().map(|(name, _)| name).chain(builtin::NAMES);
    ConsoleError::Unknown {
        kind: "mapping",
        name: name.to_owned(),
        hint: closest(name, names).map_or_else(
            || "; `mappings list` shows which there are".to_owned(),
            |likely| format!("; did you mean {likely}?"),
        ),
    }
}

fn list(args: &ListArgs, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let directory = match &args.file {
        Some(path) => of_file(files::read(path)?),
        None => Directory::default(),
    };
    let own = directory.mappings().map(|(name, mapping)| {
        let origin = if builtin::NAMES.contains(&name) {
            "the file, in place of the relay's"
        } else {
            "the file"
        };
        [name.to_owned(), origin.to_owned(), outline(mapping)]
    });
    let ours = builtin::NAMES
        .into_iter()
        .filter(|name| directory.mapping(name).is_none());
    let ours = ours.filter_map(|name| {
        let mapping = builtin::builtin(name)?;
        Some([name.to_owned(), "the relay".to_owned(), outline(&mapping)])
    });
    let mut rows: Vec<[String; 3]> = own.chain(ours).collect();
    rows.sort();
    write!(out, "{}", table(["MAPPING", "OF", "MAKES"], rows))?;
    Ok(Exit::Success)
}

fn show(name: &str, out: &mut impl Write) -> Result<Exit, ConsoleError> {
    let text = builtin::text(name).ok_or_else(|| unknown(name, &Directory::default()))?;
    write!(out, "{text}")?;
    Ok(Exit::Success)
}

fn counted(number: usize, noun: &str) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX), noun)
}

/// What a mapping makes: `Purchase, Lead`.
fn outline(mapping: &Mapping) -> String {
    let names = mapping.events.iter().map(
        |event| match event.fields.get("event_name").map(|field| &field.source) {
            Some(Source::Constant(name)) => name.as_str().map_or_else(|| name.to_string(), str::to_owned),
            _ => "events as the payload names them".to_owned(),
        },
    );
    let mut names: Vec<String> = names.collect();
    names.dedup();
    names.join(", ")
}
