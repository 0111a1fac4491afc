//! The simulator, which was written from the platforms' documents as well, takes every request that a case expects.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{
    case::{self, Case},
    simulator::Simulator,
};

/// The request's body as if the case were of now; platforms refuse what is too old. Each upload has order IDs of its own, since Google
/// refuses one that it has seen.
fn of_now(value: &Value, shift: TimeDelta, number: usize) -> Value {
    match value {
        Value::Array(values) => values.iter().map(|value| of_now(value, shift, number)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let value = match (key.as_str(), value) {
                    ("event_time", Value::Number(seconds)) => {
                        json!(seconds.as_i64().expect("Unix seconds") + shift.num_seconds())
                    }
                    ("eventTimestamp", Value::String(text)) => {
                        json!((moment(text) + shift).to_rfc3339_opts(SecondsFormat::AutoSi, true))
                    }
                    ("conversionDateTime", Value::String(text)) => {
                        let moment = moment(&text.replacen(' ', "T", 1)) + shift;
                        json!(moment.format("%Y-%m-%d %H:%M:%S+00:00").to_string())
                    }
                    ("orderId", Value::String(text)) => json!(format!("{text}-{number}")),
                    (_, value) => of_now(value, shift, number),
                };
                (key.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// What is wrong with the answer; nothing if all events were taken.
fn refusal(body: &Value, status: u16, answer: &Value) -> Option<String> {
    let is_taken = if let Some(events) = body["data"].as_array().filter(|_| body.get("event_source").is_none()) {
        answer["events_received"] == events.len()
    } else if body.get("event_source").is_some() {
        answer["code"] == 0
    } else if body.get("events").is_some() {
        (answer["requestId"].is_string() || body["validateOnly"] == true) && answer.get("fieldWarnings").is_none()
    } else {
        answer.get("partialFailureError").is_none()
    };
    (status != 200 || !is_taken).then(|| format!("{status} {answer}"))
}

async fn send(simulator: &Simulator, http: &reqwest::Client, case: &Case, number: usize) -> Option<String> {
    let request = case.request.as_ref()?;
    let url = request["url"].as_str()?;
    let body = of_now(&request["body"], Utc::now() - case.now, number);
    let (_, path) = url
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'))
        .expect("a full URL");
    let mut sending = http.post(format!("{}/{path}", simulator.url())).body(body.to_string());
    for (name, value) in request["headers"].as_object().expect("headers") {
        sending = sending.header(name, value.as_str().expect("a text").replace("<token>", "token-1"));
    }
    let answer = sending.send().await.expect("the simulator answers");
    let status = answer.status().as_u16();
    let answer = answer.json().await.expect("the answer is JSON");
    refusal(&body, status, &answer).map(|refusal| format!("{}\n  {refusal}", case.name))
}

#[tokio::test]
async fn the_simulator_takes_every_request_that_a_case_expects() {
    let simulator = Simulator::start();
    simulator.set_google(json!({"allow_listed": ["*"]})).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let mut refusals = Vec::new();
    for (number, case) in case::all().iter().enumerate() {
        refusals.extend(send(&simulator, &http, case, number).await);
    }

    assert!(
        refusals.is_empty(),
        "{} cases:\n\n{}",
        refusals.len(),
        refusals.join("\n")
    );
}
