//! Outcomes: what a platform said about each dispatch of a request.

use std::time::Duration;

use super::cause::Cause;

/// What a platform's answer means for one dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict that decides what happens next.
    pub verdict: Verdict,
    /// The platform's own code, such as `100/2804003`, `40002` or `TOO_RECENT_EVENT`.
    pub code: Option<String>,
    /// The platform's own words, cut and cleaned of personal data and tokens ([`super::redact`]).
    pub message: Option<String>,
}

impl Outcome {
    /// An outcome without code and message.
    pub const fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            code: None,
            message: None,
        }
    }
}

/// What happens next with one dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The platform took it.
    Delivered,
    /// The platform took it and will say later what became of it.
    Accepted {
        /// The platform's name for the promise.
        receipt: String,
    },
    /// Not this time; it is tried again, and this counts as a try.
    Deferred {
        /// Why.
        cause: Cause,
        /// Not before this much time has passed, where the answer says or implies it.
        wait: Option<Duration>,
    },
    /// Bytes may have left us and no answer tells what became of them; tried again while the platform still recognises repetitions.
    Ambiguous,
    /// It cannot go out for a reason that concerns more than this dispatch; a pause begins and no try is spent.
    Blocked {
        /// Why.
        cause: Cause,
        /// What is held back.
        reach: Reach,
        /// For how long; `None`: until someone resumes it or a probe gets through.
        wait: Option<Duration>,
    },
    /// The platform does not take it, and never will as it is.
    Refused {
        /// Why.
        cause: Cause,
    },
    /// It will not count, and nobody is at fault.
    NotSent {
        /// Why.
        cause: Cause,
    },
}

/// How far a block reaches; the sender knows which account, login and quota were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The ad account alone.
    Account,
    /// Every ad account of the login.
    Login,
    /// Every login that shares the quota.
    Quota,
    /// The whole platform.
    Platform,
}

/// What an answer means for a request of one or more dispatches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classification {
    /// One outcome for each dispatch, in the order of the request.
    Each(Vec<Outcome>),
    /// The whole request was refused because of some of its dispatches, and nothing of it was taken: those named are settled so, and
    /// the rest goes out again without them. Never empty, indices ascending and within the request.
    Named(Vec<(usize, Outcome)>),
    /// The whole request was refused, nothing of it was taken, and nobody was named: it is sent again in halves. If it held a single
    /// dispatch, this is that one's outcome.
    Unnamed(Outcome),
    /// The access token is not accepted although the login may be good: get a fresh one and send the same again, once; the second
    /// time this is the outcome of all.
    Reauthenticate(Outcome),
}
