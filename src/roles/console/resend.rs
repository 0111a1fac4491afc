//! `resend`: takes conversions from the ledger and decides about them anew, by the clients, ad accounts and rules of today: what a shadow account
//! held back, what went to a wrong pixel, what an ad account wants that was added later. A forecast first, and nothing twice.

mod judging;
mod tally;

use std::{io::Write, num::NonZeroU32, time::Duration};

use chrono::TimeDelta;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use indicatif::ProgressBar;

use self::{
    judging::{Judgement, judge},
    tally::{Tally, Telling},
};
use super::{
    Console, ConsoleError, Exit,
    connect::connected,
    when::{self, When},
    words::count,
};
use crate::{
    broker::{Broker, Publisher, topology::Topology},
    domain::{Account, ClientId, Directory, Dispatch, DispatchKey, Platform, State},
    roles::{
        messages::{Lane, dispatch_message},
        plan::{self, Remembered, decide, question, wants},
    },
    store::resend::{KeptEvent, Renewal, ResendFilter},
};

/// How far back it looks if nothing else is asked for: Meta and TikTok take nothing older.
const DEFAULT_SINCE: TimeDelta = TimeDelta::days(7);
/// Events that are in hand at a time.
const PAGE: usize = 200;
/// How long a page may take to be confirmed.
const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  resend --client acme                                 a forecast: nothing is sent
  resend --client acme --account tiktok --since 2026-11-16 --yes
                                                       for an ad account that was added later
  resend --event 10482 --yes                           one order, wherever it did not go out
  resend --client acme --account meta --accept-duplicates --yes
                                                       also what the platform has or may have counted";

/// What to send again.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Only of this client
    #[arg(long, value_parser = client_id, required_unless_present = "event")]
    client: Option<ClientId>,
    /// Only to ad accounts of this name, as `accounts list` shows it
    #[arg(long)]
    account: Option<String>,
    /// Only to ad accounts of this platform: meta, google or tiktok
    #[arg(long)]
    platform: Option<Platform>,
    /// Only with this event ID or order ID
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only what came in since: a length of time (2h, 7d), a date or a time [default: 7d]
    #[arg(long, value_parser = when::parse)]
    since: Option<When>,
    /// Only what came in before: a length of time (2h, 7d), a date or a time [default: now]
    #[arg(long, value_parser = when::parse)]
    until: Option<When>,
    /// Also what the platform has counted or may have counted: it may then count twice
    #[arg(long)]
    accept_duplicates: bool,
    /// At most so many a second [default: as fast as they are confirmed]
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// Do it; without this, only foretell what it would do
    #[arg(long)]
    yes: bool,
}

/// What the command works with.
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

/// One run of the command.
struct Run<'a> {
    args: &'a Args,
    tools: Tools<'a>,
    directory: Directory,
    publisher: Publisher,
    pace: Option<DefaultDirectRateLimiter>,
    tally: Tally,
}

/// Does it.
pub async fn run(args: &Args, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let now = tools.console.now;
    let filter = ResendFilter {
        client: args.client.clone(),
        since: args.since.map_or(now - DEFAULT_SINCE, |since| since.resolve(now)),
        // What comes in meanwhile is decided about by today's rules already.
        until: args.until.map_or(now, |until| until.resolve(now)).min(now),
        event: args.event.clone(),
    };
    connected(tools.broker).await?;
    let mut run = Run {
        args,
        tools,
        directory: tools.console.store.directory().await?,
        publisher: tools.broker.publisher("console"),
        pace: args.rate.map(|rate| RateLimiter::direct(Quota::per_second(rate))),
        tally: Tally::default(),
    };
    let progress = ProgressBar::new_spinner();
    let mut place = None;
    loop {
        let page = i64::try_from(run.page()).unwrap_or(i64::MAX);
        let events = tools.console.store.kept_events(&filter, place, page).await?;
        let Some(last) = events.last() else { break };
        place = Some(last.place);
        run.events(&events).await?;
        progress.set_message(count(run.tally.events, "event"));
        progress.tick();
    }
    progress.finish_and_clear();
    let telling = if args.yes { Telling::Done } else { Telling::Forecast };
    write!(out, "{}", run.tally.render(&run.directory, telling))?;
    Ok(Exit::Success)
}

