//! Faults on demand: which request goes wrong, and how.
use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

use crate::call::Platform;
use crate::facts::Facts;

/// After this long even a hanging request breaks off.
const LONGEST_HANG: Duration = Duration::from_secs(600);

/// How a request goes wrong. In JSON the kind stands beside the other members: `{"kind": "slow", "milliseconds": 5}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Some other server answers: a proxy, a load balancer.
    Status {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Whether the platform took the events before the answer was replaced.
        #[serde(default)]
        taken: bool,
    },
    /// An HTML error page.
    Html {
        status: u16,
        #[serde(default)]
        taken: bool,
    },
    /// The platform's own rate limit.
    RateLimit { retry_after_seconds: u64 },
    /// The events are taken at once, the answer comes late.
    Slow { milliseconds: u64 },
    /// Nothing is taken and no answer comes.
    Hang,
    /// The connection breaks before anything is taken.
    ResetBefore,
    /// The events are taken, then the connection breaks.
    ResetAfter,
    /// The events are taken, the answer is cut in half.
    Truncate,
    /// The platform's own answer to a token that it does not take.
    BadToken,
    /// The platform's own answer to trouble of its own.
    ServerErrorPlatformBody,
}

impl Fault {
    /// The word for it, in rules and in the request log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Html { .. } => "html",
            Self::RateLimit { .. } => "rate_limit",
            Self::Slow { .. } => "slow",
            Self::Hang => "hang",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Truncate => "truncate",
            Self::BadToken => "bad_token",
            Self::ServerErrorPlatformBody => "server_error_platform_body",
        }
    }

    /// Whether the platform takes the request, whatever becomes of its answer.
    pub fn is_taken(&self) -> bool {
        match self {
            Self::Status { taken, .. } | Self::Html { taken, .. } => *taken,
            Self::Slow { .. } | Self::ResetAfter | Self::Truncate => true,
            Self::Hang
            | Self::ResetBefore
            | Self::RateLimit { .. }
            | Self::BadToken
            | Self::ServerErrorPlatformBody => false,
        }
    }

    /// Whether there is an answer at all.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Self::Hang | Self::ResetBefore | Self::ResetAfter)
    }

    /// How long the end is put off.
    pub fn delay(&self) -> Duration {
        match self {
            Self::Slow { milliseconds } => Duration::from_millis(*milliseconds),
            Self::Hang => LONGEST_HANG,
            _ => Duration::ZERO,
        }
    }
}

/// Which requests a fault hits; what is absent matches any.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub platform: Option<Platform>,
    pub account: Option<String>,
    pub token: Option<String>,
    /// Hits every request that carries the event.
    pub event_id: Option<String>,
    #[serde(deserialize_with = "fault_of_kind", serialize_with = "kind_of_fault")]
    pub fault: Fault,
    /// How many requests it hits; absent: all.
    pub times: Option<u64>,
    /// How many matching requests it lets through first.
    #[serde(default)]
    pub skip: u64,
}

impl Rule {
    fn matches(&self, platform: Platform, facts: &Facts) -> bool {
        let is_any = |wanted: &Option<String>, found: &[String]| wanted.as_ref().is_none_or(|one| found.contains(one));
        self.platform.is_none_or(|wanted| wanted == platform)
            && is_any(&self.account, &facts.accounts)
            && is_any(&self.token, &facts.tokens)
            && is_any(&self.event_id, &facts.event_ids)
    }
}

// Not serde's `tag`: together with arbitrary-precision numbers it takes no number at all.
fn fault_of_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
    let mut members = serde_json::Map::deserialize(deserializer)?;
    let Some(Value::String(kind)) = members.remove("kind") else {
        return Err(D::Error::missing_field("kind"));
    };
    let tagged = if members.is_empty() {
        Value::String(kind)
    } else {
        json!({ kind: members })
    };
    serde_json::from_value(tagged).map_err(D::Error::custom)
}

fn kind_of_fault<S: Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
    json!({"kind": fault.kind()}).serialize(serializer)
}

/// A rule and how far it has come.
#[derive(Clone, Debug, Serialize)]
pub struct ActiveRule {
    #[serde(flatten)]
    rule: Rule,
    matched: u64,
    applied: u64,
}

/// The rules in force, in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<ActiveRule>,
}

impl Faults {
    /// Puts these rules in the place of all earlier ones.
    pub fn replace(&mut self, rules: Vec<Rule>) {
        self.rules = rules
            .into_iter()
            .map(|rule| ActiveRule {
                rule,
                matched: 0,
                applied: 0,
            })
            .collect();
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub fn rules(&self) -> &[ActiveRule] {
        &self.rules
    }

    /// The fault that hits this request: of the first rule that matches and is due.
    pub fn take(&mut self, platform: Platform, facts: &Facts) -> Option<Fault> {
        for active in &mut self.rules {
            let is_spent = active.rule.times.is_some_and(|times| active.applied >= times);
            if is_spent || !active.rule.matches(platform, facts) {
                continue;
            }
            active.matched += 1;
            if active.matched > active.rule.skip {
                active.applied += 1;
                return Some(active.rule.fault.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(rules: Value) -> Faults {
        let mut faults = Faults::default();
        faults.replace(serde_json::from_value(rules).unwrap());
        faults
    }

    fn request(account: &str, event_ids: &[&str]) -> Facts {
        Facts {
            accounts: vec![account.to_owned()],
            tokens: vec!["t1".to_owned()],
            event_ids: event_ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn a_rule_hits_only_the_requests_that_it_names() {
        let mut faults = faults(json!([
            {"platform": "meta", "account": "1", "fault": {"kind": "hang"}},
            {"token": "t1", "event_id": "e2", "fault": {"kind": "truncate"}},
        ]));

        assert_eq!(faults.take(Platform::Meta, &request("1", &["e2"])), Some(Fault::Hang));
        assert_eq!(
            faults.take(Platform::Meta, &request("2", &["e2"])),
            Some(Fault::Truncate)
        );
        assert_eq!(
            faults.take(Platform::Tiktok, &request("1", &["e1", "e2"])),
            Some(Fault::Truncate)
        );
        assert_eq!(faults.take(Platform::Tiktok, &request("1", &["e1"])), None);
    }

    #[test]
    fn skip_lets_requests_through_and_times_ends_a_rule() {
        let mut faults = faults(json!([
            {"platform": "meta", "account": null, "fault": {"kind": "bad_token"}, "skip": 1, "times": 2},
            {"fault": {"kind": "reset_after"}, "times": null},
        ]));

        let taken: Vec<_> = (0..4)
            .filter_map(|_| faults.take(Platform::Meta, &request("1", &[])))
            .collect();

        assert_eq!(
            taken,
            [Fault::ResetAfter, Fault::BadToken, Fault::BadToken, Fault::ResetAfter]
        );
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        let rule = json!({"platform": "meta", "acount": "1", "fault": {"kind": "hang"}});

        assert!(serde_json::from_value::<Rule>(rule).is_err());
    }
}
