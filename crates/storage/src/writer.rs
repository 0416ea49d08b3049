//! The one connection that changes the database, and whose turn it is to use it.
//!
//! Transactions are begun and ended by hand: what the engine ended by itself (a full disk does that) or what was given
//! up half-way is rolled back before the next one begins, whatever anyone believes about its state.

use std::ops::{Deref, DerefMut};

use pilotdeck_domain::ledger::{Head, Line};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;

use crate::commits::Announcer;
use crate::gate::{Gate, Generation};
use crate::merger::Bell;
use crate::meters::{Meters, Timed};
use crate::pending::Pending;
use crate::{Freshness, StoreError};

/// The writing connection.
pub(crate) struct Writer {
    /// None once the database was closed.
    conn: Option<SqliteConnection>,
    /// Whether a transaction may be open.
    is_open: bool,
    /// The end of the ledger, as far as this process knows it.
    pub(crate) head: Option<Head>,
    /// Hears which rows change.
    freshness: Freshness,
    /// Where commits are told.
    pub(crate) announcer: Announcer,
    /// Hears how often there was a commit.
    bell: Bell,
}

impl Writer {
    pub(crate) async fn new(
        conn: SqliteConnection,
        freshness: Freshness,
        announcer: Announcer,
        bell: Bell,
    ) -> Result<Self, StoreError> {
        let conn = heard(conn, &freshness).await?;
        Ok(Self { conn: Some(conn), is_open: false, head: None, freshness, announcer, bell })
    }

    /// Writes to `conn` from now on.
    pub(crate) async fn reconnect(
        &mut self,
        conn: SqliteConnection,
        bell: Bell,
    ) -> Result<(), StoreError> {
        self.conn = Some(heard(conn, &self.freshness).await?);
        (self.is_open, self.head, self.bell) = (false, None, bell);
        Ok(())
    }

    /// Ends what is open and gives the connection away.
    pub(crate) async fn disconnect(&mut self) -> Option<SqliteConnection> {
        self.roll_back().await;
        self.conn.take()
    }

    pub(crate) fn conn(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.conn.as_mut().ok_or(StoreError::Closed)
    }

    /// Begins a transaction, and asks its first questions on the same way to the connection's thread.
    pub(crate) async fn begin(
        &mut self,
        questions: &[&str],
        arguments: &[String],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.roll_back().await;
        self.is_open = true;
        let mut sql = String::from("BEGIN IMMEDIATE");
        for question in questions {
            sql.push(';');
            sql.push_str(question);
        }
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for argument in arguments {
            query = query.bind(argument.as_str());
        }
        Ok(query.fetch_all(self.conn()?).await?)
    }

    /// Appends `lines`, writes what waits for the commit, and makes the transaction durable.
    pub(crate) async fn commit(
        &mut self,
        lines: &[Line],
        pending: &Pending,
    ) -> Result<(), StoreError> {
        pending.commit(self.conn()?, lines).await?;
        self.freshness.settle();
        self.is_open = false;
        self.bell.committed();
        Ok(())
    }

    /// The transaction was committed by its own statements.
    pub(crate) fn ended(&mut self) {
        self.is_open = false;
        self.bell.committed();
    }

    async fn roll_back(&mut self) {
        if self.is_open
            && let Some(conn) = &mut self.conn
        {
            // It fails when the engine rolled back by itself, which is as good.
            let _ = sqlx::query("ROLLBACK").execute(conn).await;
        }
        self.freshness.settle();
        self.is_open = false;
    }

    /// Ends what is open and closes the connection for good.
    pub(crate) async fn close(&mut self) -> Result<(), StoreError> {
        match self.disconnect().await {
            Some(conn) => Ok(conn.close().await?),
            None => Ok(()),
        }
    }
}

/// The connection, which tells `freshness` what changes.
async fn heard(
    mut conn: SqliteConnection,
    freshness: &Freshness,
) -> Result<SqliteConnection, StoreError> {
    let hears = freshness.clone();
    conn.lock_handle().await?.set_update_hook(move |change| hears.changing(change.table));
    Ok(conn)
}

/// The right to use the writer. What is open when it is dropped is rolled back.
pub(crate) struct Turn {
    /// None once the turn was dropped.
    guard: Option<OwnedMutexGuard<Writer>>,
    gate: Gate,
    /// Which file it was when the turn was asked for.
    asked: Generation,
    _timed: Timed,
}

impl Turn {
    pub(crate) fn new(
        guard: OwnedMutexGuard<Writer>,
        gate: Gate,
        asked: Generation,
        meters: &Meters,
    ) -> Self {
        Self { guard: Some(guard), gate, asked, _timed: Timed::new(&meters.write) }
    }

    /// Begins a transaction ([`Writer::begin`]), unless the file is another one than when the turn was asked for.
    pub(crate) async fn begin(
        &mut self,
        questions: &[&str],
        arguments: &[String],
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.gate.admit(self.asked)?;
        (**self).begin(questions, arguments).await
    }
}

impl Deref for Turn {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.guard.as_ref().expect("the guard leaves only when the turn is dropped")
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut Writer {
        self.guard.as_mut().expect("the guard leaves only when the turn is dropped")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut writer) = self.guard.take().filter(|writer| writer.is_open) else { return };
        // Other processes must not wait for our next transaction. Without a runtime there will be none: the process
        // is ending, or `begin` does it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { writer.roll_back().await });
        }
    }
}
