//! Receipts of the Data Manager API: what became of a request, in counts by reason, never by event.
use std::collections::{BTreeMap, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// Older receipts are forgotten.
const KEPT: usize = 100_000;

/// What became of a request at one destination.
#[derive(Debug)]
pub struct Processed {
    pub destination: Value,
    pub records: usize,
    /// Records by the reason for which they were dropped, or merged with an earlier one.
    pub reasons: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Receipt {
    ready_at: DateTime<Utc>,
    per_destination: Vec<Processed>,
}

/// The receipts by request id.
#[derive(Debug, Default)]
pub struct Receipts {
    by_id: HashMap<String, Receipt>,
    order: VecDeque<String>,
}

impl Receipts {
    pub fn add(&mut self, request_id: &str, ready_at: DateTime<Utc>, per_destination: Vec<Processed>) {
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(request_id.to_owned());
        self.by_id.insert(
            request_id.to_owned(),
            Receipt {
                ready_at,
                per_destination,
            },
        );
    }

    /// The answer to `requestStatus:retrieve`; `None` if there is no such request.
    pub fn status(&self, request_id: &str, now: DateTime<Utc>) -> Option<Value> {
        let receipt = self.by_id.get(request_id)?;
        let is_ready = now >= receipt.ready_at;
        let per_destination: Vec<Value> = receipt.per_destination.iter().map(|one| one.status(is_ready)).collect();
        Some(json!({"requestStatusPerDestination": per_destination}))
    }
}

impl Processed {
    fn status(&self, is_ready: bool) -> Value {
        if !is_ready {
            return json!({"destination": self.destination, "requestStatus": "PROCESSING"});
        }
        let named: usize = self.reasons.values().sum();
        let word = match named {
            0 => "SUCCESS",
            all if all >= self.records => "FAILED",
            _ => "PARTIAL_SUCCESS",
        };
        let mut status = json!({
            "destination": self.destination,
            "requestStatus": word,
            "eventsIngestionStatus": {"recordCount": self.records.to_string()},
        });
        if named > 0 {
            let counts: Vec<Value> = self
                .reasons
                .iter()
                .map(|(reason, count)| json!({"recordCount": count.to_string(), "reason": full_reason(reason)}))
                .collect();
            status["errorInfo"] = json!({"errorCounts": counts});
        }
        status
    }
}

fn full_reason(reason: &str) -> String {
    if reason.starts_with("PROCESSING_ERROR_") {
        return reason.to_owned();
    }
    format!("PROCESSING_ERROR_REASON_{reason}")
}
