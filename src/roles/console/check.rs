//! `accounts check` and `logins check`: asks the platforms whether they would take a conversion, and counts none. A line each: what is wrong, and
//! who must put it right.

mod asking;

use std::io::Write;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use self::asking::{Finding, Grade, Scruples, ask_account, ask_login};
use super::{Console, ConsoleError, Exit, holding::Holding, moment::moment, pause, scope, words::Blanks};
use crate::{
    domain::{Account, Directory, Login, Scope},
    http::Http,
    platform::Endpoints,
    roles::credentials::Credentials,
};

/// How many are asked about at a time.
const AT_A_TIME: usize = 8;

/// Which ad accounts to ask about.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct AccountArgs {
    /// CLIENT or CLIENT/ACCOUNT; may be repeated (default: all)
    #[arg(value_name = "CLIENT[/ACCOUNT]")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub how: How,
}

/// Which logins to ask about.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct LoginArgs {
    /// A login's name; may be repeated (default: all)
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Let the ad accounts of a paused login send again if its platform takes it
    #[arg(long)]
    pub resume: bool,
    #[command(flatten)]
    pub how: How,
}

/// How to ask and answer.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct How {
    /// Ask TikTok, too: with an event that carries the ad account's test code and is seen among the test events
    #[arg(long)]
    pub tiktok: bool,
    /// A JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What the commands work with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Postgres.
    pub console: &'a Console,
    /// The way to the platforms.
    pub http: &'a Http,
    /// Where they are.
    pub endpoints: &'a Endpoints,
    /// The logins' tokens.
    pub credentials: &'a Credentials,
}

/// Runs `accounts check`; exit code 1 if something is wrong.
pub async fn accounts(
    args: &AccountArgs,
    tools: Tools<'_>,
    out: &mut (dyn Write + Send),
) -> Result<Exit, ConsoleError> {
    let directory = tools.console.store.directory().await?;
    let wanted = wanted_accounts(&args.names, &directory)?;
    if wanted.is_empty() {
        writeln!(out, "There are no ad accounts; `accounts apply` adds them.")?;
        return Ok(Exit::Success);
    }
    let width = wanted.iter().map(|account| account.label().len()).max().unwrap_or(0);
    let scruples = Scruples::of(args.how.tiktok);
    let mut findings = stream::iter(&wanted)
        .map(|account| async {
            let login = directory.login(&account.login);
            (
                *account,
                ask_account(account, login.map(AsRef::as_ref), tools, scruples).await,
            )
        })
        .buffered(AT_A_TIME);
    let mut is_wrong = false;
    while let Some((account, finding)) = findings.next().await {
        is_wrong |= finding.grade == Grade::Wrong;
        let blanks = blanks(account, &directory, &finding);
        let subject = json!({"account": account.label(), "platform": account.platform, "login": account.login});
        report(&account.label(), width, subject, (&finding, &blanks, args.how), out)?;
    }
    Ok(exit(is_wrong))
}

/// Runs `logins check`; exit code 1 if something is wrong. What a healthy login still holds back may go out with `--resume`.
pub async fn logins(args: &LoginArgs, tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let directory = tools.console.store.directory().await?;
    let wanted = wanted_logins(&args.names, &directory)?;
    if wanted.is_empty() {
        writeln!(out, "There are no logins; `accounts apply` adds them.")?;
        return Ok(Exit::Success);
    }
    let width = wanted.iter().map(|login| login.name.len()).max().unwrap_or(0);
    let scruples = Scruples::of(args.how.tiktok);
    let mut findings = stream::iter(&wanted)
        .map(|login| async {
            let accounts = accounts_of(login, &directory);
            (*login, ask_login(login, &accounts, tools, scruples).await)
        })
        .buffered(AT_A_TIME);
    let mut is_wrong = false;
    while let Some((login, finding)) = findings.next().await {
        is_wrong |= finding.grade == Grade::Wrong;
        let accounts = accounts_of(login, &directory);
        let mut blanks = Blanks {
            platform: Some(login.platform),
            detail: finding.detail.as_deref(),
            ..Blanks::default()
        };
        if let Some(account) = accounts.first() {
            blanks = self::blanks(account, &directory, &finding);
        }
        let subject = json!({"login": login.name, "platform": login.platform});
        report(&login.name, width, subject, (&finding, &blanks, args.how), out)?;
        if finding.grade == Grade::Ok {
            offer_to_resume(login, args, (tools.console, &directory), out).await?;
        }
    }
    Ok(exit(is_wrong))
}

