//! The accounts of the benchmark and the events that they get: twenty advertisers of an agency, one ad account each.

use conversion_relay::domain::Platform;
use serde_json::{Value, json};

/// How many ad accounts there are; the platforms take turns.
pub const ACCOUNTS: usize = 20;

/// The client of an ad account; each has one of its own, so that each event becomes one dispatch.
pub fn client(account: usize) -> String {
    format!("shop-{account:02}")
}

/// The platform of an ad account.
pub fn platform(account: usize) -> Platform {
    Platform::ALL[account % Platform::ALL.len()]
}

/// Pixel, customer or pixel code.
pub fn destination(account: usize) -> String {
    match platform(account) {
        Platform::Meta => format!("12345678900{account:04}"),
        Platform::Google => format!("123456{account:04}"),
        Platform::Tiktok => format!("CBENCH{account:014}"),
    }
}

/// The rules of an ad account.
pub fn rules(account: usize) -> Value {
    match platform(account) {
        Platform::Google => json!({"mode": "live", "actions": {"Purchase": "987654321"}}),
        Platform::Meta | Platform::Tiktok => json!({"mode": "live"}),
    }
}

/// A purchase as a shop's server publishes it: about 900 bytes.
pub fn body(index: usize, event_id: &str) -> Vec<u8> {
    let account = index % ACCOUNTS;
    let click = match platform(account) {
        Platform::Meta => "fbclid=IwAR2F4-dbP0l7Mn1IawQQGCINEz7PYXQvwjNwB_qa2ofrHyiLjcbCRxTDMgk",
        Platform::Google => "gclid=EAIaIQobChMI0qDq7K7Y5wIVkIrVCh2PpQ7xEAAYASAAEgKrOfD_BwE",
        Platform::Tiktok => "ttclid=E.C.P.CuIBrkCdFdZ3bFq0sNdVW1uA9QX0Y2hQk7wZrM3Lx8RtT5oVn2JcUuGh",
    };
    let clicked_at = chrono::Utc::now() - chrono::TimeDelta::days(1);
    let body = json!({
        "event_id": event_id,
        "client_id": client(account),
        "event_name": "Purchase",
        "event_time": (chrono::Utc::now() - chrono::TimeDelta::minutes(1)).to_rfc3339(),
        "action_source": "website",
        "source_url": format!("https://shop{account}.example/checkout/thanks?{click}"),
        "click": {"clicked_at": clicked_at.to_rfc3339()},
        "user": {
            "email": format!("buyer.{index}@mail.example"),
            "phone": format!("+49151{:08}", 20_000_000 + index % 70_000_000),
            "external_id": format!("customer-{index}"),
            "first_name": "Maria",
            "last_name": "Müller",
            "city": "Berlin",
            "postal_code": "10115",
            "country": "DE",
            "ip": "81.2.69.142",
            "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        },
        "value": 59.90,
        "currency": "EUR",
        "order_id": format!("A-{index}"),
        "contents": [{"id": "SKU-4711", "quantity": 2, "price": 29.95}],
        "consent": {"ad_user_data": "granted", "ad_personalization": "granted"},
    });
    body.to_string().into_bytes()
}
