//! Metrics of the conversions themselves: what came in, what was sent, what waits, what failed. Labels are closed lists, never an id.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::{clicks, google};
use crate::domain::{Cause, Platform, State};

/// Events and webhooks taken from the inbound queues, by `source`.
pub const EVENTS_RECEIVED: &str = "relay_events_received_total";
/// Events stored for the first time.
pub const EVENTS_STORED: &str = "relay_events_stored_total";
/// Events that were there before, by `repetition`: `same` or `differs`.
pub const EVENTS_REPEATED: &str = "relay_events_repeated_total";
/// Events that no ad account of their client wants.
pub const EVENTS_UNWANTED: &str = "relay_events_unwanted_total";
/// Events that concern no ad account, by `cause`.
pub const EVENTS_UNROUTABLE: &str = "relay_events_unroutable_total";
/// What the router decided, by `platform`, `state` and `cause`.
pub const DISPATCHES_DECIDED: &str = "relay_dispatches_decided_total";
/// Attempts that ended, by `platform`, `outcome` and `cause`.
pub const ATTEMPTS: &str = "relay_dispatch_attempts_total";
/// Time of an exchange with a platform, by `platform`.
pub const REQUEST_SECONDS: &str = "relay_request_duration_seconds";
/// Dispatches in a request, by `platform`.
pub const BATCH: &str = "relay_batch_dispatches";
/// Time from first seen to delivered, by `platform`.
pub const DELIVERY_AGE: &str = "relay_delivery_age_seconds";
/// Dead letters, by `queue` and `cause`.
pub const DEAD_LETTERS: &str = "relay_dead_letters_total";
/// Dispatches that were queued and had to be published again, by `platform`: this is how a loss would show.
pub const SILENT: &str = "relay_silent_dispatches_total";
/// Dispatches whose sender went away between claim and record, by `platform`.
pub const ABANDONED: &str = "relay_abandoned_claims_total";
/// Records that came too late: another had the lease by then, by `platform`.
pub const LEASES_LOST: &str = "relay_leases_lost_total";
/// Dispatches taken out of the ledger because they were due or a pause ended, by `reason`.
pub const WOKEN: &str = "relay_woken_dispatches_total";
/// Dispatches that are not settled, by `platform` and `state`.
pub const UNSETTLED: &str = "relay_unsettled_dispatches";
/// Seconds until the first paused dispatch expires, by `platform`; infinite while none is paused.
pub const PAUSED_DEADLINE: &str = "relay_paused_nearest_deadline_seconds";
/// Answers from another version of the interface than the one that was called, by `platform`.
pub const VERSION_WARNINGS: &str = "relay_version_warnings_total";
/// Pauses in force, by `scope`.
pub const PAUSES: &str = "relay_pauses";
/// Statements that Postgres did not take and that are tried again, by `role`.
pub const STORE_FAILURES: &str = "relay_store_failures_total";

/// The outcomes of an attempt, as label and as audit column.
pub const OUTCOMES: [&str; 7] = [
    "delivered",
    "accepted",
    "deferred",
    "ambiguous",
    "blocked",
    "refused",
    "not_sent",
];
/// The roles that need Postgres.
const ROLES: [&str; 4] = ["router", "sender", "keeper", "receipts"];
/// Where messages come in: two queues of the relay, and those of others.
const SOURCES: [&str; 3] = ["events", "webhooks", "inputs"];
/// Why a dispatch is taken out of the ledger.
const REASONS: [&str; 5] = ["due", "pause_ended", "silent", "probe", "click_awaited"];
/// What a pause can hold back.
const SCOPES: [&str; 4] = ["login", "account", "quota", "platform"];

/// Why an attempt may end as it does: the pairs of `outcome` and `cause` that stand at zero from the start, beside each outcome without a cause.
const ATTEMPT_CAUSES: [(&str, &[Cause]); 7] = [
    ("delivered", &[Cause::TestMode]),
    ("accepted", &[Cause::TestMode]),
    (
        "deferred",
        &[
            Cause::PlatformError,
            Cause::PlatformUnreachable,
            Cause::AnswerUnreadable,
            Cause::RateLimited,
            Cause::ClickTooRecent,
            Cause::DeadlinePassed,
            Cause::MayBeCounted,
        ],
    ),
    ("ambiguous", &[Cause::Ambiguous, Cause::MayBeCounted]),
    (
        "blocked",
        &[
            Cause::LoginRefused,
            Cause::LoginMissing,
            Cause::PermissionMissing,
            Cause::AccountNotSetUp,
            Cause::TransportNotAllowlisted,
            Cause::InterfaceGone,
            Cause::QuotaExhausted,
            Cause::RateLimited,
            Cause::PlatformDown,
        ],
    ),
    (
        "refused",
        &[
            Cause::Refused,
            Cause::EventTooOld,
            Cause::MissingValue,
            Cause::InvalidField,
            Cause::InvalidCurrency,
            Cause::InvalidClickId,
            Cause::PersonalDataRefused,
            Cause::RequestTooLarge,
        ],
    ),
    (
        "not_sent",
        &[
            Cause::ClickTooOld,
            Cause::ClickNotFound,
            Cause::ClickKindElsewhere,
            Cause::ConsentDenied,
            Cause::NoIdentifiers,
            Cause::EventNameNotTaken,
            Cause::DuplicateAtPlatform,
        ],
    ),
];

