//! The messages of one actor's queues and those who wait for them. Pure: told the time, answers what
//! to do; what is to be on disk is for [`desk`](super::desk) to write.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use bytes::Bytes;

use crate::clock::Timestamp;

/// Messages and waiters. `W` is what wakes a waiter.
#[derive(Debug)]
pub(super) struct Table<W> {
    /// The id of the next message: they ascend and none is used twice (Q1).
    next: u64,
    messages: BTreeMap<u64, Message>,
    /// Ids that may be taken now, by queue.
    ready: BTreeMap<Arc<str>, BTreeSet<u64>>,
    /// Those to be ready at a time to come.
    delayed: BTreeSet<(Timestamp, u64)>,
    /// Those that nobody holds and that are pointless from a time on.
    expiring: BTreeSet<(Timestamp, u64)>,
    /// Those of the exclusive turn that runs.
    staged: BTreeSet<u64>,
    /// Those that the atomic turn which runs has taken, as they were.
    touched: BTreeMap<u64, Touched>,
    /// Those of them that it has let go of again.
    released: BTreeSet<u64>,
    waiters: BTreeMap<Ticket, Waiter<W>>,
    next_ticket: u64,
    /// Waiters to wake once the table is let go of.
    called: Vec<W>,
}

/// One message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Message {
    pub(super) queue: Arc<str>,
    pub(super) body: Bytes,
    /// Not offered before.
    pub(super) due: Option<Timestamp>,
    /// Not offered from then on.
    pub(super) expires: Option<Timestamp>,
    /// How often it was taken to be completed.
    pub(super) attempts: u32,
}

/// A message as it was before an atomic turn.
#[derive(Debug)]
struct Touched {
    message: Message,
    /// Whether somebody beside the turn holds it.
    is_held: bool,
}

/// Which queues are meant: all, or some of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Selection(pub(super) Option<BTreeSet<Arc<str>>>);

impl Selection {
    fn has(&self, queue: &str) -> bool {
        self.0.as_ref().is_none_or(|it| it.contains(queue))
    }
}

/// Names one who waits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
struct Waiter<W> {
    wants: Selection,
    /// `None` once it was called.
    waker: Option<W>,
}

/// What became of a message that its receiver let go of without completing it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Released {
    /// It is offered again.
    Again,
    /// It was tried as often as it may be.
    Exhausted(Message),
    /// It is not held: completed already, or never taken.
    NotHeld,
}

impl<W> Table<W> {
    /// What was stored: messages with their ids, and the id of the next.
    pub(super) fn new(next: u64, stored: impl IntoIterator<Item = (u64, Message)>) -> Self {
        let mut table = Self {
            next: next.max(1),
            messages: BTreeMap::new(),
            ready: BTreeMap::new(),
            delayed: BTreeSet::new(),
            expiring: BTreeSet::new(),
            staged: BTreeSet::new(),
            touched: BTreeMap::new(),
            released: BTreeSet::new(),
            waiters: BTreeMap::new(),
            next_ticket: 0,
            called: Vec::new(),
        };
        for (id, message) in stored {
            table.next = table.next.max(id + 1);
            table.messages.insert(id, message);
            table.offer(id);
        }
        table
    }

