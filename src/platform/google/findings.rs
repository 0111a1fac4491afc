//! Findings: what an answer says, each with the place that it speaks of, and how they decide over a request that was refused whole.

use std::{collections::BTreeMap, time::Duration};

use super::codes::Meaning;
use crate::{
    domain::{Classification, Outcome, redact},
    platform::answer::outcome,
};

/// What a finding speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The request as a whole, or nothing that could be told.
    Request,
    /// The dispatch of this index, which is within the request.
    Dispatch(usize),
}

/// One thing that an answer says.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// Of what.
    pub place: Place,
    /// What it means.
    pub meaning: Meaning,
    /// Google's code.
    pub code: String,
    /// Google's words.
    pub message: String,
    /// The wait that it asks for.
    pub wait: Option<Duration>,
}

impl Finding {
    /// What it means for a dispatch.
    pub(super) fn outcome(&self) -> Outcome {
        // An unknown code is Google's text like any other.
        let code = redact::text(&self.code);
        outcome(self.meaning.verdict(self.wait), code, &self.message)
    }
}

/// The finding that decides; of equals the first.
pub(super) fn worst<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Option<&'a Finding> {
    findings
        .into_iter()
        .fold(None, |worst: Option<&Finding>, finding| match worst {
            Some(worst) if worst.meaning.rank() >= finding.meaning.rank() => Some(worst),
            _ => Some(finding),
        })
}

/// What the refusal of a whole request means for its dispatches; `None` without a finding.
pub(super) fn refusal(findings: &[Finding], dispatches: usize) -> Option<Classification> {
    let worst = worst(findings)?;
    let outcome = worst.outcome();
    let classification = match worst.meaning {
        Meaning::Reauthenticate => Classification::Reauthenticate(outcome),
        Meaning::Block(..) | Meaning::Quota(..) => Classification::Each(vec![outcome; dispatches]),
        _ => {
            let named = named(findings);
            if !named.is_empty() {
                Classification::Named(named)
            } else if matches!(worst.meaning, Meaning::Retry | Meaning::RetryIn(..)) {
                Classification::Each(vec![outcome; dispatches])
            } else {
                Classification::Unnamed(outcome)
            }
        }
    };
    Some(classification)
}

fn named(findings: &[Finding]) -> Vec<(usize, Outcome)> {
    let mut by_index: BTreeMap<usize, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        if let Place::Dispatch(index) = finding.place {
            by_index.entry(index).or_default().push(finding);
        }
    }
    by_index
        .into_iter()
        .filter_map(|(index, findings)| Some((index, worst(findings)?.outcome())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, Verdict, outcome::Reach};

    fn finding(place: Place, meaning: Meaning) -> Finding {
        Finding {
            place,
            meaning,
            code: "CODE".into(),
            message: String::new(),
            wait: None,
        }
    }

    #[test]
    fn what_blocks_the_account_goes_before_what_is_wrong_with_one_conversion() {
        let findings = [
            finding(Place::Dispatch(1), Meaning::Refuse(Cause::Refused)),
            finding(Place::Request, Meaning::Block(Reach::Account, Cause::AccountNotSetUp)),
        ];

        let Some(Classification::Each(outcomes)) = refusal(&findings, 3) else {
            panic!("expected one outcome each");
        };
        assert_eq!(outcomes.len(), 3);
        assert!(matches!(outcomes[1].verdict, Verdict::Blocked { .. }));
    }

    #[test]
    fn named_dispatches_come_once_each_and_in_order() {
        let findings = [
            finding(Place::Dispatch(7), Meaning::Unknown),
            finding(Place::Dispatch(2), Meaning::Unknown),
            finding(Place::Dispatch(7), Meaning::Refuse(Cause::Refused)),
            finding(Place::Request, Meaning::Retry),
        ];

        let Some(Classification::Named(named)) = refusal(&findings, 10) else {
            panic!("expected names");
        };
        let indices: Vec<usize> = named.iter().map(|(index, _)| *index).collect();
        assert_eq!(indices, [2, 7]);
        assert_eq!(named[1].1.verdict, Verdict::Refused { cause: Cause::Refused });
    }

    #[test]
    fn a_refusal_without_a_name_is_halved_and_trouble_of_googles_own_is_not() {
        let refused = refusal(&[finding(Place::Request, Meaning::Refuse(Cause::Refused))], 4);
        let trouble = refusal(&[finding(Place::Request, Meaning::Retry)], 4);

        assert!(matches!(refused, Some(Classification::Unnamed(_))));
        assert!(matches!(trouble, Some(Classification::Each(outcomes)) if outcomes.len() == 4));
        assert_eq!(refusal(&[], 4), None);
    }
}
