//! Metrics of the gateway: what was asked, how long it took, and what was refused.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Requests that were answered, by `route` and `status`, the first digit of which counts.
pub const REQUESTS: &str = "relay_gateway_requests_total";
/// Time from a request's head to its answer, by `route`.
pub const SECONDS: &str = "relay_gateway_request_seconds";
/// What was not taken, by `cause`: requests, and single events of requests that were taken otherwise.
pub const REFUSED: &str = "relay_gateway_refused_total";

/// The classes of a status.
pub const STATUSES: [&str; 3] = ["2xx", "4xx", "5xx"];
/// Upper ends of the buckets, in seconds.
pub const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0];

/// Where a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Events.
    Events,
    /// An event of WhatsApp's app, with the click that it is attached to.
    SendEvent,
    /// The handshake of WhatsApp's webhooks.
    Handshake,
    /// Webhooks.
    Webhooks,
    /// The description of all this.
    Openapi,
    /// Nowhere.
    None,
}

impl Route {
    /// All of them.
    pub const ALL: [Route; 6] = [
        Route::Events,
        Route::SendEvent,
        Route::Handshake,
        Route::Webhooks,
        Route::Openapi,
        Route::None,
    ];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Events => "events",
            Route::SendEvent => "send_event",
            Route::Handshake => "handshake",
            Route::Webhooks => "webhooks",
            Route::Openapi => "openapi",
            Route::None => "none",
        }
    }
}

/// Why a request, or one of its events, is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// There is no such key.
    BadKey,
    /// The signature is not that of the source's secret.
    BadSignature,
    /// The handshake's verify token is another.
    BadVerifyToken,
    /// The body as a whole cannot be read.
    BadBody,
    /// An event is none; it names the field.
    BadEvent,
    /// The event names another client than the key's.
    OtherClient,
    /// There is no such page.
    NoSuchPath,
    /// The client has no such source of webhooks.
    NoSuchSource,
    /// The page is there, for another method.
    WrongMethod,
    /// The body is not JSON by its own word.
    WrongMediaType,
    /// The body is too large.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// The key has made too many requests.
    RateLimited,
    /// The gateway holds as much as it can.
    Busy,
    /// The broker takes nothing now.
    BrokerAway,
    /// The broker did not confirm in time.
    Unconfirmed,
    /// The database does not answer.
    DatabaseAway,
    /// The secret that a webhook is checked with cannot be read.
    SecretUnreadable,
    /// It took too long.
    TimedOut,
    /// It is the gateway's own fault.
    Bug,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Refusal; 20] = [
        Refusal::BadKey,
        Refusal::BadSignature,
        Refusal::BadVerifyToken,
        Refusal::BadBody,
        Refusal::BadEvent,
        Refusal::OtherClient,
        Refusal::NoSuchPath,
        Refusal::NoSuchSource,
        Refusal::WrongMethod,
        Refusal::WrongMediaType,
        Refusal::TooLarge,
        Refusal::TooSlow,
        Refusal::RateLimited,
        Refusal::Busy,
        Refusal::BrokerAway,
        Refusal::Unconfirmed,
        Refusal::DatabaseAway,
        Refusal::SecretUnreadable,
        Refusal::TimedOut,
        Refusal::Bug,
    ];

    /// The label's value, and the last word of the problem's type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Refusal::BadKey => "bad_key",
            Refusal::BadSignature => "bad_signature",
            Refusal::BadVerifyToken => "bad_verify_token",
            Refusal::BadBody => "bad_body",
            Refusal::BadEvent => "bad_event",
            Refusal::OtherClient => "other_client",
            Refusal::NoSuchPath => "no_such_path",
            Refusal::NoSuchSource => "no_such_source",
            Refusal::WrongMethod => "wrong_method",
            Refusal::WrongMediaType => "wrong_media_type",
            Refusal::TooLarge => "too_large",
            Refusal::TooSlow => "too_slow",
            Refusal::RateLimited => "rate_limited",
            Refusal::Busy => "busy",
            Refusal::BrokerAway => "broker_away",
            Refusal::Unconfirmed => "unconfirmed",
            Refusal::DatabaseAway => "database_away",
            Refusal::SecretUnreadable => "secret_unreadable",
            Refusal::TimedOut => "timed_out",
            Refusal::Bug => "bug",
        }
    }
}

/// Gives every metric of this file its help text, and puts every label value to zero.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests to the gateway that were answered");
    describe_histogram!(SECONDS, Unit::Seconds, "Time from a request's head to its answer");
    describe_counter!(
        REFUSED,
        "Requests to the gateway, and single events of them, that were not taken"
    );
    for route in Route::ALL {
        for status in STATUSES {
            counter!(REQUESTS, "route" => route.as_str(), "status" => status).increment(0);
        }
    }
    for refusal in Refusal::ALL {
        refused(refusal, 0);
    }
}

/// Counts a request that was answered with a status.
pub fn answered(route: Route, status: u16, took: Duration) {
    let status = match status {
        ..400 => "2xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    counter!(REQUESTS, "route" => route.as_str(), "status" => status).increment(1);
    histogram!(SECONDS, "route" => route.as_str()).record(took.as_secs_f64());
}

/// Counts what was refused.
pub fn refused(refusal: Refusal, count: usize) {
    counter!(REFUSED, "cause" => refusal.as_str()).increment(count as u64);
}
