//! `docs/METRICS.md` and the alerts against the code.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use conversion_relay::{
    domain::{Cause, Platform, State},
    metrics::{broker, conversions, gateway, google},
};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

use crate::{file, yaml};

/// What is known of a metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Metric {
    kind: String,
    labels: BTreeSet<String>,
}

/// What a row of the page says beside it.
struct Row {
    metric: Metric,
    alerts: BTreeSet<String>,
}

/// The words of a cell that stand in backticks.
fn words(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> BTreeMap<String, Row> {
    let page = file("docs/METRICS.md");
    page.lines()
        .filter(|line| line.starts_with("| `relay_"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let name = cells[1].trim_matches('`').to_owned();
            let metric = Metric {
                kind: cells[2].to_owned(),
                labels: words(cells[3]),
            };
            (
                name,
                Row {
                    metric,
                    alerts: words(cells[5]),
                },
            )
        })
        .collect()
}

/// The closed values of each label, as the page lists them.
fn values() -> BTreeMap<String, BTreeSet<String>> {
    let page = file("docs/METRICS.md");
    let (_, table) = page.split_once("## Labels").expect("the page lists the labels");
    table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), words(cells[2]))
        })
        .collect()
}

/// Every metric of the code: the constants, and what the macros that count make of them.
fn in_the_code() -> BTreeMap<String, Metric> {
    let mut metrics = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics");
    for entry in fs::read_dir(folder).expect("the metrics have a folder") {
        let text = fs::read_to_string(entry.expect("it can be read").path()).expect("it holds sources");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter_map(|line| line.strip_prefix("pub const ")) {
            let Some((constant, name)) = line.split_once(": &str = \"") else {
                continue;
            };
            let name = name.trim_end_matches("\";").to_owned();
            metrics.insert(name, uses(code, constant));
        }
    }
    metrics
}

/// How the macros use a constant: `counter!(NAME, "label" => value, …)`.
fn uses(code: &str, constant: &str) -> Metric {
    let mut metric = Metric::default();
    for kind in ["counter", "gauge", "histogram"] {
        for call in code.split(&format!("{kind}!(")).skip(1) {
            let mut depth = 1_i32;
            let end = call.find(|letter| {
                depth += i32::from(letter == '(') - i32::from(letter == ')');
                depth == 0
            });
            let arguments = &call[..end.unwrap_or(call.len())];
            let name = arguments.split([',', ' ', '\n']).find(|word| !word.is_empty());
            if name == Some(constant) {
                metric.kind = kind.to_owned();
                let labels = arguments.split('"').skip(1).step_by(2);
                metric.labels.extend(
                    labels
                        .filter(|word| arguments.contains(&format!("\"{word}\" =>")))
                        .map(str::to_owned),
                );
            }
        }
    }
    metric
}

#[test]
fn every_metric_stands_on_the_page_with_its_type_and_labels_and_no_other_does() {
    let page: BTreeMap<String, Metric> = rows().into_iter().map(|(name, row)| (name, row.metric)).collect();

    assert_eq!(page, in_the_code());
    assert!(page.len() > 20, "the constants are found");
}

/// The samples of the page that a worker shows when it has just begun: metric, label, value.
fn samples() -> Vec<(String, String, String)> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        broker::describe();
        conversions::describe();
        gateway::describe();
        for role in ["router", "sender"] {
            broker::IntakeMetrics::of(role);
        }
    });
    let page = handle.render();
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let labelled = lines.filter_map(|line| line.split_once('{'));
    labelled
        .flat_map(|(name, rest)| {
            let labels = rest.split('}').next().unwrap_or_default().to_owned();
            let pairs: Vec<_> = labels
                .split(',')
                .filter_map(|pair| pair.split_once('='))
                // Those of a histogram belong to Prometheus.
                .filter(|(label, _)| !["quantile", "le"].contains(label))
                .map(|(l, v)| (l.to_owned(), v.trim_matches('"').to_owned()))
                .collect();
            pairs.into_iter().map(|(label, value)| (name.to_owned(), label, value))
        })
        .collect()
}

#[test]
fn what_a_worker_shows_at_its_start_is_on_the_page() {
    let (rows, mut listed) = (rows(), values());
    listed.insert(
        "cause".to_owned(),
        Cause::ALL
            .iter()
            .map(|cause| cause.as_str().to_owned())
            .chain([String::new()])
            .collect(),
    );
    let samples = samples();
    assert!(!samples.is_empty());
    let of_gateway = values()["cause"].clone();
    for (name, label, value) in samples {
        if name == gateway::REFUSED {
            assert!(of_gateway.contains(&value), "{label}={value} is not on the page");
            continue;
        }
        assert!(
            rows.get(&name).is_some_and(|row| row.metric.labels.contains(&label)),
            "{name} {label}"
        );
        assert!(listed[&label].contains(&value), "{label}={value} is not on the page");
    }
}

