//! Meta's error answers: `{"error": {message, type, code, error_subcode, …}}`.
use std::fmt;

use serde_json::{Value, json};

use crate::answer::Answer;

/// What is wrong with an event; Meta refuses the whole request for it and does not say which event it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A parameter is missing, of the wrong type or unknown.
    Field {
        field: String,
        reason: &'static str,
    },
    TooOld,
    BadClickId,
    NoPurchaseValue,
    /// A user parameter that must be hashed is not.
    NotHashed {
        key: String,
    },
    BadLeadId,
    NoOsVersion,
    TooLittleCustomerData,
    NameNotForMessaging,
    NoPageNorWhatsappAccount,
    /// A page is named, and the dataset has none.
    PageNotOfDataset,
    NoInstagramAccount,
    UnknownCtwaClid,
    DatasetWithoutWhatsappAccount,
}

impl Problem {
    pub fn field(field: impl Into<String>, reason: &'static str) -> Self {
        Self::Field {
            field: field.into(),
            reason,
        }
    }

    /// Meta's subcode beside code 100; `None` for plain parameter errors.
    pub fn subcode(&self) -> Option<u32> {
        Some(match self {
            Self::Field { .. } => return None,
            Self::BadClickId => 2_804_001,
            Self::TooOld => 2_804_003,
            Self::NoPurchaseValue => 2_804_009,
            Self::NotHashed { .. } => 2_804_016,
            Self::BadLeadId => 2_804_036,
            Self::NoOsVersion => 2_804_043,
            Self::TooLittleCustomerData => 2_804_050,
            Self::NameNotForMessaging => 2_804_066,
            Self::NoInstagramAccount => 2_804_079,
            Self::UnknownCtwaClid => 2_804_087,
            Self::NoPageNorWhatsappAccount => 2_804_116,
            Self::PageNotOfDataset => 2_804_131,
            Self::DatasetWithoutWhatsappAccount => 2_804_132,
        })
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Field { .. } => "Invalid parameter",
            Self::TooOld => "Event Timestamp Too Old",
            Self::BadClickId => "Click ID Incorrectly Formatted",
            Self::NoPurchaseValue => "Missing Value for Purchase Event",
            Self::NotHashed { .. } => "User Parameter Not Hashed",
            Self::BadLeadId => "Invalid Lead ID",
            Self::NoOsVersion => "Missing OS Version",
            Self::TooLittleCustomerData => "Insufficient Customer Information Parameters",
            Self::NameNotForMessaging => "Event Name Not Supported for Business Messaging",
            Self::NoInstagramAccount => "Missing Instagram Account ID",
            Self::UnknownCtwaClid => "Invalid CTWA Click ID",
            Self::NoPageNorWhatsappAccount => "Missing Page or WhatsApp Business Account ID",
            Self::PageNotOfDataset => "No Page Associated With Dataset",
            Self::DatasetWithoutWhatsappAccount => "No WhatsApp Business Account Linked to Dataset",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field { field, reason } => write!(formatter, "{field} {reason}"),
            Self::NotHashed { key } => write!(formatter, "user_data.{key} is not a SHA-256 in lower-case hexadecimal"),
            other => formatter.write_str(other.title()),
        }
    }
}

/// The answer to a request with `problem` in it; `detail` says where, for the log.
pub fn refused(problem: &Problem, detail: impl fmt::Display) -> Answer {
    let detail = detail.to_string();
    match (problem, problem.subcode()) {
        (Problem::Field { field, reason }, _) => {
            let message = format!("(#100) The parameter {field} {reason}");
            error(400, &[("message", json!(message)), ("code", json!(100))]).with_detail(detail)
        }
        (_, subcode) => {
            let message = ("message", json!("Invalid parameter"));
            let title = ("error_user_title", json!(problem.title()));
            let sentence = ("error_user_msg", json!(format!("{problem}.")));
            let subcode = ("error_subcode", json!(subcode));
            let transient = ("is_transient", json!(false));
            error(
                400,
                &[message, ("code", json!(100)), subcode, transient, title, sentence],
            )
            .with_detail(detail)
        }
    }
}

