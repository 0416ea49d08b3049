//! The unit of work.

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::Author;
use pilotdeck_domain::ledger::{Entry, Head, Line};
use pilotdeck_domain::times::WireTime;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::writer::Turn;
use crate::{StoreError, ledger};

/// A unit of work on the database. Dropped without [`Tx::commit`], it rolls back.
pub struct Tx(Inner);

enum Inner {
    /// Reads, each statement for itself.
    Read(PoolConnection<Sqlite>),
    /// Reads that see one state.
    Snapshot(Transaction<'static, Sqlite>),
    /// Changes, alone with the database.
    Write(Box<Write>),
}

struct Write {
    turn: Turn,
    recorded: Vec<Recorded>,
}

/// A change that waits for its place in the ledger until the commit.
struct Recorded {
    author: Author,
    ts: WireTime,
    entry: Entry,
}

impl Tx {
    pub(crate) const fn read(connection: PoolConnection<Sqlite>) -> Self {
        Self(Inner::Read(connection))
    }

    pub(crate) const fn snapshot(transaction: Transaction<'static, Sqlite>) -> Self {
        Self(Inner::Snapshot(transaction))
    }

    /// A unit of work in the transaction that the writer began.
    pub(crate) fn write(turn: Turn) -> Self {
        Self(Inner::Write(Box::new(Write { turn, recorded: Vec::new() })))
    }

    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            Inner::Read(connection) => connection,
            Inner::Snapshot(transaction) => transaction,
            Inner::Write(write) => write
                .turn
                .conn()
                .expect("closing waits for the turn, and a turn begins with a connection"),
        }
    }

    /// Says in the ledger what this transaction changes. The lines are written with the commit, in this order.
    ///
    /// # Panics
    ///
    /// If this is no write transaction: only a change can be recorded.
    pub fn record(&mut self, author: &Author, now: DateTime<Utc>, entry: Entry) {
        let Inner::Write(write) = &mut self.0 else { panic!("a read has nothing to record") };
        write.recorded.push(Recorded { author: author.clone(), ts: WireTime::from(now), entry });
    }

    /// Writes the ledger lines and makes everything durable, or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unrecorded`] if the transaction recorded no change; what the engine says otherwise.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::Read(_) => Ok(()),
            Inner::Snapshot(transaction) => Ok(transaction.rollback().await?),
            Inner::Write(write) if write.recorded.is_empty() => Err(StoreError::Unrecorded),
            Inner::Write(write) => write.commit().await,
        }
    }

    /// Makes durable what needs no line: it changes nothing of what lines are about.
    pub(crate) async fn commit_without_lines(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::Write(mut write) => write.turn.commit(&[]).await,
            _ => self.commit().await,
        }
    }
}

impl Write {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        // What is known is taken out: unless the commit succeeds, the next transaction asks the database.
        let head = match self.turn.head.take() {
            Some(head) => head,
            None => ledger::head(self.turn.conn()?).await?,
        };
        let mut lines = self.seal(&head);
        let mut committed = self.turn.commit(&lines).await;
        if let Err(StoreError::Engine(error)) = &committed
            && is_taken(error)
        {
            // Another process (the command line) wrote since: its lines come first.
            let head = ledger::head(self.turn.conn()?).await?;
            lines = self.seal(&head);
            committed = self.turn.commit(&lines).await;
        }
        committed?;
        self.turn.head = lines.last().map(Line::head);
        Ok(())
    }

    fn seal(&self, head: &Head) -> Vec<Line> {
        let mut head = head.clone();
        self.recorded
            .iter()
            .map(|recorded| {
                let line =
                    Line::seal(&head, &recorded.author, &recorded.ts, recorded.entry.clone());
                head = line.head();
                line
            })
            .collect()
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

#[cfg(test)]
mod tests;
