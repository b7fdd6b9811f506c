//! Outputs wait here until what they saw is durable (P2). Pure.

use std::collections::VecDeque;

use crate::storage::Committed;

/// Outputs on their way out, in order, each with the state version it saw.
#[derive(Debug)]
pub(super) struct Gate<T> {
    durable: u64,
    held: VecDeque<(u64, T)>,
}

/// Room that a gate keeps while nothing waits: what a queue begins with.
const KEPT: usize = 4;

impl<T> Gate<T> {
    pub(super) fn new(durable: u64) -> Self {
        Self {
            durable,
            held: VecDeque::new(),
        }
    }

    /// Gives an output back that may leave at once; holds it otherwise. Outputs that saw nothing
    /// unsaved do not queue behind those that did.
    #[must_use]
    pub(super) fn pass(&mut self, saw: u64, output: T) -> Option<T> {
        if saw <= self.durable {
            return Some(output);
        }
        self.held.push_back((saw, output));
        None
    }

    /// Notes that a commit is durable; [`next`](Self::next) then has what it frees.
    pub(super) fn open(&mut self, committed: &Committed) {
        self.durable = self.durable.max(committed.version());
    }

    /// The next output that may leave.
    pub(super) fn next(&mut self) -> Option<T> {
        let (saw, _) = self.held.front()?;
        if self.durable < *saw {
            return None;
        }
        let (_, output) = self.held.pop_front()?;
        if self.held.is_empty() && KEPT < self.held.capacity() {
            self.held = VecDeque::new();
        }
        Some(output)
    }

    /// Takes everything that waits: its commit has failed.
    pub(super) fn fail(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|(_, output)| output)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        id::{ActorId, Generation},
        storage::Batch,
    };

    fn committed(version: u64) -> Committed {
        Batch::new(ActorId::from_bytes([0; 16]), Generation::default(), version).committed()
    }

    proptest! {
        /// P2: nothing leaves before its version is durable, everything leaves once it is, and
        /// outputs of growing versions leave in order.
        #[test]
        fn p2_nothing_leaves_early_or_stays(steps in prop::collection::vec(prop::bool::ANY, 1..80)) {
            let (mut gate, mut version, mut durable) = (Gate::new(0), 0_u64, 0_u64);
            let (mut waiting, mut left) = (Vec::new(), Vec::new());
            for turn in steps {
                if turn {
                    version += 1;
                    prop_assert_eq!(gate.pass(version, version), None);
                    waiting.push(version);
                } else {
                    durable = version;
                    gate.open(&committed(durable));
                    while let Some(out) = gate.next() {
                        prop_assert!(out <= durable);
                        left.push(out);
                    }
                    prop_assert!(gate.is_empty());
                }
                prop_assert_eq!(gate.pass(durable, 0), Some(0));
            }
            waiting.retain(|it| *it <= durable);
            prop_assert_eq!(left, waiting);
        }
    }
}