#[test]
fn every_label_is_listed_with_all_its_values() {
    let values = values();
    let used: BTreeSet<String> = rows().into_values().flat_map(|row| row.metric.labels).collect();
    assert_eq!(values.keys().cloned().collect::<BTreeSet<_>>(), used);

    let shown = samples();
    for label in [
        "connection",
        "disposition",
        "granted",
        "queue",
        "reason",
        "repetition",
        "scope",
        "source",
    ] {
        let shown: BTreeSet<String> = shown
            .iter()
            .filter(|(_, name, _)| name == label)
            .map(|(.., value)| value.clone())
            .collect();
        assert_eq!(values[label], shown, "{label}");
    }
    let same = |label: &str, known: &[&str]| {
        assert_eq!(
            values[label],
            known.iter().map(|value| (*value).to_owned()).collect(),
            "{label}"
        );
    };
    same("platform", &Platform::ALL.map(Platform::as_str));
    same("state", &State::ALL.map(State::as_str));
    same("outcome", &conversions::OUTCOMES);
    same("result", &broker::PublishResult::ALL.map(broker::PublishResult::as_str));
    same("role", &["router", "sender", "keeper", "receipts"]);
    same("cause", &gateway::Refusal::ALL.map(gateway::Refusal::as_str));
    same("route", &gateway::Route::ALL.map(gateway::Route::as_str));
    same("status", &gateway::STATUSES);
    same("answer", &google::RECEIPT_ANSWER_KINDS);
    same("purpose", &google::QUOTA_PURPOSES);
}

/// The alerts by name, with the expression of each.
fn alerts() -> BTreeMap<String, String> {
    let rules = yaml("deploy/prometheus/alerts.yml");
    let groups = rules["groups"].as_array().expect("there are groups");
    let all = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The relay's metrics that an expression reads.
fn read_by(expression: &str) -> BTreeSet<String> {
    expression
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("relay_"))
        .map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

#[test]
fn the_page_and_the_alerts_tell_the_same_of_each_other() {
    let alerts = alerts();
    let mut by_alert: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, row) in rows() {
        for alert in row.alerts {
            by_alert.entry(alert).or_default().insert(name.clone());
        }
    }
    let reading: BTreeMap<String, BTreeSet<String>> = alerts
        .iter()
        .map(|(name, expression)| (name.clone(), read_by(expression)))
        .filter(|(_, metrics)| !metrics.is_empty())
        .collect();

    assert_eq!(by_alert, reading);
}

#[test]
fn every_alert_says_how_urgent_it_is_and_what_to_do() {
    let rules = yaml("deploy/prometheus/alerts.yml");
    for rule in rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
    {
        let name = rule["alert"].as_str().unwrap();
        assert!(
            ["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()),
            "{name}"
        );
        assert!(
            rule["annotations"]["summary"].is_string() && rule["annotations"]["description"].is_string(),
            "{name}"
        );
    }
}

#[test]
fn the_labels_that_alerts_ask_for_exist() {
    let (rows, mut values) = (rows(), values());
    values.insert(
        "cause".to_owned(),
        Cause::ALL.iter().map(|cause| cause.as_str().to_owned()).collect(),
    );
    for (alert, expression) in alerts() {
        for part in expression.split("relay_").skip(1) {
            let Some((name, rest)) = part.split_once('{').filter(|(name, _)| !name.contains([' ', ')', '['])) else {
                continue;
            };
            let row = &rows[&format!("relay_{name}")];
            for matcher in rest.split('}').next().unwrap_or_default().split(',') {
                let (label, wanted) = matcher.split_once('=').expect("a matcher compares");
                let wanted = wanted.trim_start_matches('~').trim_matches('"');
                assert!(row.metric.labels.contains(label), "{alert}: {label}");
                for value in wanted.split('|') {
                    assert!(values[label].contains(value), "{alert}: {label}={value}");
                }
            }
        }
    }
}

#[test]
fn the_dashboard_shows_only_metrics_that_exist_and_all_that_alerts_read() {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let shown: BTreeSet<String> = targets
        .flat_map(|target| read_by(target["expr"].as_str().unwrap()))
        .map(|name| name.trim_end_matches("_sum").trim_end_matches("_count").to_owned())
        .collect();
    let on_the_page: BTreeSet<String> = rows().into_keys().collect();
    // What says who published something wrong is in the alert's own words.
    let only_alerts = ["relay_events_repeated_total", "relay_events_unroutable_total"];
    let alarming: BTreeSet<String> = alerts().values().flat_map(|expression| read_by(expression)).collect();

    assert!(shown.is_subset(&on_the_page), "{:?}", shown.difference(&on_the_page));
    let missing: Vec<&String> = alarming
        .difference(&shown)
        .filter(|name| !only_alerts.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
