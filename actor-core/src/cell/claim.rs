//! Who has a request: it waits for its actor until either that takes it, or who sent it takes it back.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// What both ends of a request know of it. Whoever is first has it for good, so that none is run twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claim(Arc<AtomicU8>);

impl Claim {
    /// The actor begins with the request, unless it was taken back.
    pub(crate) fn take(&self) -> bool {
        self.turn(TAKEN)
    }

    /// Takes the request back, unless the actor has begun with it.
    pub(crate) fn take_back(&self) -> bool {
        self.turn(BACK)
    }

    /// Whether it is now, or was already, where `to` says.
    fn turn(&self, to: u8) -> bool {
        let turned = self
            .0
            .compare_exchange(WAITS, to, Ordering::AcqRel, Ordering::Acquire);
        turned.is_ok() || turned == Err(to)
    }
}

const WAITS: u8 = 0;
const TAKEN: u8 = 1;
const BACK: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_first_has_it() {
        let claim = Claim::default();
        assert!(claim.take() && !claim.take_back() && claim.take());
        let claim = Claim::default();
        assert!(claim.take_back() && !claim.take() && claim.take_back());
    }
}
