//! Automatic events: sales and leads that WhatsApp finds in chats by itself, for the business to report.
//! <https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/automatic_events>

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;

use super::{click_id, node::Node};
use crate::{
    domain::{
        Cause, ClientId, EventId,
        event::{Event, VALUED_EVENTS},
    },
    wire::{
        event::{Envelope, Malformed, parse},
        fields::Amount,
    },
};

/// The funnel event that an automatic event is. `time` is as it was told, not clamped: a repetition that comes later must not look like a
/// contradiction.
pub(super) fn event(
    item: &Node<'_>,
    client: &ClientId,
    time: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Event, Malformed> {
    let missing = |field: &str| Malformed::new(Cause::MissingField, field);
    let name = item
        .checked_text("event_name")?
        .ok_or_else(|| missing(&item.path_of("event_name")))?;
    let mut message = json!({
        "client_id": client,
        "event_name": name,
        "action_source": "business_messaging",
        "click": { "ctwa_clid": click_id(item)? },
        "custom": { "messaging_outcome_data": { "outcome_type": "automatic_events" } },
    });
    let custom = item.checked_object("custom_data")?;
    let (value, currency) = match &custom {
        Some(custom) => (price(custom)?, custom.checked_text("currency")?),
        None => (None, None),
    };
    if VALUED_EVENTS.contains(&name.as_str()) {
        let absent = [("value", value.is_none()), ("currency", currency.is_none())];
        if let Some((key, _)) = absent.iter().find(|(_, is_absent)| *is_absent) {
            return Err(missing(&format!("{}.{key}", item.path_of("custom_data"))));
        }
    }
    message["value"] = json!(value.map(|value| value.to_string()));
    message["currency"] = json!(currency);
    message["event_id"] = json!(match item.checked_text("id")? {
        Some(wamid) => EventId::from_wamid(&wamid),
        // Nothing in it depends on when it is read.
        None => EventId::from_body(json!([message, item.get("timestamp")]).to_string().as_bytes()),
    });
    if let Some(time) = time {
        message["event_time"] = json!(time);
    }
    let envelope = Envelope {
        message_id: None,
        timestamp: None,
        now,
    };
    parse(message.to_string().as_bytes(), envelope).map_err(|fault| Malformed {
        field: fault.field.map(|field| item.path_of(&path_of(&field))),
        ..fault
    })
}

/// WhatsApp gives the price times 1000, whatever the currency.
fn price(custom: &Node<'_>) -> Result<Option<Decimal>, Malformed> {
    let wrong = || Malformed::new(Cause::WrongType, &custom.path_of("value"));
    let Some(value) = custom.get("value").filter(|value| value.as_str() != Some("")) else {
        return Ok(None);
    };
    let Amount(thousandths) = serde_json::from_value(value.clone()).map_err(|_| wrong())?;
    let price = thousandths.checked_div(Decimal::ONE_THOUSAND).ok_or_else(wrong)?;
    Ok(Some(price.normalize()))
}

/// Where a field of the funnel event stands in an automatic event.
fn path_of(field: &str) -> String {
    match field {
        "value" | "currency" => format!("custom_data.{field}"),
        "event_time" => "timestamp".to_owned(),
        "event_id" => "id".to_owned(),
        other => other.strip_prefix("click.").unwrap_or(other).to_owned(),
    }
}
