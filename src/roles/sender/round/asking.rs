//! One request: built, sent while the lease holds, and classified.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use tracing::{info, warn};

use super::{Item, Round, StoreAway, Target, Trouble};
use crate::{
    domain::{Cause, Classification, Dispatch, DispatchKey, Mode, Outcome, TraceParent, Verdict, account::Transport},
    http::NoAnswer,
    metrics::conversions,
    platform::{Request, Sending, adapter},
    roles::{
        chain,
        decide::{outcome_name, shows_trouble},
        quota::{Purpose, quota_of},
    },
    store::sending::RequestFacts,
};

impl Round {
    /// The request for a batch. `Err` says why there is none; which of the batch is to blame, halves find out.
    pub(super) fn build(&self, target: &Target, batch: &[Item]) -> Result<Request, Cause> {
        let dispatches: Vec<&Dispatch> = batch.iter().map(|item| &item.parcel.dispatch).collect();
        let test_code = match target.mode {
            Mode::Test => Some(target.account.rules.test_code.as_deref().unwrap_or("TEST")),
            Mode::Live | Mode::Shadow => None,
        };
        let sending = Sending {
            account: &target.account,
            endpoints: &self.context.endpoints,
            test_code,
        };
        let build = || {
            crate::crash_point!("sender.build");
            adapter(self.platform).build(&dispatches, &sending)
        };
        let request = catch_unwind(AssertUnwindSafe(build)).map_err(|_| Cause::Bug)?;
        if request.body.len() > adapter(self.platform).limits(&target.account).bytes {
            return Err(Cause::RequestTooLarge);
        }
        Ok(request)
    }

    /// Says whether another request may be made: the first one of a round has its token, each further one needs its own.
    pub(super) async fn may_ask(&mut self, target: &Target) -> Result<bool, StoreAway> {
        let directory = self.context.directory.current();
        let is_metered = target.account.rules.transport == Transport::DataManager;
        let quota = quota_of(&target.account, &directory, self.context.pace.google_quota).filter(|_| is_metered);
        let Some(quota) = quota.filter(|_| self.granted == 0) else {
            return Ok(true);
        };
        match self.context.take_quota(quota, 1, Purpose::Live).await {
            Ok(grant) => {
                self.granted = usize::from(grant.granted > 0);
                Ok(self.granted > 0)
            }
            Err(failure) => {
                warn!(error = %chain(&failure), "quota could not be asked for");
                Err(StoreAway)
            }
        }
    }

    /// Sends one request and says what came of it.
    pub(super) async fn ask(
        &mut self,
        target: &Target,
        batch: &[Item],
        request: &Request,
    ) -> (Classification, RequestFacts) {
        let facts = RequestFacts {
            batch: i32::try_from(batch.len()).unwrap_or(i32::MAX),
            ..RequestFacts::default()
        };
        let all = |outcome: Outcome| Classification::Each(vec![outcome; batch.len()]);
        let access = match self.context.credentials.token(&target.login, &target.account).await {
            Ok(access) => access,
            Err(outcome) => return (all(outcome), facts),
        };
        self.requests += 1;
        self.granted = self.granted.saturating_sub(1);
        crate::crash_point!("sender.before_request");
        let exchange = self.context.http.send(request, &access).await;
        crate::crash_point!("sender.after_answer");
        conversions::exchanged(self.platform, exchange.duration, batch.len());
        let mut facts = RequestFacts {
            duration_ms: i32::try_from(exchange.duration.as_millis()).unwrap_or(i32::MAX),
            ..facts
        };
        let classification = match exchange.result {
            Ok(answer) => {
                facts.http_status = i16::try_from(answer.status).ok();
                facts.request_id = answer.request_id();
                self.heed(target, adapter(self.platform).advice(&answer));
                let dispatches: Vec<&Dispatch> = batch.iter().map(|item| &item.parcel.dispatch).collect();
                let classify = || {
                    crate::crash_point!("sender.classify");
                    adapter(self.platform).classify(&answer, &dispatches, &target.account)
                };
                // An answer that nobody could classify is none.
                catch_unwind(AssertUnwindSafe(classify)).unwrap_or_else(|_| all(Outcome::plain(Verdict::Ambiguous)))
            }
            Err(NoAnswer::NotSent) => all(Outcome::plain(Verdict::Deferred {
                cause: Cause::PlatformUnreachable,
                wait: None,
            })),
            Err(NoAnswer::Ambiguous) => all(Outcome::plain(Verdict::Ambiguous)),
        };
        if refuses_login(&classification) {
            // Its secret is read anew for the next one, which may be a probe: the token may lie renewed where it was.
            self.context.credentials.forget(&target.login, &target.account).await;
        }
        self.note_health(&classification);
        self.log(target, batch, &classification, &facts);
        (classification, facts)
    }

