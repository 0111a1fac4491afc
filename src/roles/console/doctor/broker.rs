//! RabbitMQ: does it let us in and take messages, is everything declared as it should be, who reads, and what lies where nobody reads?

use serde_json::Value;
use url::Url;

use super::{Finding, Tools, why};
use crate::{
    broker::{
        Broker, BrokerError,
        topology::{Difference, check, diff_management},
    },
    domain::{Platform, json},
    roles::console::{connect::connected, dead::DeadQueue, words::count},
};

const SUBJECT: &str = "broker";

pub(super) async fn look(tools: Tools<'_>) -> Vec<Finding> {
    let broker = Broker::start(tools.broker.clone());
    let mut findings = Vec::new();
    if let Err(failure) = connected(&broker).await {
        findings.push(Finding::wrong(SUBJECT, format!("{failure}; see RELAY_AMQP_URL")));
    } else {
        findings.push(Finding::ok(SUBJECT, "connected, and it takes messages"));
        findings.extend(topology(tools).await);
        match letters(tools, &broker).await {
            Ok(found) => findings.extend(found),
            Err(failure) => findings.push(Finding::look("dead letters", why(&failure))),
        }
    }
    broker.close(std::time::Duration::from_secs(5)).await;
    findings
}

/// Whether every exchange, queue and binding is as it should be, and who reads the queues. The management interface sees more; without it
/// bindings and readers stay unknown.
async fn topology(tools: Tools<'_>) -> Vec<Finding> {
    let (mut findings, problem) = match management(tools).await {
        None => (Vec::new(), None),
        Some(Ok(seen)) => {
            let differences = diff_management(tools.topology, &seen.exchanges, &seen.queues, &seen.bindings);
            return vec![declared(&differences, &[]), readers(tools, &seen.queues)];
        }
        Some(Err(problem)) => (Vec::new(), Some(problem)),
    };
    findings.push(match check(tools.broker, tools.topology).await {
        Ok(checked) => declared(&checked.differences, &checked.unchecked),
        Err(failure) => Finding::wrong("topology", why(&failure)),
    });
    findings.push(match problem {
        Some(problem) => Finding::look("readers", problem),
        None => Finding::ok(
            "readers",
            "not looked at, nor bindings: RELAY_MANAGEMENT_URL is not set",
        ),
    });
    findings
}

fn declared(differences: &[Difference], unchecked: &[String]) -> Finding {
    if !differences.is_empty() {
        let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let text = format!("{}. `topology apply` declares what is missing", texts.join("; "));
        return Finding::wrong("topology", text);
    }
    if !unchecked.is_empty() {
        let text = format!("this user may not look at {}", unchecked.join(", "));
        return Finding::look("topology", text);
    }
    Finding::ok("topology", "all exchanges and queues are as they should be")
}

fn readers(tools: Tools<'_>, queues: &Value) -> Finding {
    let mut wanted = vec![tools.topology.events_queue(), tools.topology.webhooks_queue()];
    for platform in Platform::ALL {
        wanted.push(tools.topology.send_queue(platform.as_str()));
        wanted.push(tools.topology.bulk_queue(platform.as_str()));
    }
    let has_reader = |name: &String| {
        let mut found = queues.as_array().into_iter().flatten();
        found.any(|queue| queue["name"] == name.as_str() && queue["consumers"].as_u64().unwrap_or(0) > 0)
    };
    let unread: Vec<String> = wanted.iter().filter(|name| !has_reader(name)).cloned().collect();
    if unread.is_empty() {
        return Finding::ok("readers", "every queue is read");
    }
    let text = format!("nobody reads {}: start `conversion-relay run`", unread.join(", "));
    Finding::look("readers", text)
}

/// What lies where nobody reads it.
async fn letters(tools: Tools<'_>, broker: &Broker) -> Result<Vec<Finding>, BrokerError> {
    let mut dead = Vec::new();
    for queue in DeadQueue::ALL {
        let depth = broker.queue_depth(&tools.topology.dead_queue(queue.as_str())).await?;
        if depth > 0 {
            dead.push(format!("{depth} in {}", queue.as_str()));
        }
    }
    let unrouted = i64::from(broker.queue_depth(&tools.topology.unrouted()).await?);
    Ok(vec![
        if dead.is_empty() {
            Finding::ok("dead letters", "none")
        } else {
            let text = format!("{}: `dead list` says who must act", dead.join(", "));
            Finding::look("dead letters", text)
        },
        if unrouted == 0 {
            Finding::ok("unrouted", "nothing was published under a key that nobody binds")
        } else {
            let text = format!(
                "{} under a key that nobody binds; keys begin with events. or webhooks.",
                count(unrouted, "message")
            );
            Finding::look("unrouted", text)
        },
    ])
}

/// What the management interface lists.
struct Seen {
    exchanges: Value,
    queues: Value,
    bindings: Value,
}

/// Asks the management interface, if there is one; the error says what to do and shows no address.
async fn management(tools: Tools<'_>) -> Option<Result<Seen, String>> {
    use secrecy::ExposeSecret;
    let base = tools.config.broker.management_url.as_ref()?.expose_secret();
    let vhost = vhost(tools.config.broker.urls.first()?.expose_secret());
    let list = async |kind: &str| {
        let url = format!("{}/api/{kind}/{vhost}", base.trim_end_matches('/'));
        let advice = "see RELAY_MANAGEMENT_URL and its user's tags (monitoring)";
        match tools.http.get(&url).await.result {
            Ok(answer) if answer.status == 200 => json::read(&answer.body)
                .map_err(|_| format!("the management interface's answer cannot be read: {advice}")),
            Ok(answer) => Err(format!(
                "the management interface answers with status {}: {advice}",
                answer.status
            )),
            Err(failure) => Err(format!("the management interface: {failure}: {advice}")),
        }
    };
    let seen = async {
        Ok(Seen {
            exchanges: list("exchanges").await?,
            queues: list("queues").await?,
            bindings: list("bindings").await?,
        })
    };
    Some(seen.await)
}

/// The vhost of an address as the management interface wants it, percent-encoded; `amqp://host` and `amqp://host/` mean `/`.
fn vhost(url: &str) -> String {
    let path = Url::parse(url).map(|url| url.path().trim_start_matches('/').to_owned());
    path.ok()
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| "%2F".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vhost_stays_encoded_and_none_means_the_default() {
        assert_eq!(vhost("amqp://u:p@host:5672/%2f"), "%2f");
        assert_eq!(vhost("amqp://u:p@host:5672/"), "%2F");
        assert_eq!(vhost("amqps://u:p@host"), "%2F");
        assert_eq!(vhost("amqps://u:p@host/ads"), "ads");
    }
}
