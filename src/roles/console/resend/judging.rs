//! Whether a part of an event goes out again: how it stands, and what today's rules say. Pure.

use chrono::{DateTime, Utc};

use crate::{
    domain::{Account, Cause, State},
    store::{
        resend::{KeptEvent, Standing},
        routing::NewDispatch,
    },
};

/// What becomes of a part of an event.
#[derive(Clone, Debug)]
pub(super) enum Judgement {
    /// It is set anew; with the time at which it last changed, if there was a row.
    Renew(Box<NewDispatch>, Option<DateTime<Utc>>),
    /// It is on its way already.
    UnderWay,
    /// The same destination has it.
    Sent,
    /// The same destination may have it.
    MayBeCounted,
    /// Today's rules say no, too.
    Not(Option<Cause>),
    /// The ad account does not want events of this name.
    NotWanted,
}

/// What to do about what may count twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    Avoid,
    Accept,
}

impl From<bool> for Duplicates {
    fn from(is_accepted: bool) -> Self {
        if is_accepted {
            Duplicates::Accept
        } else {
            Duplicates::Avoid
        }
    }
}

/// Judges the part of an event that an ad account has; `decision`: what today's rules say, nothing if it does not want events of this name.
pub(super) fn judge(
    event: &KeptEvent,
    account: &Account,
    decision: Option<NewDispatch>,
    duplicates: Duplicates,
) -> Judgement {
    let Some(decision) = decision else {
        return Judgement::NotWanted;
    };
    if event.is_forgotten {
        return Judgement::Not(Some(Cause::Forgotten));
    }
    let standing = event.standing.iter().find(|standing| standing.account == account.id);
    if let Some(standing) = standing
        && let Some(obstacle) = obstacle(standing, account, duplicates)
    {
        return obstacle;
    }
    match decision.state {
        State::Queued | State::Waiting => {
            Judgement::Renew(Box::new(decision), standing.map(|standing| standing.updated_at))
        }
        _ => Judgement::Not(decision.cause),
    }
}

/// Why what stands is left as it is, if it is.
fn obstacle(standing: &Standing, account: &Account, duplicates: Duplicates) -> Option<Judgement> {
    let is_elsewhere = standing.destination != account.destination;
    let is_accepted = duplicates == Duplicates::Accept;
    match standing.state {
        State::Queued | State::Sending | State::Waiting | State::Paused => Some(Judgement::UnderWay),
        // Another destination knows nothing of what this one has.
        _ if is_elsewhere || is_accepted => None,
        State::Sent | State::Confirmed => Some(Judgement::Sent),
        State::NotSent if standing.cause == Some(Cause::DuplicateAtPlatform) => Some(Judgement::Sent),
        State::Failed if standing.is_ambiguous || standing.cause == Some(Cause::MayBeCounted) => {
            Some(Judgement::MayBeCounted)
        }
        State::Failed | State::NotSent => None,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{AccountId, ClientId, Mode, Platform, account::AccountRules},
        roles::plan::{Remembered, decide, wants},
    };

    fn account() -> Account {
        Account {
            id: AccountId(1),
            client: ClientId::parse("acme").unwrap(),
            name: "meta".to_owned(),
            platform: Platform::Meta,
            destination: "here".to_owned(),
            login: "agency".to_owned(),
            rules: AccountRules {
                mode: Mode::Live,
                ..AccountRules::default()
            },
            removed: false,
        }
    }

    fn standing(state: State, cause: Option<Cause>) -> Standing {
        Standing {
            account: AccountId(1),
            destination: "here".to_owned(),
            state,
            cause,
            is_ambiguous: false,
            updated_at: Utc::now(),
        }
    }

    fn event(standing: Vec<Standing>) -> KeptEvent {
        let record = serde_json::json!({
            "client": "acme", "event_id": "e-1", "name": "Purchase", "time": Utc::now(), "first_seen": Utc::now(),
            "action_source": "website", "value": 59.9, "currency": "EUR", "ip": "203.0.113.9", "user_agent": "Mozilla/5.0",
            "source_url": "https://shop.example/thanks",
            "clicks": {"fbc": "fb.1.1795000000000.IwAR"}, "identities": {"meta": {"em": ["5ecr3t"]}, "google": {}, "tiktok": {}}
        });
        KeptEvent {
            record: serde_json::from_value(record).unwrap(),
            identities: Vec::new(),
            is_forgotten: false,
            standing,
            place: (Utc::now(), Uuid::nil()),
        }
    }

    fn judged(standing: Option<Standing>, account: &Account, duplicates: Duplicates) -> &'static str {
        let event = event(standing.into_iter().collect());
        let wanting: Vec<&Account> = [account]
            .into_iter()
            .filter(|account| wants(account, &event.record.name))
            .collect();
        let decision = decide(&event.record, &wanting, &Remembered::default(), Utc::now()).pop();
        match judge(&event, account, decision, duplicates) {
            Judgement::Renew(..) => "renew",
            Judgement::UnderWay => "under way",
            Judgement::Sent => "sent",
            Judgement::MayBeCounted => "may be counted",
            Judgement::Not(_) => "not",
            Judgement::NotWanted => "not wanted",
        }
    }

    #[test]
    fn what_did_not_go_out_does_and_what_did_does_not() {
        let ambiguous = Standing {
            is_ambiguous: true,
            ..standing(State::Failed, Some(Cause::Refused))
        };
        let cases = [
            (None, "renew", "renew"),
            (Some(standing(State::NotSent, Some(Cause::Shadow))), "renew", "renew"),
            (Some(standing(State::Failed, Some(Cause::Refused))), "renew", "renew"),
            (
                Some(standing(State::Failed, Some(Cause::MayBeCounted))),
                "may be counted",
                "renew",
            ),
            (Some(ambiguous), "may be counted", "renew"),
            (Some(standing(State::Sent, None)), "sent", "renew"),
            (Some(standing(State::Confirmed, None)), "sent", "renew"),
            (
                Some(standing(State::NotSent, Some(Cause::DuplicateAtPlatform))),
                "sent",
                "renew",
            ),
            (Some(standing(State::Queued, None)), "under way", "under way"),
            (Some(standing(State::Sending, None)), "under way", "under way"),
            (
                Some(standing(State::Paused, Some(Cause::LoginRefused))),
                "under way",
                "under way",
            ),
        ];
        for (standing, avoided, accepted) in cases {
            let shown = format!("{standing:?}");
            assert_eq!(
                judged(standing.clone(), &account(), Duplicates::Avoid),
                avoided,
                "{shown}"
            );
            assert_eq!(judged(standing, &account(), Duplicates::Accept), accepted, "{shown}");
        }
    }

    #[test]
    fn what_another_destination_has_goes_to_the_new_one_once_it_is_not_under_way() {
        let moved = Account {
            destination: "there".to_owned(),
            ..account()
        };

        assert_eq!(
            judged(Some(standing(State::Sent, None)), &moved, Duplicates::Avoid),
            "renew"
        );
        assert_eq!(
            judged(Some(standing(State::Queued, None)), &moved, Duplicates::Avoid),
            "under way"
        );
    }

    #[test]
    fn todays_rules_hold() {
        let mut shadow = account();
        shadow.rules.mode = Mode::Shadow;
        let mut choosy = account();
        choosy.rules.events = Some(["Lead".to_owned()].into());

        assert_eq!(judged(None, &shadow, Duplicates::Accept), "not");
        assert_eq!(judged(None, &choosy, Duplicates::Accept), "not wanted");
    }
}
