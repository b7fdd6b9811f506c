//! The driver that keeps everything in one SQLite file: opening it, its options, its calls.

mod desk;
mod error;
mod lock;
mod options;
mod orphans;
mod query;
mod queue;
mod range;
mod reader;
mod schema;
mod worker;
mod write;

use std::{
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock, mpsc::SyncSender},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::{mpsc, oneshot, watch};

use self::{
    desk::{Desk, INLINE_BYTES, Lead, ring},
    reader::{Inline, Read},
    worker::{Command, Job, Reply},
};
pub use self::{error::OpenError, options::SqliteOptions};
use super::{
    ActorRecord, Alarm, Batch, Committed, Creation, Databases, Driver, Entry, Loaded, NewActor,
    ScanRange, StorageError,
};
use crate::{clock::Timestamp, id::ActorId, key::Address};

/// Keeps actors in one SQLite file, safe from crashes of the process and of the machine.
///
/// One at a time writes. Whatever was asked meanwhile goes into the next transaction together, so
/// many actors share one flush of the disk. Who writes depends on the disk, see
/// [`SqliteOptions::inline_writes`]. Reads run beside it on connections of their own.
///
/// Dropping it blocks until everything handed in is written; [`close`](Driver::close) does the same
/// without blocking.
pub struct Sqlite {
    path: PathBuf,
    databases: Databases,
    /// `None` once closed. The threads end when the last sender is gone.
    ends: RwLock<Option<Arc<Ends>>>,
    /// Turns true when the threads have ended and the lock is free.
    done: watch::Receiver<bool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Ends {
    /// These come first, so that their connections are closed before the threads end and free the lock.
    inline: Inline,
    desk: Arc<Desk>,
    /// Calls the writer's thread.
    bell: SyncSender<()>,
    writes: mpsc::Sender<Command>,
    reads: mpsc::Sender<Read>,
}

impl Ends {
    /// Takes a write. Whoever gets something back has to see to it that it is done.
    #[must_use]
    fn hand_in(&self, room: mpsc::Permit<'_, Command>, command: Command) -> Option<Lead> {
        let is_large = INLINE_BYTES < command.size();
        room.send(command);
        if !self.desk.is_quick() {
            return None;
        }
        if is_large {
            ring(&self.bell);
            return None;
        }
        self.desk.lead(&self.bell)
    }
}

impl Sqlite {
    /// Opens the database at `path`, or makes one, with the default [options](Self::options).
    ///
    /// Beside it stand `<path>.lock`, which keeps other processes out, the directory `<path>.actors`
    /// with a database for each actor that uses `ctx.sql()`, and, while it is open, SQLite's
    /// `<path>-wal` and `<path>-shm`.
    ///
    /// # Errors
    ///
    /// When another driver has it open, it is not ours, cannot be written, or is of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::options().open(path)
    }

    /// Options to open a database with.
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    fn ends(&self) -> Result<Arc<Ends>, StorageError> {
        let ends = self.ends.read().unwrap_or_else(PoisonError::into_inner);
        ends.clone().ok_or(StorageError::Closed)
    }

    fn let_go(&self) {
        *self.ends.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn write<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.submit(command(reply)).await?;
        answer.await.map_err(|_| stopped())?
    }

    /// Waits for room and hands a write in.
    async fn submit(&self, command: Command) -> Result<(), StorageError> {
        let ends = self.ends()?;
        let room = ends.writes.reserve().await.map_err(|_| stopped())?;
        if let Some(lead) = ends.hand_in(room, command) {
            drop(ends);
            lead.write().await;
        }
        Ok(())
    }

    /// Reads a little: here and now if it can be.
    async fn peek<T: Send + 'static>(
        &self,
        read: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let found = self.ends()?.inline.read(&read);
        match found {
            Some(Ok(found)) => Ok(found),
            // A reader may wait for a lock, and says what is wrong if something is.
            Some(Err(_)) | None => self.read(read).await,
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |db| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(read(db));
        });
        self.ends()?.reads.send(read).await.map_err(|_| stopped())?;
        answer
            .await
            .map_err(|_| stopped())?
            .map_err(|err| error::storage(&Arc::new(err)))
    }
}

#[async_trait]
impl Driver for Sqlite {
    async fn create(&self, actor: NewActor) -> Result<Creation, StorageError> {
        self.write(|reply| Command::Create(Job::new(actor, reply)))
            .await
    }

