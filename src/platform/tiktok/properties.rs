//! Properties: what was bought or looked at, and what it is worth; the `properties` object of an event.
//! <https://ads.tiktok.com/help/article/about-parameters>, <https://ads.tiktok.com/help/article/standard-events-parameters>

use std::{borrow::Cow, collections::BTreeMap};

use rust_decimal::{
    Decimal,
    prelude::ToPrimitive,
    serde::{arbitrary_precision, arbitrary_precision_option},
};
use serde::Serialize;
use serde_json::Value;

use crate::domain::{EventRecord, event::Content, redact};

/// The currencies that TikTok lists. What it does with others is nowhere said.
const CURRENCIES: [&str; 62] = [
    "AED", "ARS", "AUD", "BDT", "BHD", "BIF", "BOB", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CRC", "CZK", "DKK",
    "DZD", "EGP", "EUR", "GBP", "GTQ", "HKD", "HNL", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KES", "KHR", "KRW",
    "KWD", "KZT", "MAD", "MOP", "MXN", "MYR", "NGN", "NIO", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "PYG",
    "QAR", "RON", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VES", "VND", "ZAR",
];

/// What a further property must be, since one of a wrong type has TikTok refuse the whole request (40002).
#[derive(Clone, Copy)]
enum Kind {
    /// Text; a number becomes one.
    Text,
    /// Text that a person typed, left out if it looks like an e-mail address or a phone number.
    FreeText,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number that is not negative; a text becomes one if it is nothing else.
    Number,
    /// A list of texts.
    Texts,
}

/// The further properties (`custom`) that TikTok has a use for; others stay here. Its `city`, `region`, `country` and `postal_code` (of a hotel,
/// of a car) are left out on purpose: in an event's `custom` they may as well be the person's own.
const CUSTOM: [(&str, Kind); 41] = [
    ("search_string", Kind::FreeText),
    ("description", Kind::FreeText),
    ("status", Kind::Text),
    (
        "delivery_category",
        Kind::Word(&["in_store", "curbside", "home_delivery"]),
    ),
    ("shop_id", Kind::Text),
    ("predicted_ltv", Kind::Number),
    // Journeys.
    ("checkin_date", Kind::Text),
    ("checkout_date", Kind::Text),
    ("num_adults", Kind::Number),
    ("num_children", Kind::Number),
    ("num_infants", Kind::Number),
    ("suggested_hotels", Kind::Texts),
    ("departing_departure_date", Kind::Text),
    ("returning_departure_date", Kind::Text),
    ("origin_airport", Kind::Text),
    ("destination_airport", Kind::Text),
    ("destination_ids", Kind::Texts),
    ("departing_arrival_date", Kind::Text),
    ("returning_arrival_date", Kind::Text),
    ("travel_class", Kind::Text),
    ("user_score", Kind::Number),
    ("preferred_num_stops", Kind::Number),
    ("travel_start", Kind::Text),
    ("travel_end", Kind::Text),
    ("suggested_destinations", Kind::Texts),
    // Vehicles.
    ("make", Kind::Text),
    ("model", Kind::Text),
    ("year", Kind::Number),
    ("state_of_vehicle", Kind::Text),
    ("exterior_color", Kind::Text),
    ("transmission", Kind::Text),
    ("body_style", Kind::Text),
    ("fuel_type", Kind::Text),
    ("drivetrain", Kind::Text),
    ("trim", Kind::Text),
    ("vin", Kind::Text),
    ("interior_color", Kind::Text),
    ("condition_of_vehicle", Kind::Text),
    ("viewcontent_type", Kind::Text),
    ("search_type", Kind::Text),
    ("registration_type", Kind::Text),
];

