//! A platform simulator of one's own: starts it, steers it through its control API, ends it when dropped.
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    process: Child,
    url: String,
    http: reqwest::Client,
}

/// The totals of one ad account; see docs/SIMULATOR.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Totals {
    pub requests: u64,
    pub events_accepted: u64,
    pub counted: u64,
    pub duplicates: u64,
    pub refused_requests: u64,
    pub refused_events: u64,
    pub test_events: u64,
    pub warnings: u64,
}

/// The totals of all ad accounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Counts(HashMap<String, HashMap<String, Totals>>);

impl Counts {
    /// The totals of one ad account; zeros if it was never heard of.
    pub fn of(&self, platform: &str, account: &str) -> Totals {
        self.0
            .get(platform)
            .and_then(|accounts| accounts.get(account))
            .cloned()
            .unwrap_or_default()
    }
}

/// An event that was counted.
#[derive(Clone, Debug, Deserialize)]
pub struct CountedEvent {
    pub account: String,
    pub event_name: String,
    pub event_id: Option<String>,
    /// How many times it was accepted.
    pub count: u32,
    /// How many times the platform would have counted it.
    pub counted: u32,
    /// Copies that were not the same bytes as the first.
    pub differing_copies: u32,
    pub first_body: Option<Value>,
}

/// A request in the simulator's log of the last thousand.
#[derive(Clone, Debug, Deserialize)]
pub struct LoggedRequest {
    pub at: DateTime<Utc>,
    pub platform: Option<String>,
    pub account: Option<String>,
    /// `None`: there was no answer.
    pub status: Option<u16>,
    pub code: String,
    pub detail: Option<String>,
    pub events: usize,
    pub fault: Option<String>,
}

impl Simulator {
    /// Starts one on a free port; returns once it listens.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more options.
    pub fn start_with(options: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_platform-simulator"))
            .args(["--listen", "127.0.0.1:0", "--quiet"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let stdout = process.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the simulator says where it listens");
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the simulator listens")
            .to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client without TLS");
        Self { process, url, http }
    }

    /// Where it listens, `http://127.0.0.1:PORT`; the base of all platforms' URLs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was counted so far.
    pub async fn counts(&self) -> Counts {
        self.get("counts").await
    }

    /// The events of an ad account, in the order of their first copies.
    pub async fn events(&self, platform: &str, account: &str) -> Vec<CountedEvent> {
        self.get(&format!("events?platform={platform}&account={account}")).await
    }

    /// The last thousand requests, oldest first.
    pub async fn requests(&self) -> Vec<LoggedRequest> {
        self.get("requests").await
    }

    /// Replaces the fault rules.
    pub async fn set_faults(&self, rules: Value) {
        self.put("faults", rules).await;
    }

    /// Ends all faults.
    pub async fn clear_faults(&self) {
        self.checked(self.http.delete(self.control("faults"))).await;
    }

    /// Sets what a token may do: `{"valid": false}`, `{"accounts": ["1"]}`, `{"scopes": […]}`.
    pub async fn set_token(&self, token: &str, rule: Value) {
        self.put("tokens", json!({ token: rule })).await;
    }

    /// Sets what the platforms know of clicks.
    pub async fn set_clicks(&self, clicks: Value) {
        self.put("clicks", clicks).await;
    }

    /// Replaces Google's settings.
    pub async fn set_google(&self, settings: Value) {
        self.put("google", settings).await;
    }

    /// Replaces Meta's settings.
    pub async fn set_meta(&self, settings: Value) {
        self.put("meta", settings).await;
    }

    /// Puts everything back to how it was at the start.
    pub async fn reset(&self) {
        self.checked(self.http.post(self.control("reset"))).await;
    }

    fn control(&self, path: &str) -> String {
        format!("{}/simulator/{path}", self.url)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.checked(self.http.get(self.control(path)))
            .await
            .json()
            .await
            .expect("the answer has the documented form")
    }

    async fn put(&self, path: &str, body: Value) {
        self.checked(self.http.put(self.control(path)).json(&body)).await;
    }

    async fn checked(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let answer = request.send().await.expect("the simulator answers");
        let status = answer.status();
        assert!(
            status.is_success(),
            "{status}: {}",
            answer.text().await.unwrap_or_default()
        );
        answer
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
