//! Merging the write-ahead log into the file beside the writer, which then need not wait for the disk.
//!
//! SQLite lets whoever commits merge the log, and wait for the disk. Here a connection of its own merges while
//! the writer goes on. What the writer appended meanwhile becomes less with each pass; the last pass takes the writer's
//! turn, so that everything is merged and the next commit begins the log anew.

use std::fs::File;
use std::io;
use std::sync::Arc;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::writer::Writer;

/// Pages in the log before they are merged (128 MiB): appending changes the same few pages again and again, and each is
/// merged once. Fewer in tests.
const ENOUGH: i64 = if cfg!(test) { 400 } else { 32_000 };
/// So few pages are merged in the writer's turn.
const FEW: i64 = ENOUGH / 80;
/// Passes beside the writer: one that keeps the disk busy would never let it end.
const PASSES: usize = 5;
/// Commits after which the log is looked at.
const COMMITS: u32 = 32;
/// What both say: whether something was in the way, the pages of the log, and how many of them are merged.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
const MERGE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Tells the merger of commits.
pub(crate) struct Bell {
    commits: u32,
    ring: mpsc::Sender<()>,
}

impl Bell {
    pub(crate) fn committed(&mut self) {
        self.commits += 1;
        if self.commits == COMMITS {
            self.commits = 0;
            // It fails when the merger is about to look anyway, or when the database is being closed.
            let _ = self.ring.try_send(());
        }
    }
}

/// What a merger listens to.
pub(crate) struct Ear(mpsc::Receiver<()>);

/// A bell, and the ear that hears it.
pub(crate) fn bell() -> (Bell, Ear) {
    let (ring, heard) = mpsc::channel(1);
    (Bell { commits: 0, ring }, Ear(heard))
}

/// A running merger. It ends when this is dropped.
pub(crate) struct Merger {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Option<KeptOpen>>,
}

/// A descriptor of the database file. It stays open unless [`KeptOpen::close`] is called: closing any descriptor of a file
/// gives up the process's locks on it (POSIX), those of all SQLite's connections.
pub(crate) struct KeptOpen(Option<Arc<File>>);

impl KeptOpen {
    /// Closes it: nobody is connected to the file any more.
    pub(crate) fn close(mut self) {
        self.0.take();
    }
}

impl Drop for KeptOpen {
    fn drop(&mut self) {
        std::mem::forget(self.0.take());
    }
}

impl Merger {
    /// Merges from now on. It connects when it looks for the first time.
    pub(crate) fn start(
        options: SqliteConnectOptions,
        writer: Arc<Mutex<Writer>>,
        mut ear: Ear,
    ) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let mut merging = None;
            tokio::select! {
                _ = stopped => {}
                () = async {
                    while ear.0.recv().await.is_some() {
                        if let Err(error) = merge(&mut merging, &options, &writer).await {
                            // The writer merges when the log becomes much larger.
                            tracing::warn!(%error, "the write-ahead log could not be merged into the database");
                        }
                    }
                } => {}
            }
            let Merging { conn, file } = merging?;
            let _ = conn.close().await;
            Some(file)
        });
        Self { stop, task }
    }

    /// Ends, and waits until its connection is closed; hands over its descriptor of the file.
    pub(crate) async fn stop(self) -> Option<KeptOpen> {
        let _ = self.stop.send(());
        self.task.await.ok().flatten()
    }
}

async fn merge(
    merging: &mut Option<Merging>,
    options: &SqliteConnectOptions,
    writer: &Mutex<Writer>,
) -> Result<(), sqlx::Error> {
    let merging = match merging {
        Some(merging) => merging,
        None => merging.insert(Merging::start(options).await?),
    };
    merging.merge(writer).await
}

/// The connection that merges, and the file that it merges into.
struct Merging {
    conn: SqliteConnection,
    file: KeptOpen,
}

impl Merging {
    async fn start(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let conn = options.clone().thread_name(|_| "db-merger".to_owned()).connect().await?;
        let file = KeptOpen(Some(Arc::new(File::open(options.get_filename())?)));
        Ok(Self { conn, file })
    }

    async fn merge(&mut self, writer: &Mutex<Writer>) -> Result<(), sqlx::Error> {
        if self.unmerged(LOOK).await? < ENOUGH {
            return Ok(());
        }
        self.beside_the_writer().await?;
        let _turn = writer.lock().await;
        self.all().await
    }

    /// Merges until little is left, while others write.
    async fn beside_the_writer(&mut self) -> Result<(), sqlx::Error> {
        for _ in 0..PASSES {
            self.unmerged(MERGE).await?;
            self.sync().await?;
            if self.unmerged(LOOK).await? < FEW {
                break;
            }
        }
        Ok(())
    }

    /// Merges what is left, while nobody writes: the next commit begins the log anew.
    async fn all(&mut self) -> Result<(), sqlx::Error> {
        self.unmerged(MERGE).await.map(drop)
    }

    /// The pages of the log that are not merged, after `pragma`.
    async fn unmerged(&mut self, pragma: &'static str) -> Result<i64, sqlx::Error> {
        let (_, in_log, merged): (i64, i64, i64) =
            sqlx::query_as(pragma).fetch_one(&mut self.conn).await?;
        Ok(in_log - merged)
    }

    /// Waits for the disk. SQLite does so only at the end of a pass that left nothing, which is the one in the writer's
    /// turn; it has little to wait for then.
    async fn sync(&self) -> Result<(), sqlx::Error> {
        if let Some(file) = self.file.0.clone() {
            tokio::task::spawn_blocking(move || {
                let synced = file.sync_data();
                // Where this is the last one, the descriptor stays open all the same.
                drop(KeptOpen(Some(file)));
                synced
            })
            .await
            .map_err(io::Error::other)??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
