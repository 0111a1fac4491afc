//! One publishing channel and the task that owns it: windows of messages, each confirmed whole.

use std::{sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    link::{Link, LinkWatch},
    message::Outgoing,
    window::{Fate, Window},
};
use crate::metrics::broker::{PublishResult, PublisherMetrics};

/// A window takes requests until it holds this many messages, so at most twice as many. More do not fill the pipe
/// better, and lapin scans all that is in flight at every `multiple` confirm.
pub(super) const WINDOW_MESSAGES: usize = 256;

/// Messages to publish once, all to one exchange. Whoever asked and went away is not published for.
pub(super) struct Job {
    /// What `publish` was given.
    pub(super) messages: Arc<[Outgoing]>,
    /// Which of them, at most [`WINDOW_MESSAGES`].
    pub(super) indices: Vec<usize>,
    /// Takes one fate for each index, in their order.
    pub(super) answer: oneshot::Sender<Vec<Fate>>,
}

/// The task that owns one publishing channel.
///
/// One task a channel, because lapin numbers messages under one lock and queues their frames under another: two tasks
/// could swap confirms.
pub(super) struct Lane {
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) links: LinkWatch,
    pub(super) confirm_timeout: std::time::Duration,
    pub(super) metrics: PublisherMetrics,
    pub(super) closing: CancellationToken,
}

impl Lane {
    /// Publishes until nobody can ask any more or closing is asked for.
    pub(super) async fn run(mut self) {
        let mut window = Window::new(self.confirm_timeout);
        while let Some(jobs) = self.next_jobs().await {
            let Some(link) = self.open_link().await else { break };
            let jobs: Vec<_> = jobs.into_iter().filter(|job| !job.answer.is_closed()).collect();
            if jobs.is_empty() {
                continue;
            }
            let messages: Vec<&Outgoing> = jobs
                .iter()
                .flat_map(|job| job.indices.iter().map(|index| &job.messages[*index]))
                .collect();
            let began = Instant::now();
            let fates = window.publish(&link, &messages).await;
            self.metrics.confirm_seconds.record(began.elapsed().as_secs_f64());
            self.count(&fates);
            answer(jobs, fates);
        }
        window.close().await;
    }

    async fn next_jobs(&mut self) -> Option<Vec<Job>> {
        let first = tokio::select! {
            () = self.closing.cancelled() => None,
            job = self.jobs.recv() => job,
        }?;
        let mut count = first.indices.len();
        let mut jobs = vec![first];
        while count < WINDOW_MESSAGES
            && let Ok(job) = self.jobs.try_recv()
        {
            count += job.indices.len();
            jobs.push(job);
        }
        Some(jobs)
    }

    /// Waits for a connection that takes messages; nothing means that closing is asked for.
    ///
    /// However long it takes: those who ask have their own deadlines, and nothing is published for those who gave up.
    async fn open_link(&mut self) -> Option<Arc<Link>> {
        loop {
            let connected = tokio::select! {
                () = self.closing.cancelled() => return None,
                link = self.links.wait_for(Option::is_some) => link.ok()?.clone()?,
            };
            let mut blocked = connected.blocked();
            let mut links = self.links.clone();
            tokio::select! {
                () = self.closing.cancelled() => return None,
                free = blocked.wait_for(Option::is_none) => if free.is_ok() { return Some(connected) },
                _ = links.changed() => {}
            }
        }
    }

    fn count(&self, fates: &[Fate]) {
        for result in PublishResult::ALL {
            let count = fates.iter().filter(|fate| fate.result() == result).count();
            self.metrics.published(result).increment(count as u64);
        }
    }
}

fn answer(jobs: Vec<Job>, fates: Vec<Fate>) {
    let mut fates = fates.into_iter();
    for job in jobs {
        let its_fates = fates.by_ref().take(job.indices.len()).collect();
        // Nobody may be waiting any more: then the message is unconfirmed for them, which is what they assume.
        let _ = job.answer.send(its_fates);
    }
}
