//! What people read: what becomes of each conversion, why, who must act, and how far a pause would reach.

use std::{fmt::Write as _, time::Duration};

use super::{
    meaning::{Meaning, Whole, account},
    question::Question,
};
use crate::{
    domain::{Cause, Outcome, Platform, Verdict, Who, outcome::Reach},
    roles::console::{
        table::one_line,
        words::{Blanks, count, ordinal},
    },
};

/// Why something stands as it stands.
pub(super) struct Reason {
    pub(super) cause: Option<Cause>,
    /// Whose fault it is: who must act.
    pub(super) who: &'static str,
    pub(super) sentence: Option<String>,
    pub(super) action: Option<String>,
}

/// The reason of an outcome; of none, that it goes out again.
pub(super) fn reason(outcome: Option<&Outcome>, question: &Question) -> Reason {
    let cause = match outcome.map(|outcome| &outcome.verdict) {
        None => Some(Cause::BatchSplit),
        Some(Verdict::Delivered | Verdict::Accepted { .. }) => None,
        Some(Verdict::Ambiguous) => Some(Cause::Ambiguous),
        Some(
            Verdict::Deferred { cause, .. }
            | Verdict::Blocked { cause, .. }
            | Verdict::Refused { cause }
            | Verdict::NotSent { cause },
        ) => Some(*cause),
    };
    let Some(cause) = cause else {
        return Reason {
            cause: None,
            who: Who::Nobody.as_str(),
            sentence: None,
            action: None,
        };
    };
    let account = account(question);
    let said = outcome.and_then(said);
    let blanks = Blanks {
        platform: Some(question.platform),
        client: None,
        account: Some(&account),
        detail: said.as_deref(),
    };
    Reason {
        cause: Some(cause),
        who: cause.who().as_str(),
        sentence: Some(blanks.sentence(cause)),
        // A real ad account has a number, and a name that serves as well.
        action: Some(blanks.action(cause).replace("account:0", "account:CLIENT/NAME")),
    }
}

/// The platform's code and words.
fn said(outcome: &Outcome) -> Option<String> {
    match (&outcome.code, &outcome.message) {
        (Some(code), Some(message)) => Some(format!("{code} {message}")),
        (code, message) => code.clone().or_else(|| message.clone()),
    }
}

/// How far a pause reaches, in a word.
pub(super) const fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::Account => "account",
        Reach::Login => "login",
        Reach::Quota => "quota",
        Reach::Platform => "platform",
    }
}

/// The page.
pub(super) fn render(question: &Question, meaning: &Meaning) -> String {
    let mut text = String::new();
    write(question, meaning, &mut text).expect("writing to a String");
    text
}

fn write(question: &Question, meaning: &Meaning, text: &mut String) -> std::fmt::Result {
    let platform = question.platform.title();
    let sent = count(i64::try_from(question.sent).unwrap_or(i64::MAX), "conversion");
    writeln!(
        text,
        "{platform} answered {} to a request with {sent}",
        question.answer.status
    )?;
    if let Some(id) = question.answer.request_id() {
        writeln!(
            text,
            "  request   {}   (quote it to {platform}'s support)",
            one_line(&id)
        )?;
    }
    match &meaning.request {
        Whole::Decided => {}
        Whole::SomeNamed => writeln!(
            text,
            "  next      nothing of the request was taken; it goes out again at once without those named below"
        )?,
        Whole::InHalves(outcome) => {
            writeln!(
                text,
                "  next      nothing of the request was taken, and {platform} does not say whose fault it is: it goes out again in halves"
            )?;
            writeln!(
                text,
                "\nwhoever is to blame, once alone: {}",
                standing(&outcome.verdict, question.platform)
            )?;
            return write_outcome(Some(outcome), question, text);
        }
        Whole::NewToken => writeln!(
            text,
            "  next      a new token is fetched and the same goes out again, once; only if that is refused as well:"
        )?,
    }
    for (range, outcome) in groups(&meaning.outcomes) {
        let which = which(range, question.sent);
        let standing = outcome.map_or_else(
            || "goes out again".to_owned(),
            |outcome| standing(&outcome.verdict, question.platform),
        );
        writeln!(text, "\n{which}{standing}")?;
        write_outcome(outcome, question, text)?;
    }
    Ok(())
}

