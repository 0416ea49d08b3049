//! The open database: one writer, several readers.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, RwLockReadGuard};

use crate::commits::{Announcer, Commits};
use crate::gate::{Gate, Generation};
use crate::lock::Lock;
use crate::merger::{self, Bell, KeptOpen, Merger};
use crate::meters::{Meters, Timed};
use crate::writer::{Turn, Writer};
use crate::{Freshness, StoreError, Tx};

/// How long a statement waits for another process to let go of the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log before the writer itself merges them into the file (512 MiB): the merger fell behind.
const LOG_PAGES: &str = "128000";
/// What the writer keeps of the file in memory, at most (8 MiB): a commit goes to a dozen indexes.
const WRITER_CACHE: &str = "-8000";
/// Rows that may wait for whoever asked for them.
const ROWS: usize = 1_000;
/// Connections that read; each costs a thread and its page cache.
const READERS: u32 = 4;
const EXAMINE: &str = "PRAGMA integrity_check(1)";
const GLANCE: &str = "PRAGMA quick_check(1)";

/// What a commit promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives the end of the process; the last ones may be lost when the power fails. The file stays
    /// consistent in any case.
    #[default]
    Process,
    /// A commit survives a power failure: each one waits for the disk.
    Power,
}

impl FromStr for Durability {
    type Err = String;

    /// Reads the words of SQLite's `synchronous` pragma that make sense with a write-ahead log.
    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match raw.trim().to_ascii_uppercase().as_str() {
            "NORMAL" => Ok(Self::Process),
            "FULL" => Ok(Self::Power),
            _ => Err("must be NORMAL or FULL".to_owned()),
        }
    }
}

/// An open database.
///
/// Cheap to clone: clones share the connections.
#[derive(Clone)]
pub struct Database {
    path: Arc<Path>,
    durability: Durability,
    /// None while the file is being replaced, and once the database was closed.
    readers: Arc<RwLock<Option<SqlitePool>>>,
    pub(crate) writer: Arc<Mutex<Writer>>,
    freshness: Freshness,
    announcer: Announcer,
    pub(crate) merger: Arc<Mutex<Option<Merger>>>,
    pub(crate) gate: Gate,
    /// Who needs the file to stay where it is holds it for reading, who replaces it for writing.
    pub(crate) place: Arc<tokio::sync::RwLock<()>>,
    /// The right to serve the file, unless it was only joined.
    lock: Arc<Mutex<Option<Lock>>>,
    meters: Meters,
}

/// What is connected to a file.
pub(crate) struct Connections {
    writer: SqliteConnection,
    readers: SqlitePool,
    options: SqliteConnectOptions,
}

impl Connections {
    /// Connects to a file that was prepared ([`crate::open`]).
    pub(crate) async fn open(path: &Path, durability: Durability) -> Result<Self, StoreError> {
        let options =
            options(path).journal_mode(SqliteJournalMode::Wal).synchronous(match durability {
                Durability::Process => SqliteSynchronous::Normal,
                Durability::Power => SqliteSynchronous::Full,
            });
        let writer = options
            .clone()
            .pragma("wal_autocheckpoint", LOG_PAGES)
            .pragma("cache_size", WRITER_CACHE)
            .thread_name(|id| format!("db-writer-{id}"))
            .connect()
            .await?;
        let readers = pool(READERS)
            .connect_with(
                options
                    .clone()
                    .read_only(true)
                    .pragma("query_only", "ON")
                    .thread_name(|id| format!("db-reader-{id}")),
            )
            .await?;
        Ok(Self { writer, readers, options })
    }
}

impl Database {
    /// Connects to a file that was prepared ([`crate::open`]).
    pub(crate) async fn connect(
        path: PathBuf,
        durability: Durability,
        lock: Option<Lock>,
    ) -> Result<Self, StoreError> {
        let Connections { writer, readers, options } = Connections::open(&path, durability).await?;
        let (freshness, gate) = (Freshness::default(), Gate::default());
        let announcer = Announcer::new(gate.clone());
        let (bell, ear) = merger::bell();
        let writer = Writer::new(writer, freshness.clone(), announcer.clone(), bell).await?;
        let writer = Arc::new(Mutex::new(writer));
        let merger = Merger::start(options, Arc::clone(&writer), ear);
        Ok(Self {
            path: path.into(),
            durability,
            readers: Arc::new(RwLock::new(Some(readers))),
            writer,
            freshness,
            announcer,
            merger: Arc::new(Mutex::new(Some(merger))),
            gate,
            place: Arc::default(),
            lock: Arc::new(Mutex::new(lock)),
            meters: Meters::default(),
        })
    }

    /// What a commit promises.
    pub(crate) const fn durability(&self) -> Durability {
        self.durability
    }

    /// Works with `connections` from now on; `writer` is the one of this database.
    pub(crate) async fn install(
        &self,
        connections: Connections,
        writer: &mut Writer,
    ) -> Result<(), StoreError> {
        let Connections { writer: conn, readers, options } = connections;
        let (bell, ear): (Bell, _) = merger::bell();
        writer.reconnect(conn, bell).await?;
        let merger = Merger::start(options, Arc::clone(&self.writer), ear);
        *self.merger.lock().await = Some(merger);
        self.freshness.replaced();
        *self.readers.write().unwrap_or_else(PoisonError::into_inner) = Some(readers);
        Ok(())
    }

