//! Which delivery tags of one channel are settled, and the fewest frames that say so.

use std::collections::VecDeque;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Done with.
    Ack,
    /// Back to the queue.
    Requeue,
}

/// One frame to write; frames go out in the order in which they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `basic.ack` with `multiple`: everything up to and including the tag.
    AckUpTo(u64),
    /// `basic.ack` of one tag.
    Ack(u64),
    /// `basic.nack` of one tag, requeue.
    Requeue(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// With us, or not delivered yet.
    Open,
    /// Settled since the last frames were taken.
    Settled,
    /// Its frame was given out.
    Written,
}

/// The tags of one channel, which count 1, 2, 3, … in the order of delivery.
///
/// The broker closes the channel (406) when a frame names a tag that it no longer holds, and a `multiple` that covers
/// an unsettled tag would ack what nobody has looked at. So: what is settled without a gap from the start is acked with
/// one `multiple` that names the highest of them not yet written, the rest one by one, requeues first.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// All tags up to this one are written.
    done: u64,
    /// The states of `done + 1`, `done + 2`, ….
    above: VecDeque<State>,
    /// Acks not yet turned into frames.
    acks: Vec<u64>,
    /// Requeues not yet turned into frames.
    requeues: Vec<u64>,
}

impl Tags {
    /// Notes the verdict on a tag; a second verdict on the same tag is ignored.
    pub(super) fn settle(&mut self, tag: u64, verdict: Verdict) {
        let Some(index) = tag.checked_sub(self.done + 1) else {
            return;
        };
        let index = index as usize;
        if self.above.len() <= index {
            self.above.resize(index + 1, State::Open);
        }
        if self.above[index] != State::Open {
            return;
        }
        self.above[index] = State::Settled;
        match verdict {
            Verdict::Ack => self.acks.push(tag),
            Verdict::Requeue => self.requeues.push(tag),
        }
    }

    /// Takes the frames that tell the broker all verdicts noted since the last call.
    pub(super) fn take_frames(&mut self, frames: &mut Vec<Frame>) {
        frames.clear();
        for tag in self.requeues.drain(..) {
            frames.push(Frame::Requeue(tag));
            self.above[(tag - self.done - 1) as usize] = State::Written;
        }
        let gapless = self.above.iter().take_while(|state| **state != State::Open).count();
        let prefix_end = self.done + gapless as u64;
        let in_prefix = self.acks.iter().filter(|tag| **tag <= prefix_end);
        let (count, highest) = in_prefix.fold((0, 0), |(count, highest), tag| (count + 1, highest.max(*tag)));
        match count {
            0 => {}
            1 => frames.push(Frame::Ack(highest)),
            _ => frames.push(Frame::AckUpTo(highest)),
        }
        for tag in self.acks.drain(..) {
            if tag > prefix_end {
                frames.push(Frame::Ack(tag));
                self.above[(tag - self.done - 1) as usize] = State::Written;
            }
        }
        self.above.drain(..gapless);
        self.done = prefix_end;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What RabbitMQ does with our frames: it holds tags, and closes the channel over one that it does not hold.
    struct Broker {
        held: BTreeSet<u64>,
        acked: BTreeSet<u64>,
        requeued: BTreeSet<u64>,
    }

    impl Broker {
        fn holding(tags: u64) -> Self {
            Broker {
                held: (1..=tags).collect(),
                acked: BTreeSet::new(),
                requeued: BTreeSet::new(),
            }
        }

        fn take(&mut self, frame: Frame) {
            match frame {
                Frame::AckUpTo(tag) => {
                    assert!(self.held.contains(&tag), "multiple names {tag}, which is gone");
                    let above = self.held.split_off(&(tag + 1));
                    self.acked.append(&mut self.held);
                    self.held = above;
                }
                Frame::Ack(tag) => {
                    assert!(self.held.remove(&tag), "ack of {tag}, which is gone");
                    self.acked.insert(tag);
                }
                Frame::Requeue(tag) => {
                    assert!(self.held.remove(&tag), "requeue of {tag}, which is gone");
                    self.requeued.insert(tag);
                }
            }
        }
    }

    fn frames(tags: &mut Tags) -> Vec<Frame> {
        let mut frames = Vec::new();
        tags.take_frames(&mut frames);
        frames
    }

    #[test]
    fn what_is_settled_without_a_gap_takes_one_frame() {
        let mut tags = Tags::default();
        for tag in [2, 1, 3] {
            tags.settle(tag, Verdict::Ack);
        }

        assert_eq!(frames(&mut tags), [Frame::AckUpTo(3)]);
        assert_eq!(frames(&mut tags), []);
    }

    #[test]
    fn a_multiple_never_names_a_tag_that_was_acked_singly() {
        let mut tags = Tags::default();
        tags.settle(4, Verdict::Ack);
        assert_eq!(frames(&mut tags), [Frame::Ack(4)]);

        for tag in [1, 2, 3] {
            tags.settle(tag, Verdict::Ack);
        }

        assert_eq!(frames(&mut tags), [Frame::AckUpTo(3)]);
        tags.settle(5, Verdict::Ack);
        assert_eq!(frames(&mut tags), [Frame::Ack(5)]);
    }

    #[test]
    fn a_requeue_goes_out_before_the_multiple_that_would_cover_it() {
        let mut tags = Tags::default();
        tags.settle(1, Verdict::Ack);
        tags.settle(2, Verdict::Requeue);
        tags.settle(3, Verdict::Ack);

        assert_eq!(frames(&mut tags), [Frame::Requeue(2), Frame::AckUpTo(3)]);
    }

    proptest! {
        #[test]
        fn any_order_and_grouping_settles_every_tag_once_and_nothing_else(
            order in (1u64..200).prop_flat_map(|count| Just((1..=count).collect::<Vec<_>>()).prop_shuffle()),
            requeued in proptest::collection::vec(any::<bool>(), 200),
            group_ends in proptest::collection::vec(any::<bool>(), 200),
            left_open in 0usize..20,
        ) {
            let count = order.len() as u64;
            let settled = &order[..order.len().saturating_sub(left_open)];
            let mut broker = Broker::holding(count);
            let mut tags = Tags::default();

            for (position, tag) in settled.iter().enumerate() {
                let verdict = if requeued[*tag as usize] { Verdict::Requeue } else { Verdict::Ack };
                tags.settle(*tag, verdict);
                if group_ends[position] {
                    frames(&mut tags).into_iter().for_each(|frame| broker.take(frame));
                }
            }
            frames(&mut tags).into_iter().for_each(|frame| broker.take(frame));

            let (back, done): (BTreeSet<u64>, BTreeSet<u64>) =
                settled.iter().partition(|tag| requeued[**tag as usize]);
            prop_assert_eq!(broker.acked, done);
            prop_assert_eq!(broker.requeued, back);
            prop_assert_eq!(broker.held.len(), order.len() - settled.len());
        }

        #[test]
        fn a_second_verdict_on_a_tag_changes_nothing(again in proptest::collection::vec(1u64..20, 0..40)) {
            let mut broker = Broker::holding(20);
            let mut tags = Tags::default();

            for tag in 1..=20 {
                tags.settle(tag, Verdict::Ack);
                for tag in again.iter().filter(|second| **second <= tag) {
                    tags.settle(*tag, Verdict::Requeue);
                }
                frames(&mut tags).into_iter().for_each(|frame| broker.take(frame));
            }

            prop_assert_eq!(broker.acked.len(), 20);
        }
    }
}
