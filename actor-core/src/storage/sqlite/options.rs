//! How to open a database: what may be chosen, and the opening itself.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock, mpsc::sync_channel},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{mpsc, watch};

use super::{
    super::Databases,
    Ends, OpenError, Sqlite, connect, connect_readers,
    desk::{Desk, DeskOptions},
    lock::{self, Lock},
    orphans,
    reader::{self, Inline, Read},
    schema,
    worker::Worker,
};

/// How to open a [`Sqlite`] database.
///
/// ```no_run
/// use std::time::Duration;
///
/// use actor_core::storage::Sqlite;
///
/// # fn open() -> Result<(), actor_core::storage::OpenError> {
/// let storage = Sqlite::options().readers(4).busy(Duration::from_secs(1)).open("actors.db")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct SqliteOptions {
    busy: Duration,
    group: usize,
    readers: usize,
    inline_reads: bool,
    inline_writes: Duration,
    max_bytes: Option<u64>,
    actors_open: Option<usize>,
    actor_threads: Option<usize>,
    actor_bytes: Option<u64>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            busy: Duration::from_secs(5),
            group: 1024,
            readers: 2,
            inline_reads: true,
            inline_writes: Duration::from_micros(150),
            max_bytes: None,
            actors_open: None,
            actor_threads: None,
            actor_bytes: None,
        }
    }
}

impl SqliteOptions {
    /// How long to wait for a foreign program, such as a backup, that has the database locked: 5 s
    /// unless told, at most 24 days.
    pub fn busy(self, busy: Duration) -> Self {
        Self {
            busy: busy.min(MAX_BUSY),
            ..self
        }
    }

    /// Most writes in one transaction, and most that wait for the next: 1,024 unless told, at
    /// least 1 and at most 65,536. More writes per second against a longer wait for each.
    pub fn group(self, group: usize) -> Self {
        Self {
            group: group.clamp(1, MAX_GROUP),
            ..self
        }
    }

    /// How many reads run at once: 2 unless told, at least 1 and at most 64. Each costs a thread and up to
    /// 4 MiB of cache.
    pub fn readers(self, readers: usize) -> Self {
        Self {
            readers: readers.clamp(1, MAX_READERS),
            ..self
        }
    }

    /// Whether short reads, such as those of a waking actor, run on the thread that asks for them:
    /// yes unless told.
    ///
    /// What memory holds is read in microseconds, sooner than another thread hears of it. What it
    /// does not hold keeps a thread of the runtime waiting for the disk. Say no where the database
    /// is much larger than memory and its disk is slow. Costs as many connections as there are
    /// [`readers`](Self::readers), each with up to 4 MiB of cache.
    pub fn inline_reads(self, inline_reads: bool) -> Self {
        Self {
            inline_reads,
            ..self
        }
    }

    /// How quickly the disk must commit for short writes to run on the thread that asks for them:
    /// 150 µs unless told. Zero means never.
    ///
    /// Being handed to a thread and woken again takes longer than a quick commit, so there one of those
    /// who ask writes for all who do, in one transaction. Where a commit is slower or large, or has to
    /// wait, a thread writes. A disk that is quick at most times and then takes long for one commit
    /// keeps a thread of the runtime waiting for that one.
    pub fn inline_writes(self, inline_writes: Duration) -> Self {
        Self {
            inline_writes,
            ..self
        }
    }

    /// Most bytes the database file may have before writes fail with
    /// [`Full`](crate::storage::StorageError::Full): as many as the disk takes unless told.
    pub fn max_bytes(self, max_bytes: u64) -> Self {
        Self {
            max_bytes: Some(max_bytes),
            ..self
        }
    }

    /// Most actors' own databases open at a time, see [`Databases::max_open`].
    pub fn actors_open(self, max_open: usize) -> Self {
        Self {
            actors_open: Some(max_open),
            ..self
        }
    }

    /// Most statements of actors' own databases that run at a time, see [`Databases::threads`].
    pub fn actor_threads(self, threads: usize) -> Self {
        Self {
            actor_threads: Some(threads),
            ..self
        }
    }

