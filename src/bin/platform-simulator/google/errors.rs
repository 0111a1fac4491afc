//! Google's error answers: `{"error": {code, message, status, details: […]}}` and OAuth's own.
use serde_json::{Value, json};

use crate::answer::Answer;

/// One thing wrong with a Data Manager request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub field: String,
    pub reason: &'static str,
}

/// A field that the JSON mapping of a message does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub path: String,
    pub description: String,
}

/// OAuth's error answer.
pub fn oauth(status: u16, error: &str, description: &str) -> Answer {
    Answer::refused(
        status,
        error,
        &json!({"error": error, "error_description": description}),
    )
}

/// 401: the access token is missing, unknown, expired or revoked.
pub fn unauthenticated() -> Answer {
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                   other valid authentication credential.";
    let info = error_info("ACCESS_TOKEN_EXPIRED", "googleapis.com", json!({}));
    rpc(401, "UNAUTHENTICATED", message, vec![info], "UNAUTHENTICATED")
}

/// 403: the access token lacks the scope of the API.
pub fn scope_insufficient(service: &str) -> Answer {
    let info = error_info(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "googleapis.com",
        json!({"service": service}),
    );
    let message = "Request had insufficient authentication scopes.";
    rpc(
        403,
        "PERMISSION_DENIED",
        message,
        vec![info],
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
    )
}

/// 403 of the Data Manager API: this login does not reach the operating account.
pub fn permission_denied(request_id: &str) -> Answer {
    let info = error_info(
        "PERMISSION_DENIED",
        "datamanager.googleapis.com",
        json!({"requestId": request_id}),
    );
    let message = "The caller does not have permission";
    rpc(403, "PERMISSION_DENIED", message, vec![info], "PERMISSION_DENIED")
}

/// 429 of the Data Manager API.
pub fn resource_exhausted(retry_after_seconds: u64) -> Answer {
    let info = error_info(
        "RATE_LIMIT_EXCEEDED",
        "googleapis.com",
        json!({"service": "datamanager.googleapis.com"}),
    );
    let retry = json!({
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": format!("{retry_after_seconds}s"),
    });
    rpc(
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded.",
        vec![info, retry],
        "RESOURCE_EXHAUSTED",
    )
}

/// 503.
pub fn unavailable() -> Answer {
    rpc(
        503,
        "UNAVAILABLE",
        "The service is currently unavailable.",
        Vec::new(),
        "UNAVAILABLE",
    )
}

/// 404: there is no such method, or not with this verb.
pub fn not_found() -> Answer {
    rpc(
        404,
        "NOT_FOUND",
        "Requested entity was not found.",
        Vec::new(),
        "NOT_FOUND",
    )
}

/// 400: the body is not the JSON form of the request message.
pub fn not_the_message(mismatches: &[Mismatch]) -> Answer {
    let violations: Vec<Value> = mismatches
        .iter()
        .map(|mismatch| json!({"field": mismatch.path, "description": mismatch.description}))
        .collect();
    let message = mismatches
        .iter()
        .map(|mismatch| mismatch.description.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let details = vec![bad_request(violations)];
    rpc(400, "INVALID_ARGUMENT", &message, details, "INVALID_JSON").with_detail(message)
}

/// 400 of the Data Manager API: the whole request is refused, nothing of it is processed.
pub fn violations(request_id: &str, violations: &[Violation]) -> Answer {
    let first = violations.first();
    let listed = violations
        .iter()
        .map(|one| json!({"field": one.field, "description": sentence(one.reason), "reason": one.reason}))
        .collect();
    let info = error_info(
        "INVALID_ARGUMENT",
        "datamanager.googleapis.com",
        json!({"requestId": request_id}),
    );
    let request = json!({"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id});
    let details = vec![info, request, bad_request(listed)];
    let message = "There was a problem with the request.";
    rpc(
        400,
        "INVALID_ARGUMENT",
        message,
        details,
        first.map_or("INVALID_ARGUMENT", |one| one.reason),
    )
    .with_detail(first.map(|one| one.field.clone()).unwrap_or_default())
}

/// One error of the Google Ads API.
pub fn ads_error(category: &str, value: &str, path: Value) -> Value {
    json!({
        "errorCode": {category: value},
        "message": sentence(value),
        "location": {"fieldPathElements": path},
    })
}

/// The detail that carries the errors of the Google Ads API.
pub fn ads_failure(version: &str, errors: &[Value], request_id: &str) -> Value {
    json!({
        "@type": format!("type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure"),
        "errors": errors,
        "requestId": request_id,
    })
}

/// A request that the Google Ads API refuses as a whole.
pub fn ads_refused(status: u16, category: &str, value: &str, version: &str) -> Answer {
    let rpc_status = if status == 403 {
        "PERMISSION_DENIED"
    } else {
        "INVALID_ARGUMENT"
    };
    let message = if status == 403 {
        "The caller does not have permission"
    } else {
        "Request contains an invalid argument."
    };
    let request_id = request_id();
    let error = json!({"errorCode": {category: value}, "message": sentence(value)});
    let failure = ads_failure(version, &[error], &request_id);
    rpc(status, rpc_status, message, vec![failure], value).with_header("request-id", request_id)
}

/// 429 of the Google Ads API.
pub fn ads_quota(retry_after_seconds: u64) -> Answer {
    let request_id = request_id();
    let error = json!({
        "errorCode": {"quotaError": "RESOURCE_EXHAUSTED"},
        "message": "Too many requests. Retry later.",
        "details": {"quotaErrorDetails": {
            "rateScope": "DEVELOPER",
            "rateName": "Requests per service per method",
            "retryDelay": format!("{retry_after_seconds}s"),
        }},
    });
    let failure = ads_failure("v26", &[error], &request_id);
    let message = "Resource has been exhausted (e.g. check quota).";
    rpc(429, "RESOURCE_EXHAUSTED", message, vec![failure], "RESOURCE_EXHAUSTED").with_header("request-id", request_id)
}

/// A request id as the Google Ads API forms them.
pub fn request_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..22].to_owned()
}

fn rpc(code: u16, status: &str, message: &str, details: Vec<Value>, log_code: &str) -> Answer {
    let error = json!({"code": code, "message": message, "status": status, "details": details});
    Answer::refused(code, log_code, &json!({"error": error}))
}

fn error_info(reason: &str, domain: &str, metadata: Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    })
}

fn bad_request(violations: Vec<Value>) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
}

fn sentence(reason: &str) -> String {
    format!("{}.", reason.to_lowercase().replace('_', " "))
}
