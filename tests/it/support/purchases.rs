//! Events that tests publish.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

/// A purchase of ACME with click IDs of these platforms, an hour ago.
pub fn purchase(id: &str, platforms: &[&str]) -> Value {
    purchase_of("acme", id, platforms)
}

/// The same of another client.
pub fn purchase_of(client: &str, id: &str, platforms: &[&str]) -> Value {
    let now = Utc::now();
    let mut click = json!({"clicked_at": (now - TimeDelta::hours(10)).to_rfc3339()});
    for platform in platforms {
        match *platform {
            "meta" => click["fbc"] = json!(format!("fb.1.1700000000000.{id}")),
            "google" => click["gclid"] = json!(format!("Cj0K_{id}")),
            "tiktok" => click["ttclid"] = json!(format!("E.C.P.{id}")),
            other => panic!("no platform {other}"),
        }
    }
    json!({
        "event_id": id, "client_id": client, "event_name": "Purchase", "event_time": (now - TimeDelta::hours(1)).to_rfc3339(),
        "source_url": "https://shop.example/thanks", "click": click, "value": 59.9, "currency": "EUR", "order_id": format!("order-{id}"),
        "user": {
            "email": format!("{id}@customers.example"), "phone": phone_of(id), "first_name": "Wilhelmina", "last_name": "Testperson",
            "ip": "203.0.113.7", "user_agent": "Mozilla/5.0"
        }
    })
}

/// A phone number of this customer alone: a click of another would otherwise be found by it.
pub fn phone_of(id: &str) -> String {
    let digest = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, id.as_bytes()).as_u128();
    format!("+49 170 {:08}", digest % 100_000_000)
}

/// All three platforms.
pub const ALL: [&str; 3] = ["meta", "google", "tiktok"];

/// The ad account of ACME at a platform.
pub fn account_of(platform: &str) -> &'static str {
    match platform {
        "meta" => "1000000001",
        "google" => "1000000002",
        _ => "C0PIXEL0000000000001",
    }
}
