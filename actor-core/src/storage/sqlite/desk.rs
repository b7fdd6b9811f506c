//! Who writes: the thread, or, where the disk commits quickly, one of those who ask.
//!
//! Handing a write to a thread and hearing back takes two wakes, each of which costs more than the
//! commit of a quick disk. There, the first who asks does the work of all: it lets others hand in theirs,
//! writes what waits as one group, answers, and leaves when nothing waits. Where a commit is slow that
//! would hold up a thread of the runtime, so the writer's own thread does it, as it does whatever else
//! takes long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering, fence},
        mpsc::{Receiver, SyncSender},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{Mutex, mpsc},
    task::yield_now,
    time::Instant,
};

use super::{
    queue,
    worker::{Busy, Command, Worker},
};

/// Where writes wait and are done, by one at a time.
pub(super) struct Desk {
    /// Whether those who ask write. Otherwise the thread does, or has been called.
    quick: AtomicBool,
    /// Whether one of those who ask writes for all, and looks once more before it leaves.
    led: AtomicBool,
    writer: Mutex<Writer>,
    options: DeskOptions,
}

/// See [`SqliteOptions`](super::SqliteOptions).
#[derive(Clone, Copy, Debug)]
pub(super) struct DeskOptions {
    /// Most commands in one transaction.
    pub(super) group: usize,
    /// Commits shorter than this need no thread.
    pub(super) quick: Duration,
    /// How long the thread waits for a foreign program's lock.
    pub(super) busy: Duration,
}

/// What whoever writes needs.
pub(super) struct Writer {
    worker: Worker,
    queue: mpsc::Receiver<Command>,
    /// Taken from the queue and not written yet.
    group: Vec<Command>,
    /// How many commands the next group most likely has: those who were answered last, and those who
    /// came meanwhile.
    expected: usize,
}

impl Desk {
    pub(super) fn new(
        worker: Worker,
        queue: mpsc::Receiver<Command>,
        options: DeskOptions,
    ) -> Self {
        Self {
            quick: AtomicBool::new(false),
            led: AtomicBool::new(false),
            writer: Mutex::new(Writer {
                worker,
                queue,
                group: Vec::with_capacity(options.group),
                expected: 0,
            }),
            options,
        }
    }

    /// Whether whoever has just handed in a write should see to it that it is done.
    pub(super) fn is_quick(&self) -> bool {
        // Either this sees that the thread has left, or the thread sees the write that was handed in.
        fence(Ordering::SeqCst);
        self.quick.load(Ordering::SeqCst)
    }

    /// Makes whoever asks the one who writes, unless there is one.
    pub(super) fn lead(self: &Arc<Self>, bell: &SyncSender<()>) -> Option<Lead> {
        if self.led.swap(true, Ordering::SeqCst) {
            return None;
        }
        Some(Lead {
            desk: Arc::clone(self),
            bell: bell.clone(),
            is_over: false,
        })
    }

    /// Writes what waits as one group, here and now, or as much of it as is quick. Whether to go on: if
    /// not, the thread does.
    fn write(&self, writer: &mut Writer, bell: &SyncSender<()>) -> bool {
        if !self.quick.load(Ordering::SeqCst) {
            return false;
        }
        writer.gather(self.options.group, INLINE_BYTES, None);
        let stays_quick = match writer.worker.write_group(&mut writer.group) {
            Ok(()) => {
                writer.answer();
                self.is_quick_enough(writer) && !writer.worker.wants_checkpoint()
            }
            Err(Busy) => false,
        };
        if !stays_quick {
            self.quick.store(false, Ordering::SeqCst);
            ring(bell);
        }
        stays_quick
    }

    /// Whoever writes for all leaves, unless somebody has handed in more who counts on that.
    fn stop_leading(&self, writer: &Writer) -> bool {
        self.led.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !self.quick.load(Ordering::SeqCst)
            || writer.queue.is_empty()
            || self.led.swap(true, Ordering::SeqCst)
    }

    /// The thread: writes until the last who might ask is gone. `bell` tells it that it is needed.
    pub(super) fn serve(&self, bell: &Receiver<()>) {
        let _abandoned = Abandoned(self);
        let mut is_open = true;
        while self.serve_thread(is_open) {
            is_open = bell.recv().is_ok();
        }
    }

