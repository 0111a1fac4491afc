//! From an outcome to what is recorded: the new state, its cause, when it is due, and the pause that it asks for. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    domain::{
        Account, Cause, DispatchKey, Login, Mode, Outcome, Scope, State, Verdict,
        account::AfterAmbiguity,
        outcome::Reach,
        retry::{Backoff, Next, ambiguous_deadline, next_try},
    },
    platform::google::receipts::next_question,
    store::sending::{Claimed, NewPause, Record},
};

/// How long an undecided dispatch of a refused request rests.
const UNDECIDED_REST: TimeDelta = TimeDelta::seconds(1);
/// How long one rests for which there was no request left.
const QUOTA_REST: TimeDelta = TimeDelta::seconds(5);

/// What the decision depends on beside the outcome.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The ad account.
    pub account: &'a Account,
    /// Its login.
    pub login: &'a Login,
    /// The mode in which it was sent.
    pub mode: Mode,
    /// Now.
    pub now: DateTime<Utc>,
    /// How deferred dispatches back off.
    pub backoff: Backoff,
    /// In `0.0..1.0`: spreads the delay.
    pub jitter: f64,
    /// How long after its begin a pause without an end is probed first.
    pub probe_interval: Duration,
}

/// What follows from an outcome.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is recorded.
    pub record: Record,
    /// The pause that begins.
    pub pause: Option<NewPause>,
}

/// Decides what follows from the outcome of one dispatch.
pub fn decide(key: DispatchKey, claimed: &Claimed, outcome: &Outcome, at: Circumstances<'_>) -> Decision {
    let mut record = Record {
        outcome: Some(outcome_name(&outcome.verdict)),
        code: outcome.code.clone(),
        message: outcome.message.clone(),
        ..unsent(key, claimed, State::Sent, None)
    };
    let mut pause = None;
    match &outcome.verdict {
        Verdict::Delivered | Verdict::Accepted { .. } if at.mode == Mode::Test => {
            record.state = State::NotSent;
            record.cause = Some(Cause::TestMode);
        }
        Verdict::Delivered => {}
        Verdict::Accepted { receipt } => {
            record.receipt = Some(receipt.clone());
            record.due = next_question(0).map(|wait| at.now + wait);
        }
        Verdict::Deferred { cause, wait } => {
            record.is_deferral = true;
            defer(&mut record, *cause, *wait, claimed, at);
        }
        Verdict::Ambiguous => {
            let first = claimed.first_ambiguous_at.unwrap_or(at.now);
            record.is_deferral = true;
            record.is_ambiguous = true;
            record.deadline = ambiguous_deadline(at.account.platform, claimed.deadline, first);
            match at.account.rules.after_ambiguity {
                AfterAmbiguity::Resend => defer(&mut record, Cause::Ambiguous, None, claimed, at),
                AfterAmbiguity::Never => {
                    record.state = State::Failed;
                    record.cause = Some(Cause::MayBeCounted);
                }
            }
        }
        Verdict::Blocked { cause, reach, wait } => {
            record.state = State::Paused;
            record.cause = Some(*cause);
            record.detail = detail(outcome);
            pause = Some(new_pause(*cause, *reach, *wait, detail(outcome), at));
        }
        Verdict::Refused { cause } => {
            record.state = State::Failed;
            record.cause = Some(*cause);
            record.detail = detail(outcome);
        }
        Verdict::NotSent { cause } => {
            record.state = State::NotSent;
            record.cause = Some(*cause);
            record.detail = detail(outcome);
        }
    }
    Decision { record, pause }
}

/// A dispatch about which nothing was decided, because its request was refused whole or could not be made: it goes back unspent.
pub fn undecided(key: DispatchKey, claimed: &Claimed, cause: Cause, now: DateTime<Utc>) -> Record {
    let rest = match cause {
        Cause::QuotaExhausted => QUOTA_REST,
        _ => UNDECIDED_REST,
    };
    Record {
        due: Some((now + rest).min(claimed.deadline)),
        ..unsent(key, claimed, State::Waiting, Some(cause))
    }
}

/// A dispatch that is settled without the platform having been asked: no attempt is recorded.
pub fn unsent(key: DispatchKey, claimed: &Claimed, state: State, cause: Option<Cause>) -> Record {
    Record {
        key,
        state,
        cause,
        detail: None,
        due: None,
        deadline: claimed.deadline,
        is_deferral: false,
        is_ambiguous: false,
        receipt: None,
        outcome: None,
        code: None,
        message: None,
    }
}

fn defer(record: &mut Record, cause: Cause, wait: Option<Duration>, claimed: &Claimed, at: Circumstances<'_>) {
    let delay = at.backoff.delay(claimed.deferrals + 1, at.jitter);
    match next_try(at.now, delay, wait, record.deadline) {
        Next::At(due) => {
            record.state = State::Waiting;
            record.cause = Some(cause);
            record.due = Some(due);
        }
        Next::DeadlinePassed => {
            let may_be_counted = record.is_ambiguous || claimed.first_ambiguous_at.is_some();
            record.state = State::Failed;
            record.cause = Some(if may_be_counted {
                Cause::MayBeCounted
            } else {
                Cause::DeadlinePassed
            });
        }
    }
}

