//! Metrics of what only Google has: questions about receipts, and a quota that is shared.

use metrics::{counter, describe_counter};

/// Questions put to Google about what became of a request that it took.
pub const RECEIPT_QUESTIONS: &str = "relay_receipt_questions_total";
/// What Google said to them, by `answer`.
pub const RECEIPT_ANSWERS: &str = "relay_receipt_answers_total";
/// Requests asked for out of a shared quota, by `purpose` and whether they were `granted`.
pub const QUOTA_REQUESTS: &str = "relay_quota_requests_total";

/// What Google says of a receipt.
pub const RECEIPT_ANSWER_KINDS: [&str; 10] = [
    "confirmed",
    "failed",
    "not_sent",
    "deferred",
    "mixed",
    "processing",
    "unknown",
    "gone",
    "unanswered",
    "blocked",
];
/// What requests of a shared quota are for.
pub const QUOTA_PURPOSES: [&str; 3] = ["live", "bulk", "receipts"];

/// Gives every metric of this file its help text, and puts every label value to zero.
pub fn describe() {
    describe_counter!(
        RECEIPT_QUESTIONS,
        "Questions put to Google about what became of a request"
    );
    describe_counter!(RECEIPT_ANSWERS, "What Google said to them");
    describe_counter!(QUOTA_REQUESTS, "Requests asked for out of a shared quota");
    counter!(RECEIPT_QUESTIONS).increment(0);
    for answer in RECEIPT_ANSWER_KINDS {
        receipt_answered(answer, 0);
    }
    for purpose in QUOTA_PURPOSES {
        quota_asked(purpose, 0, 0);
    }
}

/// Counts a question about a receipt.
pub fn receipt_asked() {
    counter!(RECEIPT_QUESTIONS).increment(1);
}

/// Counts answers of one kind, of [`RECEIPT_ANSWER_KINDS`].
pub fn receipt_answered(answer: &'static str, count: usize) {
    counter!(RECEIPT_ANSWERS, "answer" => answer).increment(count as u64);
}

/// Counts requests that were asked for out of a quota; `purpose` is one of [`QUOTA_PURPOSES`].
pub fn quota_asked(purpose: &'static str, wanted: u32, granted: u32) {
    counter!(QUOTA_REQUESTS, "purpose" => purpose, "granted" => "yes").increment(u64::from(granted));
    counter!(QUOTA_REQUESTS, "purpose" => purpose, "granted" => "no")
        .increment(u64::from(wanted.saturating_sub(granted)));
}
