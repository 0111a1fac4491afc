//! What the figures were measured on.

use std::{
    fs,
    io::Write as _,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reqwest::Method;
use tokio_postgres::NoTls;

use crate::support::management::Management;

/// Writes that are synced to tell how fast the disk is.
const SYNCS: usize = 100;

/// Machine and versions, as lines of a Markdown list.
pub async fn describe() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = value(&cpu, "model name").unwrap_or("unknown CPU");
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: f64 = value(&memory, "MemTotal")
        .and_then(|text| text.strip_suffix(" kB"))
        .context("no MemTotal")?
        .trim()
        .parse()?;
    let broker = Management::at(&std::env::var("RELAY_MANAGEMENT_URL").context("RELAY_MANAGEMENT_URL is not set")?)
        .request(Method::GET, "overview", None)
        .await;
    let lines = [
        format!(
            "{} cores ({model}), {:.0} GiB, Linux {}, load {}",
            std::thread::available_parallelism()?,
            kib / 1024.0 / 1024.0,
            fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
            fs::read_to_string("/proc/loadavg")?
                .split(' ')
                .next()
                .unwrap_or_default(),
        ),
        format!(
            "a write of 8 KiB is on the disk after {:.2} ms (median)",
            sync_milliseconds()?
        ),
        format!(
            "RabbitMQ {} on Erlang {}, quorum queues",
            broker["rabbitmq_version"].as_str().unwrap_or("?"),
            broker["erlang_version"].as_str().unwrap_or("?"),
        ),
        postgres().await?,
        format!(
            "conversion-relay {}, lapin {}, {}",
            env!("CARGO_PKG_VERSION"),
            locked_version("lapin"),
            compiler(),
        ),
    ];
    Ok(lines.map(|line| format!("- {line}")).join("\n") + "\n")
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn sync_milliseconds() -> anyhow::Result<f64> {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.write_all(&[0; 8192])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(SYNCS / 2).map_or(0.0, Duration::as_secs_f64) * 1000.0)
}

async fn postgres() -> anyhow::Result<String> {
    let url = std::env::var("RELAY_DATABASE_URL").context("RELAY_DATABASE_URL is not set")?;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    // It ends with the client.
    tokio::spawn(connection);
    let mut values = Vec::new();
    for setting in ["server_version", "fsync", "synchronous_commit", "shared_buffers"] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await?;
        values.push(format!("{setting} {}", row.get::<_, String>(0)));
    }
    Ok(format!("Postgres: {}", values.join(", ")))
}

fn locked_version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("?", |(version, _)| version)
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(
        |_| "rustc ?".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
