//! Copies of the database while others write.

use std::path::Path;

use sqlx::sqlite::SqliteJournalMode;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::database::{self, Database};
use crate::scratch::room_beside;
use crate::{Scratch, StoreError};

const BYTES: &str = "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
const COPY: &str = "VACUUM INTO $1";

impl Database {
    /// About how many bytes a copy of the database takes.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub async fn bytes(&self) -> Result<u64, StoreError> {
        let bytes: i64 = sqlx::query_scalar(BYTES).fetch_one(self.read().await?.conn()).await?;
        Ok(bytes.unsigned_abs())
    }

    /// Copies one state of the database, whole, to a file beside it. Nobody waits for that: it has a connection of its
    /// own, and the writer goes on. `reserve` bytes of the disk must stay free.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] if there is no room for the copy.
    pub async fn copy(&self, reserve: u64) -> Result<Scratch, StoreError> {
        let needed = self.bytes().await?.saturating_add(reserve);
        if room_beside(self.path())? < needed {
            return Err(StoreError::Full);
        }
        let (scratch, _) = Scratch::beside(self.path(), "backup")?;
        self.copy_to(scratch.path()).await?;
        Ok(scratch)
    }

    /// Copies one state of the database, whole, to `target`, an empty file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        // Whoever replaces the file waits for this, and this for them.
        let _stays = self.stays().await?;
        let mut conn = database::options(self.path()).read_only(true).connect().await?;
        let copied = sqlx::query(COPY).bind(target.to_string_lossy()).execute(&mut conn).await;
        let closed = conn.close().await;
        copied?;
        closed?;
        // As the original is, so that it may be opened by whoever can only read.
        let options = database::options(target).journal_mode(SqliteJournalMode::Wal);
        options.connect().await?.close().await?;
        Ok(())
    }
}
