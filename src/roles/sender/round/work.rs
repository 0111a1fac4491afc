//! What is still to be sent in a round: batches, cut smaller where a request was refused whole.

use std::collections::{HashMap, VecDeque};

use super::Item;
use crate::domain::Outcome;

/// What is still to be sent in a round.
pub(super) struct Work {
    pub(super) batches: VecDeque<Vec<Item>>,
    /// The size of the smallest part that a refused request was cut into.
    pub(super) smallest: Option<usize>,
    pub(super) reauthenticated: bool,
}

impl Work {
    pub(super) fn again_in_halves(&mut self, batch: Vec<Item>) {
        let (first, second) = halves(batch);
        self.smallest = Some(first.len());
        self.batches.push_front(second);
        self.batches.push_front(first);
    }

    pub(super) fn again_without_culprits(&mut self, rest: Vec<Item>) {
        if !rest.is_empty() {
            self.smallest = Some(rest.len());
            self.batches.push_front(rest);
        }
    }
}

/// Halves a batch of two or more; the second half is empty if there was only one.
fn halves(mut batch: Vec<Item>) -> (Vec<Item>, Vec<Item>) {
    let second = batch.split_off(batch.len().div_ceil(2));
    (batch, second)
}

pub(super) fn chunks(items: Vec<Item>, most: usize) -> VecDeque<Vec<Item>> {
    let mut chunks = VecDeque::new();
    let mut rest = items;
    while rest.len() > most.max(1) {
        let next = rest.split_off(most.max(1));
        chunks.push_back(std::mem::replace(&mut rest, next));
    }
    if !rest.is_empty() {
        chunks.push_back(rest);
    }
    chunks
}

/// Parts the named ones from the rest, each keeping its order.
pub(super) fn part(batch: Vec<Item>, named: Vec<(usize, Outcome)>) -> (Vec<(Item, Outcome)>, Vec<Item>) {
    let mut named: HashMap<usize, Outcome> = named.into_iter().collect();
    let mut culprits = Vec::new();
    let mut rest = Vec::new();
    for (index, item) in batch.into_iter().enumerate() {
        match named.remove(&index) {
            Some(outcome) => culprits.push((item, outcome)),
            None => rest.push(item),
        }
    }
    (culprits, rest)
}
