//! The checks that JSON types cannot make, and the derivation of what an event left out.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::{
    Envelope, Malformed,
    message::{CONTENTS_MAX, ClickFields, ContentFields, FunnelEvent, UserFields},
};
use crate::{
    domain::{
        Cause, ClickIds, ClientId, EventId,
        click::CLICK_ID_BYTES_MAX,
        event::{Consent, Content, Event, FUTURE_TOLERANCE, VALUED_EVENTS, YEAR_2000},
        person::{Person, Personal},
        redact,
    },
    wire::fields::{Amount, Moment, Text, Texts},
};

/// The longest event name, in characters.
const NAME_CHARACTERS_MAX: usize = 100;
/// The longest free text that is kept, in characters; longer ones are cut.
const TEXT_CHARACTERS_MAX: usize = 1_000;
/// How deep `custom` may nest, itself counted. What goes out nests it a few levels deeper, and 128 is the most that can be read.
const CUSTOM_DEPTH_MAX: usize = 32;
/// The most values of one identity; the platforms take fewer.
const IDENTITIES_MAX: usize = 10;

pub(super) fn check(message: FunnelEvent, body: &[u8], envelope: Envelope<'_>) -> Result<Event, Malformed> {
    let client = client_id(&message.client_id)?;
    let name = event_name(&message.event_name)?;
    let order_id = order_id(message.order_id.as_ref())?;
    let event_id = event_id(&message, &client, &name, order_id.as_deref(), body, envelope)?;
    let given_time = moment(message.event_time, "event_time")?;
    let time = happened_at(given_time, envelope)?;
    let value = value(message.value, &name)?;
    let currency = currency(message.currency.as_ref())?;
    let contents = contents(&message.contents)?;
    let raw_url = present(message.source_url.as_ref());
    let clicks = clicks(&message.click, raw_url)?;
    let custom = custom(message.custom)?;
    let fingerprint = fingerprint(given_time, value.as_ref(), currency.as_deref(), &clicks);
    Ok(Event {
        client,
        event_id,
        name,
        time,
        first_seen: envelope.now,
        action_source: message.action_source.unwrap_or_default(),
        source_url: raw_url.and_then(redact::url),
        referrer_url: present(message.referrer_url.as_ref()).and_then(redact::url),
        clicks,
        person: person(&message.user),
        value,
        currency,
        order_id,
        contents,
        consent: Consent {
            ad_user_data: message.consent.ad_user_data,
            ad_personalization: message.consent.ad_personalization,
            limited_data_use: message.consent.limited_data_use,
        },
        custom,
        fingerprint,
    })
}

fn present(text: Option<&Text>) -> Option<&str> {
    text.map(|text| text.0.trim()).filter(|text| !text.is_empty())
}

fn required<'a>(text: &'a Text, field: &str) -> Result<&'a str, Malformed> {
    present(Some(text)).ok_or_else(|| Malformed::new(Cause::MissingField, field))
}

fn client_id(text: &Text) -> Result<ClientId, Malformed> {
    let id = ClientId::parse(required(text, "client_id")?);
    // An unknown client's event is stored under this name, so it must not be an e-mail address.
    id.ok()
        .filter(|id| !id.as_str().contains('@'))
        .ok_or_else(|| Malformed::new(Cause::InvalidField, "client_id"))
}

fn event_name(text: &Text) -> Result<String, Malformed> {
    let name = required(text, "event_name")?;
    let is_name = name.chars().count() <= NAME_CHARACTERS_MAX && !name.chars().any(char::is_control);
    if !is_name || redact::looks_personal(name) {
        return Err(Malformed::new(Cause::InvalidField, "event_name"));
    }
    Ok(name.to_owned())
}

fn order_id(text: Option<&Text>) -> Result<Option<String>, Malformed> {
    let Some(order) = present(text) else { return Ok(None) };
    let is_order = order.chars().count() <= 128 && !order.chars().any(char::is_control) && !order.contains('@');
    if is_order {
        Ok(Some(order.to_owned()))
    } else {
        Err(Malformed::new(Cause::InvalidField, "order_id"))
    }
}

fn event_id(
    message: &FunnelEvent,
    client: &ClientId,
    name: &str,
    order_id: Option<&str>,
    body: &[u8],
    envelope: Envelope<'_>,
) -> Result<EventId, Malformed> {
    // Byte for byte: it must equal the browser pixel's, so not even blanks around it are cut.
    if let Some(given) = message.event_id.as_ref().filter(|text| !text.0.is_empty()) {
        return EventId::parse(&given.0)
            .ok()
            .filter(|id| !id.as_str().contains('@'))
            .ok_or_else(|| Malformed::new(Cause::InvalidField, "event_id"));
    }
    if let Some(order_id) = order_id {
        return Ok(EventId::from_order(client, name, order_id));
    }
    let from_message = envelope
        .message_id
        .and_then(|id| EventId::parse(id).ok())
        .filter(|id| !id.as_str().contains('@'));
    Ok(from_message.unwrap_or_else(|| EventId::from_body(body)))
}

