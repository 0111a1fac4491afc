//! Fields of a funnel event as producers write them: lenient where the meaning is plain, and an error otherwise.

use std::{borrow::Cow, fmt, marker::PhantomData};

use chrono::{DateTime, Utc};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

/// A JSON object. serde takes a list of the fields in their order for one as well; from a producer such a list is a mistake.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The largest whole number that a schema takes for a name or for an amount.
const WHOLE_NUMBER_MAX: u64 = 999_999_999_999_999_999;

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

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

/// The schema of a text that has the form of a pattern.
pub(super) fn text_of_form(pattern: &str) -> Schema {
    json_schema!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 0, "maximum": WHOLE_NUMBER_MAX })
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

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = Text::json_schema(generator);
        json_schema!({ "type": ["string", "integer", "array", "null"], "items": text })
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

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": WHOLE_NUMBER_MAX,
            "pattern": "^ *[0-9]{1,18}(\\.[0-9]+)? *$"
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
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let seconds = if !is_number {
        return None;
    } else if text.contains(['e', 'E']) {
        // Some languages write large numbers so: 1.7951688e9.
        Decimal::from_scientific(text).ok()?
    } else {
        text.parse().ok()?
    };
    if seconds >= Decimal::from(MILLISECONDS_FROM) {
        return Some(Moment::Milliseconds);
    }
    let whole = seconds.floor();
    let milliseconds = ((seconds - whole) * Decimal::ONE_THOUSAND).to_u32()?;
    DateTime::from_timestamp(whole.to_i64()?, milliseconds * 1_000_000).map(Moment::At)
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        const DATE: &str = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
        const TIME: &str = "([01][0-9]|2[0-3]):[0-5][0-9]";
        let rfc_3339 = format!("{DATE}[Tt]{TIME}:[0-5][0-9](\\.[0-9]+)?([Zz]|[+-]{TIME})");
        json_schema!({
            "type": ["string", "number"],
            "minimum": 0,
            "exclusiveMaximum": MILLISECONDS_FROM,
            "pattern": format!("^({rfc_3339}|[0-9]{{1,11}}(\\.[0-9]+)?)$")
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
        for same in ["1795168800.123", "1795168800.1239", "1.795168800123e9"] {
            assert_eq!(read::<Moment>(same), Some(fraction), "{same}");
        }
        assert_eq!(read::<Moment>("1.7951688E+9"), Some(Moment::At(expected)));
        assert_eq!(read::<Moment>("1.7951688e12"), Some(Moment::Milliseconds));
        assert_eq!(read::<Moment>("1795168800000"), Some(Moment::Milliseconds));
        for wrong in [
            r#""yesterday""#,
            r#""2026-11-20""#,
            r#""2026-11-20T10:00:00""#,
            "[]",
            "null",
            "1e300",
            r#""1_795_168_800""#,
            r#""""#,
        ] {
            assert_eq!(read::<Moment>(wrong), None, "{wrong}");
        }
    }
}
