//! The open database: one writer, several readers.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};
use tokio::sync::Mutex;

use crate::commits::{Announcer, Commits};
use crate::lock::Lock;
use crate::merger::{self, Merger};
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
    readers: SqlitePool,
    writer: Arc<Mutex<Writer>>,
    freshness: Freshness,
    announcer: Announcer,
    merger: Arc<Mutex<Option<Merger>>>,
    /// The right to serve the file, unless it was only joined.
    lock: Arc<Mutex<Option<Lock>>>,
}

impl Database {
    /// Connects to a file that was prepared ([`crate::open`]).
    pub(crate) async fn connect(
        path: PathBuf,
        durability: Durability,
        lock: Option<Lock>,
    ) -> Result<Self, StoreError> {
        let options =
            options(&path).journal_mode(SqliteJournalMode::Wal).synchronous(match durability {
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
        let freshness = Freshness::default();
        let announcer = Announcer::new();
        let (bell, ear) = merger::bell();
        let writer = Writer::new(writer, freshness.clone(), announcer.clone(), bell).await?;
        let writer = Arc::new(Mutex::new(writer));
        let merger = Merger::start(options.clone(), Arc::clone(&writer), ear);
        let readers = pool(READERS)
            .connect_with(
                options
                    .read_only(true)
                    .pragma("query_only", "ON")
                    .thread_name(|id| format!("db-reader-{id}")),
            )
            .await?;
        Ok(Self {
            path: path.into(),
            readers,
            writer,
            freshness,
            announcer,
            merger: Arc::new(Mutex::new(Some(merger))),
            lock: Arc::new(Mutex::new(lock)),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
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
        Ok(Tx::read(self.readers.acquire().await?))
    }

    /// A unit of work that reads; all its statements see one state.
    ///
    /// # Errors
    ///
    /// If no connection can be had.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(Tx::snapshot(self.readers.begin().await?))
    }

    /// A unit of work that changes. It waits for its turn: there is one writer at a time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] if another process holds the database for longer than five seconds.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        let mut turn = self.turn().await;
        turn.begin(&[], &[]).await?;
        Ok(Tx::write(turn))
    }

    pub(crate) async fn turn(&self) -> Turn {
        Turn::new(Arc::clone(&self.writer).lock_owned().await)
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
        let found: String = sqlx::query_scalar(EXAMINE).fetch_one(&self.readers).await?;
        Ok((found != "ok").then_some(found))
    }

    /// Waits for the writer to finish, merges the write-ahead log into the file, closes all connections and lets go of
    /// the file.
    pub async fn close(&self) {
        if let Some(merger) = self.merger.lock().await.take() {
            merger.stop().await;
        }
        let mut writer = self.writer.lock().await;
        self.readers.close().await;
        if let Err(error) = writer.close().await {
            // Nothing is lost: the next start merges it.
            tracing::warn!(error = %error, "the write-ahead log could not be merged into the database");
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
