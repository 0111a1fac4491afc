//! The table, in Markdown.

use std::fmt;

use crate::{ledger::Ledger, processes::Part, routing::Routing};

/// Everything that was measured.
pub struct Report(pub Vec<Routing>);

impl Report {
    fn of(&self, ledger: Ledger) -> impl Iterator<Item = &Routing> {
        self.0.iter().filter(move |routing| routing.ledger == ledger)
    }

    /// Events a second over all rounds with a ledger.
    fn rate(&self, ledger: Ledger) -> f64 {
        let events: usize = self.of(ledger).map(|routing| routing.events).sum();
        let seconds: f64 = self.of(ledger).map(|routing| routing.span.seconds()).sum();
        events as f64 / seconds
    }

    fn cpu(&self, ledger: Ledger, part: Part) -> Option<f64> {
        let values: Option<Vec<f64>> = self.of(ledger).map(|routing| routing.cpu(part)).collect();
        let values = values?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }

    fn others(&self, ledger: Ledger) -> f64 {
        let values: Vec<f64> = self
            .of(ledger)
            .map(|routing| routing.span.taken_by_others() * 100.0)
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.of(Ledger::Empty).zip(self.of(Ledger::Full));
        writeln!(
            formatter,
            "| router alone | empty ledger | a million clicks | ratio |\n|---|---|---|---|"
        )?;
        for (round, (empty, full)) in (1..).zip(rows) {
            let (empty, full) = (empty.rate(), full.rate());
            writeln!(
                formatter,
                "| round {round} (events/s) | {empty:.0} | {full:.0} | {:.2} |",
                full / empty
            )?;
        }
        let (empty, full) = (self.rate(Ledger::Empty), self.rate(Ledger::Full));
        writeln!(
            formatter,
            "| all rounds (events/s) | {empty:.0} | {full:.0} | **{:.2}** |",
            full / empty
        )?;
        for (name, part) in [("router", Part::Relay), ("Postgres", Part::Postgres)] {
            if let (Some(empty), Some(full)) = (self.cpu(Ledger::Empty, part), self.cpu(Ledger::Full, part)) {
                writeln!(
                    formatter,
                    "| CPU of {name} (us an event) | {empty:.0} | {full:.0} | {:.2} |",
                    empty / full
                )?;
            }
        }
        writeln!(
            formatter,
            "| machine taken by others (%) | {:.0} | {:.0} | |",
            self.others(Ledger::Empty),
            self.others(Ledger::Full)
        )
    }
}