    /// Writes until there is nothing left that others could not do as well. Whether somebody may
    /// still ask.
    fn serve_thread(&self, is_open: bool) -> bool {
        let mut writer = self.writer.blocking_lock();
        let writer = &mut *writer;
        self.quick.store(false, Ordering::SeqCst);
        writer.worker.wait_for_locks(Some(self.options.busy));
        loop {
            if !writer.group.is_empty() {
                if writer.worker.write_group(&mut writer.group).is_ok() {
                    writer.expected = writer.group.len() + writer.queue.len();
                }
                writer.answer();
            }
            writer.worker.checkpoint_if_due();
            if is_open && self.is_quick_enough(writer) {
                writer.worker.wait_for_locks(None);
                // Whoever wrote last may have been dropped before the end.
                self.led.store(false, Ordering::SeqCst);
                self.quick.store(true, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                if writer.queue.is_empty() {
                    return true;
                }
                // Who handed that in may have done so before it could know.
                self.quick.store(false, Ordering::SeqCst);
                writer.worker.wait_for_locks(Some(self.options.busy));
            }
            let Some(first) = queue::next(&mut writer.queue) else {
                return false;
            };
            writer.group.push(first);
            let patience = Instant::now() + writer.patience();
            writer.gather(self.options.group, GROUP_BYTES, Some(patience));
        }
    }

    /// Whether the last commit was. Before the first nobody knows.
    fn is_quick_enough(&self, writer: &Writer) -> bool {
        let took = writer.worker.commit_took();
        took.is_some_and(|it| it < self.options.quick)
    }

    /// Moves the log into the database, as the last thing that is written.
    pub(super) fn tidy_up(&self) {
        self.writer.blocking_lock().worker.tidy_up();
    }
}

/// Whoever writes for all who ask.
pub(super) struct Lead {
    /// First, so that its connection is closed before the thread ends and frees the lock.
    desk: Arc<Desk>,
    bell: SyncSender<()>,
    is_over: bool,
}

impl Lead {
    /// Writes until nothing waits. Where that takes long, another task goes on with it: whoever leads has
    /// been answered and has something to do.
    pub(super) async fn write(mut self) {
        self.write_some().await;
        if !self.is_over
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                while !self.is_over {
                    self.write_some().await;
                }
            });
        }
    }

    async fn write_some(&mut self) {
        // Whoever else is about to write hands that in first.
        yield_now().await;
        let mut writer = self.desk.writer.lock().await;
        let until = Instant::now() + LEAD_FOR;
        loop {
            let goes_on = self.desk.write(&mut writer, &self.bell);
            let is_done = !goes_on || writer.queue.is_empty();
            if is_done && self.desk.stop_leading(&writer) {
                self.is_over = true;
                return;
            }
            if until < Instant::now() {
                return;
            }
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Whoever asked waits no more, or there was a panic: the thread does what is left.
        if !self.is_over {
            ring(&self.bell);
        }
    }
}

impl Writer {
    /// Takes what waits, up to a limit, and what comes `until` some time if more are expected.
    fn gather(&mut self, most: usize, bytes: usize, until: Option<Instant>) {
        let mut size: usize = self.group.iter().map(Command::size).sum();
        while self.group.len() < most && size < bytes {
            let next = match until {
                Some(until) => queue::another(
                    &mut self.queue,
                    (self.group.len() < self.expected).then_some(until),
                ),
                None => self.queue.try_recv().ok(),
            };
            let Some(next) = next else { break };
            size += next.size();
            self.group.push(next);
        }
    }

    fn answer(&mut self) {
        self.group.drain(..).for_each(Command::answer);
    }

    /// How long to wait for a group to fill: as long as not doing so would make the others wait. A
    /// disk that commits quickly is better kept busy while the callers compute.
    fn patience(&self) -> Duration {
        let took = self.worker.commit_took();
        took.filter(|it| SLOW_COMMIT <= *it).unwrap_or_default()
    }
}

/// Refuses whatever waits, and whatever comes, when the thread panics: nobody would ever be answered.
struct Abandoned<'a>(&'a Desk);

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let writer = &mut *self.0.writer.blocking_lock();
        writer.queue.close();
        writer.group.clear();
        // Until those who are about to hand something in have done so.
        while writer.queue.blocking_recv().is_some() {}
    }
}

/// Calls the thread. One call is as good as many.
pub(super) fn ring(bell: &SyncSender<()>) {
    let _ = bell.try_send(());
}

/// How long one group after another is written before other tasks of the same thread run.
const LEAD_FOR: Duration = Duration::from_micros(100);

/// A commit that takes as long as this is worth gathering for.
const SLOW_COMMIT: Duration = Duration::from_micros(150);

/// Bytes after which a transaction takes nothing more, so that large states do not make small ones
/// wait for long.
const GROUP_BYTES: usize = 16 << 20;

/// The same where a thread of the runtime writes. A single write of more goes to the thread.
pub(super) const INLINE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc::sync_channel};

    use rusqlite::Connection;
    use tokio::{sync::oneshot, time::timeout};

    use super::{super::worker::Job, *};
    use crate::id::ActorId;

    #[tokio::test]
    async fn a_thread_that_panics_leaves_nobody_waiting() {
        let (writes, queue) = mpsc::channel(2);
        let worker = Worker::new(Connection::open_in_memory().unwrap()).unwrap();
        let options = DeskOptions {
            group: 2,
            quick: Duration::ZERO,
            // More than SQLite can count, which panics.
            busy: Duration::MAX,
        };
        let desk = Arc::new(Desk::new(worker, queue, options));
        let destroy = || {
            let (reply, answer) = oneshot::channel();
            (
                Command::Destroy(Job::new(ActorId::from_bytes([0; 16]), reply)),
                answer,
            )
        };
        let (first, waits) = destroy();
        writes.send(first).await.unwrap();
        let (_bell, rung) = sync_channel(1);
        let thread = thread::spawn({
            let desk = Arc::clone(&desk);
            move || desk.serve(&rung)
        });
        let told = timeout(Duration::from_secs(10), waits).await.unwrap();
        told.unwrap_err();
        thread.join().unwrap_err();
        writes.send(destroy().0).await.unwrap_err();
        drop(desk);
    }
}
