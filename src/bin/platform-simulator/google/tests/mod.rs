//! What the tests of Google's endpoints share.
mod ingest;
mod oauth;
mod upload;

use serde_json::{Value, json};

use crate::call::Platform;
use crate::world::World;

const INGEST: &str = "/v1/events:ingest";
const LOGIN: (&str, &str) = ("authorization", "Bearer ya29.any");
const CUSTOMER: &str = "1234567890";
const HASH: &str = "509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a";

fn event() -> Value {
    json!({
        "destinationReferences": ["a"], "transactionId": "o1", "eventTimestamp": "2026-11-20T10:00:00Z",
        "eventSource": "WEB", "adIdentifiers": {"gclid": "Cj0K_x-1"}, "conversionValue": 12.5, "currency": "EUR",
        "consent": {"adUserData": "CONSENT_GRANTED"}, "userData": {"userIdentifiers": [{"emailAddress": HASH}]},
    })
}

fn ingest(events: &[Value]) -> Value {
    json!({
        "destinations": [{
            "reference": "a", "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": CUSTOMER},
            "loginAccount": {"accountType": "GOOGLE_ADS", "accountId": "9876543210"}, "productDestinationId": "987",
        }],
        "events": events, "encoding": "HEX",
    })
}

fn totals(world: &World) -> (u64, u64, u64, u64) {
    let totals = world.ledger().totals(Platform::Google, CUSTOMER).clone();
    (
        totals.events_accepted,
        totals.counted,
        totals.duplicates,
        totals.refused_events,
    )
}
