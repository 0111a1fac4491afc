//! How a broker differs from the topology.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::{Argument, Topology};

/// One way in which the broker differs from the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs, such as `queue conversions.in.events`.
    pub object: String,
    /// In which respect: `existence`, `type`, an argument's name, `binding KEY`, `policy overflow`, ….
    pub what: String,
    /// What it should be; nothing if it should not be there.
    pub expected: Option<String>,
    /// What it is; nothing if it is not there.
    pub found: Option<String>,
}

impl Difference {
    /// The object is not there.
    pub(super) fn missing(object: String) -> Self {
        Difference {
            object,
            what: "existence".to_owned(),
            expected: Some("present".to_owned()),
            found: Some("missing".to_owned()),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected.as_deref().unwrap_or("absent");
        let found = self.found.as_deref().unwrap_or("absent");
        write!(
            formatter,
            "{}: {} should be {expected} and is {found}",
            self.object, self.what
        )
    }
}

/// Compares the topology with what the management API lists for the vhost under `/api/exchanges/V`, `/api/queues/V` and
/// `/api/bindings/V`.
///
/// It sees more than AMQP does: bindings that are missing or one too many, and policies that undo an argument, such as
/// an `overflow` that turns dead-lettering into at-most-once.
pub fn diff_management(topology: &Topology, exchanges: &Value, queues: &Value, bindings: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    for exchange in topology.exchanges() {
        let object = format!("exchange {}", exchange.name);
        match named(exchanges, &exchange.name) {
            None => differences.push(Difference::missing(object)),
            Some(found) => {
                let mut differs = Comparison {
                    object,
                    differences: &mut differences,
                };
                differs.compare("type", Some(exchange.kind.as_str().to_owned()), text(&found["type"]));
                differs.durable(found);
                differs.arguments(&exchange.arguments, &found["arguments"]);
            }
        }
    }
    for queue in topology.queues() {
        let object = format!("queue {}", queue.name);
        match named(queues, &queue.name) {
            None => differences.push(Difference::missing(object)),
            Some(found) => {
                let mut differs = Comparison {
                    object,
                    differences: &mut differences,
                };
                differs.durable(found);
                differs.arguments(&queue.arguments, &found["arguments"]);
                differs.policy(&queue.arguments, &found["effective_policy_definition"]);
            }
        }
    }
    diff_bindings(topology, bindings, &mut differences);
    differences
}

/// Collects what differs in one object.
struct Comparison<'a> {
    object: String,
    differences: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    fn compare(&mut self, what: &str, expected: Option<String>, found: Option<String>) {
        if expected != found {
            let (object, what) = (self.object.clone(), what.to_owned());
            self.differences.push(Difference {
                object,
                what,
                expected,
                found,
            });
        }
    }

    fn durable(&mut self, found: &Value) {
        self.compare("durable", Some("true".to_owned()), text(&found["durable"]));
        self.compare("auto_delete", Some("false".to_owned()), text(&found["auto_delete"]));
    }

