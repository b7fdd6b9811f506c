//! Messages of one client that its actor has not dealt with yet: numbered, bounded, and kept so that
//! they can be given to the next life when one breaks. Pure.

use std::{collections::VecDeque, sync::Arc};

use super::{Frame, Outbox};
use crate::id::MessageIndex;

/// Most messages of a client that wait (H10).
const MAX_MESSAGES: usize = 65_535;
/// Most bytes of a client that wait (H10).
const MAX_BYTES: usize = 128 * 1024 * 1024;

/// The messages that wait. Holds no memory while there are none.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// The number of the newest.
    last: u64,
    bytes: usize,
    waiting: VecDeque<Letter>,
    /// What was last warned of.
    warned: Option<Fullness>,
}

/// How much of what may wait does, once that is much.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fullness {
    Half,
    ThreeQuarters,
}

impl Fullness {
    /// In percent.
    pub(crate) fn percent(self) -> &'static str {
        match self {
            Self::Half => "50",
            Self::ThreeQuarters => "75",
        }
    }
}

#[derive(Debug)]
struct Letter {
    number: u64,
    frame: Frame,
    /// Whether a handler has been given it.
    begun: bool,
}

/// More waits of a client than may.
#[derive(Debug)]
pub(crate) struct InboxFull;

impl Inbox {
    /// Takes a message, and gives it its number. Says when with it half of what may wait does, or three
    /// quarters: once, until there is room again.
    pub(crate) fn take(&mut self, frame: Frame) -> Result<(u64, Option<Fullness>), InboxFull> {
        let bytes = self.bytes + frame.bytes.len();
        if self.waiting.len() == MAX_MESSAGES || MAX_BYTES < bytes {
            return Err(InboxFull);
        }
        self.bytes = bytes;
        self.last += 1;
        self.waiting.push_back(Letter {
            number: self.last,
            frame,
            begun: false,
        });
        Ok((self.last, self.warn()))
    }

    fn warn(&mut self) -> Option<Fullness> {
        let is_over = |parts| {
            MAX_MESSAGES / 4 * parts <= self.waiting.len() || MAX_BYTES / 4 * parts <= self.bytes
        };
        let fullness = if is_over(3) {
            Fullness::ThreeQuarters
        } else if is_over(2) {
            Fullness::Half
        } else {
            // Not at the half itself, or one message that comes and goes would be told of for ever.
            self.warned = self.warned.filter(|_| is_over(1));
            return None;
        };
        (self.warned < Some(fullness)).then(|| *self.warned.insert(fullness))
    }

    /// The newest message was not delivered: it never had a number.
    pub(crate) fn take_back(&mut self, number: u64) {
        if number == self.last && self.waiting.back().is_some_and(|it| it.number == number) {
            self.last -= 1;
            self.settle(number);
        }
    }

    /// A handler is given a message.
    pub(crate) fn begin(&mut self, number: u64) {
        if let Ok(at) = self.find(number) {
            self.waiting[at].begun = true;
        }
    }

    /// A message is dealt with: what it did is durable, or its client has been told otherwise.
    pub(crate) fn settle(&mut self, number: u64) {
        let Ok(at) = self.find(number) else { return };
        if let Some(letter) = self.waiting.remove(at) {
            self.bytes -= letter.frame.bytes.len();
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }

    /// A life broke: gives back what it had begun and not dealt with, oldest first. What it had not
    /// begun still waits in the mailbox.
    pub(crate) fn rewind(&mut self) -> Vec<(u64, Frame)> {
        let begun = self.waiting.iter_mut().filter(|it| it.begun);
        begun
            .map(|it| {
                it.begun = false;
                (it.number, it.frame.clone())
            })
            .collect()
    }

    /// The number of the oldest that waits.
    pub(crate) fn oldest(&self) -> Option<u64> {
        Some(self.waiting.front()?.number)
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.waiting.binary_search_by_key(&number, |it| it.number)
    }
}

/// One message in an inbox.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    outbox: Arc<Outbox>,
    number: u64,
}

