//! `classify`: what a platform's answer means, whose fault it is, and what to do about it. It asks nobody and changes nothing.

mod export;
mod meaning;
mod page;
mod question;

use std::{io::Write, path::PathBuf};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use self::{
    meaning::Interpreter,
    question::{Malady, Question, SENT_MAX},
};
use super::{
    ConsoleError, Exit,
    lines::{Checking, Source},
};
use crate::{
    domain::{Cause, Platform, account::Transport},
    platform::Answer,
};

/// The most that is read of a body: the relay reads no more of an answer either.
const BODY_BYTES_MAX: u64 = 1024 * 1024;

const EXAMPLES: &str = r#"Examples:
  classify --platform meta --status 400 '{"error":{"code":100,"error_subcode":2804003}}'
  classify --platform tiktok --status 200 --sent 3 @answer.json
  classify --platform google --transport ads_api --status 429 --header 'Retry-After: 30' - < body.txt
  classify --ndjson < answers.ndjson

A line of --ndjson: {"platform":"meta","status":400,"headers":{"retry-after":"30"},"body":{},"sent":3}"#;

/// Which answer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Who answered: meta, google or tiktok
    #[arg(long, required_unless_present = "ndjson")]
    platform: Option<Platform>,
    /// The HTTP status
    #[arg(long, required_unless_present = "ndjson")]
    status: Option<u16>,
    /// A header of the answer; may be repeated
    #[arg(long = "header", value_name = "K: V", value_parser = header)]
    headers: Vec<(String, String)>,
    /// How many conversions the request held
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(SENT_MAX)))]
    sent: u32,
    /// Google: which interface answered, data_manager or ads_api
    #[arg(long, default_value = "data_manager", value_parser = transport)]
    transport: Transport,
    /// The answer's body, @FILE for a file, - for standard input; nothing: an empty body
    #[arg(value_name = "BODY|@FILE|-", allow_hyphen_values = true)]
    body: Option<String>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
    /// Read an answer a line as JSON from standard input, and write a JSON object a line
    #[arg(long, conflicts_with_all = ["platform", "status", "headers", "body"])]
    ndjson: bool,
}

/// Says what it means; for people, an answer under which not all were taken is nothing that needs attention either: it is what was asked.
pub async fn run(args: &Args, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let mut interpreter = Interpreter::default();
    if args.ndjson {
        return stream(&mut interpreter, out).await;
    }
    let (Some(platform), Some(status)) = (args.platform, args.status) else {
        return Err(ConsoleError::Usage(
            "--platform and --status say which answer".to_owned(),
        ));
    };
    let question = Question {
        platform,
        transport: args.transport,
        answer: Answer {
            status,
            headers: args.headers.clone(),
            body: body(args.body.as_deref()).await?,
        },
        sent: args.sent as usize,
    };
    let meaning = interpreter.interpret(&question);
    if args.json {
        export::meaning(&question, &meaning, out)?;
    } else {
        write!(out, "{}", page::render(&question, &meaning))?;
    }
    Ok(Exit::Success)
}

async fn stream(interpreter: &mut Interpreter, out: &mut (dyn Write + Send)) -> Result<Exit, ConsoleError> {
    let unread = |source| ConsoleError::Read {
        path: "standard input".into(),
        source,
    };
    let mut lines = Source::StandardInput.lines(Checking::Off).await.map_err(unread)?;
    while let Some(next) = lines.next().await.map_err(unread)? {
        let question = match next {
            Ok(line) => Question::read(&line.body),
            Err(_) => Err(Malady {
                cause: Cause::TooLarge,
                field: None,
            }),
        };
        match question {
            Ok(question) => {
                let meaning = interpreter.interpret(&question);
                export::meaning(&question, &meaning, out)?;
            }
            Err(malady) => export::error(lines.number(), malady, out)?,
        }
    }
    Ok(Exit::Success)
}

async fn body(given: Option<&str>) -> Result<Bytes, ConsoleError> {
    let mut body = Vec::new();
    match given {
        None => {}
        Some("-") => {
            let read = tokio::io::stdin().take(BODY_BYTES_MAX).read_to_end(&mut body).await;
            read.map_err(|source| ConsoleError::Read {
                path: "standard input".into(),
                source,
            })?;
        }
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                let path = PathBuf::from(path);
                let read = async {
                    tokio::fs::File::open(&path)
                        .await?
                        .take(BODY_BYTES_MAX)
                        .read_to_end(&mut body)
                        .await
                };
                let read = read.await;
                read.map_err(|source| ConsoleError::Read { path, source })?;
            }
            None => body.extend_from_slice(text.as_bytes()),
        },
    }
    Ok(body.into())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| "expected NAME: VALUE, such as 'Retry-After: 30'".to_owned())?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

fn transport(word: &str) -> Result<Transport, String> {
    match word {
        "data_manager" => Ok(Transport::DataManager),
        "ads_api" => Ok(Transport::AdsApi),
        _ => Err("there are data_manager and ads_api".to_owned()),
    }
}
