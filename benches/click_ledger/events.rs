//! The accounts of the benchmark and the events that they get: sales that a CRM tells of, with a person and without a click.

use conversion_relay::domain::Platform;
use serde_json::{Value, json};

/// How many ad accounts there are; two platforms take turns.
pub const ACCOUNTS: usize = 20;

/// The client of an ad account; each has one of its own, so that each event becomes one dispatch.
pub fn client(account: usize) -> String {
    format!("shop-{account:02}")
}

/// The platform of an ad account: one that takes sales without a click, too, so that the router has the same to publish whatever it finds.
pub fn platform(account: usize) -> Platform {
    if account.is_multiple_of(2) {
        Platform::Meta
    } else {
        Platform::Tiktok
    }
}

/// Pixel or pixel code.
pub fn destination(account: usize) -> String {
    match platform(account) {
        Platform::Tiktok => format!("CBENCH{account:014}"),
        Platform::Meta | Platform::Google => format!("12345678900{account:04}"),
    }
}

/// The rules of an ad account.
pub fn rules(_: usize) -> Value {
    json!({"mode": "live", "without_click": "always"})
}

/// The ad account of an event.
pub fn account(index: usize) -> usize {
    index % ACCOUNTS
}

/// What is known of the person of an event: e-mail address, phone number, external ID.
pub fn person(index: usize) -> [String; 3] {
    [
        format!("buyer.{index}@mail.example"),
        format!("+49151{:08}", 20_000_000 + index % 70_000_000),
        format!("customer-{index}"),
    ]
}

/// A sale as a CRM publishes it: about 700 bytes.
pub fn body(index: usize, event_id: &str) -> Vec<u8> {
    let account = account(index);
    let [email, phone, external_id] = person(index);
    let body = json!({
        "event_id": event_id,
        "client_id": client(account),
        "event_name": "Purchase",
        "event_time": (chrono::Utc::now() - chrono::TimeDelta::minutes(1)).to_rfc3339(),
        "action_source": "website",
        "source_url": format!("https://shop{account}.example/checkout/thanks"),
        "user": {
            "email": email,
            "phone": phone,
            "external_id": external_id,
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