impl Ticket {
    pub(crate) fn new(outbox: Arc<Outbox>, number: u64) -> Self {
        Self { outbox, number }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The message's number as clients and authors count, which starts again after 65,535 (H5).
    pub(crate) fn index(&self) -> MessageIndex {
        let [.., high, low] = self.number.to_be_bytes();
        MessageIndex::from_number(u16::from_be_bytes([high, low]))
    }

    /// Of the socket that it came over.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// See [`Inbox::begin`].
    pub(crate) fn begin(&self) {
        self.outbox.inbox().begin(self.number);
    }

    /// See [`Inbox::settle`].
    pub(crate) fn settle(&self) {
        self.outbox.inbox().settle(self.number);
    }

    /// See [`Inbox::take_back`].
    pub(crate) fn take_back(&self) {
        self.outbox.inbox().take_back(self.number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(len: usize) -> Frame {
        Frame {
            bytes: vec![0; len].into(),
            text: false,
        }
    }

    #[test]
    fn h10_what_waits_is_bounded_and_room_comes_back() {
        let mut inbox = Inbox::default();
        for _ in 0..MAX_MESSAGES {
            assert!(inbox.take(frame(0)).is_ok());
        }
        assert!(inbox.take(frame(0)).is_err());
        inbox.settle(1);
        assert_eq!(inbox.take(frame(0)).ok().map(|it| it.0), Some(65_536));
        let mut inbox = Inbox::default();
        let half = MAX_BYTES / 2;
        let one = frame(half);
        assert!(inbox.take(one.clone()).is_ok() && inbox.take(one.clone()).is_ok());
        assert!(inbox.take(frame(1)).is_err());
        inbox.settle(2);
        assert!(inbox.take(one).is_ok());
    }

    #[test]
    fn h10_is_warned_of_once_on_the_way_up() {
        let mut inbox = Inbox::default();
        let warned = |inbox: &mut Inbox, more: usize| {
            let taken = (0..more).filter_map(|_| inbox.take(frame(0)).ok()?.1);
            taken.map(Fullness::percent).collect::<Vec<_>>()
        };
        let quarter = MAX_MESSAGES / 4;
        assert_eq!(warned(&mut inbox, 2 * quarter - 1), [""; 0]);
        assert_eq!(warned(&mut inbox, 1), ["50"]);
        // What comes and goes there is not told of again.
        let last = inbox.last;
        inbox.take_back(last);
        assert_eq!(warned(&mut inbox, 1), [""; 0]);
        assert_eq!(warned(&mut inbox, MAX_MESSAGES - 2 * quarter), ["75"]);
        for number in 1..=inbox.last - 10 {
            inbox.settle(number);
        }
        assert_eq!(warned(&mut inbox, 3 * quarter - 10), ["50", "75"]);
        // Bytes count too.
        let mut inbox = Inbox::default();
        let large = frame(MAX_BYTES / 4 * 3);
        let taken = inbox.take(large).ok().and_then(|it| it.1);
        assert_eq!(taken, Some(Fullness::ThreeQuarters));
    }

    #[test]
    fn h5_numbers_start_again() {
        let outbox = Arc::new(Outbox::new(crate::protocol::Encoding::Json, 0));
        let index = |number| Ticket::new(Arc::clone(&outbox), number).index().number();
        assert_eq!([1, 65_535, 65_536, 65_537].map(index), [1, 65_535, 0, 1]);
    }

    proptest! {
        /// Whatever happens in whatever order: a broken life gives back exactly what was begun and not
        /// settled, in order, and an empty inbox holds nothing.
        #[test]
        fn h4_a_rewind_gives_back_what_was_begun(steps in prop::collection::vec((0..5_u8, 1..30_u64), 0..120)) {
            let mut inbox = Inbox::default();
            let mut model: Vec<(u64, bool)> = Vec::new();
            let mut last = 0;
            for (step, number) in steps {
                match step {
                    0 => {
                        last += 1;
                        prop_assert_eq!(inbox.take(frame(3)).ok(), Some((last, None)));
                        model.push((last, false));
                    }
                    1 => {
                        inbox.begin(number);
                        model.iter_mut().filter(|it| it.0 == number).for_each(|it| it.1 = true);
                    }
                    2 => {
                        inbox.settle(number);
                        model.retain(|it| it.0 != number);
                    }
                    3 => {
                        let given: Vec<_> = inbox.rewind().into_iter().map(|it| it.0).collect();
                        let begun: Vec<_> = model.iter().filter(|it| it.1).map(|it| it.0).collect();
                        prop_assert_eq!(given, begun);
                        model.iter_mut().for_each(|it| it.1 = false);
                    }
                    _ => {
                        inbox.take_back(last);
                        if model.last().is_some_and(|it| it.0 == last) {
                            model.pop();
                            last -= 1;
                        }
                    }
                }
                prop_assert_eq!(inbox.oldest(), model.first().map(|it| it.0));
                prop_assert_eq!(inbox.bytes, 3 * model.len());
                prop_assert!(!model.is_empty() || inbox.waiting.capacity() == 0);
            }
        }
    }
}