    /// Most bytes of an actor's own database, see [`Databases::max_bytes`].
    pub fn actor_bytes(self, max_bytes: u64) -> Self {
        Self {
            actor_bytes: Some(max_bytes),
            ..self
        }
    }

    fn databases(self, path: &Path) -> Databases {
        let mut directory = path.as_os_str().to_owned();
        directory.push(".actors");
        let mut databases = Databases::directory(directory);
        if let Some(max_open) = self.actors_open {
            databases = databases.max_open(max_open);
        }
        if let Some(threads) = self.actor_threads {
            databases = databases.threads(threads);
        }
        match self.actor_bytes {
            Some(max_bytes) => databases.max_bytes(max_bytes),
            None => databases,
        }
    }

    /// Opens the database at `path`, or makes one.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, OpenError> {
        let path = lock::resolve(path.as_ref())?;
        let lock = Lock::take(&path)?;
        let failed = |err| OpenError::of(&path, err);
        let mut db = connect(
            &path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            self.busy,
        )?;
        schema::check(&db, &path)?;
        if db.is_readonly("main").map_err(failed)? {
            return Err(OpenError::ReadOnly { path, source: None });
        }
        self.prepare(&db).map_err(failed)?;
        schema::migrate(&mut db).map_err(failed)?;
        let readers = connect_readers(&path, self.readers, self.busy)?;
        let inline = if self.inline_reads { self.readers } else { 0 };
        let inline = Inline::new(connect_readers(&path, inline, Duration::ZERO)?);
        let worker = Worker::new(db).map_err(failed)?;
        self.start(path.clone(), lock, worker, readers, inline)
            .map_err(|err| OpenError::of_io(&path, err))
    }

    fn start(
        self,
        path: PathBuf,
        lock: Lock,
        worker: Worker,
        readers: Vec<Connection>,
        inline: Inline,
    ) -> std::io::Result<Sqlite> {
        let (writes, write_queue) = mpsc::channel(self.group);
        let (reads, read_queue) = mpsc::channel(READ_QUEUE);
        let databases = self.databases(&path);
        let swept = databases.clone();
        let sweep: Read = Box::new(move |db| orphans::sweep(db, &swept));
        // There is room: it is the first.
        let _ = reads.try_send(sweep);
        let (tell, done) = watch::channel(false);
        let readers = reader::start(readers, read_queue)?;
        let (bell, rung) = sync_channel(1);
        let options = DeskOptions {
            group: self.group,
            quick: self.inline_writes,
            busy: self.busy,
        };
        let desk = Arc::new(Desk::new(worker, write_queue, options));
        let threads = desk.clone();
        let writer = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                threads.serve(&rung);
                for reader in readers {
                    // A reader that panicked has nothing left to say.
                    let _ = reader.join();
                }
                threads.tidy_up();
                drop(threads);
                drop(lock);
                // Nobody may be waiting.
                let _ = tell.send(true);
            })?;
        Ok(Sqlite {
            path,
            databases,
            ends: RwLock::new(Some(Arc::new(Ends {
                inline,
                desk,
                bell,
                writes,
                reads,
            }))),
            done,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Settings of the writer, some of which change the file.
    fn prepare(&self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(WRITER)?;
        if let Some(bytes) = self.max_bytes {
            let page: u32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = i64::try_from(bytes / u64::from(page.max(1))).unwrap_or(i64::MAX);
            db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        Ok(())
    }
}

/// Most reads that wait for a reader.
const READ_QUEUE: usize = 1024;

/// For the writer. `FULL` flushes the log at every commit, which is what an answer promises; the two
/// `fullfsync` make that true on macOS too. The size limit gives back the disk after a burst.
const WRITER: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -16384;";

/// There is room for so many from the start.
const MAX_GROUP: usize = 1 << 16;

/// All of them are opened with the storage.
const MAX_READERS: usize = 64;

/// SQLite counts milliseconds in 32 bits.
const MAX_BUSY: Duration = Duration::from_millis(i32::MAX as u64);
