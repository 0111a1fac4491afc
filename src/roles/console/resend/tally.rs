//! What a resend did or would do, by ad account.

use std::collections::BTreeMap;

use super::judging::Judgement;
use crate::{
    domain::{AccountId, Cause, Directory, State},
    roles::console::{
        table::{Column, render},
        words::{count, grouped, label},
    },
};

/// Whether a tally tells of what was done or of what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Forecast,
    Done,
}

/// What became of the parts of all events.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) events: i64,
    /// Parts that changed while the command was at work, and were left alone.
    pub(super) changed_meanwhile: i64,
    accounts: BTreeMap<AccountId, Row>,
}

#[derive(Debug, Default)]
struct Row {
    now: i64,
    later: i64,
    under_way: i64,
    sent: i64,
    may_be_counted: i64,
    not: BTreeMap<Option<Cause>, i64>,
}

impl Tally {
    pub(super) fn note(&mut self, account: AccountId, judgement: &Judgement) {
        if matches!(judgement, Judgement::NotWanted) {
            return;
        }
        let row = self.accounts.entry(account).or_default();
        match judgement {
            Judgement::Renew(decision, _) if decision.state == State::Waiting => row.later += 1,
            Judgement::Renew(..) => row.now += 1,
            Judgement::UnderWay => row.under_way += 1,
            Judgement::Sent => row.sent += 1,
            Judgement::MayBeCounted => row.may_be_counted += 1,
            Judgement::Not(cause) => *row.not.entry(*cause).or_default() += 1,
            Judgement::NotWanted => {}
        }
    }

    /// The table, and what to make of it.
    pub(super) fn render(&self, directory: &Directory, telling: Telling) -> String {
        let mut text = format!("{} looked at\n", count(self.events, "event"));
        if !self.accounts.is_empty() {
            let columns = [
                Column::left("AD ACCOUNT"),
                Column::right(match telling {
                    Telling::Forecast => "WOULD GO OUT NOW",
                    Telling::Done => "GO OUT NOW",
                }),
                Column::right("LATER"),
                Column::right("UNDER WAY"),
                Column::right("SENT ALREADY"),
                Column::right("MAY BE COUNTED"),
                Column::left("NOT"),
            ];
            let rows = self.accounts.iter().map(|(account, row)| {
                let account = directory.account(*account);
                let mut cells = vec![account.map_or_else(|| "removed".to_owned(), |account| account.label())];
                cells.extend([row.now, row.later, row.under_way, row.sent, row.may_be_counted].map(grouped));
                cells.push(reasons(&row.not));
                cells
            });
            text.push_str(&render(&columns, rows.collect()));
        }
        if self.changed_meanwhile > 0 {
            text.push_str(&format!(
                "{} changed meanwhile and {} left alone.\n",
                grouped(self.changed_meanwhile),
                if self.changed_meanwhile == 1 { "was" } else { "were" }
            ));
        }
        if self.accounts.values().any(|row| row.sent + row.may_be_counted > 0) {
            text.push_str("What was sent already or may be counted goes out again only with --accept-duplicates.\n");
        }
        if telling == Telling::Forecast {
            text.push_str("Nothing was done. With --yes it is.\n");
        }
        text
    }
}

/// `20 no click, 5 too old`; `-` without any.
fn reasons(not: &BTreeMap<Option<Cause>, i64>) -> String {
    let reasons: Vec<String> = not
        .iter()
        .map(|(cause, count)| format!("{} {}", grouped(*count), cause.map_or_else(|| "-".to_owned(), label)))
        .collect();
    if reasons.is_empty() {
        "-".to_owned()
    } else {
        reasons.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forecast_says_for_each_ad_account_what_would_become_of_everything() {
        let mut tally = Tally {
            events: 1_204,
            changed_meanwhile: 1,
            ..Tally::default()
        };
        tally.accounts.insert(
            AccountId(7),
            Row {
                now: 1_000,
                later: 12,
                under_way: 3,
                sent: 2,
                may_be_counted: 1,
                not: BTreeMap::from([(Some(Cause::NoClick), 20), (Some(Cause::EventTooOld), 5)]),
            },
        );

        insta::assert_snapshot!(tally.render(&Directory::default(), Telling::Forecast), @r"
        1,204 events looked at
        AD ACCOUNT  WOULD GO OUT NOW  LATER  UNDER WAY  SENT ALREADY  MAY BE COUNTED  NOT
        removed                1,000     12          3             2               1  20 no click, 5 too old
        1 changed meanwhile and was left alone.
        What was sent already or may be counted goes out again only with --accept-duplicates.
        Nothing was done. With --yes it is.
        ");
    }
}