    async fn find(&self, address: &Address) -> Result<Option<ActorRecord>, StorageError> {
        let address = address.clone();
        self.peek(move |db| query::find(db, &address)).await
    }

    async fn record(&self, id: ActorId) -> Result<Option<ActorRecord>, StorageError> {
        self.peek(move |db| Ok(query::record(db, id)?.map(|(_, it)| it)))
            .await
    }

    async fn load(&self, id: ActorId, prefix: &[u8]) -> Result<Option<Loaded>, StorageError> {
        self.load_without(id, prefix, &[]).await
    }

    async fn load_without(
        &self,
        id: ActorId,
        prefix: &[u8],
        without: &[&[u8]],
    ) -> Result<Option<Loaded>, StorageError> {
        let ranges = range::around(prefix, without);
        self.peek(move |db| {
            query::snapshot(db, || {
                let Some((row, record)) = query::record(db, id)? else {
                    return Ok(None);
                };
                let mut entries = Vec::new();
                for range in &ranges {
                    entries.append(&mut query::scan(db, row, range)?);
                }
                Ok(Some(Loaded { record, entries }))
            })
        })
        .await
    }

    async fn scan(&self, id: ActorId, range: ScanRange) -> Result<Vec<Entry>, StorageError> {
        self.read(move |db| {
            query::snapshot(db, || {
                let row = query::row(db, id)?;
                row.map_or(Ok(Vec::new()), |row| query::scan(db, row, &range))
            })
        })
        .await
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StorageError> {
        self.write(|reply| Command::Commit(Job::new(batch, reply)))
            .await
    }

    fn hand_in(
        self: Arc<Self>,
        batch: Batch,
    ) -> Pin<Box<dyn Future<Output = Result<Committed, StorageError>> + Send>> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Commit(Job::new(batch, reply));
        let told = async { answer.await.map_err(|_| stopped())? };
        let Ok(ends) = self.ends() else {
            return Box::pin(async { Err(StorageError::Closed) });
        };
        let Ok(room) = ends.writes.try_reserve() else {
            return Box::pin(async move {
                self.submit(command).await?;
                told.await
            });
        };
        match ends.hand_in(room, command) {
            None => Box::pin(told),
            Some(lead) => Box::pin(async {
                lead.write().await;
                told.await
            }),
        }
    }

    async fn destroy(&self, id: ActorId) -> Result<(), StorageError> {
        self.write(|reply| Command::Destroy(Job::new(id, reply)))
            .await?;
        // After the record: a crash in between leaves a file without an actor, which the next start
        // finds, and never an actor without its file.
        orphans::remove(&self.databases, id).await;
        Ok(())
    }

    fn databases(&self) -> Databases {
        self.databases.clone()
    }

    async fn alarms(&self, until: Timestamp, limit: usize) -> Result<Vec<Alarm>, StorageError> {
        self.read(move |db| query::alarms(db, until, limit)).await
    }

    async fn next_alarm(&self) -> Result<Option<Timestamp>, StorageError> {
        self.read(query::next_alarm).await
    }

    async fn close(&self) -> Result<(), StorageError> {
        self.let_go();
        self.done
            .clone()
            .wait_for(|it| *it)
            .await
            .map_err(|_| stopped())?;
        Ok(())
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.let_go();
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // If it panicked, the panic has been printed and there is nothing to add.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn connect_readers(
    path: &Path,
    count: usize,
    busy: Duration,
) -> Result<Vec<Connection>, OpenError> {
    (0..count)
        .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, busy))
        .collect()
}

fn connect(path: &Path, flags: OpenFlags, busy: Duration) -> Result<Connection, OpenError> {
    let failed = |err| OpenError::of(path, err);
    // One thread at a time uses a connection, so SQLite need not lock it.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(busy).map_err(failed)?;
    // Without it SQLite plans a statement with `LIMIT ?` anew whenever that is bound.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(failed)?;
    db.set_prepared_statement_cache_capacity(query::STATEMENTS);
    db.execute_batch(CONNECTION).map_err(failed)?;
    Ok(db)
}

fn stopped() -> StorageError {
    StorageError::Failed("the storage thread has stopped".into())
}

/// For every connection. Mapping the file would turn a failing disk into a signal that kills the
/// process.
const CONNECTION: &str = "
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -4096;
    PRAGMA trusted_schema = OFF;";