/// What the router may decide with a cause: the pairs of `state` and `cause` that stand at zero from the start, beside `queued`.
const DECISIONS: [(State, &[Cause]); 3] = [
    (
        State::Waiting,
        &[Cause::WaitingForClick, Cause::ClickTooRecent, Cause::Scheduled],
    ),
    (
        State::NotSent,
        &[
            Cause::Shadow,
            Cause::BeforeLiveFrom,
            Cause::NoClick,
            Cause::ClickKindElsewhere,
            Cause::NoCtwaClickIdForPhone,
            Cause::ClickTooOld,
            Cause::ConsentDenied,
            Cause::ConsentMissing,
            Cause::HostNotWanted,
            Cause::EventNotMapped,
            Cause::EventNameNotTaken,
            Cause::NoIdentifiers,
            Cause::CreditElsewhere,
        ],
    ),
    (
        State::Failed,
        &[
            Cause::EventTooOld,
            Cause::MissingField,
            Cause::MissingValue,
            Cause::InvalidField,
            Cause::InvalidCurrency,
            Cause::InvalidClickId,
            Cause::AccountNotSetUp,
            Cause::PersonalDataRefused,
            Cause::RequestTooLarge,
        ],
    ),
];

/// Buckets of [`REQUEST_SECONDS`]: Meta answers most requests within 600 ms, and none may take over 20 s.
pub const REQUEST_BUCKETS: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];
/// Buckets of [`BATCH`], up to Google's limit.
pub const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0];
/// Buckets of [`DELIVERY_AGE`]: from at once over two hours (freshness hurts) to the seven days of Meta.
pub const AGE_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 7_200.0, 86_400.0, 604_800.0];

/// Gives every metric of this file its help text, and puts every label value to zero, so that a rate over a first event is not missed.
pub fn describe() {
    describe_counter!(EVENTS_RECEIVED, "Messages taken from the inbound queues");
    describe_counter!(EVENTS_STORED, "Events stored for the first time");
    describe_counter!(
        EVENTS_REPEATED,
        "Events that were there before, the same or contradicting"
    );
    describe_counter!(EVENTS_UNWANTED, "Events that no ad account of their client wants");
    describe_counter!(EVENTS_UNROUTABLE, "Events that concern no ad account");
    describe_counter!(DISPATCHES_DECIDED, "What the router decided for an ad account");
    describe_counter!(ATTEMPTS, "Attempts that ended");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time of an exchange with a platform");
    describe_histogram!(BATCH, "Conversions in a request");
    describe_histogram!(DELIVERY_AGE, Unit::Seconds, "Time from first seen to delivered");
    describe_counter!(DEAD_LETTERS, "Dead letters");
    describe_counter!(
        SILENT,
        "Queued conversions that had to be published again; this is how a loss would show"
    );
    describe_counter!(ABANDONED, "Conversions whose sender went away between claim and record");
    describe_counter!(LEASES_LOST, "Records that came after another had taken over");
    describe_counter!(WOKEN, "Conversions taken out of the ledger");
    describe_gauge!(UNSETTLED, "Conversions that are not settled");
    describe_gauge!(
        PAUSED_DEADLINE,
        Unit::Seconds,
        "Time until the first paused conversion expires"
    );
    describe_counter!(
        VERSION_WARNINGS,
        "Answers from another version of the interface than the one that was called"
    );
    describe_gauge!(PAUSES, "Pauses in force");
    describe_counter!(
        STORE_FAILURES,
        "Statements that Postgres did not take and that are tried again"
    );
    google::describe();
    clicks::describe();
    touch();
}

fn touch() {
    for source in SOURCES {
        counter!(EVENTS_RECEIVED, "source" => source).increment(0);
        for cause in Cause::ALL {
            counter!(DEAD_LETTERS, "queue" => source, "cause" => cause.as_str()).increment(0);
        }
    }
    counter!(EVENTS_STORED).increment(0);
    counter!(EVENTS_UNWANTED).increment(0);
    for repetition in ["same", "differs"] {
        counter!(EVENTS_REPEATED, "repetition" => repetition).increment(0);
    }
    for cause in [Cause::UnknownClient, Cause::NoAdAccount] {
        counter!(EVENTS_UNROUTABLE, "cause" => cause.as_str()).increment(0);
    }
    for role in ROLES {
        counter!(STORE_FAILURES, "role" => role).increment(0);
    }
    for reason in REASONS {
        counter!(WOKEN, "reason" => reason).increment(0);
    }
    for scope in SCOPES {
        gauge!(PAUSES, "scope" => scope).set(0.0);
    }
    for platform in Platform::ALL {
        for outcome in OUTCOMES {
            attempted(platform, outcome, None, 0);
        }
        for (outcome, causes) in ATTEMPT_CAUSES {
            causes
                .iter()
                .for_each(|cause| attempted(platform, outcome, Some(*cause), 0));
        }
        decided(platform, State::Queued, None, 0);
        for (state, causes) in DECISIONS {
            causes
                .iter()
                .for_each(|cause| decided(platform, state, Some(*cause), 0));
        }
        let platform = platform.as_str();
        for cause in Cause::ALL {
            counter!(DEAD_LETTERS, "queue" => platform, "cause" => cause.as_str()).increment(0);
        }
        for name in [SILENT, ABANDONED, LEASES_LOST, VERSION_WARNINGS] {
            counter!(name, "platform" => platform).increment(0);
        }
        for state in [
            State::Queued,
            State::Sending,
            State::Waiting,
            State::Paused,
            State::Failed,
        ] {
            gauge!(UNSETTLED, "platform" => platform, "state" => state.as_str()).set(0.0);
        }
    }
}

