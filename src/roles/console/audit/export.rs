//! The audit for machines: a JSON object a line, or CSV for spreadsheets. Field names are those of the table's columns and never change.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::{
    domain::{Directory, Platform},
    store::audit::{AuditEntry, AuditEvent},
};

const CSV_HEADER: &str = "time,received,client,order,event,event_id,value,currency,cause,meta,google,tiktok,forgotten";

/// A JSON object a line. Times are RFC 3339 in UTC; each platform has a list, an object for each ad account.
pub(super) fn json(events: &[AuditEvent], directory: &Directory, out: &mut dyn Write) -> io::Result<()> {
    for event in events {
        writeln!(out, "{}", object(event, directory))?;
    }
    Ok(())
}

fn object(event: &AuditEvent, directory: &Directory) -> Value {
    let mut object = json!({
        "time": event.happened_at,
        "received": event.received_at,
        "client": event.client,
        "order": event.order_id,
        "event": event.name,
        "event_id": event.event_id,
        "value": event.value,
        "currency": event.currency,
        "cause": event.cause,
        "came_again_otherwise": event.differing,
        "forgotten": event.forgotten_at,
    });
    for platform in Platform::ALL {
        let entries = event.entries.iter().filter(|entry| entry.platform == platform);
        object[platform.as_str()] = entries.map(|entry| entry_object(entry, directory)).collect();
    }
    object
}

fn entry_object(entry: &AuditEntry, directory: &Directory) -> Value {
    json!({
        "account": directory.account(entry.account).map(|account| account.label()),
        "destination": entry.destination,
        "state": entry.state,
        "cause": entry.cause,
        "detail": entry.detail,
        "who": entry.cause.map(|cause| cause.who().as_str()),
        "due": entry.due,
        "deadline": entry.deadline,
        "tries": entry.attempts,
        "may_be_counted_since": entry.first_ambiguous_at,
        "receipt": entry.receipt,
        "changed": entry.updated_at,
    })
}

/// CSV with a header. A platform's cell is `state` or `state:cause`, several ad accounts with `; ` between them.
pub(super) fn csv(events: &[AuditEvent], directory: &Directory, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{CSV_HEADER}")?;
    for event in events {
        let mut cells = vec![
            event.happened_at.to_rfc3339(),
            event.received_at.to_rfc3339(),
            text(event.client.as_str()),
            text(event.order_id.as_deref().unwrap_or("")),
            text(&event.name),
            text(&event.event_id),
            event.value.map(|value| value.to_string()).unwrap_or_default(),
            text(event.currency.as_deref().unwrap_or("")),
            event.cause.map(|cause| cause.to_string()).unwrap_or_default(),
        ];
        cells.extend(Platform::ALL.map(|platform| platform_cell(event, platform, directory)));
        cells.push(event.forgotten_at.map(|at| at.to_rfc3339()).unwrap_or_default());
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

fn platform_cell(event: &AuditEvent, platform: Platform, directory: &Directory) -> String {
    let entries: Vec<&AuditEntry> = event
        .entries
        .iter()
        .filter(|entry| entry.platform == platform)
        .collect();
    let cells = entries.iter().map(|entry| {
        let mut cell = entry.state.to_string();
        if let Some(cause) = entry.cause {
            cell.push_str(&format!(":{cause}"));
        }
        if entries.len() > 1 {
            let account = directory.account(entry.account);
            cell.push_str(&format!(" [{}]", account.map_or("removed", |account| &account.name)));
        }
        cell
    });
    text(&cells.collect::<Vec<_>>().join("; "))
}

/// A text of someone else's as a cell: quoted where it must be, and never a formula to a spreadsheet.
fn text(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if guard.is_empty() && !cell.contains(['"', ',', '\n', '\r']) {
        return cell.to_owned();
    }
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn a_line_of_json_has_the_columns_of_the_table() {
        let mut out = Vec::new();

        json(&sample::events()[..2], &sample::directory(), &mut out).unwrap();

        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        {"came_again_otherwise":0,"cause":null,"client":"acme","currency":"EUR","event":"Purchase","event_id":"e-10481","forgotten":null,"google":[{"account":"acme/google","cause":null,"changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":null,"may_be_counted_since":null,"receipt":null,"state":"confirmed","tries":1,"who":null}],"meta":[{"account":"acme/meta","cause":null,"changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":null,"may_be_counted_since":null,"receipt":null,"state":"sent","tries":1,"who":null}],"order":"10481","received":"2026-11-20T08:12:00Z","tiktok":[{"account":"acme/tiktok","cause":"no_click","changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":null,"may_be_counted_since":null,"receipt":null,"state":"not_sent","tries":1,"who":"nobody"}],"time":"2026-11-20T08:12:00Z","value":"149"}
        {"came_again_otherwise":0,"cause":null,"client":"acme","currency":"EUR","event":"Purchase","event_id":"e-10482","forgotten":null,"google":[{"account":"acme/google","cause":"click_too_recent","changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":"2026-11-20T14:03:00Z","may_be_counted_since":null,"receipt":null,"state":"waiting","tries":0,"who":"nobody"}],"meta":[{"account":"acme/meta","cause":null,"changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":null,"may_be_counted_since":null,"receipt":null,"state":"sent","tries":3,"who":null}],"order":"10482","received":"2026-11-20T08:15:00Z","tiktok":[{"account":"acme/tiktok","cause":"no_click","changed":"2026-11-20T08:25:00Z","deadline":"2026-11-27T08:12:00Z","destination":"1234567890","detail":null,"due":null,"may_be_counted_since":null,"receipt":null,"state":"not_sent","tries":1,"who":"nobody"}],"time":"2026-11-20T08:15:00Z","value":"59.9"}
        "#);
    }

    #[test]
    fn csv_has_a_header_and_a_line_a_conversion() {
        let mut out = Vec::new();

        csv(&sample::events(), &sample::directory(), &mut out).unwrap();

        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        time,received,client,order,event,event_id,value,currency,cause,meta,google,tiktok,forgotten
        2026-11-20T08:12:00+00:00,2026-11-20T08:12:00+00:00,acme,10481,Purchase,e-10481,149,EUR,,sent,confirmed,not_sent:no_click,
        2026-11-20T08:15:00+00:00,2026-11-20T08:15:00+00:00,acme,10482,Purchase,e-10482,59.9,EUR,,sent,waiting:click_too_recent,not_sent:no_click,
        2026-11-20T08:20:00+00:00,2026-11-20T08:20:00+00:00,acme,,Lead,e-lead,,,,paused:login_refused,not_sent:consent_denied,,
        ");
    }

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(text("10482"), "10482");
        assert_eq!(text("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(text("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
    }
}