fn write_outcome(outcome: Option<&Outcome>, question: &Question, text: &mut String) -> std::fmt::Result {
    let reason = reason(outcome, question);
    if let Some(said) = outcome.and_then(said) {
        writeln!(text, "  said      {}", one_line(&said))?;
    }
    if let (Some(cause), Some(sentence)) = (reason.cause, &reason.sentence) {
        writeln!(text, "  why       {} ({cause})", one_line(sentence))?;
    }
    match (&reason.action, outcome.map(|outcome| &outcome.verdict)) {
        (Some(action), _) => writeln!(text, "  act       {}", one_line(action))?,
        (None, _) => writeln!(text, "  act       nobody needs to act")?,
    }
    match outcome.map(|outcome| &outcome.verdict) {
        Some(Verdict::Deferred { wait, .. }) => writeln!(text, "  wait      {}", of_deferral(*wait)),
        Some(Verdict::Blocked { wait, reach, .. }) => {
            writeln!(text, "  wait      {}", of_pause(*wait))?;
            writeln!(text, "  reach     {}", reach_sentence(*reach, question.platform))
        }
        Some(Verdict::Accepted { receipt }) => writeln!(text, "  promise   {}", one_line(receipt)),
        Some(Verdict::Ambiguous) => writeln!(
            text,
            "  wait      as long as the relay waits after any failure, longer each time"
        ),
        _ => Ok(()),
    }
}

/// What becomes of a conversion.
fn standing(verdict: &Verdict, platform: Platform) -> String {
    let title = platform.title();
    match verdict {
        Verdict::Delivered => "sent".to_owned(),
        Verdict::Accepted { .. } => format!("sent; {title} says later what became of it"),
        Verdict::Deferred { .. } => "put off: it is tried again, and this counts as a try".to_owned(),
        Verdict::Ambiguous => {
            format!(
                "unclear: {title} may have counted it; it goes out again under the same event ID, which counts once"
            )
        }
        Verdict::Blocked { .. } => "paused: it keeps its place, and this costs no try".to_owned(),
        Verdict::Refused { .. } => "failed: it is not sent again until somebody repairs it".to_owned(),
        Verdict::NotSent { .. } => {
            "not sent: it does not count, and nothing is repaired by sending it again".to_owned()
        }
    }
}

fn of_deferral(wait: Option<Duration>) -> String {
    match wait {
        Some(wait) => format!("at least {}", length(wait)),
        None => "as long as the relay waits after any failure, longer each time".to_owned(),
    }
}

fn of_pause(wait: Option<Duration>) -> String {
    match wait {
        Some(wait) => length(wait),
        None => "until it is resumed, or until a single conversion that tries its luck gets through".to_owned(),
    }
}

fn length(wait: Duration) -> String {
    humantime::format_duration(Duration::from_secs(wait.as_secs())).to_string()
}

fn reach_sentence(reach: Reach, platform: Platform) -> String {
    match reach {
        Reach::Account => "this ad account alone".to_owned(),
        Reach::Login => "every ad account of this login".to_owned(),
        Reach::Quota => "every login that shares the quota".to_owned(),
        Reach::Platform => format!("everything that goes to {}", platform.title()),
    }
}

/// Runs of equal outcomes, with the first and the last position.
fn groups(outcomes: &[Option<Outcome>]) -> Vec<((usize, usize), Option<&Outcome>)> {
    let mut groups: Vec<((usize, usize), Option<&Outcome>)> = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        match groups.last_mut() {
            Some(((_, last), same)) if *same == outcome.as_ref() => *last = index,
            _ => groups.push(((index, index), outcome.as_ref())),
        }
    }
    groups
}

/// `1st: `, `2nd to 5th: `; nothing for a single conversion, `all: ` for all.
fn which((first, last): (usize, usize), sent: usize) -> String {
    let nth = |index: usize| ordinal(i32::try_from(index + 1).unwrap_or(i32::MAX));
    match (first, last) {
        _ if sent == 1 => String::new(),
        (0, last) if last + 1 == sent => "all: ".to_owned(),
        (first, last) if first == last => format!("{}: ", nth(first)),
        (first, last) => format!("{} to {}: ", nth(first), nth(last)),
    }
}
