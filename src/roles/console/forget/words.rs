//! What forgetting did or would do, in words; nothing of the person is in them.

use super::Subject;
use crate::{
    domain::State,
    roles::console::{
        clock::Clock,
        dead::Facts,
        mask,
        words::{count, grouped},
    },
    store::forgetting::Conversions,
};

/// Whether it is told what was done or what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Forecast,
    Done,
}

/// `12 conversions emptied (9 sent, 2 not sent, 1 stopped before it went out)`, each counted once for every ad account that should hear of it.
pub(super) fn conversions(told: &Conversions, telling: Telling) -> String {
    let sent = told.in_states(&[State::Sent, State::Confirmed]);
    let stopped = told.in_states(&[State::Queued, State::Waiting, State::Paused]);
    let parts = [
        (sent, "sent"),
        (told.in_states(&[State::Failed]), "failed"),
        (told.in_states(&[State::NotSent]), "not sent"),
        (told.in_states(&[State::Sending]), "being sent"),
        (
            stopped,
            match (telling, stopped) {
                (Telling::Done, 1) => "stopped before it went out",
                (Telling::Done, _) => "stopped before they went out",
                (Telling::Forecast, 1) => "stopped before it goes out",
                (Telling::Forecast, _) => "stopped before they go out",
            },
        ),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", grouped(number)))
        .collect();
    let done = match telling {
        Telling::Forecast => "",
        Telling::Done => " emptied",
    };
    let parts = if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    };
    format!("{}{done}{parts}", count(told.events, "conversion"))
}

/// `1 letter removed (event e-17, refused, 21 Nov 09:12)`.
pub(super) fn letters(found: &[Facts], subject: &Subject<'_>, clock: Clock, telling: Telling) -> String {
    let done = match telling {
        Telling::Forecast => "",
        Telling::Done => " removed",
    };
    let names: Vec<String> = found.iter().map(|facts| letter(facts, subject, clock)).collect();
    let number = i64::try_from(found.len()).unwrap_or(i64::MAX);
    format!("{}{done} ({})", count(number, "letter"), names.join("; "))
}

fn letter(facts: &Facts, subject: &Subject<'_>, clock: Clock) -> String {
    // Of a message that is no event, an ID may be anything.
    let shown = |noun: &str, id: &Option<String>| {
        let id = id
            .as_deref()
            .filter(|id| !id.is_empty() && !subject.is_in(id.as_bytes()))?;
        Some(format!("{noun} {}", mask::plain(id)))
    };
    let name = shown("event", &facts.event_id)
        .or_else(|| shown("message", &facts.message_id))
        .unwrap_or_else(|| "without an ID to show".to_owned());
    let cause = facts
        .cause
        .map_or("put aside by the broker", |cause| cause.as_str())
        .replace('_', " ");
    let when = facts.failed_at.map(|at| format!(", {}", clock.with_date(at)));
    format!("{name}, {cause}{}", when.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(states: &[(State, i64)]) -> Conversions {
        Conversions {
            events: 12,
            states: states.iter().copied().collect(),
        }
    }

    #[test]
    fn what_there_was_is_told_and_nothing_else() {
        let one = told(&[
            (State::Sent, 8),
            (State::Confirmed, 1),
            (State::NotSent, 2),
            (State::Paused, 1),
        ]);
        let many = told(&[(State::Queued, 2), (State::Sending, 1), (State::Failed, 1_000)]);

        assert_eq!(
            conversions(&one, Telling::Done),
            "12 conversions emptied (9 sent, 2 not sent, 1 stopped before it went out)"
        );
        assert_eq!(
            conversions(&many, Telling::Forecast),
            "12 conversions (1,000 failed, 1 being sent, 2 stopped before they go out)"
        );
        assert_eq!(
            conversions(&Conversions::default(), Telling::Done),
            "0 conversions emptied"
        );
    }
}
