//! Fields of a funnel event as producers write them: lenient where the meaning is plain, and an error otherwise.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// A text. A whole number counts as its digits, for shops number their orders and products.
#[derive(Clone, Default)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Number(number) if !number.to_string().contains(['.', 'e', 'E']) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("expected a text or a whole number")),
        }
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A text; a whole number counts as its digits.", "type": ["string", "integer"] })
    }
}

/// One text, or a list of texts.
#[derive(Clone, Default)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let items = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => items,
            single => vec![single],
        };
        let texts: Result<Vec<Text>, _> = items.into_iter().map(Text::deserialize).collect();
        let texts = texts.map_err(|_| D::Error::custom("expected a text or a list of texts"))?;
        Ok(Self(texts.into_iter().map(|text| text.0).collect()))
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<Text>();
        json_schema!({
            "description": "One value or a list of them; 64 hex digits count as a SHA-256 hash.",
            "anyOf": [text, { "type": "array", "items": text }]
        })
    }
}

/// An amount of money: a JSON number or the same as a text, taken as a decimal and never as a binary floating point number.
#[derive(Clone, Copy)]
pub struct Amount(pub Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_owned(),
            _ => return Err(D::Error::custom("expected a number")),
        };
        let parsed = if text.contains(['e', 'E']) {
            Decimal::from_scientific(&text)
        } else {
            text.parse()
        };
        parsed
            .map(Self)
            .map_err(|_| D::Error::custom("expected a decimal number"))
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount of money, not negative: a number, or its decimal digits as a text.",
            "anyOf": [{ "type": "number", "minimum": 0 }, { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*$" }]
        })
    }
}

/// A point in time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// One that can be.
    At(DateTime<Utc>),
    /// A number so large that it can only be milliseconds.
    Milliseconds,
}

/// Unix seconds from here on (the year 5138) are taken for milliseconds, whose era began in 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || D::Error::custom("expected RFC 3339 or Unix seconds");
        match Value::deserialize(deserializer)? {
            Value::Number(number) => from_seconds(&number.to_string()).ok_or_else(wrong),
            Value::String(text) => {
                let text = text.trim();
                from_seconds(text)
                    .or_else(|| {
                        DateTime::parse_from_rfc3339(text)
                            .ok()
                            .map(|time| Moment::At(time.to_utc()))
                    })
                    .ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

fn from_seconds(text: &str) -> Option<Moment> {
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let seconds: i64 = whole.parse().ok()?;
    if seconds >= MILLISECONDS_FROM {
        return Some(Moment::Milliseconds);
    }
    let fraction: f64 = text[whole.len()..].parse().unwrap_or(0.0);
    // Below a second and never negative, so the conversion is exact enough and in range.
    let nanoseconds = (fraction * 1e3) as u32 * 1_000_000;
    DateTime::from_timestamp(seconds, nanoseconds).map(Moment::At)
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "RFC 3339, or Unix seconds (never milliseconds).",
            "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "number", "exclusiveMaximum": MILLISECONDS_FROM }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: for<'de> Deserialize<'de>>(json: &str) -> Option<T> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn a_number_is_read_as_text_where_it_is_a_name() {
        assert_eq!(read::<Text>("273196").unwrap().0, "273196");
        assert_eq!(
            read::<Text>("12345678901234567890123").unwrap().0,
            "12345678901234567890123"
        );
        assert!(read::<Text>("1.5").is_none());
        assert!(read::<Text>("{}").is_none());
        assert_eq!(read::<Texts>(r#"["a", 7]"#).unwrap().0, ["a", "7"]);
        assert!(read::<Texts>(r#"[["a"]]"#).is_none());
    }

    #[test]
    fn money_stays_decimal() {
        assert_eq!(read::<Amount>("0.1").unwrap().0.to_string(), "0.1");
        assert_eq!(read::<Amount>("1499.00").unwrap().0.to_string(), "1499.00");
        assert_eq!(read::<Amount>(r#""1499.00""#).unwrap().0.to_string(), "1499.00");
        assert_eq!(read::<Amount>("1e3").unwrap().0.to_string(), "1000");
        for wrong in [r#""1,234.50""#, r#""12 EUR""#, "true", "1e400"] {
            assert!(read::<Amount>(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_rfc_3339_or_seconds_and_milliseconds_are_told_apart() {
        let expected = DateTime::from_timestamp(1_795_168_800, 0).unwrap();
        for same in [
            "1795168800",
            r#""1795168800""#,
            r#""2026-11-20T10:00:00Z""#,
            r#""2026-11-20T15:30:00+05:30""#,
        ] {
            assert_eq!(read::<Moment>(same), Some(Moment::At(expected)), "{same}");
        }
        let fraction = Moment::At(expected + chrono::TimeDelta::milliseconds(123));
        assert_eq!(read::<Moment>("1795168800.123"), Some(fraction));
        assert_eq!(read::<Moment>("1795168800000"), Some(Moment::Milliseconds));
        for wrong in [
            r#""yesterday""#,
            r#""2026-11-20""#,
            r#""2026-11-20T10:00:00""#,
            "[]",
            "null",
            "1e300",
        ] {
            assert_eq!(read::<Moment>(wrong), None, "{wrong}");
        }
    }
}