    /// Takes the readers away from whoever comes next.
    pub(crate) fn take_readers(&self) -> Option<SqlitePool> {
        self.readers.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn readers(&self) -> Result<SqlitePool, StoreError> {
        let readers = self.readers.read().unwrap_or_else(PoisonError::into_inner);
        let gone = || if self.gate.is_shut() { StoreError::Replacing } else { StoreError::Closed };
        readers.clone().ok_or_else(gone)
    }

    /// Whether `readers` were closed because others came in their place.
    fn are_replaced(&self, error: &sqlx::Error) -> Result<bool, StoreError> {
        Ok(matches!(error, sqlx::Error::PoolClosed) && !self.readers()?.is_closed())
    }

    /// Keeps the file where it is.
    pub(crate) async fn stays(&self) -> Result<RwLockReadGuard<'_, ()>, StoreError> {
        if self.gate.is_shut() {
            return Err(StoreError::Replacing);
        }
        Ok(self.place.read().await)
    }

    /// Which file it is.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.gate.generation()
    }

    /// Whether the file is being replaced: nothing can be changed, and maybe not read.
    #[must_use]
    pub fn is_being_replaced(&self) -> bool {
        self.gate.is_shut()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it costs.
    #[must_use]
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Whether what was read of the projects still holds.
    #[must_use]
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// A unit of work that reads; each of its statements sees the newest committed state.
    ///
    /// # Errors
    ///
    /// If no connection can be had.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        loop {
            match self.readers()?.acquire().await {
                Ok(connection) => return Ok(Tx::read(connection, Timed::new(&self.meters.read))),
                Err(error) if self.are_replaced(&error)? => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A unit of work that reads; all its statements see one state.
    ///
    /// # Errors
    ///
    /// If no connection can be had.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        loop {
            match self.readers()?.begin().await {
                Ok(transaction) => {
                    return Ok(Tx::snapshot(transaction, Timed::new(&self.meters.read)));
                }
                Err(error) if self.are_replaced(&error)? => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A unit of work that changes. It waits for its turn: there is one writer at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] if another process holds the database for longer than five seconds;
    /// [`StoreError::Replacing`] if the file is replaced by another one.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let asked = self.generation();
        // Who is not admitted need not wait for it.
        self.gate.admit(asked)?;
        let mut turn = self.turn(asked).await;
        turn.begin(&[], &[]).await?;
        Ok(Tx::write(turn))
    }

    /// The turn of one who asked when the file was `asked`.
    pub(crate) async fn turn(&self, asked: Generation) -> Turn {
        let waiting = self.meters.queue();
        let guard = Arc::clone(&self.writer).lock_owned().await;
        drop(waiting);
        Turn::new(guard, self.gate.clone(), asked, &self.meters)
    }

    /// What this process commits from now on.
    #[must_use]
    pub fn follow(&self) -> Commits {
        self.announcer.follow()
    }

    /// What is wrong with the file itself, if anything: the first thing that SQLite's own examination finds. It reads
    /// the whole file.
    ///
    /// # Errors
    ///
    /// If the file cannot be examined, which is no good sign either.
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        let found: String = sqlx::query_scalar(EXAMINE).fetch_one(&self.readers()?).await?;
        Ok((found != "ok").then_some(found))
    }

    /// What is wrong with the file at first sight, if anything: without comparing indexes and rows, it takes a fraction of
    /// the time of [`Database::damage`].
    ///
    /// # Errors
    ///
    /// If the file cannot be examined, which is no good sign either.
    pub async fn apparent_damage(&self) -> Result<Option<String>, StoreError> {
        let found: String = sqlx::query_scalar(GLANCE).fetch_one(&self.readers()?).await?;
        Ok((found != "ok").then_some(found))
    }

    /// Waits for the writer to finish, merges the write-ahead log into the file, closes all connections and lets go of
    /// the file.
    pub async fn close(&self) {
        let _stays = self.place.read().await;
        let merged = match self.merger.lock().await.take() {
            Some(merger) => merger.stop().await,
            None => None,
        };
        let mut writer = self.writer.lock().await;
        if let Some(readers) = self.take_readers() {
            readers.close().await;
        }
        match writer.close().await {
            Ok(()) => merged.into_iter().for_each(KeptOpen::close),
            // Nothing is lost: the next start merges it.
            Err(error) => {
                tracing::warn!(error = %error, "the write-ahead log could not be merged into the database");
            }
        }
        self.lock.lock().await.take();
    }
}

/// The options that every connection shares.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("temp_store", "memory")
        // What a list has at most: the thread of the connection need not wait for whoever takes the rows.
        .row_buffer_size(ROWS)
        .statement_cache_capacity(128)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not go stale; asking it each time would cost more than the statement.
        .test_before_acquire(false)
}