/// 401/190: the token is unknown, revoked or expired.
pub fn bad_token() -> Answer {
    let message = "Error validating access token: The session has been invalidated.";
    error(
        401,
        &[
            ("message", json!(message)),
            ("code", json!(190)),
            ("error_subcode", json!(460)),
        ],
    )
}

/// The request carries no token.
pub fn no_token() -> Answer {
    let message = "An active access token must be used to query information about the current user.";
    error(400, &[("message", json!(message)), ("code", json!(2500))])
}

/// The token's app demands a proof of its secret.
pub fn no_app_secret_proof() -> Answer {
    proof_error("API calls from the server require an appsecret_proof argument")
}

/// The proof is that of another token or another secret.
pub fn bad_app_secret_proof() -> Answer {
    proof_error("Invalid appsecret_proof provided in the API argument")
}

fn proof_error(message: &str) -> Answer {
    let kind = ("type", json!("GraphMethodException"));
    error(400, &[("message", json!(message)), kind, ("code", json!(100))])
}

/// 100/33: the dataset does not exist for this token.
pub fn no_access(dataset: &str) -> Answer {
    let message = format!(
        "Unsupported post request. Object with ID '{dataset}' does not exist, cannot be loaded due to missing \
         permissions, or does not support this operation"
    );
    let kind = ("type", json!("GraphMethodException"));
    error(
        400,
        &[
            ("message", json!(message)),
            kind,
            ("code", json!(100)),
            ("error_subcode", json!(33)),
        ],
    )
}

pub fn unversioned() -> Answer {
    error(
        400,
        &[
            ("message", json!("Unknown path components: /events")),
            ("code", json!(2500)),
        ],
    )
}

pub fn unsupported_version() -> Answer {
    let message =
        "(#2635) You are calling a deprecated version of the API. Please update to the latest version: v26.0.";
    error(400, &[("message", json!(message)), ("code", json!(2635))])
}

pub fn unsupported_method() -> Answer {
    let kind = ("type", json!("GraphMethodException"));
    error(
        400,
        &[
            ("message", json!("Unsupported get request.")),
            kind,
            ("code", json!(100)),
        ],
    )
}

/// From a minute on the business-use-case limit 80004, whose header tells the minutes; below it the app's limit, code 4.
///
/// Meta itself sends no Retry-After; the simulator does, so that tests are short.
pub fn rate_limited(retry_after_seconds: u64) -> Answer {
    let transient = ("is_transient", json!(true));
    let retry_after = retry_after_seconds.to_string();
    if retry_after_seconds < 60 {
        let message = ("message", json!("(#4) Application request limit reached"));
        return error(400, &[message, ("code", json!(4)), transient]).with_header("retry-after", retry_after);
    }
    let message = "(#80004) There have been too many calls to this ad-account. Wait a bit and try again.";
    let usage = json!({"0": [{
        "type": "ads_management", "call_count": 100, "total_cputime": 25, "total_time": 25,
        "estimated_time_to_regain_access": retry_after_seconds.div_ceil(60),
    }]});
    let subcode = ("error_subcode", json!(2_446_079));
    error(
        400,
        &[("message", json!(message)), ("code", json!(80004)), subcode, transient],
    )
    .with_header("x-business-use-case-usage", usage.to_string())
    .with_header("retry-after", retry_after)
}

/// Code 2: service downtime.
pub fn server_error() -> Answer {
    let message = "An unexpected error has occurred. Please retry your request later.";
    error(
        500,
        &[
            ("message", json!(message)),
            ("code", json!(2)),
            ("is_transient", json!(true)),
        ],
    )
}

/// A trace id as Meta forms them: `A` and 22 characters.
pub fn trace_id() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("A{}", &random[..22])
}

fn error(status: u16, members: &[(&str, Value)]) -> Answer {
    let mut error = json!({"type": "OAuthException", "fbtrace_id": trace_id()});
    for (name, value) in members {
        error[*name] = value.clone();
    }
    let code = match error.get("error_subcode") {
        Some(subcode) => format!("{}/{subcode}", error["code"]),
        None => error["code"].to_string(),
    };
    Answer::refused(status, code, &json!({"error": error}))
}
