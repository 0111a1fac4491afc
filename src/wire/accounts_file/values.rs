//! Single values: text, words, numbers, lists, times. What is wrong is said without the value, unless it is a word of ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

use chrono::{DateTime, Utc};
use toml::de::DeValue;

use crate::domain::{secret::SecretRef, spelling::closest};

const SECONDS_A_DAY: u64 = 86_400;

/// Text in quotes, not blank, without blanks around it.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.trim().is_empty() => Err("must not be blank".to_owned()),
        DeValue::String(text) if text.trim().contains(char::is_control) => {
            Err("must be one line of plain text".to_owned())
        }
        DeValue::String(text) => Ok(text.trim().to_owned()),
        _ => Err("must be text in quotes".to_owned()),
    }
}

/// One of our own words.
pub(super) fn word<T: Copy>(words: &[(&'static str, T)]) -> impl FnOnce(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let names = || words.iter().map(|(name, _)| *name);
        let given = text(value)?;
        let found = words.iter().find(|(name, _)| *name == given);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let all: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
            match closest(&given, names()) {
                Some(likely) => format!("must be {}; did you mean \"{likely}\"?", all.join(", ")),
                None => format!("must be {}", all.join(", ")),
            }
        })
    }
}

/// An ID of digits, with dashes or blanks between them or without, in quotes or as a number.
pub(super) fn digits(length: RangeInclusive<usize>) -> impl FnOnce(&DeValue<'_>) -> Result<String, String> {
    move |value| {
        let given = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
            other => text(other)?,
        };
        let id: String = given.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
        if length.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(id);
        }
        Err(if length.start() == length.end() {
            format!("must have {} digits", length.start())
        } else {
            format!("must have {} to {} digits", length.start(), length.end())
        })
    }
}

/// A whole number from 1.
pub(super) fn count(value: &DeValue<'_>) -> Result<u32, String> {
    let DeValue::Integer(number) = value else {
        return Err("must be a whole number from 1".to_owned());
    };
    number
        .as_str()
        .replace('_', "")
        .parse()
        .ok()
        .filter(|count| *count > 0 && number.radix() == 10)
        .ok_or_else(|| "must be a whole number from 1".to_owned())
}

/// A number of days: `90` or `"90d"`.
pub(super) fn days(value: &DeValue<'_>) -> Result<u32, String> {
    let wrong = || "must be a number of days from 1 to 3650, such as 90 or \"90d\"".to_owned();
    let days = match value {
        DeValue::Integer(_) => count(value).map_err(|_| wrong())?,
        DeValue::String(text) => {
            let length = humantime::parse_duration(text.trim()).map_err(|_| wrong())?;
            let is_whole = length.subsec_nanos() == 0 && length.as_secs() % SECONDS_A_DAY == 0;
            let days = u32::try_from(length.as_secs() / SECONDS_A_DAY).map_err(|_| wrong())?;
            is_whole.then_some(days).ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    (1..=3650).contains(&days).then_some(days).ok_or_else(wrong)
}

/// Yes or no.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        _ => Err("must be true or false".to_owned()),
    }
}

/// The name of something that we name: a mapping, an input, a source of webhooks.
pub(super) fn is_name(text: &str) -> bool {
    let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_ours)
}

/// A length of time with its unit, at most `longest`, in whole seconds; `"0s"` gives `None`.
pub(super) fn seconds(longest: Duration) -> impl FnOnce(&DeValue<'_>) -> Result<Option<u32>, String> {
    move |value| {
        let wrong = || {
            let longest = humantime::format_duration(longest);
            format!("must be a length of time such as \"30s\" or \"10m\", at most {longest}")
        };
        let DeValue::String(text) = value else {
            return Err(wrong());
        };
        let length = humantime::parse_duration(text.trim()).map_err(|_| wrong())?;
        if length > longest {
            return Err(wrong());
        }
        let seconds = u32::try_from(length.as_secs()).map_err(|_| wrong())?;
        Ok(Some(seconds).filter(|seconds| *seconds > 0))
    }
}

/// A moment with its time zone, in quotes or not.
pub(super) fn moment(value: &DeValue<'_>) -> Result<DateTime<Utc>, String> {
    let given = match value {
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    DateTime::parse_from_rfc3339(&given)
        .map(|moment| moment.to_utc())
        .map_err(|_| {
            "must be date, time and time zone, such as 2026-11-16T00:00:00Z or 2026-11-16T00:00:00+01:00".to_owned()
        })
}

/// A list of texts, or the word `"all"`, which gives `None`.
pub(super) fn list_or_all(
    read: impl Fn(&str) -> Result<String, String>,
) -> impl FnOnce(&DeValue<'_>) -> Result<Option<BTreeSet<String>>, String> {
    move |value| match value {
        DeValue::String(text) if text.trim() == "all" => Ok(None),
        DeValue::Array(items) if !items.is_empty() => {
            let texts = items.iter().map(|item| read(&text(item.get_ref())?));
            texts.collect::<Result<_, _>>().map(Some)
        }
        DeValue::Array(_) => Err("must not be empty; \"all\" stands for all".to_owned()),
        _ => Err("must be a list such as [\"one\", \"other\"], or \"all\"".to_owned()),
    }
}

/// A table from names to values, such as `{ Purchase = "…" }`.
pub(super) fn by_name<F: FnOnce(&DeValue<'_>) -> Result<String, String>>(
    read: impl Fn() -> F,
) -> impl FnOnce(&DeValue<'_>) -> Result<BTreeMap<String, String>, String> {
    move |value| {
        let DeValue::Table(table) = value else {
            return Err("must be a table such as { Purchase = \"…\" }".to_owned());
        };
        let pairs = table.iter().map(|(name, value)| {
            let name: &str = name.get_ref();
            let value = read()(value.get_ref()).map_err(|problem| format!("{name} {problem}"))?;
            Ok((name.to_owned(), value))
        });
        pairs.collect()
    }
}

/// A host, in lower case.
pub(super) fn host(text: &str) -> Result<String, String> {
    let host = text.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
    let is_host = host.contains('.')
        && host
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    is_host
        .then_some(host)
        .ok_or_else(|| "must hold host names such as \"shop.example\" (their subdomains are meant, too)".to_owned())
}

/// Where a secret lies. What is no such reference is not shown: it may be the secret itself.
pub(super) fn secret(value: &DeValue<'_>) -> Result<SecretRef, String> {
    let text = text(value)?;
    SecretRef::parse(&text).map_err(|error| format!("{error} (what stands there is not shown, for it may be a secret)"))
}
