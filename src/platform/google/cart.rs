//! What was bought, and by what kind of customer, where the event's `custom` says what Google needs to know for it.
//!
//! `merchant_id` (Merchant Center, digits) makes the cart; beside it `merchant_feed_label` and `merchant_feed_language` (two letters).
//! `customer_type` is `NEW`, `RETURNING` or `REENGAGED`, `customer_value_bucket` is `LOW`, `MEDIUM` or `HIGH`. What has another form is
//! left out: a wrong word here would refuse the whole request.
//! <https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest> (read 2026-11-21)

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::domain::{ClickKind, Dispatch, event::Content};

/// The longest number that Google's `int64` certainly holds.
const MERCHANT_DIGITS_MAX: usize = 18;

/// A cart with at least one item.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cart<'a> {
    /// Merchant Center account.
    pub merchant_id: String,
    /// Label of the product feed.
    pub feed_label: Option<String>,
    /// Language of the product feed, ISO 639-1.
    pub feed_language: Option<String>,
    /// What was bought.
    pub items: Vec<Item<'a>>,
}

/// One product of a cart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Item<'a> {
    /// The product's ID in the feed.
    pub id: &'a str,
    /// How many; at most what Google's `int32` holds.
    pub quantity: u32,
    /// Price of one, in the event's currency.
    pub price: Option<Decimal>,
}

/// The cart of a conversion; none without a merchant, without a product that has an ID, or with gbraid and wbraid, which take no carts
/// (`CART_DATA_NOT_SUPPORTED_WITH_GBRAID_OR_WBRAID`).
pub(super) fn cart(dispatch: &Dispatch) -> Option<Cart<'_>> {
    let custom = &dispatch.event.custom;
    let merchant_id = text(custom, "merchant_id")
        .filter(|id| (1..=MERCHANT_DIGITS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()))?;
    dispatch.click.as_ref().filter(|click| click.kind == ClickKind::Gclid)?;
    let items: Vec<Item<'_>> = dispatch
        .event
        .contents
        .iter()
        .filter(|content| !content.id.is_empty())
        .map(item)
        .collect();
    (!items.is_empty()).then(|| Cart {
        merchant_id,
        feed_label: text(custom, "merchant_feed_label").filter(|label| (1..=20).contains(&label.len())),
        feed_language: text(custom, "merchant_feed_language").filter(|language| is_two_letters(language)),
        items,
    })
}

/// A line without a quantity means one.
fn item(content: &Content) -> Item<'_> {
    Item {
        id: &content.id,
        quantity: content.quantity.unwrap_or(1).min(i32::MAX.unsigned_abs()),
        price: content.price,
    }
}

/// The word under a key of `custom`, in Google's spelling, if it is one of `words`.
pub(super) fn word(custom: &Map<String, Value>, key: &str, words: &[&'static str]) -> Option<&'static str> {
    let given = text(custom, key)?;
    words.iter().copied().find(|word| word.eq_ignore_ascii_case(&given))
}

/// Says whether a text is two ASCII letters, as codes of countries and languages are.
pub(super) fn is_two_letters(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn text(custom: &Map<String, Value>, key: &str) -> Option<String> {
    match custom.get(key)? {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::platform::google::sample;

    fn with(custom: Value, contents: Vec<Content>) -> Dispatch {
        let mut dispatch = sample::dispatch("e1", "Purchase");
        dispatch.event.custom = serde_json::from_value(custom).unwrap();
        dispatch.event.contents = contents;
        dispatch
    }

    fn shoe() -> Content {
        Content {
            id: "sku-1".into(),
            price: Some(Decimal::new(1_250, 2)),
            ..Content::default()
        }
    }

    #[test]
    fn a_cart_needs_a_merchant_and_a_product() {
        assert!(cart(&with(json!({ "merchant_id": 4711 }), vec![shoe()])).is_some());
        assert!(cart(&with(json!({ "merchant_id": "4711" }), vec![shoe()])).is_some());

        for (custom, contents) in [
            (json!({}), vec![shoe()]),
            (json!({ "merchant_id": "x" }), vec![shoe()]),
            (json!({ "merchant_id": 1.5 }), vec![shoe()]),
            (json!({ "merchant_id": -1 }), vec![shoe()]),
            (json!({ "merchant_id": "4711" }), vec![]),
            (json!({ "merchant_id": "4711" }), vec![Content::default()]),
        ] {
            assert_eq!(cart(&with(custom.clone(), contents)), None, "{custom}");
        }
    }

    #[test]
    fn braids_take_no_cart() {
        let mut dispatch = with(json!({ "merchant_id": "4711" }), vec![shoe()]);
        dispatch.click.as_mut().unwrap().kind = ClickKind::Wbraid;

        assert_eq!(cart(&dispatch), None);
    }

    #[test]
    fn a_line_without_a_quantity_is_one_and_no_quantity_breaks_googles_integer() {
        let many = Content {
            quantity: Some(u32::MAX),
            ..shoe()
        };

        let dispatch = with(json!({ "merchant_id": "4711" }), vec![shoe(), many]);
        let items = cart(&dispatch).unwrap().items;

        assert_eq!([items[0].quantity, items[1].quantity], [1, 2_147_483_647]);
    }

    #[test]
    fn words_that_google_does_not_know_are_left_out() {
        let custom = serde_json::from_value(json!({ "customer_type": "new", "other": "best" })).unwrap();

        assert_eq!(word(&custom, "customer_type", &["NEW", "RETURNING"]), Some("NEW"));
        assert_eq!(word(&custom, "other", &["NEW", "RETURNING"]), None);
        assert_eq!(word(&custom, "missing", &["NEW", "RETURNING"]), None);
    }
}
