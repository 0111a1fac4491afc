//! `POST /api/v1/app/meta-ads/capi/send-event`: what a WhatsApp contact did, attached to the ad click that the chat began with.

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SubsecRound, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Gateway, body,
    problem::{Item, Problem},
    publishing::trace_headers,
};
use crate::{
    broker::HeaderValue,
    domain::{Account, AccountId, Cause, Click, ClickKind, ClientId, Directory, State as Standing, event::Event},
    metrics::gateway::Refusal,
    roles::{
        chain,
        plan::{Plan, Recipients, Remembered, country, plan, question},
    },
    store::StoreError,
    wire::{
        dispatch::header,
        event::{Envelope, Malformed, parse},
        send_event::{self, BODY_BYTES_MAX, SentEvent},
    },
};

/// How long the ledger may take to answer.
const LEDGER_PATIENCE: Duration = Duration::from_secs(5);

/// What a report comes to at the client's WhatsApp datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is attached to this click.
    Attached(String),
    /// It is not sent, and why.
    Not(Cause),
}

/// The answer where it goes out.
#[derive(Serialize)]
struct Attached<'a> {
    success: bool,
    event_name: &'a str,
    ctwa_clid: &'a str,
}

/// The answer where it does not.
#[derive(Serialize)]
struct NotSent {
    success: bool,
    reason: &'static str,
}

/// A report while it is decided.
struct Report<'a> {
    client: &'a ClientId,
    sent: SentEvent,
    directory: &'a Directory,
    now: DateTime<Utc>,
}

pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let client = gateway.access.client(&headers, &gateway.context.directory).await?;
    body::require_json(&headers)?;
    gateway.require_broker()?;
    let held = gateway.room.read(&headers, body, BODY_BYTES_MAX).await?;
    let minted = Uuid::now_v7().to_string();
    let bad = |fault: Malformed| Problem::malformed(Refusal::BadBody, &fault);
    let directory = gateway.context.directory.current();
    let report = Report {
        client: &client,
        sent: send_event::read(&held.bytes, &minted).map_err(bad)?,
        directory: &directory,
        // As the message's timestamp has it, which is all that the router will know.
        now: Utc::now().trunc_subsecs(0),
    };
    let event = report.event(None).map_err(bad)?;
    if let Some(verdict) = gateway.standing(&event, &report.datasets()).await? {
        return Ok(answer(&event.name, verdict));
    }
    let (chats, others): (Vec<Click>, Vec<Click>) = gateway
        .clicks(&event, &report)
        .await?
        .into_iter()
        .partition(|click| click.kind == ClickKind::CtwaClid);
    // A click leads to one WhatsApp number. Of a client with several the router finds out which, as it does for events without a click.
    let is_plain = chats.is_empty() || report.datasets().len() == 1;
    let own = if is_plain { chats.first() } else { None };
    let event = report.event(own).map_err(bad)?;
    let of_router = if is_plain {
        others
    } else {
        [chats.clone(), others].concat()
    };
    let remembered = Remembered {
        clicks: newest_first(of_router),
        may_grow: true,
        chats_are_known: is_plain,
    };
    let verdict = report.verdict(&event, &remembered).map_err(bad)?;
    let mut message_headers = trace_headers(&headers);
    if is_plain {
        message_headers.insert(header::CLICKS_KNOWN.to_owned(), HeaderValue::Boolean(true));
    }
    let body = report.sent.funnel_event(&client, own);
    let message = gateway.event_message(body, minted, message_headers, report.now);
    if gateway.publish(vec![message]).await.is_err() {
        let item = Item {
            event_id: Some(event.event_id.to_string()),
            status: StatusCode::SERVICE_UNAVAILABLE.as_u16(),
            error: None,
        };
        return Err(Problem::from(Refusal::Unconfirmed).with_items(vec![item]));
    }
    Ok(answer(&event.name, verdict))
}

fn answer(event_name: &str, verdict: Verdict) -> Response {
    match verdict {
        Verdict::Attached(ctwa_clid) => Json(Attached {
            success: true,
            event_name,
            ctwa_clid: &ctwa_clid,
        })
        .into_response(),
        Verdict::Not(cause) => Json(NotSent {
            success: false,
            reason: cause.as_str(),
        })
        .into_response(),
    }
}

