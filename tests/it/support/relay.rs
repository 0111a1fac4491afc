//! A relay as a process of its own.

use std::{
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use super::{wait::until, world::World};

/// A running `conversion-relay run`; killed when it is dropped.
pub struct Relay {
    child: Child,
    log: PathBuf,
}

/// How a relay is started.
pub struct Start<'a> {
    world: &'a World,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl<'a> Start<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        Self {
            world,
            arguments: vec!["run".to_owned()],
            variables: world.variables(),
        }
    }

    /// Only this role (and any other that is named).
    pub fn role(mut self, role: &str) -> Self {
        self.arguments.extend(["--role".to_owned(), role.to_owned()]);
        self
    }

    /// Sets a variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The process dies, as by a power cut, the `times`-th time (from 1) that it comes to this point.
    pub fn dying_at(self, point: &str, times: u32) -> Self {
        let action = match times {
            0 | 1 => format!("{point}=return"),
            _ => format!("{point}={}*off->return", times - 1),
        };
        self.with("FAILPOINTS", &action)
    }

    /// Another command than `run`, such as `topology apply`.
    pub fn command(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
        self
    }

    /// Starts it.
    pub fn start(self) -> Relay {
        let log = self.world.new_log();
        let file = std::fs::File::create(&log).expect("the test's folder is writable");
        let child = Command::new(env!("CARGO_BIN_EXE_conversion-relay"))
            .args(&self.arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .expect("the relay starts");
        Relay { child, log }
    }
}

impl Relay {
    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Waits until it consumes all its queues.
    pub async fn ready(self) -> Self {
        let mut relay = self;
        until("the relay is ready", Duration::from_secs(60), async || {
            relay.assert_running();
            let log = std::fs::read_to_string(&relay.log).unwrap_or_default();
            let Some(address) = admin_address(&log) else {
                return Err("it has not opened its admin port".to_owned());
            };
            match reqwest::get(format!("http://{address}/readyz")).await {
                Ok(answer) if answer.status().is_success() => Ok(()),
                Ok(answer) => Err(answer.text().await.unwrap_or_default()),
                Err(failure) => Err(failure.to_string()),
            }
        })
        .await;
        relay
    }

    /// The address of its admin port.
    pub fn admin(&self) -> String {
        admin_address(&self.log()).expect("it has opened its admin port")
    }

    /// The status and the text of a page of its admin port, such as `/readyz`.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{path}", self.admin()))
            .await
            .expect("the admin port answers");
        let status = answer.status().as_u16();
        (status, answer.text().await.expect("a page is text"))
    }

    /// The page of its metrics.
    pub async fn metrics(&self) -> String {
        self.page("/metrics").await.1
    }

    /// The sum of a metric over all its series whose labels hold this text.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let page = self.metrics().await;
        let series = page
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        series
            .filter(|(found, _)| (found.is_empty() || found.starts_with('{')) && found.contains(labels))
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    fn assert_running(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("the relay ended with {status}:\n{}", self.log());
        }
    }

    /// Says whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has died by itself.
    pub async fn dead(&mut self, patience: Duration) -> ExitStatus {
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status.expect("its end can be waited for"),
            Err(_) => panic!("the relay did not die within {patience:?}:\n{}", tail(&self.log())),
        }
    }

    /// Waits until it has died at its crash point, and not in another way.
    pub async fn dead_at_its_point(&mut self, patience: Duration) {
        let status = self.dead(patience).await;
        let aborted = status.signal() == Some(SIGABRT);
        assert!(aborted, "the relay ended with {status}:\n{}", tail(&self.log()));
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Sends SIGTERM.
    pub fn ask_to_end(&self) {
        let status = std::process::Command::new("kill").arg(self.pid().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "SIGTERM is sent");
    }

    /// Sends SIGTERM and waits for its end.
    pub async fn terminate(mut self, patience: Duration) -> ExitStatus {
        self.ask_to_end();
        self.dead(patience).await
    }
}

/// The signal of `abort`, the same on every Unix.
const SIGABRT: i32 = 6;

fn admin_address(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("conversion-relay starts"))?;
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(json["address"].as_str()?.to_owned())
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
