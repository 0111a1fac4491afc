//! One question about one receipt: put, and its answer recorded.

use std::sync::Arc;

use chrono::Utc;
use rand::RngExt;
use tracing::{error, info};

use super::verdict::{given_up, is_exhausted, judge};
use crate::{
    domain::{Account, Cause, Login, Mode, Outcome, Verdict, account::Transport},
    http::NoAnswer,
    metrics::google,
    platform::google::receipts::{Reply, classify, question},
    roles::{context::Context, decide::Circumstances, quota::Purpose},
    store::{
        StoreError,
        receipts::{Promise, ReceiptReport},
    },
};

/// Asks about a receipt and records what is said. One request of the quota, if it draws on one, has been taken for it.
pub(super) async fn ask(context: Arc<Context>, promise: Promise, quota: Option<String>) -> Result<(), StoreError> {
    if is_exhausted(&promise) {
        return record(&context, &given_up(&promise), &["unknown"]).await;
    }
    let directory = context.directory.current();
    let account = directory.account(promise.account);
    let login = account.and_then(|account| directory.login(&account.login));
    let (Some(account), Some(login)) = (account, login) else {
        // Removed between two looks; the lease ends by itself.
        return Ok(());
    };
    // A receipt is of the Data Manager API, whatever the ad account uses by now, and needs a token for it.
    let mut account = Account::clone(account);
    account.rules.transport = Transport::DataManager;
    let account = &account;
    let reply = reply(&context, &promise, (account, login), quota.as_deref()).await?;
    let at = Circumstances {
        account,
        login,
        mode: Mode::Live,
        now: Utc::now(),
        backoff: context.backoff(),
        jitter: rand::rng().random_range(0.0..1.0),
        probe_interval: context.pace.probe_interval,
    };
    let (report, kinds) = judge(&promise, reply, at);
    for pause in &report.pauses {
        error!(scope = %pause.scope, cause = %pause.cause, detail = pause.detail, until = ?pause.until, "pause begins: conversions wait");
    }
    info!(
        account = %account.label(),
        login = %login.name,
        receipt = promise.receipt,
        question = promise.questions,
        conversions = promise.dispatches.len(),
        settled = report.records.len(),
        answer = kinds.join(","),
        "receipt asked about"
    );
    record(&context, &report, &kinds).await
}

async fn record(context: &Context, report: &ReceiptReport, kinds: &[&'static str]) -> Result<(), StoreError> {
    context.store.record_receipt(report).await?;
    crate::crash_point!("receipts.after_record");
    for kind in kinds {
        google::receipt_answered(kind, 1);
    }
    Ok(())
}

/// What Google says; a token that it does not take is fetched anew, once, if there is quota for a second question.
async fn reply(
    context: &Context,
    promise: &Promise,
    (account, login): (&Account, &Login),
    quota: Option<&str>,
) -> Result<Reply, StoreError> {
    let first = question_put(context, promise, account, login).await;
    let Reply::Reauthenticate(outcome) = first else {
        return Ok(first);
    };
    context.credentials.forget(login, account).await;
    let may_ask = match quota {
        Some(name) => context.take_quota(name, 1, Purpose::Receipts).await?.granted > 0,
        None => true,
    };
    if may_ask {
        return Ok(question_put(context, promise, account, login).await);
    }
    // Without a second try nobody knows whether it is the login: no pause, and again later.
    let verdict = Verdict::Deferred {
        cause: Cause::QuotaExhausted,
        wait: None,
    };
    Ok(Reply::NotAnswered(Outcome { verdict, ..outcome }))
}

async fn question_put(context: &Context, promise: &Promise, account: &Account, login: &Login) -> Reply {
    let token = match context.credentials.token(login, account).await {
        Ok(token) => token,
        Err(outcome) => return Reply::NotAnswered(outcome),
    };
    crate::crash_point!("receipts.before_ask");
    let exchange = context
        .http
        .send(&question(&promise.receipt, &context.endpoints), &token)
        .await;
    crate::crash_point!("receipts.after_answer");
    google::receipt_asked();
    match exchange.result {
        Ok(answer) => classify(&answer),
        Err(NoAnswer::NotSent | NoAnswer::Ambiguous) => Reply::NotAnswered(Outcome::plain(Verdict::Deferred {
            cause: Cause::PlatformUnreachable,
            wait: None,
        })),
    }
}
