//! The table, in Markdown.

use std::fmt;

use crate::{bare::Bare, latency::Latency, memory::Peak, processes::Part, whole::Whole};

/// Everything that was measured.
#[derive(Default)]
pub struct Report {
    pub rounds: Vec<(Bare, Whole)>,
    pub latency: Option<Latency>,
    pub memory: Vec<Peak>,
}

impl Report {
    /// Events a second over the whole path, the mean of the rounds.
    pub fn whole_rate(&self) -> f64 {
        mean(self.rounds.iter().map(|(_, whole)| whole.rate()))
    }

    /// CPU milliseconds an event, the mean of the rounds; the same as seconds for a thousand events.
    fn cpu(&self, part: Part) -> Option<f64> {
        let of = |(_, whole): &(Bare, Whole)| Some(whole.span.cpu(part)? * 1000.0 / whole.events as f64);
        let values: Option<Vec<f64>> = self.rounds.iter().map(of).collect();
        values.map(|values| mean(values.into_iter()))
    }

    fn row(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        name: &str,
        value: impl Fn(&(Bare, Whole)) -> f64,
    ) -> fmt::Result {
        write!(formatter, "| {name} |")?;
        for round in &self.rounds {
            write!(formatter, " {} |", figure(value(round)))?;
        }
        writeln!(formatter, " **{}** |", figure(mean(self.rounds.iter().map(value))))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "| speed |")?;
        for round in 1..=self.rounds.len() {
            write!(formatter, " round {round} |")?;
        }
        writeln!(formatter, " mean |\n|---|{}---|", "---|".repeat(self.rounds.len()))?;
        self.row(formatter, "bare broker, two hops (messages/s)", |(bare, _)| bare.rate())?;
        self.row(formatter, "whole path (events/s)", |(_, whole)| whole.rate())?;
        self.row(formatter, "ratio", |(bare, whole)| whole.rate() / bare.rate())?;
        self.row(formatter, "bare broker, CPU (us a message)", |(bare, _)| {
            bare.span.cpu_of_all() * 1e6 / bare.messages as f64
        })?;
        self.row(formatter, "whole path, CPU (us an event)", |(_, whole)| {
            whole.cpu_seconds() * 1e6 / whole.events as f64
        })?;
        self.row(formatter, "ratio of CPU", |(bare, whole)| {
            let bare_cost = bare.span.cpu_of_all() / bare.messages as f64;
            bare_cost / (whole.cpu_seconds() / whole.events as f64)
        })?;
        self.row(formatter, "machine taken by others, bare (%)", |(bare, _)| {
            bare.span.taken_by_others() * 100.0
        })?;
        self.row(formatter, "machine taken by others, whole (%)", |(_, whole)| {
            whole.span.taken_by_others() * 100.0
        })?;

        writeln!(formatter, "\n| CPU seconds for 1,000 events | |\n|---|---|")?;
        for (name, part) in [
            ("relay (all roles)", Part::Relay),
            ("RabbitMQ", Part::Broker),
            ("Postgres", Part::Postgres),
            ("simulator", Part::Simulator),
            ("this benchmark, waiting", Part::Bench),
        ] {
            match self.cpu(part) {
                Some(seconds) => writeln!(formatter, "| {name} | {seconds:.3} |")?,
                None => writeln!(formatter, "| {name} | not seen from here |")?,
            }
        }

        writeln!(formatter, "\n| peak memory (MiB) | | |\n|---|---|---|")?;
        let all = self
            .rounds
            .iter()
            .map(|(_, whole)| whole.peak_memory)
            .fold(0.0, f64::max);
        let events = self.rounds.first().map_or(0, |(_, whole)| whole.events);
        writeln!(
            formatter,
            "| all roles in one process | {all:.0} | {events} waited in `in.events` |"
        )?;
        for peak in &self.memory {
            writeln!(formatter, "| {} | {:.0} | {} |", peak.role, peak.mib, peak.amid)?;
        }

        if let Some(latency) = &self.latency {
            writeln!(
                formatter,
                "\n| published to answered, at half load (ms) | |\n|---|---|\n| load | {:.0} events/s, {} events |\n| p50 | {:.0} |\n| p99 | {:.0} |\n| longest | {:.0} |",
                latency.rate, latency.count, latency.p50, latency.p99, latency.longest
            )?;
        }
        Ok(())
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

/// A rate without decimals, a ratio or a share with some.
fn figure(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}
