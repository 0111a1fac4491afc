//! The recorder: answers that come while another is being written are recorded together, in one statement, whatever their ad accounts and platforms.
//!
//! Nothing waits for company: the first answer is written at once, and what comes meanwhile goes next.

use std::{collections::HashSet, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use crate::{
    domain::DispatchKey,
    store::{
        Store, StoreError,
        sending::{Recordings, Report},
    },
};

/// The most answers of one statement.
const REPORTS_MAX: usize = 256;

/// A cheap handle on the recorder.
#[derive(Clone)]
pub struct Recorder {
    store: Store,
    jobs: mpsc::UnboundedSender<Job>,
}

struct Job {
    report: Arc<Report>,
    answer: oneshot::Sender<Result<Recordings, StoreError>>,
}

impl Job {
    /// Whoever asked may have been cut off; what is recorded stands all the same.
    fn answer(self, result: Result<Recordings, StoreError>) {
        let _ = self.answer.send(result);
    }
}

impl Recorder {
    /// Starts it; it ends with the last handle. To be called inside a tokio runtime.
    pub fn start(store: Store) -> Self {
        let (jobs, arriving) = mpsc::unbounded_channel();
        tokio::spawn(run(store.clone(), arriving));
        Self { store, jobs }
    }

    /// Records what became of one request's dispatches; gives those that changed.
    pub async fn record(&self, report: Arc<Report>) -> Result<Recordings, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            report: Arc::clone(&report),
            answer,
        };
        if self.jobs.send(job).is_ok()
            && let Ok(result) = answered.await
        {
            return result;
        }
        // The task has panicked, over this one or another.
        self.store.record_all(&[report.as_ref()]).await
    }
}

async fn run(store: Store, mut arriving: mpsc::UnboundedReceiver<Job>) {
    let mut waiting = Vec::new();
    loop {
        if waiting.is_empty() && arriving.recv_many(&mut waiting, REPORTS_MAX).await == 0 {
            return;
        }
        let group = next_group(&mut waiting);
        write(&store, group).await;
    }
}

/// Takes out the jobs of one statement. A dispatch that occurs twice, which nothing is known to cause, waits for the next.
fn next_group(waiting: &mut Vec<Job>) -> Vec<Job> {
    let mut known: HashSet<DispatchKey> = HashSet::new();
    let (group, later) = waiting.drain(..).partition(|job| {
        let keys = || job.report.records.iter().map(|record| record.key);
        let is_new = keys().all(|key| !known.contains(&key));
        known.extend(keys());
        is_new
    });
    *waiting = later;
    group
}

async fn write(store: &Store, mut group: Vec<Job>) {
    let reports: Vec<&Report> = group.iter().map(|job| job.report.as_ref()).collect();
    let result = store.record_all(&reports).await;
    match (result, group.len()) {
        (Ok(mut recorded), _) => {
            for job in group {
                let keys = job.report.records.iter().map(|record| record.key);
                let own = keys.filter_map(|key| recorded.remove_entry(&key)).collect();
                job.answer(Ok(own));
            }
        }
        (Err(failure), 1) => group.remove(0).answer(Err(failure)),
        // One of them may be to blame: each by itself then, so that it fails alone.
        (Err(_), _) => {
            for job in group {
                let result = store.record_all(&[job.report.as_ref()]).await;
                job.answer(result);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use uuid::Uuid;

    use super::*;
    use crate::{
        domain::{AccountId, EventKey, State},
        store::sending::{Record, RequestFacts},
    };

    fn job(events: &[u128]) -> Job {
        let record = |event: &u128| Record {
            key: DispatchKey {
                event: EventKey(Uuid::from_u128(*event)),
                account: AccountId(1),
            },
            state: State::Sent,
            cause: None,
            detail: None,
            due: None,
            deadline: Utc::now(),
            is_deferral: false,
            is_ambiguous: false,
            receipt: None,
            outcome: None,
            code: None,
            message: None,
        };
        Job {
            report: Arc::new(Report {
                lease: Uuid::nil(),
                records: events.iter().map(record).collect(),
                facts: RequestFacts::default(),
            }),
            answer: oneshot::channel().0,
        }
    }

    #[test]
    fn a_dispatch_never_occurs_twice_in_one_statement_and_keeps_its_order() {
        let mut waiting = vec![job(&[1, 2]), job(&[3]), job(&[4, 2]), job(&[4])];

        let sizes = |jobs: Vec<Job>| jobs.iter().map(|job| job.report.records.len()).collect::<Vec<_>>();

        assert_eq!(sizes(next_group(&mut waiting)), [2, 1]);
        assert_eq!(sizes(next_group(&mut waiting)), [2]);
        assert_eq!(sizes(next_group(&mut waiting)), [1]);
        assert!(waiting.is_empty());
    }
}