fn exit(is_wrong: bool) -> Exit {
    if is_wrong { Exit::Attention } else { Exit::Success }
}

fn report(
    name: &str,
    width: usize,
    subject: Value,
    (finding, blanks, how): (&Finding, &Blanks<'_>, How),
    out: &mut (dyn Write + Send),
) -> std::io::Result<()> {
    let text = match finding.cause {
        None => finding.text.clone(),
        Some(cause) => {
            let words = format!("{} {}", blanks.sentence(cause), blanks.action(cause));
            match &finding.detail {
                Some(detail) if !cause.sentence().contains("{detail}") => {
                    format!("{words}   ({})", super::table::one_line(detail))
                }
                _ => words,
            }
        }
    };
    if how.json {
        let mut object = subject;
        object["result"] = json!(finding.grade.as_str());
        object["cause"] = json!(finding.cause);
        object["who"] = json!(finding.cause.map(|cause| cause.who().as_str()));
        object["text"] = json!(text);
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{:<9}  {name:<width$}  {text}", finding.grade.as_str())?;
    }
    // Some platforms take seconds; what is known is shown meanwhile.
    out.flush()
}

/// A login that its platform takes may still be paused.
async fn offer_to_resume(
    login: &Login,
    args: &LoginArgs,
    (console, directory): (&Console, &Directory),
    out: &mut (dyn Write + Send),
) -> Result<(), ConsoleError> {
    let scope = Scope::Login(login.name.clone());
    let backlog = console.store.paused_backlog().await?;
    let holding = Holding {
        directory,
        backlog: &backlog,
        now: console.now,
    };
    let Some(pause) = holding.pause(&scope) else {
        return Ok(());
    };
    if args.resume && !pause.by_hand {
        let mut text = Vec::new();
        pause::end(&scope, (console, directory), &mut text).await?;
        if !args.how.json {
            out.write_all(&text)?;
        }
        return Ok(());
    }
    if !args.how.json {
        let by_hand = if pause.by_hand { " by hand" } else { "" };
        writeln!(
            out,
            "           It is paused{by_hand} since {}: {}. `logins resume {}` lets them go.",
            moment(pause.since, console.now),
            holding.waiting_words(&holding.accounts(&scope)),
            login.name
        )?;
    }
    Ok(())
}

fn blanks<'a>(account: &'a Account, directory: &'a Directory, finding: &'a Finding) -> Blanks<'a> {
    Blanks {
        platform: Some(account.platform),
        client: directory.client(&account.client).map(|client| client.name.as_str()),
        account: Some(account),
        detail: finding.detail.as_deref(),
    }
}

fn accounts_of<'a>(login: &Login, directory: &'a Directory) -> Vec<&'a Account> {
    let accounts = directory.accounts().map(AsRef::as_ref);
    accounts
        .filter(|account: &&Account| !account.removed && account.login == login.name)
        .collect()
}

fn wanted_accounts<'a>(names: &[String], directory: &'a Directory) -> Result<Vec<&'a Account>, ConsoleError> {
    let mut accounts: Vec<&Account> = directory.accounts().map(AsRef::as_ref).collect();
    accounts.retain(|account| !account.removed);
    accounts.sort_by_key(|account| (&account.client, &account.name, account.id));
    let is_called = |account: &Account, name: &str| account.client.as_str() == name || account.label() == name;
    for name in names {
        if !accounts.iter().any(|account| is_called(account, name)) {
            let labels: Vec<String> = accounts.iter().map(|account| account.label()).collect();
            let clients = accounts.iter().map(|account| account.client.as_str());
            return Err(scope::no_such(
                "ad account",
                name,
                labels.iter().map(String::as_str).chain(clients),
            ));
        }
    }
    if !names.is_empty() {
        accounts.retain(|account| names.iter().any(|name| is_called(account, name)));
    }
    Ok(accounts)
}

fn wanted_logins<'a>(names: &[String], directory: &'a Directory) -> Result<Vec<&'a Login>, ConsoleError> {
    let all = || directory.logins().map(AsRef::as_ref);
    if names.is_empty() {
        return Ok(all().collect());
    }
    let find = |name: &String| {
        all()
            .find(|login: &&Login| login.name == *name)
            .ok_or_else(|| scope::no_such("login", name, all().map(|login: &Login| login.name.as_str())))
    };
    names.iter().map(find).collect()
}
