//! One window: written in order, and reported only when every confirm of it is in.

use std::{collections::HashSet, sync::Arc, time::Duration};

use lapin::{
    Channel, Confirmation,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::watch;

use super::{
    begun::{begin, finish},
    error::{BrokerError, reply},
    link::Link,
    message::{Outgoing, Prepared},
    patience::{ANSWER_TIMEOUT, within},
};
use crate::metrics::broker::PublishResult;

const NOT_FOUND: u16 = 404;
/// How RabbitMQ begins its words when no message at all may go to the exchange.
const WHOLE_EXCHANGE: &str = "ACCESS_REFUSED - access to exchange";

/// What became of one published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A queue holds it.
    Acked,
    /// A queue said no; it may say yes later.
    Nacked,
    /// There is no queue for it.
    Returned,
    /// The broker refused it, in these words.
    Refused(String),
    /// Nobody knows: it has to be published again.
    Unknown,
}

impl Fate {
    /// The fate as it is counted.
    pub(super) fn result(&self) -> PublishResult {
        match self {
            Fate::Acked => PublishResult::Acked,
            Fate::Nacked => PublishResult::Nacked,
            Fate::Returned => PublishResult::Returned,
            Fate::Refused(_) => PublishResult::Refused,
            Fate::Unknown => PublishResult::Unknown,
        }
    }
}

/// After so many windows in a row without all their confirms the node is given up: in a cluster, the smaller side of a
/// partition takes messages and never confirms them.
const STALLS_UNTIL_ANOTHER_NODE: u32 = 2;

/// A publishing channel, opened when needed, and given up when it is in doubt.
pub(super) struct Window {
    channel: Option<(Arc<Link>, Channel)>,
    confirm_timeout: Duration,
    stalls: u32,
}

/// The broker closed the channel over a message.
struct Refusal {
    code: u16,
    text: String,
}

impl Refusal {
    /// Whether it holds for every message to the same exchange.
    fn is_of_the_exchange(&self) -> bool {
        self.code == NOT_FOUND || self.text.starts_with(WHOLE_EXCHANGE)
    }
}

impl Window {
    pub(super) fn new(confirm_timeout: Duration) -> Self {
        Window {
            channel: None,
            confirm_timeout,
            stalls: 0,
        }
    }

    /// Publishes messages to one exchange, each once, and says what became of each.
    ///
    /// A message that the broker refuses closes the channel and leaves the others of the window without an answer. So
    /// they go out again in halves, until the culprit stands alone.
    pub(super) async fn publish(&mut self, link: &Arc<Link>, messages: &[&Outgoing]) -> Vec<Fate> {
        let mut fates = vec![Fate::Unknown; messages.len()];
        let mut prepared = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            match Prepared::new(message) {
                Ok(message) => prepared.push((index, message)),
                Err(too_long) => {
                    fates[index] = Fate::Refused(format!("{} is longer than 255 bytes", too_long.0));
                }
            }
        }
        let mut groups = vec![prepared];
        while let Some(group) = groups.pop() {
            let Some(refusal) = self.publish_group(link, &group, &mut fates).await else {
                continue;
            };
            let mut unanswered: Vec<_> = group
                .into_iter()
                .filter(|(index, _)| fates[*index] == Fate::Unknown)
                .collect();
            if unanswered.len() == 1 || refusal.is_of_the_exchange() {
                for (index, _) in unanswered {
                    fates[index] = Fate::Refused(refusal.text.clone());
                }
            } else {
                groups.push(unanswered.split_off(unanswered.len() / 2));
                groups.push(unanswered);
            }
        }
        fates
    }

    /// Closes the channel, if there is one.
    pub(super) async fn close(&mut self) {
        if let Some((_, channel)) = self.channel.take() {
            let closing = channel.close(200, "closing".into());
            if let Err(error) = within(ANSWER_TIMEOUT, "close a publishing channel", closing).await {
                tracing::debug!(error = error.in_full(), "publishing channel not closed properly");
            }
        }
    }

    async fn publish_group(
        &mut self,
        link: &Arc<Link>,
        group: &[(usize, Prepared)],
        fates: &mut [Fate],
    ) -> Option<Refusal> {
        if group.is_empty() {
            return None;
        }
        let channel = match self.channel(link).await {
            Ok(channel) => channel,
            Err(error) => {
                tracing::debug!(error = error.in_full(), "no publishing channel");
                return None;
            }
        };
        let mut answers = Vec::with_capacity(group.len());
        let in_time = tokio::select! {
            () = publish_all(&channel, group, &mut answers) => true,
            () = stalled(link.blocked(), self.confirm_timeout) => false,
        };
        let refusal = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .find_map(refusal);
        if in_time {
            self.stalls = 0;
        } else {
            self.stalls += 1;
            if self.stalls >= STALLS_UNTIL_ANOTHER_NODE {
                self.stalls = 0;
                link.leave_node();
            }
        }
        if !in_time || answers.iter().any(Result::is_err) {
            self.channel = None;
        }
        judge(group, answers, fates);
        refusal
    }

    async fn channel(&mut self, link: &Arc<Link>) -> Result<Channel, BrokerError> {
        if let Some((of, channel)) = &self.channel
            && Arc::ptr_eq(of, link)
            && channel.status().connected()
        {
            return Ok(channel.clone());
        }
        let channel = link.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions::default());
        within(ANSWER_TIMEOUT, "ask for confirms", confirm).await?;
        self.channel = Some((Arc::clone(link), channel.clone()));
        Ok(channel)
    }
}

