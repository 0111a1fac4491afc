//! TikTok's answers: HTTP 200 to nearly everything, the verdict is `code`.
use serde_json::json;

use super::body;
use crate::answer::Answer;

/// What is wrong with a request; TikTok refuses all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    Param { field: String, reason: &'static str },
    NotHashed { field: String },
    NoToken,
    BadToken,
    NoPermission { pixel: String },
    TooManyEvents,
    BadPartnerName,
    NotImplemented,
}

impl Problem {
    pub fn param(field: impl Into<String>, reason: &'static str) -> Self {
        Self::Param {
            field: field.into(),
            reason,
        }
    }

    /// The same problem, named as that of the event at `index`.
    pub fn of_event(self, index: usize) -> Self {
        let named = |field: String| {
            if field.is_empty() {
                format!("data[{index}]")
            } else {
                format!("data[{index}].{field}")
            }
        };
        match self {
            Self::Param { field, reason } => Self::Param {
                field: named(field),
                reason,
            },
            Self::NotHashed { field } => Self::NotHashed { field: named(field) },
            other => other,
        }
    }

    pub fn code(&self) -> u32 {
        match self {
            Self::NoPermission { .. } => 40001,
            Self::Param { .. } => 40002,
            Self::NotImplemented => 40008,
            Self::TooManyEvents => 40061,
            Self::NotHashed { .. } => 40062,
            Self::BadPartnerName => 40063,
            Self::NoToken => 40104,
            Self::BadToken => 40105,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Param { field, reason } => format!("Invalid value for {field}: {reason}."),
            Self::NotHashed { field } => {
                format!("Invalid value for {field}: the value must be hashed with SHA-256.")
            }
            Self::NoToken => "Access token is empty.".to_owned(),
            Self::BadToken => "Access token is incorrect or has been revoked.".to_owned(),
            Self::NoPermission { pixel } => format!(
                "No permission to operate pixel code: {pixel}. You must be an admin or operator of this advertiser account."
            ),
            Self::TooManyEvents => "Invalid value for data: at most 1000 events are allowed in a request.".to_owned(),
            Self::BadPartnerName => "Invalid value for partner_name: not a registered partner.".to_owned(),
            Self::NotImplemented => "This method is not implemented.".to_owned(),
        }
    }
}

pub fn ok() -> Answer {
    Answer::taken(&body(0, "OK"))
}

pub fn refused(problem: &Problem) -> Answer {
    let message = problem.message();
    Answer::refused(200, problem.code().to_string(), &body(problem.code(), &message)).with_detail(message)
}

/// 40105.
pub fn bad_token() -> Answer {
    refused(&Problem::BadToken)
}

/// 40100, which is not about the token. TikTok itself sends no Retry-After; the simulator does, so that tests are short.
pub fn rate_limited(retry_after_seconds: u64) -> Answer {
    Answer::refused(
        200,
        "40100",
        &body(40100, "Too many requests. Please retry in some time."),
    )
    .with_header("retry-after", retry_after_seconds.to_string())
}

/// 50000.
pub fn server_error() -> Answer {
    Answer::refused(200, "50000", &body(50000, "System error."))
}

/// 40400, with the status to match.
pub fn route_not_found() -> Answer {
    Answer::refused(
        404,
        "40400",
        &json!({"code": 40400, "message": "Route not found.", "request_id": request_id(), "data": {}}),
    )
}

/// A request id as TikTok forms them: the time and hexadecimal digits.
pub fn request_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
    format!("{}{}", chrono::Utc::now().format("%Y%m%d%H%M%S"), &random[..20])
}