impl Report<'_> {
    /// The funnel event that the router will read.
    fn event(&self, click: Option<&Click>) -> Result<Event, Malformed> {
        let envelope = Envelope {
            message_id: None,
            timestamp: Some(self.now),
            now: self.now,
        };
        parse(&self.sent.funnel_event(self.client, click), envelope)
    }

    /// The client's WhatsApp datasets.
    fn datasets(&self) -> Vec<&Account> {
        let accounts = self.directory.accounts_of(self.client).iter().map(AsRef::as_ref);
        accounts
            .filter(|account: &&Account| account.rules.waba.is_some())
            .collect()
    }

    /// What the router will decide for the datasets.
    fn verdict(&self, event: &Event, remembered: &Remembered) -> Result<Verdict, Malformed> {
        let datasets: HashSet<AccountId> = self.datasets().iter().map(|account| account.id).collect();
        let recipients = Recipients {
            client: self.directory.client(self.client),
            accounts: self.directory.accounts_of(self.client),
        };
        let planned = plan(event, recipients, remembered, self.now)?;
        if datasets.is_empty() {
            return Ok(Verdict::Not(Cause::NoAdAccount));
        }
        let dispatches = match planned {
            Plan::Store(new) => new.dispatches,
            Plan::Unwanted => Vec::new(),
        };
        let of_datasets = dispatches
            .into_iter()
            .filter(|dispatch| datasets.contains(&dispatch.account))
            .map(|dispatch| verdict(dispatch.state, dispatch.cause, dispatch.click));
        Ok(best(of_datasets).unwrap_or(Verdict::Not(Cause::EventNameNotTaken)))
    }
}

impl Gateway {
    /// What stands of an event that is in the ledger already; nothing if it is not, or concerns none of the datasets.
    async fn standing(&self, event: &Event, datasets: &[&Account]) -> Result<Option<Verdict>, Problem> {
        let standing = within(self.context.store.standing(event.key())).await?;
        let of_datasets = standing
            .into_iter()
            .filter(|standing| datasets.iter().any(|account| account.id == standing.account))
            .map(|standing| verdict(standing.state, standing.cause, standing.click));
        Ok(best(of_datasets))
    }

    /// The ad clicks of the person that some ad account of the client would take, the newest first.
    async fn clicks(&self, event: &Event, report: &Report<'_>) -> Result<Vec<Click>, Problem> {
        let client = report.directory.client(report.client);
        let country = country(event, client);
        let digests = self.context.search_keys.digests(&event.person, country.as_deref());
        let accounts = report.directory.accounts_of(report.client).iter().map(AsRef::as_ref);
        let Some(question) = question(event.into(), accounts, &digests.all) else {
            return Ok(Vec::new());
        };
        let answers = within(self.context.store.latest_clicks(&[question])).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}

/// Waits for the ledger, but not for long: somebody waits for us.
async fn within<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, Problem> {
    match tokio::time::timeout(LEDGER_PATIENCE, asked).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(failure)) => {
            tracing::warn!(error = %chain(&failure), "ledger cannot be asked");
            Err(Refusal::DatabaseAway.into())
        }
        Err(_) => Err(Refusal::DatabaseAway.into()),
    }
}

fn newest_first(mut clicks: Vec<Click>) -> Vec<Click> {
    clicks.sort_by_key(|click| std::cmp::Reverse(click.first_seen));
    clicks
}

fn verdict(state: Standing, cause: Option<Cause>, click: Option<Click>) -> Verdict {
    match (state, cause, click) {
        (Standing::NotSent | Standing::Failed, Some(cause), _) | (_, Some(cause @ Cause::WaitingForClick), _) => {
            Verdict::Not(cause)
        }
        (_, _, Some(click)) => Verdict::Attached(click.value),
        // A dataset takes nothing without a click.
        (_, cause, None) => Verdict::Not(cause.unwrap_or(Cause::NoCtwaClickIdForPhone)),
    }
}

/// One dataset that takes it is enough; else the first one's reason stands for all.
fn best(verdicts: impl Iterator<Item = Verdict>) -> Option<Verdict> {
    let verdicts: Vec<Verdict> = verdicts.collect();
    let attached = verdicts.iter().find(|verdict| matches!(verdict, Verdict::Attached(_)));
    attached.or(verdicts.first()).cloned()
}