    fn arguments(&mut self, expected: &[(&'static str, Argument)], found: &Value) {
        for (name, value) in expected {
            self.compare(name, Some(value.to_string()), text(&found[*name]));
        }
        for (name, value) in found.as_object().into_iter().flatten() {
            if expected.iter().all(|(known, _)| known != name) {
                self.compare(name, None, text(value));
            }
        }
    }

    /// A policy wins over `x-overflow`, the smaller delivery limit of both holds, and a policy alone is enough to let
    /// messages or the queue expire. <https://www.rabbitmq.com/docs/policies> (read 2026-11-21).
    fn policy(&mut self, arguments: &[(&'static str, Argument)], policy: &Value) {
        let argument = |name: &str| {
            let found = arguments.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        };
        if let (Some(Argument::Text(ours)), Some(theirs)) = (argument("x-overflow"), text(&policy["overflow"])) {
            self.compare("policy overflow", Some(ours), Some(theirs));
        }
        if let (Some(Argument::Integer(ours)), Some(theirs)) =
            (argument("x-delivery-limit"), policy["delivery-limit"].as_i64())
            && theirs < ours
        {
            self.compare(
                "policy delivery-limit",
                Some(ours.to_string()),
                Some(theirs.to_string()),
            );
        }
        for expiry in ["message-ttl", "expires"] {
            self.compare(&format!("policy {expiry}"), None, text(&policy[expiry]));
        }
    }
}

fn diff_bindings(topology: &Topology, bindings: &Value, differences: &mut Vec<Difference>) {
    type Bound = (String, String, String);
    let expected: BTreeSet<Bound> = topology
        .bindings()
        .into_iter()
        .map(|it| (it.queue, it.exchange, it.routing_key))
        .collect();
    let exchanges: BTreeSet<String> = topology.exchanges().into_iter().map(|it| it.name).collect();
    let queues: BTreeSet<String> = topology.queues().into_iter().map(|it| it.name).collect();
    let found: BTreeSet<Bound> = items(bindings)
        .filter_map(|it| {
            Some((
                text(&it["destination"])?,
                text(&it["source"])?,
                text(&it["routing_key"])?,
            ))
        })
        // Every queue is bound to the default exchange, whose name is empty. Of the rest, what touches ours is ours.
        .filter(|(queue, exchange, _)| !exchange.is_empty() && (exchanges.contains(exchange) || queues.contains(queue)))
        .collect();
    let difference = |bound: &Bound, expected: Option<&str>, found: Option<&str>| Difference {
        object: format!("queue {}", bound.0),
        what: format!("binding {:?} from {}", bound.2, bound.1),
        expected: expected.map(ToOwned::to_owned),
        found: found.map(ToOwned::to_owned),
    };
    let missing = expected
        .difference(&found)
        .map(|it| difference(it, Some("bound"), None));
    let extra = found
        .difference(&expected)
        .map(|it| difference(it, None, Some("bound")));
    differences.extend(missing.chain(extra));
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    items(list).find(|item| item["name"] == name)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn as_applied() -> Value {
        Topology::default().definitions("/")
    }

    fn diff(broker: &Value) -> Vec<String> {
        let topology = Topology::default();
        let differences = diff_management(&topology, &broker["exchanges"], &broker["queues"], &broker["bindings"]);
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_broker_that_has_the_topology_and_more_of_others_does_not_differ() {
        let mut broker = as_applied();
        let queues = broker["queues"].as_array_mut().unwrap();
        queues[0]["effective_policy_definition"] =
            json!({"max-length": 5, "overflow": "reject-publish", "delivery-limit": 200});
        queues[1]["effective_policy_definition"] = json!([]);
        queues.push(json!({"name": "other", "durable": false}));
        broker["bindings"].as_array_mut().unwrap().extend([
            json!({"source": "", "destination": "conversions.in.events", "routing_key": "conversions.in.events"}),
            json!({"source": "amq.topic", "destination": "other", "routing_key": "#"}),
        ]);

        assert_eq!(diff(&broker), Vec::<String>::new());
    }

    #[test]
    fn arguments_that_differ_are_missing_or_are_too_many_are_all_named() {
        let mut broker = as_applied();
        let arguments = &mut broker["queues"][0]["arguments"];
        arguments["x-delivery-limit"] = json!(20);
        arguments["x-max-length"] = json!(1000);
        arguments.as_object_mut().unwrap().remove("x-overflow");

        assert_eq!(
            diff(&broker),
            [
                "queue conversions.in.events: x-overflow should be reject-publish and is absent",
                "queue conversions.in.events: x-delivery-limit should be 100 and is 20",
                "queue conversions.in.events: x-max-length should be absent and is 1000",
            ]
        );
    }

    #[test]
    fn a_policy_that_undoes_an_argument_is_named() {
        let mut broker = as_applied();
        broker["queues"][0]["effective_policy_definition"] =
            json!({"overflow": "drop-head", "delivery-limit": 3, "message-ttl": 1000});

        assert_eq!(
            diff(&broker),
            [
                "queue conversions.in.events: policy overflow should be reject-publish and is drop-head",
                "queue conversions.in.events: policy delivery-limit should be 100 and is 3",
                "queue conversions.in.events: policy message-ttl should be absent and is 1000",
            ]
        );
    }

    #[test]
    fn missing_objects_and_bindings_and_bindings_too_many_are_named() {
        let mut broker = as_applied();
        broker["exchanges"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it["name"] != "conversions.dead");
        broker["exchanges"][0]["type"] = json!("direct");
        broker["queues"]
            .as_array_mut()
            .unwrap()
            .retain(|it| it["name"] != "conversions.unrouted");
        let bindings = broker["bindings"].as_array_mut().unwrap();
        bindings.retain(|it| it["routing_key"] != "live.meta");
        bindings.push(json!({
            "source": "conversions.work", "destination": "debug", "routing_key": "live.#",
        }));

        assert_eq!(
            diff(&broker),
            [
                "exchange conversions.unrouted: type should be fanout and is direct",
                "exchange conversions.dead: existence should be present and is missing",
                "queue conversions.unrouted: existence should be present and is missing",
                "queue conversions.send.meta: binding \"live.meta\" from conversions.work should be bound and is absent",
                "queue debug: binding \"live.#\" from conversions.work should be absent and is bound",
            ]
        );
    }
}
