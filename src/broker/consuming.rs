//! The task behind an intake: opens a channel, consumes, loses it, opens another.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    delivery::Delivery,
    holder::Holder,
    intake::{Arriving, Control, Drained, State},
    link::{Link, LinkWatch},
    reconnect::Pauses,
    session::Session,
    settings::IntakeSettings,
    solo::{Admission, First, Gate, admission},
};
use crate::metrics::broker::IntakeMetrics;

/// How long what is out may take before the channel is closed over it, when a suspect has to be read alone.
const SETTLE_BEFORE_REOPEN: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A channel that stood this long was a good one: after it, the pauses start from the shortest again.
const STEADY: Duration = Duration::from_secs(5);

/// The task behind one intake.
pub(super) struct Consuming {
    pub(super) settings: IntakeSettings,
    pub(super) links: LinkWatch,
    pub(super) gate: Gate,
    pub(super) metrics: IntakeMetrics,
    pub(super) state: Arc<State>,
    pub(super) arriving: mpsc::UnboundedSender<Arriving>,
    pub(super) control: mpsc::UnboundedReceiver<Control>,
    pub(super) closing: CancellationToken,
}

/// Why a channel is to end.
enum End {
    /// It failed, or the broker ended it.
    Lost(String),
    /// A suspect has to be read alone.
    Suspect,
    /// The handle asked for it, and waits for the word that it is done.
    Suspend(oneshot::Sender<()>),
    /// The handle asked for it, and waits for the result.
    Drain {
        deadline: Instant,
        answer: oneshot::Sender<Drained>,
    },
    /// Nobody is interested any more.
    Closed,
}

/// What comes after a channel.
enum Then {
    Open { not_before: Instant },
    Suspended,
    Stop,
}

