//! `forget`: erases a person at a client: their clicks, what the ledger's conversions tell of them, and their letters among the dead ones.

mod subject;
mod words;

use std::io::Write;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

pub(super) use self::subject::Subject;
use self::words::{Telling, conversions, letters};
use super::{ConsoleError, Exit, clock::Clock, connect::connected, dead, scope::no_such, words::count};
use crate::{
    domain::{
        Client, ClientId, Directory,
        person::Personal,
        search_key::{IdentityKind, SearchKeys},
    },
    store::forgetting::Conversions,
};

/// Conversions that are emptied at a time.
const PAGE: i64 = 100;
/// The longest identity that is read from standard input, in bytes.
const INPUT_BYTES_MAX: u64 = 4_096;

const NO_KEY: &str = "people are found only with RELAY_IDENTITY_KEY, set as it is for the workers";

const EXAMPLES: &str = "\
Examples:
  forget --client acme --email jane@example.com        a forecast: nothing is changed
  forget --client acme --email jane@example.com --yes
  forget --client acme --phone - --yes < number.txt    so that it does not stand in the shell's history

It removes the person's clicks, empties their conversions (what was told to whom and when stays, and counts; who it was goes), stops what has not
gone out, and removes their dead letters. Give every address, number and ID that is known of the person, one after the other. It forgets what is
there now: nobody is blacklisted, and an event that comes later with the same person is a new matter.";

/// Whom to forget.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("person").required(true).args(["email", "phone", "external_id", "whatsapp_user"])))]
pub struct Args {
    /// At this client; others keep what they know
    #[arg(long, value_parser = client_id)]
    client: ClientId,
    /// Whoever has this e-mail address; - reads it from standard input
    #[arg(long, value_name = "ADDRESS|-", value_parser = personal)]
    email: Option<Personal>,
    /// Whoever has this phone number, in any spelling; - reads it from standard input
    #[arg(long, value_name = "NUMBER|-", value_parser = personal)]
    phone: Option<Personal>,
    /// Whoever has this ID of the client's own; - reads it from standard input
    #[arg(long, value_name = "ID|-", value_parser = personal)]
    external_id: Option<Personal>,
    /// Whoever has this user ID of WhatsApp's; - reads it from standard input
    #[arg(long, value_name = "ID|-", value_parser = personal)]
    whatsapp_user: Option<Personal>,
    /// Do it; without this, only foretell what it would do
    #[arg(long)]
    yes: bool,
}

/// One run of the command.
struct Run<'a> {
    tools: dead::Tools<'a>,
    directory: Directory,
    subject: Subject<'a>,
    telling: Telling,
    exit: Exit,
}

/// Does it: the ledger first, so that nothing more comes of it among the dead letters, and those then.
pub async fn run(
    args: &Args,
    tools: dead::Tools<'_>,
    keys: Option<&SearchKeys>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let keys = keys.ok_or_else(|| ConsoleError::Usage(NO_KEY.to_owned()))?;
    let (kind, value) = args.identity().await?;
    let directory = tools.console.store.directory().await?;
    let country = directory.client(&args.client).and_then(|client| client.country.clone());
    let subject = Subject::new(args.client.clone(), kind, &value, keys, country);
    let mut run = Run {
        subject: subject.ok_or_else(|| unreadable(kind))?,
        tools,
        directory,
        telling: if args.yes { Telling::Done } else { Telling::Forecast },
        exit: Exit::Success,
    };
    run.ledger(out).await?;
    out.flush()?;
    match connected(tools.broker).await {
        Ok(()) => {
            run.dead_letters(out).await?;
            run.inbound(out).await?;
        }
        Err(failure) => {
            run.exit = Exit::Attention;
            writeln!(
                out,
                "The dead letters were not looked at ({failure}): run it again when the broker is back."
            )?;
        }
    }
    run.end(out).await?;
    Ok(run.exit)
}