    /// The lease must outlast the HTTP timeout twice, or another may send the same while we wait. Gives the batch back if it is still ours.
    pub(super) async fn keep_lease(&mut self, batch: Vec<Item>) -> Result<Option<Vec<Item>>, StoreAway> {
        let needed = self.context.http.timeout() * 2;
        if self.lease_renewed.elapsed() + needed < self.context.pace.lease {
            return Ok(Some(batch));
        }
        let keys: Vec<DispatchKey> = batch.iter().map(Item::key).collect();
        let store = &self.context.store;
        let failure = match store.renew(self.batch.lease, &keys, self.context.pace.lease).await {
            Ok(count) if count == keys.len() => {
                self.lease_renewed = Instant::now();
                return Ok(Some(batch));
            }
            // Another has some of them: sending them again would be a double send that we know of. What is still ours goes back unsent.
            Ok(count) => {
                conversions::leases_lost(self.platform, keys.len() - count);
                match store
                    .give_back(self.batch.lease, &keys, self.context.pace.silence)
                    .await
                {
                    Ok(()) => {
                        batch.into_iter().for_each(|item| item.parcel.delivery.requeue());
                        return Ok(None);
                    }
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        warn!(error = %chain(&failure), "lease could not be renewed");
        Err(StoreAway)
    }

    fn note_health(&mut self, classification: &Classification) {
        let troubled = match classification {
            Classification::Each(outcomes) => outcomes.iter().all(|outcome| shows_trouble(&outcome.verdict)),
            Classification::Unnamed(outcome) => shows_trouble(&outcome.verdict),
            Classification::Named(_) | Classification::Reauthenticate(_) => false,
        };
        self.trouble = match (troubled, self.trouble) {
            (false, _) => Trouble::None,
            (true, Trouble::None) => Trouble::None,
            (true, _) => Trouble::Platform,
        };
    }

    /// One wide line an attempt.
    fn log(&self, target: &Target, batch: &[Item], classification: &Classification, facts: &RequestFacts) {
        let first = match classification {
            Classification::Each(outcomes) => outcomes.first(),
            Classification::Named(named) => named.first().map(|(_, outcome)| outcome),
            Classification::Unnamed(outcome) | Classification::Reauthenticate(outcome) => Some(outcome),
        };
        let verdict = match classification {
            Classification::Each(_) => first.map_or("none", |outcome| outcome_name(&outcome.verdict)),
            Classification::Named(_) => "refused whole, culprits named",
            Classification::Unnamed(_) if batch.len() > 1 => "refused whole, sent again in halves",
            Classification::Unnamed(_) => first.map_or("none", |outcome| outcome_name(&outcome.verdict)),
            Classification::Reauthenticate(_) => "token refused, fetched anew",
        };
        info!(
            platform = %self.platform,
            account = %target.account.label(),
            login = %target.login.name,
            batch = batch.len(),
            outcome = verdict,
            code = first.and_then(|outcome| outcome.code.as_deref()),
            http.status = facts.http_status,
            request.id = facts.request_id,
            duration_ms = facts.duration_ms,
            attempt = batch.first().map(|item| item.claimed.attempt),
            trace.id = batch.first().and_then(|item| item.parcel.dispatch.event.trace.as_ref()).map(TraceParent::trace_id),
            dispatch.id = batch.first().map(|item| item.key().to_string()),
            "dispatch attempted"
        );
    }
}

fn refuses_login(classification: &Classification) -> bool {
    let is_refused = |outcome: &Outcome| {
        matches!(
            outcome.verdict,
            Verdict::Blocked {
                cause: Cause::LoginRefused,
                ..
            }
        )
    };
    match classification {
        Classification::Each(outcomes) => outcomes.first().is_some_and(is_refused),
        Classification::Unnamed(outcome) => is_refused(outcome),
        // That forgets by itself.
        Classification::Reauthenticate(_) | Classification::Named(_) => false,
    }
}