impl Run<'_> {
    /// So many events at a time that their parts fit into a second of the pace.
    fn page(&self) -> usize {
        let rate = self.args.rate.map(|rate| usize::try_from(rate.get()).unwrap_or(PAGE));
        rate.map_or(PAGE, |rate| rate.min(PAGE))
    }

    async fn events(&mut self, events: &[KeptEvent]) -> Result<(), ConsoleError> {
        let mut renewals = Vec::new();
        let remembered = self.remembered(events).await?;
        for (event, remembered) in events.iter().zip(remembered) {
            self.tally.events += 1;
            let accounts = self.directory.accounts_of(&event.record.client);
            let wanting: Vec<&Account> = accounts
                .iter()
                .map(AsRef::as_ref)
                .filter(|account| wants(account, &event.record.name))
                .filter(|account| self.is_meant(&account.name, account.platform) || is_served(event, account))
                .collect();
            // Also those that are not meant and have it, or will: who gets the credit depends on them.
            let mut decisions = decide(&event.record, &wanting, &remembered, self.tools.console.now)
                .into_iter()
                .peekable();
            for account in accounts {
                let decision = decisions.next_if(|decision| decision.account == account.id);
                if !self.is_meant(&account.name, account.platform) {
                    continue;
                }
                let judgement = judge(event, account, decision, self.args.accept_duplicates.into());
                self.tally.note(account.id, &judgement);
                if let Judgement::Renew(decision, stood) = judgement {
                    renewals.push(Renewal {
                        event: event.record.key(),
                        decision: *decision,
                        stood,
                    });
                }
            }
        }
        if self.args.yes {
            for chunk in renewals.chunks(self.page()) {
                self.renew(chunk, events).await?;
            }
        }
        Ok(())
    }

    /// What the click ledger knows of the people of these events.
    async fn remembered(&self, events: &[KeptEvent]) -> Result<Vec<Remembered>, ConsoleError> {
        let questions = events.iter().map(|event| {
            let accounts = self
                .directory
                .accounts_of(&event.record.client)
                .iter()
                .map(AsRef::as_ref);
            question((&event.record).into(), accounts, &event.identities)
        });
        Ok(plan::ask(&self.tools.console.store, questions.collect()).await?)
    }

    fn is_meant(&self, name: &str, platform: Platform) -> bool {
        self.args.account.as_ref().is_none_or(|account| account == name)
            && self.args.platform.is_none_or(|wanted| wanted == platform)
    }

    /// Sets parts anew in the ledger first, and publishes then what is queued; cut off in between, the keeper publishes it.
    async fn renew(&mut self, renewals: &[Renewal], events: &[KeptEvent]) -> Result<(), ConsoleError> {
        let store = &self.tools.console.store;
        let renewed = store.renew_decisions(renewals).await?;
        crate::crash_point!("resend.after_update");
        self.tally.changed_meanwhile += i64::try_from(renewals.len() - renewed.len()).unwrap_or(0);
        let queued = renewals
            .iter()
            .filter(|renewal| renewal.decision.state == State::Queued);
        let dispatches: Vec<Dispatch> = queued
            .filter_map(|renewal| dispatch(renewal, events))
            .filter(|dispatch| renewed.contains(&dispatch.key()))
            .collect();
        if let (Some(pace), Some(number)) = (&self.pace, number_of(&dispatches)) {
            // A chunk is never larger than what a second takes, so this always ends.
            let _ = pace.until_n_ready(number).await;
        }
        let messages = dispatches
            .iter()
            .map(|dispatch| dispatch_message(self.tools.topology, dispatch, Lane::Bulk))
            .collect();
        self.publisher
            .publish(messages, PATIENCE)
            .await
            .map_err(|source| ConsoleError::Unconfirmed {
                done: format!("{} handled", count(self.tally.events, "event")),
                source,
            })?;
        crate::crash_point!("resend.after_publish");
        let keys: Vec<DispatchKey> = dispatches.iter().map(Dispatch::key).collect();
        store.published(&keys, self.tools.silence).await?;
        Ok(())
    }
}

/// Whether an ad account has an event, or will.
fn is_served(event: &KeptEvent, account: &Account) -> bool {
    let standing = event.standing.iter().find(|standing| standing.account == account.id);
    standing.is_some_and(|standing| !matches!(standing.state, State::NotSent | State::Failed))
}

fn dispatch(renewal: &Renewal, events: &[KeptEvent]) -> Option<Dispatch> {
    let decision = &renewal.decision;
    let event = events.iter().find(|event| event.record.key() == renewal.event)?;
    Some(Dispatch {
        account: decision.account,
        platform: decision.platform,
        destination: decision.destination.clone(),
        click: decision.click.clone(),
        deadline: decision.deadline,
        event: event.record.for_platform(decision.platform),
    })
}

fn number_of(dispatches: &[Dispatch]) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(dispatches.len()).unwrap_or(u32::MAX))
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| error.to_string())
}
