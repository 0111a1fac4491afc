//! Causes: why a conversion stands where it stands, who must act, and what to do. Generated from `schemas/causes.toml`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

include!(concat!(env!("OUT_DIR"), "/causes.rs"));

/// Who must act so that a cause goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Whoever runs the relay: an agency's operator.
    You,
    /// The advertiser.
    Client,
    /// Whoever publishes the events.
    Developer,
    /// Meta, Google or TikTok.
    Platform,
    /// It is all right as it is, or mends itself.
    Nobody,
}

impl Who {
    /// The word for it in `schemas/causes.toml` and on screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Who::You => "you",
            Who::Client => "client",
            Who::Developer => "developer",
            Who::Platform => "platform",
            Who::Nobody => "nobody",
        }
    }
}

#[derive(Clone, Copy)]
struct CauseFacts {
    name: &'static str,
    sentence: &'static str,
    who: Who,
    action: &'static str,
}

impl Cause {
    /// The name, in snake case: metric label, audit column and header alike.
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// What happened, for a person; `{platform}`, `{client}`, `{account}`, `{login}` and `{detail}` are to be filled in.
    pub const fn sentence(self) -> &'static str {
        self.facts().sentence
    }

    /// Who must act.
    pub const fn who(self) -> Who {
        self.facts().who
    }

    /// What that person does about it; the same placeholders as in the sentence.
    pub const fn action(self) -> &'static str {
        self.facts().action
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text is the name of no cause.
#[derive(Debug, thiserror::Error)]
#[error("no cause of this name")]
pub struct UnknownCause;

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(name: &str) -> Result<Self, UnknownCause> {
        Cause::ALL
            .iter()
            .copied()
            .find(|cause| cause.as_str() == name)
            .ok_or(UnknownCause)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_found_by_its_name() {
        for cause in Cause::ALL {
            assert_eq!(cause.as_str().parse::<Cause>().unwrap(), *cause);
        }
    }

    #[test]
    fn every_sentence_ends_and_uses_only_known_placeholders() {
        for cause in Cause::ALL {
            for text in [cause.sentence(), cause.action()] {
                assert!(text.ends_with('.'), "{cause}: {text}");
                let mut rest = text;
                while let Some((_, after)) = rest.split_once('{') {
                    let (name, tail) = after.split_once('}').expect("a placeholder closes");
                    assert!(
                        ["platform", "client", "account", "login", "detail"].contains(&name),
                        "{cause}: {name}"
                    );
                    rest = tail;
                }
            }
        }
    }
}