/// Counts messages taken from an inbound queue.
pub fn events_received(source: &'static str, count: usize) {
    counter!(EVENTS_RECEIVED, "source" => source).increment(count as u64);
}

/// Counts an event that was stored for the first time; `cause` where it concerns no ad account.
pub fn event_stored(cause: Option<Cause>) {
    counter!(EVENTS_STORED).increment(1);
    if let Some(cause) = cause {
        counter!(EVENTS_UNROUTABLE, "cause" => cause.as_str()).increment(1);
    }
}

/// Counts events that were there before.
pub fn events_repeated(differs: bool, count: usize) {
    counter!(EVENTS_REPEATED, "repetition" => if differs { "differs" } else { "same" }).increment(count as u64);
}

/// Counts events that nobody wants.
pub fn events_unwanted(count: usize) {
    counter!(EVENTS_UNWANTED).increment(count as u64);
}

/// Counts what the router decided for an ad account.
pub fn decided(platform: Platform, state: State, cause: Option<Cause>, count: usize) {
    counter!(DISPATCHES_DECIDED, "platform" => platform.as_str(), "state" => state.as_str(), "cause" => cause.map_or("", Cause::as_str))
        .increment(count as u64);
}

/// Counts attempts that ended the same way.
pub fn attempted(platform: Platform, outcome: &'static str, cause: Option<Cause>, count: usize) {
    counter!(ATTEMPTS, "platform" => platform.as_str(), "outcome" => outcome, "cause" => cause.map_or("", Cause::as_str))
        .increment(count as u64);
}

/// Notes an exchange with a platform.
pub fn exchanged(platform: Platform, duration: Duration, batch: usize) {
    histogram!(REQUEST_SECONDS, "platform" => platform.as_str()).record(duration.as_secs_f64());
    histogram!(BATCH, "platform" => platform.as_str()).record(batch as f64);
}

/// Notes how old a conversion was when the platform took it.
pub fn delivered_at_age(platform: Platform, seconds: f64) {
    histogram!(DELIVERY_AGE, "platform" => platform.as_str()).record(seconds.max(0.0));
}

/// Counts a dead letter; `queue` is `events`, `webhooks` or a platform.
pub fn dead_letter(queue: &'static str, cause: Cause) {
    counter!(DEAD_LETTERS, "queue" => queue, "cause" => cause.as_str()).increment(1);
}

/// Counts dispatches that were queued and unheard of.
pub fn silent(platform: Platform) {
    counter!(SILENT, "platform" => platform.as_str()).increment(1);
}

/// Counts dispatches whose sender went away.
pub fn abandoned(platform: Platform) {
    counter!(ABANDONED, "platform" => platform.as_str()).increment(1);
}

/// Counts an answer that warns of the version that was called.
pub fn version_warned(platform: Platform) {
    counter!(VERSION_WARNINGS, "platform" => platform.as_str()).increment(1);
}

/// Counts records that came too late.
pub fn leases_lost(platform: Platform, count: usize) {
    counter!(LEASES_LOST, "platform" => platform.as_str()).increment(count as u64);
}

/// Counts dispatches taken out of the ledger; `reason` is one of a closed list.
pub fn woken(reason: &'static str, count: usize) {
    counter!(WOKEN, "reason" => reason).increment(count as u64);
}

/// Shows how many dispatches are in a state that somebody looks after.
pub fn unsettled(platform: Platform, state: State, count: i64) {
    gauge!(UNSETTLED, "platform" => platform.as_str(), "state" => state.as_str()).set(count as f64);
}

/// Shows when the first paused dispatch expires.
pub fn paused_deadline(platform: Platform, seconds: f64) {
    gauge!(PAUSED_DEADLINE, "platform" => platform.as_str()).set(seconds);
}

/// Shows how many pauses of a kind of scope are in force.
pub fn pauses(scope: &'static str, count: usize) {
    gauge!(PAUSES, "scope" => scope).set(count as f64);
}

/// Counts a statement that Postgres did not take.
pub fn store_failed(role: &'static str) {
    counter!(STORE_FAILURES, "role" => role).increment(1);
}