fn moment(moment: Option<Moment>, field: &str) -> Result<Option<DateTime<Utc>>, Malformed> {
    match moment {
        None => Ok(None),
        Some(Moment::At(time)) => Ok(Some(time)),
        Some(Moment::Milliseconds) => Err(Malformed::new(Cause::EventTimeInMilliseconds, field)),
    }
}

fn happened_at(given: Option<DateTime<Utc>>, envelope: Envelope<'_>) -> Result<DateTime<Utc>, Malformed> {
    let time = given
        .or(envelope.timestamp.filter(|time| *time <= envelope.now))
        .unwrap_or(envelope.now);
    if time > envelope.now + FUTURE_TOLERANCE {
        return Err(Malformed::new(Cause::EventTimeInFuture, "event_time"));
    }
    // Before 2000 it is a unit or a default gone wrong, and no platform takes it.
    if time.timestamp() < YEAR_2000 {
        return Err(Malformed::new(Cause::InvalidField, "event_time"));
    }
    Ok(time.min(envelope.now))
}

/// One that lies ahead is no fault: a click never counts as later than its event.
fn clicked_at(given: Option<Moment>) -> Result<Option<DateTime<Utc>>, Malformed> {
    let time = moment(given, "click.clicked_at")?;
    // Deadlines are counted from it, and one in the Stone Age is out of Postgres' range.
    if time.is_some_and(|time| time.timestamp() < YEAR_2000) {
        return Err(Malformed::new(Cause::InvalidField, "click.clicked_at"));
    }
    Ok(time)
}

fn value(amount: Option<Amount>, name: &str) -> Result<Option<rust_decimal::Decimal>, Malformed> {
    match amount {
        Some(Amount(value)) if value.is_sign_negative() && !value.is_zero() => {
            Err(Malformed::new(Cause::InvalidField, "value"))
        }
        Some(Amount(value)) => Ok(Some(value)),
        None if VALUED_EVENTS.contains(&name) => Err(Malformed::new(Cause::MissingField, "value")),
        None => Ok(None),
    }
}

fn currency(text: Option<&Text>) -> Result<Option<String>, Malformed> {
    let Some(code) = present(text) else { return Ok(None) };
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_code {
        Ok(Some(code.to_ascii_uppercase()))
    } else {
        Err(Malformed::new(Cause::InvalidField, "currency"))
    }
}

fn custom(mut given: Map<String, Value>) -> Result<Map<String, Value>, Malformed> {
    if given.values().any(|value| !nests_at_most(value, CUSTOM_DEPTH_MAX - 1)) {
        return Err(Malformed::new(Cause::InvalidField, "custom"));
    }
    redact::json_object(&mut given);
    Ok(given)
}

/// Says whether a value holds lists and objects, itself counted, to at most this depth.
fn nests_at_most(value: &Value, depth: usize) -> bool {
    let within = |value| depth > 0 && nests_at_most(value, depth - 1);
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(within),
        Value::Object(fields) => depth > 0 && fields.values().all(within),
        _ => true,
    }
}

fn contents(fields: &[ContentFields]) -> Result<Vec<Content>, Malformed> {
    if fields.len() > CONTENTS_MAX {
        return Err(Malformed::new(Cause::InvalidField, "contents"));
    }
    let mut contents = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        if field
            .price
            .is_some_and(|price| price.0.is_sign_negative() && !price.0.is_zero())
        {
            return Err(Malformed::new(Cause::InvalidField, &format!("contents[{index}].price")));
        }
        contents.push(Content {
            id: free_text(field.id.as_ref()).unwrap_or_default(),
            quantity: field.quantity,
            price: field.price.map(|price| price.0),
            name: free_text(field.name.as_ref()),
            category: free_text(field.category.as_ref()),
            brand: free_text(field.brand.as_ref()),
        });
    }
    // A product without an ID tells no platform anything.
    contents.retain(|content| !content.id.is_empty());
    Ok(contents)
}

/// A text that somebody wrote: cut to a sensible length, and left out if it holds an e-mail address.
fn free_text(text: Option<&Text>) -> Option<String> {
    let text = present(text).map(|text| text.replace(redact::NUL, ""))?;
    let is_kept = !text.trim().is_empty() && !redact::holds_email(&text);
    is_kept.then(|| cut(&text))
}