/// The `properties` object.
#[derive(Serialize)]
pub(super) struct Properties<'a> {
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "arbitrary_precision_option::serialize"
    )]
    value: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contents: Vec<Item<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    content_ids: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_items: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<&'a str>,
    #[serde(flatten)]
    custom: BTreeMap<&'static str, Custom<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<u32>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "arbitrary_precision_option::serialize"
    )]
    price: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Custom<'a> {
    Text(Cow<'a, str>),
    Number(#[serde(serialize_with = "arbitrary_precision::serialize")] Decimal),
    Texts(Vec<Cow<'a, str>>),
}

impl<'a> Properties<'a> {
    /// The properties of an event; `None` if there are none.
    pub(super) fn of(event: &'a EventRecord) -> Option<Self> {
        // An amount in an unlisted currency, or in none, would be counted as one of another: it is left out, and the conversion still counts.
        let currency = event.currency.as_deref().filter(|code| CURRENCIES.contains(code));
        let contents: Vec<Item<'a>> = event
            .contents
            .iter()
            .map(|content| Item::of(content, currency.is_some()))
            .filter(Item::says_something)
            .collect();
        let content_ids = content_ids(&contents, event);
        // Beside the contents: inside them, as version 1.0 had it, it is not read.
        let content_type = (!contents.is_empty() || !content_ids.is_empty()).then(|| {
            let product_group = event.custom.get("content_type").and_then(Value::as_str) == Some("product_group");
            if product_group { "product_group" } else { "product" }
        });
        let properties = Self {
            value: event.value.filter(|_| currency.is_some()).and_then(amount),
            currency: currency.filter(|_| event.value.is_some() || contents.iter().any(|item| item.price.is_some())),
            num_items: num_items(&contents, event),
            contents,
            content_ids,
            content_type,
            order_id: event.order_id.as_deref().and_then(said),
            custom: custom(event),
        };
        properties.says_something().then_some(properties)
    }

    fn says_something(&self) -> bool {
        self.value.is_some()
            || self.currency.is_some()
            || !self.contents.is_empty()
            || !self.content_ids.is_empty()
            || self.num_items.is_some()
            || self.order_id.is_some()
            || !self.custom.is_empty()
    }
}

impl<'a> Item<'a> {
    fn of(content: &'a Content, has_currency: bool) -> Self {
        Self {
            content_id: said(&content.id),
            quantity: content.quantity,
            price: content.price.filter(|_| has_currency).and_then(amount),
            content_name: content.name.as_deref().and_then(said),
            content_category: content.category.as_deref().and_then(said),
            brand: content.brand.as_deref().and_then(said),
        }
    }

    fn says_something(&self) -> bool {
        self.content_id.is_some()
            || self.price.is_some()
            || self.content_name.is_some()
            || self.content_category.is_some()
            || self.brand.is_some()
    }
}

/// The text, unless it is blank.
pub(super) fn said(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

/// Digits and a point, nothing else: not even a sign, so there are no negative amounts.
fn amount(number: Decimal) -> Option<Decimal> {
    (!number.is_sign_negative() || number.is_zero()).then(|| number.abs().normalize())
}

fn content_ids<'a>(contents: &[Item<'a>], event: &'a EventRecord) -> Vec<Cow<'a, str>> {
    let mut ids: Vec<Cow<'a, str>> = Vec::new();
    let given = if contents.is_empty() {
        event.custom.get("content_ids").map(texts).unwrap_or_default()
    } else {
        Vec::new()
    };
    for id in contents
        .iter()
        .filter_map(|item| item.content_id.map(Cow::Borrowed))
        .chain(given)
    {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// The pieces, not the lines: the sum of the quantities.
fn num_items(contents: &[Item<'_>], event: &EventRecord) -> Option<u64> {
    if contents.is_empty() {
        return event
            .custom
            .get("num_items")
            .and_then(number)
            .and_then(|number| number.is_integer().then(|| number.to_u64())?);
    }
    Some(contents.iter().map(|item| u64::from(item.quantity.unwrap_or(1))).sum())
}

fn custom(event: &EventRecord) -> BTreeMap<&'static str, Custom<'_>> {
    let mut custom = BTreeMap::new();
    if event.custom.is_empty() {
        return custom;
    }
    for (key, kind) in CUSTOM {
        if let Some(value) = event.custom.get(key).and_then(|value| typed(value, kind)) {
            custom.insert(key, value);
        }
    }
    // The name it had in version 1.0.
    if !custom.contains_key("search_string")
        && let Some(query) = event.custom.get("query").and_then(|value| typed(value, Kind::FreeText))
    {
        custom.insert("search_string", query);
    }
    custom
}

fn typed(value: &Value, kind: Kind) -> Option<Custom<'_>> {
    match kind {
        Kind::Text => text(value).map(Custom::Text),
        Kind::FreeText => text(value)
            .filter(|text| !text.split_whitespace().any(redact::looks_personal) && !redact::looks_personal(text))
            .map(Custom::Text),
        Kind::Word(words) => {
            let word = value.as_str().filter(|word| words.contains(word))?;
            Some(Custom::Text(Cow::Borrowed(word)))
        }
        Kind::Number => number(value).map(Custom::Number),
        Kind::Texts => Some(texts(value)).filter(|texts| !texts.is_empty()).map(Custom::Texts),
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => said(text).map(Cow::Borrowed),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

fn texts(value: &Value) -> Vec<Cow<'_, str>> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    }
}

fn number(value: &Value) -> Option<Decimal> {
    let text = text(value)?;
    let number = text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()?;
    amount(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::tiktok::sample;

    fn properties(event: &EventRecord) -> Value {
        serde_json::to_value(Properties::of(event)).unwrap()
    }

    fn with_custom(custom: Value) -> Value {
        let mut event = sample::bare_event();
        event.custom = custom.as_object().unwrap().clone();
        properties(&event)
    }

    fn decimal(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_currencies_are_those_that_tiktok_lists() {
        let schema: Value = serde_json::from_str(include_str!(
            "../../../tests/fixtures/tiktok/tiktok_events20.schema.json"
        ))
        .unwrap();

        let listed = &schema["$defs"]["Properties"]["properties"]["currency"]["x-currencies"];

        assert_eq!(&json!(CURRENCIES.as_slice()), listed);
    }

    #[test]
    fn a_value_is_a_number_and_keeps_its_currency_v1() {
        let mut event = sample::bare_event();
        event.value = decimal("59.90");
        event.currency = Some("USD".to_owned());

        assert_eq!(properties(&event), json!({"value": 59.9, "currency": "USD"}));
    }

    #[test]
    fn contents_have_text_ids_and_count_their_pieces_v11() {
        let mut event = sample::bare_event();
        event.currency = Some("USD".to_owned());
        event.contents = vec![
            Content {
                id: "1077218".to_owned(),
                quantity: Some(2),
                price: decimal("8"),
                ..Content::default()
            },
            Content {
                id: "A-7".to_owned(),
                quantity: Some(1),
                price: decimal("30"),
                ..Content::default()
            },
        ];

        assert_eq!(
            properties(&event),
            json!({
                "currency": "USD",
                "contents": [{"content_id": "1077218", "quantity": 2, "price": 8}, {"content_id": "A-7", "quantity": 1, "price": 30}],
                "content_ids": ["1077218", "A-7"],
                "content_type": "product",
                "num_items": 3
            })
        );
    }

    #[test]
    fn all_that_is_known_of_a_product_goes_out() {
        let mut event = sample::bare_event();
        event.order_id = Some("10482".to_owned());
        event.custom = json!({"content_type": "product_group"}).as_object().unwrap().clone();
        event.contents = vec![
            Content {
                id: "g".to_owned(),
                name: Some("Shoe".to_owned()),
                category: Some("Feet".to_owned()),
                brand: Some("ACME".to_owned()),
                ..Content::default()
            },
            Content::default(),
        ];

        assert_eq!(
            properties(&event),
            json!({
                "contents": [{"content_id": "g", "content_name": "Shoe", "content_category": "Feet", "brand": "ACME"}],
                "content_ids": ["g"],
                "content_type": "product_group",
                "num_items": 1,
                "order_id": "10482"
            })
        );
    }

    #[test]
    fn amounts_in_a_currency_that_tiktok_does_not_list_are_left_out_v20() {
        for currency in [Some("UYU"), None] {
            let mut event = sample::bare_event();
            event.value = decimal("10");
            event.currency = currency.map(str::to_owned);
            event.contents = vec![Content {
                id: "a".to_owned(),
                price: decimal("10"),
                ..Content::default()
            }];

            assert_eq!(
                properties(&event),
                json!({"contents": [{"content_id": "a"}], "content_ids": ["a"], "content_type": "product", "num_items": 1}),
                "{currency:?}"
            );
        }
    }

    #[test]
    fn a_negative_amount_is_left_out() {
        let mut event = sample::bare_event();
        event.value = decimal("-5");
        event.currency = Some("EUR".to_owned());

        assert_eq!(properties(&event), json!({"currency": "EUR"}));
    }

    #[test]
    fn a_search_says_what_was_searched_v14() {
        for key in ["search_string", "query"] {
            assert_eq!(
                with_custom(json!({key: "red shoes"})),
                json!({"search_string": "red shoes"})
            );
        }
    }

    #[test]
    fn free_text_that_looks_like_a_person_stays_here() {
        for text in ["jane@example.com", "order of jane@example.com", "+49 170 1234567"] {
            assert_eq!(
                with_custom(json!({"search_string": text, "description": text})),
                Value::Null,
                "{text}"
            );
        }
    }

    #[test]
    fn further_properties_go_out_in_the_type_that_tiktok_takes_or_not_at_all() {
        let cases = [
            (json!({"status": "paid"}), json!({"status": "paid"})),
            (json!({"shop_id": 7}), json!({"shop_id": "7"})),
            (json!({"predicted_ltv": "120.50"}), json!({"predicted_ltv": 120.5})),
            (json!({"predicted_ltv": "1,234.50 EUR"}), Value::Null),
            (json!({"predicted_ltv": true, "status": {}, "make": ["x"]}), Value::Null),
            (
                json!({"delivery_category": "curbside"}),
                json!({"delivery_category": "curbside"}),
            ),
            (json!({"delivery_category": "by drone"}), Value::Null),
            (
                json!({"checkin_date": "2026-12-24"}),
                json!({"checkin_date": "2026-12-24"}),
            ),
            (
                json!({"destination_ids": [1, "b", null]}),
                json!({"destination_ids": ["1", "b"]}),
            ),
            (json!({"num_items": 4}), json!({"num_items": 4})),
            (json!({"num_items": 4.5}), Value::Null),
            (
                json!({"content_ids": [987, "654", "654"]}),
                json!({"content_ids": ["987", "654"], "content_type": "product"}),
            ),
            (
                json!({"city": "Berlin", "postal_code": "10115", "gtm_version": "1"}),
                Value::Null,
            ),
        ];
        for (custom, expected) in cases {
            assert_eq!(with_custom(custom.clone()), expected, "{custom}");
        }
    }
}
