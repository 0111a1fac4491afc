//! The page of one event: what goes out where, by what the platform can match it, and why it does not go elsewhere.

use std::io::{self, Write};

use super::{
    body::{ends, shown},
    export::method,
    person::{Normalised, Outgoing, kept, normalised},
    signals::{MEANING, Signals},
    verdict::{AtAccount, Desk, Explained, Fate, Remark},
};
use crate::{
    domain::{Cause, Platform},
    platform::{Request, request::TokenHeader},
    roles::console::{
        clock::Clock,
        mask,
        table::{one_line, table},
        words::{Blanks, label},
    },
};

/// An event and how it is shown.
pub(super) struct Page<'a> {
    pub(super) explained: &'a Explained<'a>,
    pub(super) desk: Desk<'a>,
}

impl Page<'_> {
    /// Writes the page.
    pub(super) fn write(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        writeln!(out, "{}", self.heading())?;
        if let Some(cause) = self.explained.cause {
            let blanks = self.blanks(None, None);
            writeln!(out, "\nnot sent: {}", label(cause))?;
            write!(out, "{}", reasons(&blanks, cause))?;
        }
        for at in &self.explained.accounts {
            writeln!(out)?;
            self.write_account(at, out)?;
        }
        if self.has_request() {
            writeln!(out, "\nmatch signals: {MEANING}")?;
            writeln!(
                out,
                "Personal values and click IDs are shortened here; --json gives each request as it goes out. Nothing was sent."
            )?;
        }
        Ok(())
    }

    fn heading(&self) -> String {
        let about = &self.explained.about;
        let client = self
            .explained
            .client
            .map_or(about.client_id.as_str(), |client| &client.name);
        let order = about
            .order_id
            .as_deref()
            .map(|order| format!(", order {}", mask::plain(order)));
        let worth = if about.worth == "-" {
            String::new()
        } else {
            format!(", {}", about.worth)
        };
        let clock = self.clock();
        one_line(&format!(
            "{} of {client}{}, event ID {}, {} {}{worth}",
            about.name,
            order.unwrap_or_default(),
            about.event_id,
            clock.exact(about.time),
            clock.zone_name()
        ))
    }

    fn clock(&self) -> Clock {
        Clock::of_clients([self.explained.client], self.desk.now)
    }

    fn has_request(&self) -> bool {
        let accounts = &self.explained.accounts;
        accounts.iter().any(|at| matches!(at.fate, Fate::Request(..)))
    }

    fn blanks<'b>(&'b self, at: Option<&'b AtAccount<'_>>, detail: Option<&'b str>) -> Blanks<'b> {
        Blanks {
            platform: at.map(|at| at.account.platform),
            client: self.explained.client.map(|client| client.name.as_str()),
            account: at.map(|at| at.account),
            detail,
        }
    }

    fn write_account(&self, at: &AtAccount<'_>, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let account = at.account;
        let place = one_line(&format!(
            "{}, {}, {} {}",
            account.platform.title(),
            account.label(),
            noun(account.platform, account.rules.waba.is_some()),
            account.destination
        ));
        match &at.fate {
            Fate::NotSent { cause, field } => {
                writeln!(out, "{place}: not sent: {}", label(*cause))?;
                write!(out, "{}", reasons(&self.blanks(Some(at), field.as_deref()), *cause))?;
                if let Some(field) = field.as_deref().filter(|_| !cause.sentence().contains("{detail}")) {
                    writeln!(out, "  field          {field}")?;
                }
                Ok(())
            }
            Fate::Request(request, remark) => {
                writeln!(out, "{place}: {}", self.standing(*remark))?;
                self.write_remarks(at, *remark, out)?;
                write_request(request, &account.login, out)?;
                self.write_match(at, request, out)
            }
        }
    }

    fn standing(&self, remark: Option<Remark>) -> String {
        match remark {
            None => "goes out".to_owned(),
            Some(Remark::Shadow) => "shadow mode: built and checked, not sent".to_owned(),
            Some(Remark::Test) => "goes out as a test, and does not count".to_owned(),
            Some(Remark::Waits(due, _)) => format!("goes out {}", self.clock().exact(due)),
        }
    }

    fn write_remarks(
        &self,
        at: &AtAccount<'_>,
        remark: Option<Remark>,
        out: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        let cause = match remark {
            Some(Remark::Shadow) => Some(Cause::Shadow),
            Some(Remark::Test) => Some(Cause::TestMode),
            Some(Remark::Waits(_, cause)) => Some(cause),
            None => None,
        };
        if let Some(cause) = cause {
            write!(out, "{}", reasons(&self.blanks(Some(at), None), cause))?;
        }
        let directory = self.desk.directory;
        let scopes = directory.scopes_of(at.account).into_iter();
        for scope in scopes.filter(|scope| directory.is_paused(scope, self.desk.now)) {
            writeln!(out, "  mind           {scope} is paused: it would wait until that ends")?;
        }
        Ok(())
    }

    fn write_match(&self, at: &AtAccount<'_>, request: &Request, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let signals = Signals::of(at.account, &request.body);
        writeln!(out, "  match signals  {}", signals.score())?;
        for (word, names) in [("present", &signals.present), ("missing", &signals.missing)] {
            if !names.is_empty() {
                writeln!(out, "    {word:<13}{}", names.join("; "))?;
            }
        }
        if let Some(click) = &at.click {
            let when = if click.time_is_known { "clicked" } else { "first seen" };
            let time = self.clock().exact(click.first_seen);
            writeln!(
                out,
                "  click          {} {}, {when} {time}",
                click.kind.as_str(),
                ends(&click.value)
            )?;
        }
        let outgoing = Outgoing {
            platform: at.account.platform,
            identity: &at.identity,
            body: std::str::from_utf8(&request.body).unwrap_or_default(),
        };
        let rows = match &self.explained.given {
            Some(given) => normalised(given, outgoing),
            None => kept(outgoing),
        };
        if rows.is_empty() {
            return Ok(());
        }
        let cells = rows
            .into_iter()
            .map(|row: Normalised| [row.name.to_owned(), row.given, row.read_as, row.goes_out_as]);
        for line in table(["SIGNAL", "GIVEN", "READ AS", "GOES OUT AS"], cells).lines() {
            writeln!(out, "  {line}")?;
        }
        Ok(())
    }
}

fn write_request(request: &Request, login: &str, out: &mut (dyn Write + Send)) -> io::Result<()> {
    writeln!(out, "  {} {}", method(request.method), request.url)?;
    for (name, value) in &request.headers {
        writeln!(out, "  {name}: {value}")?;
    }
    let token = match request.token {
        TokenHeader::Bearer | TokenHeader::BearerWithProof(_) => "authorization: Bearer",
        TokenHeader::AccessToken => "access-token:",
    };
    writeln!(out, "  {token} (of login {})", one_line(login))?;
    writeln!(out, "{}", shown(&request.body, 2))
}

/// The sentence of a cause, and who must act.
fn reasons(blanks: &Blanks<'_>, cause: Cause) -> String {
    format!(
        "  why            {} ({cause})\n  act            {}\n",
        one_line(&blanks.sentence(cause)),
        one_line(&blanks.action(cause))
    )
}

fn noun(platform: Platform, is_chat: bool) -> &'static str {
    match (platform, is_chat) {
        (Platform::Meta, true) => "dataset",
        (Platform::Google, _) => "customer",
        _ => "pixel",
    }
}