/// A text of a sensible length, without NUL.
fn cut(text: &str) -> String {
    let characters = text.chars().filter(|character| *character != redact::NUL);
    characters.take(TEXT_CHARACTERS_MAX).collect()
}

/// A click ID: opaque, kept unchanged or not at all.
pub(super) fn click_id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = (1..=CLICK_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_id && !redact::holds_email(text)).then(|| text.to_owned())
}

fn clicks(fields: &ClickFields, raw_url: Option<&str>) -> Result<ClickIds, Malformed> {
    let url = raw_url.and_then(|url| Url::parse(url).ok());
    let in_url = |name: &str| {
        let (_, value) = url.as_ref()?.query_pairs().find(|(key, _)| key == name)?;
        click_id(&value)
    };
    let given = |text: &Option<Text>| text.as_ref().and_then(|text| click_id(&text.0));
    Ok(ClickIds {
        fbc: given(&fields.fbc),
        fbp: given(&fields.fbp),
        fbclid: given(&fields.fbclid).or_else(|| in_url("fbclid")),
        ctwa_clid: given(&fields.ctwa_clid),
        gclid: given(&fields.gclid).or_else(|| in_url("gclid")),
        gbraid: given(&fields.gbraid).or_else(|| in_url("gbraid")),
        wbraid: given(&fields.wbraid).or_else(|| in_url("wbraid")),
        ttclid: given(&fields.ttclid).or_else(|| in_url("ttclid")),
        ttp: given(&fields.ttp),
        clicked_at: clicked_at(fields.clicked_at)?,
        // WhatsApp alone tells it, beside the event.
        waba: None,
    })
}

fn person(fields: &UserFields) -> Person {
    Person {
        emails: personals(&fields.email),
        phones: personals(&fields.phone),
        external_ids: personals(&fields.external_id),
        whatsapp_users: personals(&fields.whatsapp_user_id),
        first_name: personal(fields.first_name.as_ref()),
        last_name: personal(fields.last_name.as_ref()),
        city: personal(fields.city.as_ref()),
        state: personal(fields.state.as_ref()),
        postal_code: personal(fields.postal_code.as_ref()),
        country: personal(fields.country.as_ref()),
        date_of_birth: personal(fields.date_of_birth.as_ref()),
        gender: personal(fields.gender.as_ref()),
        ip: present(fields.ip.as_ref()).and_then(public_ip),
        user_agent: free_text(fields.user_agent.as_ref()),
    }
}

fn personals(texts: &Texts) -> Vec<Personal> {
    let present = texts.0.iter().map(|text| cut(text.trim()));
    present
        .filter(|text| !text.trim().is_empty())
        .take(IDENTITIES_MAX)
        .map(Personal::new)
        .collect()
}

fn personal(text: Option<&Text>) -> Option<Personal> {
    let text = present(text).map(cut)?;
    (!text.trim().is_empty()).then(|| Personal::new(text))
}

/// An address that a browser on the public internet can have; anything else tells a platform nothing and is left out.
fn public_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok().or_else(|| without_appendix(text)?.parse().ok())?;
    let is_public = match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || shared)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            let is_local = first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80;
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || is_local)
        }
    };
    is_public.then_some(address)
}

/// The address in `203.0.113.7.AQQAAQMC`: Meta's Parameter Builder writes after it how it was found, in 2 or 8 characters of base64url. That
/// says nothing to the other platforms, and Meta matches by the address.
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameter-builder-library>
fn without_appendix(text: &str) -> Option<&str> {
    let (address, appendix) = text.rsplit_once('.')?;
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_appendix = matches!(appendix.len(), 2 | 8)
        && appendix.starts_with(|first: char| first.is_ascii_alphabetic())
        && appendix.bytes().all(is_base64url);
    is_appendix.then_some(address)
}

/// Tells a repetition of the same event from a contradicting one: of the time (where one was given), value, currency and click IDs.
fn fingerprint(
    time: Option<DateTime<Utc>>,
    value: Option<&rust_decimal::Decimal>,
    currency: Option<&str>,
    clicks: &ClickIds,
) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(time.map_or(0, |time| time.timestamp_millis()).to_be_bytes());
    hasher.update(value.map(|value| value.normalize().to_string()).unwrap_or_default());
    hasher.update([0]);
    hasher.update(currency.unwrap_or_default());
    for id in [
        &clicks.fbc,
        &clicks.fbclid,
        &clicks.ctwa_clid,
        &clicks.gclid,
        &clicks.gbraid,
        &clicks.wbraid,
        &clicks.ttclid,
    ] {
        hasher.update([0]);
        hasher.update(id.as_deref().unwrap_or_default());
    }
    let digest = hasher.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}
