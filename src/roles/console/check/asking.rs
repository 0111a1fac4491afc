//! Asks a platform with a probe, the way a sender asks it, and says what the answer shows.

use super::Tools;
use crate::{
    domain::{Account, Cause, Classification, Dispatch, Login, Mode, Outcome, Platform, Verdict, account::Transport},
    http::NoAnswer,
    platform::{Adapter, Sending, adapter, probe::Probe},
};

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// The platform would take a conversion.
    Ok,
    /// Nobody asked it.
    NotAsked,
    /// It would not.
    Wrong,
}

impl Grade {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::Ok => "ok",
            Grade::NotAsked => "not asked",
            Grade::Wrong => "wrong",
        }
    }
}

/// What an answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub grade: Grade,
    /// Why it is wrong.
    pub cause: Option<Cause>,
    /// The platform's code and words, cleaned.
    pub detail: Option<String>,
    /// What there is to say where nothing is wrong.
    pub text: String,
}

impl Finding {
    fn ok(text: impl Into<String>) -> Self {
        Self {
            grade: Grade::Ok,
            cause: None,
            detail: None,
            text: text.into(),
        }
    }

    fn not_asked(text: impl Into<String>) -> Self {
        Self {
            grade: Grade::NotAsked,
            ..Self::ok(text)
        }
    }

    fn wrong(outcome: Outcome) -> Self {
        let detail = match (outcome.code, outcome.message) {
            (Some(code), Some(message)) => Some(format!("{code} {message}")),
            (code, message) => code.or(message),
        };
        Self {
            grade: Grade::Wrong,
            cause: Some(cause_of(&outcome.verdict)),
            detail,
            text: String::new(),
        }
    }
}

/// Whom one may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scruples {
    /// Only platforms that nothing stays behind at.
    LeaveNothing,
    /// TikTok, too, where a test event is seen.
    TestEvents,
}

impl Scruples {
    /// By `--tiktok`.
    pub fn of(tiktok: bool) -> Self {
        if tiktok { Self::TestEvents } else { Self::LeaveNothing }
    }
}

/// Asks whether an ad account would take a conversion.
pub(super) async fn ask_account(
    account: &Account,
    login: Option<&Login>,
    tools: Tools<'_>,
    scruples: Scruples,
) -> Finding {
    let Some(login) = login else {
        return Finding::wrong(Outcome::plain(blocked(Cause::LoginMissing)));
    };
    let probe = match probe(account, tools, scruples) {
        Ok(probe) => probe,
        Err(not_asked) => return not_asked,
    };
    match ask(&probe, account, login, tools).await {
        Ok(()) => Finding::ok(format!("{} takes its conversions", account.platform.title())),
        Err(outcome) => Finding::wrong(outcome),
    }
}

/// Asks whether a login is taken: Google gives an access token for it, the others answer for one of its ad accounts.
pub(super) async fn ask_login(login: &Login, accounts: &[&Account], tools: Tools<'_>, scruples: Scruples) -> Finding {
    if accounts.is_empty() {
        return Finding::not_asked("no ad account uses it");
    }
    let title = login.platform.title();
    if login.platform == Platform::Google {
        // A token is good for one of Google's interfaces.
        for transport in [Transport::DataManager, Transport::AdsApi] {
            let Some(account) = accounts.iter().find(|account| account.rules.transport == transport) else {
                continue;
            };
            if let Err(outcome) = tools.credentials.token(login, account).await {
                return Finding::wrong(outcome);
            }
        }
        return Finding::ok(format!("{title} gives an access token for it"));
    }
    let mut reason = Finding::not_asked("no ad account of it can be asked about");
    for account in accounts {
        let probe = match probe(account, tools, scruples) {
            Ok(probe) => probe,
            Err(not_asked) => {
                reason = not_asked;
                continue;
            }
        };
        return match ask(&probe, account, login, tools).await {
            Ok(()) => Finding::ok(format!("{title} takes it")),
            Err(outcome) if speaks_of_account(&outcome.verdict) => Finding::ok(format!(
                "{title} takes it, and finds fault with {}: `accounts check`",
                account.label()
            )),
            Err(outcome) => Finding::wrong(outcome),
        };
    }
    reason
}

fn probe(account: &Account, tools: Tools<'_>, scruples: Scruples) -> Result<Probe, Finding> {
    if account.platform == Platform::Tiktok && scruples == Scruples::LeaveNothing {
        return Err(Finding::not_asked(
            "TikTok shows what it is asked among its test events: --tiktok asks it",
        ));
    }
    let none = || match account.platform {
        Platform::Google => Finding::not_asked("it has no conversion action"),
        Platform::Meta | Platform::Tiktok => Finding::not_asked("it needs a test_code to be asked with"),
    };
    adapter(account.platform)
        .probe(account, tools.console.now)
        .ok_or_else(none)
}

/// Sends a probe, in as many requests as its platform wants; the first thing that is wrong ends it.
async fn ask(probe: &Probe, account: &Account, login: &Login, tools: Tools<'_>) -> Result<(), Outcome> {
    let mut tested = account.clone();
    // An answer to something that is not to count is read as such.
    tested.rules.mode = Mode::Test;
    let adapter = adapter(account.platform);
    let most = adapter.limits(&tested).events.max(1);
    for dispatches in probe.dispatches.chunks(most) {
        let dispatches: Vec<&Dispatch> = dispatches.iter().collect();
        let sending = Sending {
            account: &tested,
            endpoints: tools.endpoints,
            test_code: probe.test_code.as_deref(),
        };
        let access = tools.credentials.token(login, account).await?;
        let request = adapter.build(&dispatches, &sending);
        let answer = match tools.http.send(&request, &access).await.result {
            Ok(answer) => answer,
            Err(NoAnswer::NotSent | NoAnswer::Ambiguous) => {
                return Err(Outcome::plain(Verdict::Deferred {
                    cause: Cause::PlatformUnreachable,
                    wait: None,
                }));
            }
        };
        judge(adapter, adapter.classify(&answer, &dispatches, &tested))?;
    }
    Ok(())
}

fn judge(adapter: &dyn Adapter, classification: Classification) -> Result<(), Outcome> {
    let outcomes = match classification {
        Classification::Each(outcomes) => outcomes,
        Classification::Named(named) => named.into_iter().map(|(_, outcome)| outcome).collect(),
        Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => vec![outcome],
    };
    match outcomes.into_iter().find(|outcome| !adapter.is_welcome(outcome)) {
        Some(outcome) => Err(outcome),
        None => Ok(()),
    }
}

/// Whether the platform took the login and then found something about the ad account or the probe.
fn speaks_of_account(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Blocked { cause, .. } => matches!(cause, Cause::PermissionMissing | Cause::AccountNotSetUp),
        Verdict::Refused { .. } | Verdict::NotSent { .. } => true,
        Verdict::Delivered | Verdict::Accepted { .. } | Verdict::Deferred { .. } | Verdict::Ambiguous => false,
    }
}

fn cause_of(verdict: &Verdict) -> Cause {
    match verdict {
        Verdict::Deferred { cause, .. }
        | Verdict::Blocked { cause, .. }
        | Verdict::Refused { cause }
        | Verdict::NotSent { cause } => *cause,
        Verdict::Delivered | Verdict::Accepted { .. } | Verdict::Ambiguous => Cause::AnswerUnreadable,
    }
}

fn blocked(cause: Cause) -> Verdict {
    Verdict::Blocked {
        cause,
        reach: crate::domain::outcome::Reach::Login,
        wait: None,
    }
}