impl Run<'_> {
    fn client(&self) -> Option<&Client> {
        self.directory.client(&self.subject.person.client)
    }

    /// Clicks and conversions.
    async fn ledger(&self, out: &mut (dyn Write + Send)) -> Result<(), ConsoleError> {
        let person = &self.subject.person;
        let store = &self.tools.console.store;
        let (clicks, told) = match self.telling {
            Telling::Forecast => (store.clicks_of(person).await?, store.conversions_of(person).await?),
            Telling::Done => {
                let clicks = store.forget_clicks(person).await?;
                crate::crash_point!("forget.after_clicks");
                (i64::try_from(clicks).unwrap_or(i64::MAX), self.empty().await?)
            }
        };
        let client = self.client();
        if client.is_none() && clicks == 0 && told.events == 0 {
            let known = self.directory.clients().map(|client| client.id.as_str());
            return Err(no_such("client", person.client.as_str(), known));
        }
        let name = client.map_or(person.client.as_str(), |client| &client.name);
        let gone = match self.telling {
            Telling::Forecast => "",
            Telling::Done => " removed",
        };
        writeln!(
            out,
            "{name}: {}{gone}, {}",
            count(clicks, "click"),
            conversions(&told, self.telling)
        )?;
        Ok(())
    }

    async fn empty(&self) -> Result<Conversions, ConsoleError> {
        let mut told = Conversions::default();
        loop {
            let page = self
                .tools
                .console
                .store
                .forget_conversions(&self.subject.person, PAGE)
                .await?;
            if page.events == 0 {
                return Ok(told);
            }
            told.add(&page);
            crate::crash_point!("forget.after_page");
        }
    }

    async fn dead_letters(&mut self, out: &mut (dyn Write + Send)) -> Result<(), ConsoleError> {
        let clock = Clock::of_clients([self.client()], self.tools.console.now);
        for queue in dead::DeadQueue::ALL {
            let erasing = dead::Erasing {
                subject: &self.subject,
                directory: &self.directory,
                is_done: self.telling == Telling::Done,
            };
            let Some(found) = dead::erase(queue, erasing, self.tools, out).await? else {
                self.exit = Exit::Attention;
                continue;
            };
            if !found.is_empty() {
                let line = letters(&found, &self.subject, clock, self.telling);
                writeln!(out, "dead.{}: {line}", queue.as_str())?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// What is not events yet is not looked at; only that it is there is said.
    async fn inbound(&self, out: &mut (dyn Write + Send)) -> Result<(), ConsoleError> {
        let topology = self.tools.topology;
        for (name, queue) in [
            ("in.events", topology.events_queue()),
            ("in.webhooks", topology.webhooks_queue()),
        ] {
            match self.tools.broker.queue_depth(&queue).await {
                Ok(0) => {}
                Ok(depth) => writeln!(
                    out,
                    "{name}: {} not looked at; run it again when {} through.",
                    count(i64::from(depth), "message"),
                    if depth == 1 { "it is" } else { "they are" }
                )?,
                Err(_) => writeln!(
                    out,
                    "{name} could not be looked at; run it again when its messages are through."
                )?,
            }
        }
        Ok(())
    }

    async fn end(&mut self, out: &mut (dyn Write + Send)) -> Result<(), ConsoleError> {
        if self.telling == Telling::Forecast {
            writeln!(out, "Nothing was done. With --yes it is.")?;
            return Ok(());
        }
        let under_way = self
            .tools
            .console
            .store
            .forgotten_under_way(&self.subject.person.client)
            .await?;
        if under_way > 0 {
            self.exit = Exit::Attention;
            let verb = if under_way == 1 { "is" } else { "are" };
            writeln!(
                out,
                "{} of forgotten people {verb} being sent or put aside right now: run it again in a minute.",
                count(under_way, "conversion")
            )?;
        }
        Ok(())
    }
}

impl Args {
    /// The identity that was given, from wherever it comes.
    async fn identity(&self) -> Result<(IdentityKind, Personal), ConsoleError> {
        let given = [
            (IdentityKind::Email, &self.email),
            (IdentityKind::Phone, &self.phone),
            (IdentityKind::ExternalId, &self.external_id),
            (IdentityKind::WhatsappUser, &self.whatsapp_user),
        ];
        let given = given
            .into_iter()
            .find_map(|(kind, value)| Some((kind, value.as_ref()?)));
        let (kind, value) = given.ok_or_else(|| ConsoleError::Usage("say who is to be forgotten".to_owned()))?;
        if value.expose() != "-" {
            return Ok((kind, value.clone()));
        }
        let mut line = String::new();
        let mut input = BufReader::new(tokio::io::stdin().take(INPUT_BYTES_MAX));
        input.read_line(&mut line).await?;
        Ok((kind, Personal::new(line.trim())))
    }
}

/// What was given is not repeated: it may be somebody's.
fn unreadable(kind: IdentityKind) -> ConsoleError {
    let why = match kind {
        IdentityKind::Email => "this is no e-mail address",
        IdentityKind::Phone => "this is no phone number that can be read; with its country code it can",
        IdentityKind::ExternalId | IdentityKind::WhatsappUser => "this is no ID",
    };
    ConsoleError::Usage(why.to_owned())
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}

fn personal(text: &str) -> Result<Personal, String> {
    Ok(Personal::new(text))
}