type Answer = lapin::Result<Confirmation>;

async fn publish_all(channel: &Channel, group: &[(usize, Prepared)], answers: &mut Vec<Answer>) {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let mut writes = Vec::with_capacity(group.len());
    for (_, message) in group {
        let write = channel.basic_publish(
            message.exchange.clone(),
            message.routing_key.clone(),
            options,
            &message.body,
            message.properties.clone(),
        );
        writes.push(begin(write).await);
    }
    let mut confirms = Vec::with_capacity(group.len());
    for write in writes {
        confirms.extend(finish(write).await);
    }
    for confirm in confirms {
        answers.push(match confirm {
            Ok(confirm) => confirm.await,
            Err(error) => Err(error),
        });
    }
}

/// Waits until the broker had that long to answer without blocking us meanwhile.
///
/// While it blocks, nothing is lost and nothing can be done: the window just waits, and its messages are not written
/// again and again into lapin's buffers.
async fn stalled(mut blocked: watch::Receiver<Option<String>>, limit: Duration) {
    loop {
        if blocked.wait_for(Option::is_none).await.is_err() {
            return;
        }
        let blocking_again = blocked.wait_for(Option::is_some);
        match tokio::time::timeout(limit, blocking_again).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn refusal(error: &lapin::Error) -> Option<Refusal> {
    if !error.is_amqp_soft_error() {
        return None;
    }
    reply(error).map(|(code, text)| Refusal { code, text })
}

/// Turns the answers to a whole window into fates.
///
/// lapin hands a returned message to whichever confirm completes next, so `Ack(None)` proves nothing in a window that
/// had a return: the returned ones are told by their names, and the rest of that window counts as unknown.
fn judge(group: &[(usize, Prepared)], answers: Vec<Answer>, fates: &mut [Fate]) {
    let mut returned = HashSet::new();
    let mut verdicts = Vec::with_capacity(answers.len());
    for answer in answers {
        let (verdict, back) = match answer {
            Ok(Confirmation::Ack(back)) => (Fate::Acked, back),
            Ok(Confirmation::Nack(back)) => (Fate::Nacked, back),
            Ok(Confirmation::NotRequested) | Err(_) => (Fate::Unknown, None),
        };
        verdicts.push(verdict);
        returned.extend(back.as_ref().map(name_of_returned));
    }
    for ((index, message), verdict) in group.iter().zip(verdicts) {
        fates[*index] = if returned.is_empty() {
            verdict
        } else if returned.contains(&name_of(message)) {
            Fate::Returned
        } else {
            Fate::Unknown
        };
    }
}

/// What tells one message of a window from another: its ID and key. All go to one exchange.
type Name = (Option<String>, String);

fn name_of(message: &Prepared) -> Name {
    let id = message.properties.message_id().as_ref().map(ToString::to_string);
    (id, message.routing_key.to_string())
}

fn name_of_returned(back: &BasicReturnMessage) -> Name {
    let id = back.delivery.properties.message_id().as_ref().map(ToString::to_string);
    (id, back.delivery.routing_key.to_string())
}