/// A suspect that waits until no other is in flight.
type Suspect = (Delivery, BoxFuture<'static, Option<OwnedSemaphorePermit>>);

impl Consuming {
    /// Runs until the handle is gone, has drained, or the broker is closing.
    pub(super) async fn run(mut self) {
        let mut pauses = Pauses::between(FIRST_PAUSE, LONGEST_PAUSE);
        let mut then = Then::Open {
            not_before: Instant::now(),
        };
        while let Some(link) = self.link_when_wanted(then).await {
            let opened = Instant::now();
            then = match Session::open(Arc::clone(&link), &self.settings, &self.metrics).await {
                Ok(session) => {
                    tracing::info!(queue = self.settings.queue, "consuming");
                    let end = self.hold(session, &mut pauses).await;
                    if opened.elapsed() >= STEADY {
                        pauses.reset();
                    }
                    end
                }
                Err(error) => {
                    let pause = pauses.next();
                    let error = error.in_full();
                    if link.is_connected() {
                        tracing::warn!(error, queue = self.settings.queue, "not consuming");
                    }
                    self.state.set_problem(Some(error));
                    Then::Open {
                        not_before: Instant::now() + pause,
                    }
                }
            };
        }
    }

    /// Waits until a channel is wanted and there is a connection for it; nothing means stop.
    async fn link_when_wanted(&mut self, then: Then) -> Option<Arc<Link>> {
        let (mut wanted, not_before) = match then {
            Then::Open { not_before } => (true, not_before),
            Then::Suspended => (false, Instant::now()),
            Then::Stop => return None,
        };
        let mut rested = false;
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return None,
                asked = self.control.recv() => match asked? {
                    Control::Suspend(closed) => {
                        wanted = false;
                        let _ = closed.send(());
                    }
                    Control::Resume => wanted = true,
                    Control::Drain { answer, .. } => {
                        let _ = answer.send(Drained { clean: true, unsettled: 0 });
                        return None;
                    }
                },
                () = sleep_until(not_before), if !rested => rested = true,
                link = self.links.wait_for(Option::is_some), if wanted && rested => {
                    return link.ok()?.clone();
                }
            }
        }
    }

    /// Consumes until the channel has to end, and ends it.
    async fn hold(&mut self, mut session: Session, pauses: &mut Pauses) -> Then {
        self.state.opened(Arc::clone(session.holder()));
        let mut end = self.consume(&mut session).await;
        if matches!(end, End::Suspect) {
            end = self.settle_what_is_out(&mut session).await;
        }
        if let End::Drain { deadline, .. } = &end {
            session.stop_intake().await;
            // What is still out at the deadline is counted when the channel closes.
            let _ = timeout_at(*deadline, session.holder().all_settled()).await;
        }
        self.state.closed();
        let ended = session.close().await;
        // After the channel is closed, so that whoever hears of it may rely on that.
        let _ = self.arriving.send(Arriving::Lost);
        self.after(end, ended, pauses)
    }

    fn after(&self, end: End, ended: Drained, pauses: &mut Pauses) -> Then {
        match end {
            End::Lost(reason) => {
                let pause = pauses.next();
                tracing::warn!(queue = self.settings.queue, reason, "channel lost");
                self.state.set_problem(Some(reason));
                Then::Open {
                    not_before: Instant::now() + pause,
                }
            }
            End::Suspect => {
                tracing::warn!(
                    queue = self.settings.queue,
                    "a message came back too often, it is read alone"
                );
                Then::Open {
                    not_before: Instant::now(),
                }
            }
            End::Suspend(closed) => {
                let _ = closed.send(());
                Then::Suspended
            }
            End::Drain { answer, .. } => {
                let _ = answer.send(ended);
                Then::Stop
            }
            End::Closed => Then::Stop,
        }
    }

    async fn consume(&mut self, session: &mut Session) -> End {
        let mut first = First::OfItsChannel;
        let mut suspect: Option<Suspect> = None;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return End::Closed,
                asked = self.control.recv() => match asked {
                    Some(Control::Suspend(closed)) => return End::Suspend(closed),
                    Some(Control::Resume) => {}
                    Some(Control::Drain { deadline, answer }) => return End::Drain { deadline, answer },
                    None => return End::Closed,
                },
                permit = pass(&mut suspect), if suspect.is_some() => {
                    if let (Some((delivery, _)), Some(permit)) = (suspect.take(), permit) {
                        self.hand_out_alone(delivery, permit);
                    }
                }
                arrived = session.next(&mut batch) => {
                    if let Err(reason) = arrived {
                        return End::Lost(reason);
                    }
                    for delivery in batch.drain(..) {
                        let delivery = Delivery::new(delivery, session.holder());
                        match admission(session.mode(), delivery.delivery_count) {
                            Admission::HandOut => self.hand_out(delivery),
                            Admission::HandOutAndWiden => {
                                self.hand_out(delivery);
                                if let Err(error) = session.widen().await {
                                    return End::Lost(error.in_full());
                                }
                            }
                            Admission::Alone => {
                                let pass = self.gate.clone().pass(first);
                                first = First::No;
                                suspect = Some((delivery, Box::pin(pass)));
                            }
                            Admission::Reopen => return End::Suspect,
                        }
                    }
                }
            }
        }
    }

    /// Waits until all that was handed out is settled, so that closing the channel gives back only what nobody has
    /// seen.
    async fn settle_what_is_out(&mut self, session: &mut Session) -> End {
        let deadline = Instant::now() + SETTLE_BEFORE_REOPEN;
        let holder: Arc<Holder> = Arc::clone(session.holder());
        let mut ignored = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return End::Closed,
                asked = self.control.recv() => match asked {
                    Some(Control::Suspend(closed)) => return End::Suspend(closed),
                    Some(Control::Resume) => {}
                    Some(Control::Drain { deadline, answer }) => return End::Drain { deadline, answer },
                    None => return End::Closed,
                },
                _ = timeout_at(deadline, holder.idle()) => return End::Suspect,
                arrived = session.next(&mut ignored) => match arrived {
                    Ok(()) => ignored.clear(),
                    Err(reason) => return End::Lost(reason),
                },
            }
        }
    }

    fn hand_out_alone(&self, mut delivery: Delivery, permit: OwnedSemaphorePermit) {
        delivery.crash_looping = self
            .gate
            .is_crash_looping(delivery.message_id.as_deref(), delivery.delivery_count);
        delivery.keep_alone(permit);
        self.hand_out(delivery);
    }

    fn hand_out(&self, delivery: Delivery) {
        // Without a handle the delivery is dropped unseen, and the next look at `control` ends the channel.
        let _ = self.arriving.send(Arriving::Delivery(delivery));
    }
}

/// Waits until the suspect may be handed out.
async fn pass(suspect: &mut Option<Suspect>) -> Option<OwnedSemaphorePermit> {
    match suspect {
        Some((_, gate)) => gate.await,
        None => None,
    }
}
