//! `doctor`: looks at everything that the relay needs, a line each, and says what to do where something is missing. It changes nothing, sends no
//! conversion, and shows no secret.

mod broker;
mod database;
mod logins;
mod platforms;
mod reach;

use std::{fmt, io::Write};

use super::{Console, ConsoleError, Exit};
use crate::{
    broker::{BrokerSettings, topology::Topology},
    config::Config,
    http::Http,
    platform::Endpoints,
    secrets::Secrets,
};

/// What the command looks at.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The configuration; that it is there shows that it is right.
    pub config: &'a Config,
    /// Postgres.
    pub console: &'a Console,
    /// How RabbitMQ is reached.
    pub broker: &'a BrokerSettings,
    /// What must be there.
    pub topology: &'a Topology,
    /// Where the logins' secrets lie.
    pub secrets: &'a Secrets,
    /// Where the platforms are.
    pub endpoints: &'a Endpoints,
    /// For RabbitMQ's management interface.
    pub http: &'a Http,
}

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    /// As it should be.
    Ok,
    /// Worth a look; the relay works.
    Look,
    /// The relay does not work, or not whole.
    Wrong,
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    grade: Grade,
    subject: String,
    text: String,
}

impl Finding {
    fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Ok, subject, text)
    }

    fn look(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Look, subject, text)
    }

    fn wrong(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Grade::Wrong, subject, text)
    }

    fn new(grade: Grade, subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            grade,
            subject: subject.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Ok => "ok",
            Grade::Look => "look",
            Grade::Wrong => "wrong",
        };
        write!(
            formatter,
            "{grade:<5}  {:<20}  {}",
            self.subject,
            super::table::one_line(&self.text)
        )
    }
}

/// Writes findings as they come, and remembers the worst.
struct Report<'a> {
    out: &'a mut (dyn Write + Send),
    has_wrong: bool,
}

impl Report<'_> {
    fn add(&mut self, finding: &Finding) -> std::io::Result<()> {
        self.has_wrong |= finding.grade == Grade::Wrong;
        writeln!(self.out, "{finding}")?;
        // Some checks take seconds; what is known is shown meanwhile.
        self.out.flush()
    }
}

/// Looks at everything; something that is wrong needs attention.
pub async fn run(tools: Tools<'_>, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let mut report = Report { out, has_wrong: false };
    report.add(&Finding::ok("configuration", "every variable is understood"))?;
    let found = database::look(tools).await;
    for finding in &found.findings {
        report.add(finding)?;
    }
    for finding in broker::look(tools).await {
        report.add(&finding)?;
    }
    if let Some(directory) = &found.directory {
        for finding in logins::look(directory, tools.secrets).await {
            report.add(&finding)?;
        }
        for finding in platforms::look(directory, tools.endpoints).await {
            report.add(&finding)?;
        }
    }
    Ok(if report.has_wrong {
        Exit::Attention
    } else {
        Exit::Success
    })
}

/// An error with all its sources.
fn why(error: &dyn std::error::Error) -> String {
    crate::roles::chain(error)
}