    /// How many messages there are, those that somebody holds included.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Every message, those that somebody holds or that were set aside included.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.messages.iter().map(|(id, it)| (*id, it))
    }

    /// The id of the next message.
    pub(super) fn next_id(&self) -> u64 {
        self.next
    }

    /// Adds a message and answers its id. One of a running exclusive turn is offered once
    /// [`keep_turn`](Self::keep_turn) says so.
    pub(super) fn add(&mut self, message: Message, in_turn: bool) -> u64 {
        let id = self.next;
        self.next += 1;
        self.messages.insert(id, message);
        if in_turn {
            self.staged.insert(id);
        } else {
            self.offer(id);
        }
        id
    }

    /// The exclusive turn succeeded: what it sent is offered, and what it let go of. Whether it sent
    /// anything.
    pub(super) fn keep_turn(&mut self) -> bool {
        self.touched.clear();
        let has_sent = !self.staged.is_empty();
        for id in mem::take(&mut self.staged) {
            self.offer(id);
        }
        for id in mem::take(&mut self.released) {
            self.offer(id);
        }
        has_sent
    }

    /// The exclusive turn failed: what it sent never was, and what it took is there again if it was
    /// an atomic one.
    pub(super) fn discard_turn(&mut self) {
        for id in mem::take(&mut self.staged) {
            self.messages.remove(&id);
        }
        self.released.clear();
        for (id, Touched { message, is_held }) in mem::take(&mut self.touched) {
            self.messages.insert(id, message);
            if !is_held {
                self.offer(id);
            }
        }
    }

    /// An atomic turn is about to take a message, or to complete it.
    pub(super) fn touch(&mut self, id: u64) {
        if self.touched.contains_key(&id) || self.staged.contains(&id) {
            return;
        }
        let is_held = self.is_held(id);
        if let Some(message) = self.messages.get(&id).cloned() {
            self.touched.insert(id, Touched { message, is_held });
        }
    }

    /// As [`advance`](Self::advance) in an atomic turn.
    pub(super) fn advance_in_atomic(&mut self, now: Timestamp) -> Vec<u64> {
        let pointless = self.expiring.iter().take_while(|it| it.0 <= now);
        for id in pointless.map(|it| it.1).collect::<Vec<_>>() {
            self.touch(id);
        }
        self.advance(now)
    }

    /// Makes ready what is due, and takes out what is pointless by now: their ids.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<u64> {
        while let Some((due, id)) = self.delayed.first().copied().filter(|it| it.0 <= now) {
            self.delayed.remove(&(due, id));
            if let Some(message) = self.messages.get_mut(&id) {
                message.due = None;
                self.make_ready(id);
            }
        }
        let mut expired = Vec::new();
        while let Some((_, id)) = self.expiring.first().copied().filter(|it| it.0 <= now) {
            self.withdraw(id);
            self.messages.remove(&id);
            expired.push(id);
        }
        expired
    }

    /// When [`advance`](Self::advance) has something to make ready next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.delayed.first().map(|it| it.0)
    }

    /// As [`first`](Self::first) in an atomic turn, which may take again what it has let go of.
    pub(super) fn first_in_atomic(&self, wanted: &Selection) -> Option<(u64, &Message)> {
        let released = self.released.iter();
        let mut again = released.filter_map(|id| Some((*id, self.messages.get(id)?)));
        let again = again.find(|(_, it)| wanted.has(&it.queue));
        let first = self.first(wanted);
        again.into_iter().chain(first).min_by_key(|(id, _)| *id)
    }

    /// The first message that may be taken of the queues selected (Q1).
    pub(super) fn first(&self, wanted: &Selection) -> Option<(u64, &Message)> {
        let first = |ids: &BTreeSet<u64>| ids.first().copied();
        let id = match &wanted.0 {
            None => self.ready.values().filter_map(first).min(),
            Some(queues) => {
                let ids = queues.iter().filter_map(|it| self.ready.get(it));
                ids.filter_map(first).min()
            }
        }?;
        Some((id, self.messages.get(&id)?))
    }

    /// Messages of queues that are not there any more.
    pub(super) fn undeclared(&self, is_declared: impl Fn(&str) -> bool) -> Vec<(u64, Arc<str>)> {
        let all = self.messages.iter();
        all.filter(|(_, it)| !is_declared(&it.queue))
            .map(|(id, it)| (*id, Arc::clone(&it.queue)))
            .collect()
    }

    /// Takes a message for good.
    pub(super) fn take(&mut self, id: u64) {
        self.withdraw(id);
        self.messages.remove(&id);
    }

    /// Lends a message until it is completed or released.
    pub(super) fn hold(&mut self, id: u64) {
        self.withdraw(id);
        if let Some(message) = self.messages.get_mut(&id) {
            message.attempts = message.attempts.saturating_add(1);
        }
    }

    /// Keeps a message from being offered in this life, because nobody can read it.
    pub(super) fn set_aside(&mut self, id: u64) {
        self.withdraw(id);
    }

    /// A message that [is held](Self::is_held) is completed.
    pub(super) fn complete(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    /// A message that was held goes back, or has been tried `most` times.
    pub(super) fn release(&mut self, id: u64, most: Option<u32>, in_atomic: bool) -> Released {
        if !self.is_held(id) {
            if let Some(touched) = self.touched.get_mut(&id) {
                // Completed by the turn, which may come to nothing.
                touched.is_held = false;
            }
            return Released::NotHeld;
        }
        let attempts = self.messages.get(&id).map_or(0, |it| it.attempts);
        if most.is_some_and(|most| most <= attempts)
            && let Some(message) = self.messages.remove(&id)
        {
            return Released::Exhausted(message);
        }
        if in_atomic && self.touched.contains_key(&id) {
            self.released.insert(id);
        } else {
            self.offer(id);
        }
        Released::Again
    }

    /// Whether somebody holds this message, or it was set aside.
    pub(super) fn is_held(&self, id: u64) -> bool {
        let Some(message) = self.messages.get(&id) else {
            return false;
        };
        let is_ready = self
            .ready
            .get(&message.queue)
            .is_some_and(|it| it.contains(&id));
        let is_delayed = message
            .due
            .is_some_and(|due| self.delayed.contains(&(due, id)));
        !is_ready && !is_delayed && !self.staged.contains(&id) && !self.released.contains(&id)
    }

    fn offer(&mut self, id: u64) {
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        if let Some(expires) = message.expires {
            self.expiring.insert((expires, id));
        }
        match message.due {
            Some(due) => {
                self.delayed.insert((due, id));
                // Those who wait have to learn of the time to wake at.
                self.call_all();
            }
            None => self.make_ready(id),
        }
    }

    fn make_ready(&mut self, id: u64) {
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        let queue = Arc::clone(&message.queue);
        self.call(&queue);
        self.ready.entry(queue).or_default().insert(id);
    }

    fn withdraw(&mut self, id: u64) {
        self.released.remove(&id);
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        if let Some(due) = message.due {
            self.delayed.remove(&(due, id));
        }
        if let Some(expires) = message.expires {
            self.expiring.remove(&(expires, id));
        }
        if let Some(ids) = self.ready.get_mut(&message.queue) {
            ids.remove(&id);
            if ids.is_empty() {
                self.ready.remove(&message.queue);
            }
        }
    }

    /// Somebody waits from now on, in the order of coming.
    pub(super) fn wait(&mut self, wants: Selection, waker: W) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let waiter = Waiter {
            wants,
            waker: Some(waker),
        };
        self.waiters.insert(ticket, waiter);
        ticket
    }

    /// One who was called found nothing and waits on.
    pub(super) fn wait_on(&mut self, ticket: Ticket, waker: W) {
        if let Some(waiter) = self.waiters.get_mut(&ticket) {
            waiter.waker = Some(waker);
        }
    }

    /// One waits no more. Whoever was called and left may have left a message to another.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let left = self.waiters.remove(&ticket);
        if left.is_some_and(|it| it.waker.is_none()) {
            let queues: Vec<_> = self.ready.keys().cloned().collect();
            for queue in queues {
                self.call(&queue);
            }
        }
    }

    /// Calls the first who waits for a queue and was not called yet.
    fn call(&mut self, queue: &str) {
        let waiting = self.waiters.values_mut();
        let next = waiting
            .filter(|it| it.waker.is_some() && it.wants.has(queue))
            .find_map(|it| it.waker.take());
        self.called.extend(next);
    }

    fn call_all(&mut self) {
        let all = self.waiters.values_mut();
        self.called.extend(all.filter_map(|it| it.waker.take()));
    }

    /// Those to wake, by whoever holds the table and is about to let go of it.
    #[must_use]
    pub(super) fn take_called(&mut self) -> Vec<W> {
        mem::take(&mut self.called)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUEUES: [&str; 3] = ["a", "b", "c"];

    fn message(queue: &str, due: Option<u64>, expires: Option<u64>) -> Message {
        Message {
            queue: queue.into(),
            body: Bytes::new(),
            due: due.map(Timestamp::from_millis),
            expires: expires.map(Timestamp::from_millis),
            attempts: 0,
        }
    }

    fn only(queues: &[&str]) -> Selection {
        Selection(Some(queues.iter().map(|it| Arc::from(*it)).collect()))
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add {
            queue: usize,
            due: Option<u64>,
            expires: Option<u64>,
            in_turn: bool,
        },
        EndTurn(bool),
        /// By which queues, and whether to complete it later.
        Take(u8, bool),
        Complete(usize),
        Release(usize),
        Pass(u64),
        Reload,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let add = (
            0..3_usize,
            prop::option::weighted(0.3, 0..30_u64),
            prop::option::weighted(0.3, 0..30_u64),
            prop::bool::weighted(0.2),
        );
        let step = prop_oneof![
            6 => add.prop_map(|(queue, due, expires, in_turn)| {
                Step::Add { queue, due, expires, in_turn }
            }),
            1 => any::<bool>().prop_map(Step::EndTurn),
            5 => (0..8_u8, any::<bool>()).prop_map(|(names, keep)| Step::Take(names, keep)),
            2 => (0..4_usize).prop_map(Step::Complete),
            2 => (0..4_usize).prop_map(Step::Release),
            2 => (0..10_u64).prop_map(Step::Pass),
            1 => Just(Step::Reload),
        ];
        prop::collection::vec(step, 0..80)
    }

    /// What a list of messages does, looked at in the plainest way.
    #[derive(Default)]
    struct Model {
        all: Vec<(u64, Message, State)>,
    }

    #[derive(Clone, Copy, Eq, PartialEq)]
    enum State {
        Staged,
        Offered,
        Held,
    }

    impl Model {
        fn first(&self, wanted: &Selection, now: Timestamp) -> Option<u64> {
            let mut fits = self.all.iter().filter(|(_, it, state)| {
                *state == State::Offered
                    && wanted.has(&it.queue)
                    && it.due.is_none_or(|due| due <= now)
            });
            fits.next().map(|it| it.0)
        }

        fn held(&self, at: usize) -> Option<u64> {
            let held = self.all.iter().filter(|it| it.2 == State::Held);
            held.map(|it| it.0).nth(at)
        }

        fn set(&mut self, id: u64, state: State) {
            self.all.iter_mut().find(|it| it.0 == id).unwrap().2 = state;
        }
    }

    proptest! {
        /// Q1, Q3: whatever happens, each receive gets the first message of its queues, no id comes
        /// twice, and what was held and not completed is there again, also after a reload.
        #[test]
        fn q1_first_come_first_served(steps in steps()) {
            let most = 3;
            let (mut table, mut model) = (Table::<u32>::new(0, []), Model::default());
            let (mut now, mut last) = (Timestamp::default(), 0);
            for step in steps {
                match step {
                    Step::Add { queue, due, expires, in_turn } => {
                        let message = message(QUEUES[queue], due, expires);
                        let id = table.add(message.clone(), in_turn);
                        prop_assert!(last < id);
                        last = id;
                        let state = if in_turn { State::Staged } else { State::Offered };
                        model.all.push((id, message, state));
                    }
                    Step::EndTurn(true) => {
                        table.keep_turn();
                        let staged = model.all.iter_mut().filter(|it| it.2 == State::Staged);
                        staged.for_each(|it| it.2 = State::Offered);
                    }
                    Step::EndTurn(false) => {
                        table.discard_turn();
                        model.all.retain(|it| it.2 != State::Staged);
                    }
                    Step::Take(names, keep) => {
                        let names: Vec<_> = (0..3).filter(|it| names & (1 << it) != 0).collect();
                        let names: Vec<_> = names.into_iter().map(|it| QUEUES[it]).collect();
                        let wanted = if names.is_empty() { Selection(None) } else { only(&names) };
                        let found = table.first(&wanted).map(|it| it.0);
                        prop_assert_eq!(found, model.first(&wanted, now));
                        if let Some(id) = found {
                            if keep {
                                table.hold(id);
                                model.set(id, State::Held);
                                model.all.iter_mut().find(|it| it.0 == id).unwrap().1.attempts += 1;
                            } else {
                                table.take(id);
                                model.all.retain(|it| it.0 != id);
                            }
                        }
                    }
                    Step::Complete(at) => if let Some(id) = model.held(at) {
                        prop_assert!(table.is_held(id));
                        table.complete(id);
                        prop_assert!(!table.is_held(id));
                        model.all.retain(|it| it.0 != id);
                    },
                    Step::Release(at) => if let Some(id) = model.held(at) {
                        let tries = model.all.iter().find(|it| it.0 == id).unwrap().1.attempts;
                        let released = table.release(id, Some(most), false);
                        if most <= tries {
                            prop_assert!(matches!(released, Released::Exhausted(_)));
                            model.all.retain(|it| it.0 != id);
                        } else {
                            prop_assert_eq!(released, Released::Again);
                            prop_assert_eq!(table.release(id, Some(most), false), Released::NotHeld);
                            model.set(id, State::Offered);
                        }
                    },
                    Step::Pass(millis) => {
                        now = Timestamp::from_millis(now.as_millis() + millis);
                    }
                    Step::Reload => {
                        table.discard_turn();
                        model.all.retain(|it| it.2 != State::Staged);
                        model.all.iter_mut().for_each(|it| it.2 = State::Offered);
                        let stored = model.all.iter().map(|it| (it.0, it.1.clone()));
                        table = Table::new(table.next_id(), stored);
                    }
                }
                let mut expired = table.advance(now);
                expired.sort_unstable();
                let gone = |it: &(u64, Message, State)| {
                    it.2 == State::Offered && it.1.expires.is_some_and(|at| at <= now)
                };
                let expected: Vec<_> = model.all.iter().filter(|it| gone(it)).map(|it| it.0).collect();
                prop_assert_eq!(expired, expected);
                model.all.retain(|it| !gone(it));
                prop_assert_eq!(table.len(), model.all.len());
            }
        }

        /// Nobody waits while a message that they want is there and nobody was called for it.
        #[test]
        fn no_call_is_lost(steps in prop::collection::vec((0..5_u8, 0..3_usize, 1..8_u8), 0..60)) {
            let mut table = Table::<u32>::new(0, []);
            let mut waiting: Vec<(Ticket, Selection, bool)> = Vec::new();
            let mut tickets = Vec::new();
            for (what, at, names) in steps {
                let names: Vec<_> = (0..3).filter(|it| names & (1 << it) != 0).map(|it| QUEUES[it]).collect();
                match what {
                    0 | 1 => { table.add(message(QUEUES[at], None, None), false); }
                    2 => {
                        let wants = only(&names);
                        if table.first(&wants).is_none() {
                            let number = u32::try_from(tickets.len()).unwrap();
                            let ticket = table.wait(wants.clone(), number);
                            tickets.push(ticket);
                            waiting.push((ticket, wants, false));
                        }
                    }
                    3 => if at < waiting.len() {
                        // Dropped in the middle, called or not.
                        let (ticket, ..) = waiting.remove(at);
                        table.leave(ticket);
                    },
                    _ => if let Some(place) = waiting.iter().position(|it| it.2) {
                        // One who was called looks.
                        let (ticket, wants, _) = waiting[place].clone();
                        match table.first(&wants) {
                            Some((id, _)) => {
                                table.take(id);
                                waiting.remove(place);
                                table.leave(ticket);
                            }
                            None => {
                                waiting[place].2 = false;
                                let number = tickets.iter().position(|it| *it == ticket).unwrap();
                                table.wait_on(ticket, u32::try_from(number).unwrap());
                            }
                        }
                    },
                }
                for number in table.take_called() {
                    let ticket = tickets[number as usize];
                    if let Some(it) = waiting.iter_mut().find(|it| it.0 == ticket) {
                        it.2 = true;
                    }
                }
                for (_, wants, _) in waiting.iter().filter(|it| !it.2) {
                    let Some((_, message)) = table.first(wants) else { continue };
                    let queue = &message.queue;
                    let called = waiting.iter().any(|it| it.2 && it.1.has(queue));
                    prop_assert!(called, "somebody waits for {queue} and was not told");
                }
            }
        }
    }

    #[test]
    fn a_delay_tells_those_who_wait_of_its_time() {
        let mut table = Table::new(0, []);
        table.wait(Selection::default(), 7);
        table.add(message("a", Some(20), None), false);
        assert_eq!(table.take_called(), [7]);
        assert_eq!(table.next_due(), Some(Timestamp::from_millis(20)));
        assert_eq!(table.first(&Selection::default()), None);
        table.advance(Timestamp::from_millis(20));
        assert_eq!(table.first(&Selection::default()).map(|it| it.0), Some(1));
    }
}