/// The pause that a blocked outcome asks for.
pub fn new_pause(
    cause: Cause,
    reach: Reach,
    wait: Option<Duration>,
    detail: Option<String>,
    at: Circumstances<'_>,
) -> NewPause {
    let scope = scope_of(reach, at.account, at.login);
    let after = |duration: Duration| at.now + TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(1));
    let until = wait.map(after);
    let probe_at = until.is_none().then(|| after(at.probe_interval));
    NewPause {
        scope,
        cause,
        detail,
        until,
        probe_at,
    }
}

/// What a block or a rest of this reach holds back.
pub fn scope_of(reach: Reach, account: &Account, login: &Login) -> Scope {
    match reach {
        Reach::Account => Scope::Account(account.id),
        Reach::Login => Scope::Login(login.name.clone()),
        Reach::Quota => Scope::Quota(login.quota_name().to_owned()),
        Reach::Platform => Scope::Platform(account.platform),
    }
}

/// The platform's code and words.
pub fn detail(outcome: &Outcome) -> Option<String> {
    match (&outcome.code, &outcome.message) {
        (Some(code), Some(message)) => Some(format!("{code} {message}")),
        (code, message) => code.clone().or_else(|| message.clone()),
    }
}

/// The outcome's name in metrics and audit.
pub const fn outcome_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Accepted { .. } => "accepted",
        Verdict::Deferred { .. } => "deferred",
        Verdict::Ambiguous => "ambiguous",
        Verdict::Blocked { .. } => "blocked",
        Verdict::Refused { .. } => "refused",
        Verdict::NotSent { .. } => "not_sent",
    }
}

/// Says whether an outcome shows that the platform looked at the conversion itself, so that login and ad account work.
pub const fn shows_that_access_works(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Delivered | Verdict::Accepted { .. } | Verdict::Refused { .. } | Verdict::NotSent { .. }
    )
}

/// Says whether an outcome shows that the platform itself is in trouble.
pub const fn shows_trouble(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Ambiguous
            | Verdict::Deferred {
                cause: Cause::PlatformError | Cause::PlatformUnreachable | Cause::AnswerUnreadable,
                ..
            }
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        AccountId, ClientId, EventKey, Platform,
        account::{AccountRules, Credential, SecretRef},
    };

    fn account(after_ambiguity: AfterAmbiguity) -> Account {
        Account {
            id: AccountId(1),
            client: ClientId::parse("acme").unwrap(),
            name: "whatsapp".to_owned(),
            platform: Platform::Meta,
            destination: "778899001122334".to_owned(),
            login: "agency-meta".to_owned(),
            rules: AccountRules {
                waba: Some("102290129340398".to_owned()),
                after_ambiguity,
                ..AccountRules::default()
            },
            removed: false,
        }
    }

    fn decided(account: &Account, verdict: Verdict) -> Record {
        let login = Login {
            name: account.login.clone(),
            platform: account.platform,
            credential: Credential::Token(SecretRef("env:META".to_owned())),
            manager: None,
            app_secret: None,
            quota: None,
            revision: 1,
        };
        let now = DateTime::UNIX_EPOCH;
        let key = DispatchKey {
            event: EventKey(Uuid::nil()),
            account: account.id,
        };
        let claimed = Claimed {
            attempt: 1,
            deferrals: 0,
            deadline: now + TimeDelta::days(7),
            first_ambiguous_at: None,
            is_probe: false,
        };
        let at = Circumstances {
            account,
            login: &login,
            mode: Mode::Live,
            now,
            backoff: Backoff::default(),
            jitter: 0.5,
            probe_interval: Duration::from_secs(60),
        };
        decide(key, &claimed, &Outcome::plain(verdict), at).record
    }

    #[test]
    fn after_an_attempt_without_an_answer_the_ad_accounts_rule_decides() {
        let resend = decided(&account(AfterAmbiguity::Resend), Verdict::Ambiguous);
        let never = decided(&account(AfterAmbiguity::Never), Verdict::Ambiguous);

        assert_eq!((resend.state, resend.cause), (State::Waiting, Some(Cause::Ambiguous)));
        assert!(resend.due.is_some());
        assert_eq!(
            (never.state, never.cause, never.due),
            (State::Failed, Some(Cause::MayBeCounted), None)
        );
        assert!(never.is_ambiguous, "a replay must know that it may count twice");
    }

    #[test]
    fn what_certainly_was_not_taken_is_tried_again_whatever_the_rule_says() {
        let verdict = Verdict::Deferred {
            cause: Cause::PlatformError,
            wait: None,
        };

        let record = decided(&account(AfterAmbiguity::Never), verdict);

        assert_eq!(
            (record.state, record.cause),
            (State::Waiting, Some(Cause::PlatformError))
        );
    }
}
