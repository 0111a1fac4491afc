//! What an answer means for each conversion of its request: the platform's adapter asked with neutral conversions.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

use chrono::{DateTime, Utc};

use super::question::Question;
use crate::{
    domain::{
        Account, AccountId, Classification, Click, ClickKind, ClientId, Dispatch, EventId, EventRecord, Mode, Outcome,
        Platform, Verdict, account::AccountRules,
    },
    platform::adapter,
};

/// The name of the neutral conversions.
const EVENT_NAME: &str = "Purchase";

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) request: Whole,
    /// One for each conversion, in the order of the request; `None`: nothing is decided about it, and it goes out again.
    pub(super) outcomes: Vec<Option<Outcome>>,
}

/// What becomes of the request as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// Each conversion has its own outcome.
    Decided,
    /// It was refused for the sake of some; the others go out again without them.
    SomeNamed,
    /// It was refused and nobody was named: it goes out again in halves. A conversion that is alone then ends so.
    InHalves(Outcome),
    /// It goes out again once, with a fresh token; the outcomes are those of the second time.
    NewToken,
}

/// Asks the adapters. It keeps the neutral conversions of each platform for the next question.
#[derive(Default)]
pub(super) struct Interpreter {
    neutral: HashMap<Platform, Vec<Dispatch>>,
}

impl Interpreter {
    /// Says what an answer means; total, whatever the answer is.
    pub(super) fn interpret(&mut self, question: &Question) -> Meaning {
        let account = account(question);
        let dispatches = self.neutral.entry(question.platform).or_default();
        for number in dispatches.len()..question.sent {
            dispatches.push(dispatch(number, &account));
        }
        let dispatches: Vec<&Dispatch> = dispatches.iter().take(question.sent).collect();
        let classify = || adapter(question.platform).classify(&question.answer, &dispatches, &account);
        // As the sender does: an answer that nobody could classify is none.
        let classification = catch_unwind(AssertUnwindSafe(classify)).unwrap_or_else(|_| {
            let unclear = Outcome::plain(Verdict::Ambiguous);
            Classification::Each(vec![unclear; question.sent])
        });
        meaning(classification, question.sent)
    }
}

fn meaning(classification: Classification, sent: usize) -> Meaning {
    match classification {
        Classification::Each(outcomes) => {
            let mut outcomes: Vec<Option<Outcome>> = outcomes.into_iter().map(Some).collect();
            outcomes.resize(sent, None);
            Meaning {
                request: Whole::Decided,
                outcomes,
            }
        }
        Classification::Named(named) => {
            let mut outcomes = vec![None; sent];
            for (index, outcome) in named {
                if let Some(slot) = outcomes.get_mut(index) {
                    *slot = Some(outcome);
                }
            }
            let is_all = outcomes.iter().all(Option::is_some);
            Meaning {
                request: if is_all { Whole::Decided } else { Whole::SomeNamed },
                outcomes,
            }
        }
        Classification::Unnamed(outcome) if sent == 1 => Meaning {
            request: Whole::Decided,
            outcomes: vec![Some(outcome)],
        },
        Classification::Unnamed(outcome) => Meaning {
            request: Whole::InHalves(outcome),
            outcomes: vec![None; sent],
        },
        Classification::Reauthenticate(outcome) => Meaning {
            request: Whole::NewToken,
            outcomes: vec![Some(outcome); sent],
        },
    }
}

/// An ad account that the answer could be to; its names stand for those of a real one.
pub(super) fn account(question: &Question) -> Account {
    Account {
        id: AccountId(0),
        client: ClientId::parse("CLIENT").expect("it is visible ASCII"),
        name: "NAME".to_owned(),
        platform: question.platform,
        destination: "1234567890".to_owned(),
        login: "LOGIN".to_owned(),
        rules: AccountRules {
            mode: Mode::Live,
            transport: question.transport,
            actions: BTreeMap::from([(EVENT_NAME.to_owned(), "1".to_owned())]),
            ..AccountRules::default()
        },
        removed: false,
    }
}

/// A conversion that is like any other.
fn dispatch(number: usize, account: &Account) -> Dispatch {
    let time = DateTime::<Utc>::UNIX_EPOCH;
    let event_id = EventId::parse(&format!("event-{number}")).expect("it is visible ASCII");
    let kind = match account.platform {
        Platform::Meta => ClickKind::Fbc,
        Platform::Google => ClickKind::Gclid,
        Platform::Tiktok => ClickKind::Ttclid,
    };
    Dispatch {
        account: account.id,
        platform: account.platform,
        destination: account.destination.clone(),
        click: Some(Click {
            kind,
            value: format!("click-{number}"),
            first_seen: time,
            time_is_known: false,
            waba: None,
        }),
        deadline: DateTime::<Utc>::MAX_UTC,
        event: EventRecord::bare(account.client.clone(), event_id, EVENT_NAME, time),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::{Cause, account::Transport},
        platform::Answer,
    };

    fn question(platform: Platform, status: u16, body: &str, sent: usize) -> Question {
        Question {
            platform,
            transport: Transport::DataManager,
            answer: Answer {
                status,
                headers: Vec::new(),
                body: Bytes::from(body.to_owned()),
            },
            sent,
        }
    }

    fn refused(cause: Cause) -> Verdict {
        Verdict::Refused { cause }
    }

    #[test]
    fn a_refusal_of_one_is_its_outcome_and_one_of_several_goes_out_in_halves() {
        let body = r#"{"error":{"message":"x","type":"OAuthException","code":100,"error_subcode":2804003}}"#;
        let mut interpreter = Interpreter::default();

        let alone = interpreter.interpret(&question(Platform::Meta, 400, body, 1));
        let together = interpreter.interpret(&question(Platform::Meta, 400, body, 3));

        assert_eq!(alone.request, Whole::Decided);
        assert_eq!(alone.outcomes[0].as_ref().unwrap().verdict, refused(Cause::EventTooOld));
        assert!(matches!(together.request, Whole::InHalves(outcome) if outcome.verdict == refused(Cause::EventTooOld)));
        assert_eq!(together.outcomes, [None, None, None]);
    }

    #[test]
    fn a_culprit_is_named_and_the_others_are_undecided() {
        let body = r#"{"error":{"message":"(#100) Param data[1][event_time] must be a valid time","code":100}}"#;

        let meaning = Interpreter::default().interpret(&question(Platform::Meta, 400, body, 3));

        let decided: Vec<bool> = meaning.outcomes.iter().map(Option::is_some).collect();
        assert_eq!((meaning.request, decided), (Whole::SomeNamed, vec![false, true, false]));
    }

    #[test]
    fn a_401_of_google_asks_for_a_new_token_first() {
        let meaning = Interpreter::default().interpret(&question(Platform::Google, 401, "", 2));

        assert_eq!((meaning.request, meaning.outcomes.len()), (Whole::NewToken, 2));
    }

    proptest! {
        #[test]
        fn any_answer_has_as_many_outcomes_as_were_sent(
            platform in 0..3_usize, status in 0..=u16::MAX, body in ".{0,200}", sent in 1..5_usize, is_older: bool,
        ) {
            let mut question = question(Platform::ALL[platform], status, &body, sent);
            if is_older {
                question.transport = Transport::AdsApi;
            }

            let meaning = Interpreter::default().interpret(&question);

            prop_assert_eq!(meaning.outcomes.len(), sent);
        }
    }
}
