//! The unit of work.

use chrono::{DateTime, Utc};
use pilotdeck_domain::identity::Author;
use pilotdeck_domain::ledger::{Entry, Head, Line};
use pilotdeck_domain::times::WireTime;
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use crate::meters::Timed;
use crate::pending::Pending;
use crate::writer::Turn;
use crate::{StoreError, ledger};

/// A unit of work on the database. Dropped without [`Tx::commit`], it rolls back.
pub struct Tx(Inner);

enum Inner {
    /// Reads, each statement for itself.
    Read(PoolConnection<Sqlite>, #[expect(dead_code, reason = "counts until it is dropped")] Timed),
    /// Reads that see one state.
    Snapshot(
        Transaction<'static, Sqlite>,
        #[expect(dead_code, reason = "counts until it is dropped")] Timed,
    ),
    /// Changes, alone with the database.
    Write(Box<Write>),
}

struct Write {
    turn: Turn,
    recorded: Vec<Recorded>,
    pending: Pending,
}

/// A change that waits for its place in the ledger until the commit.
struct Recorded {
    author: Author,
    ts: WireTime,
    entry: Entry,
}

impl Tx {
    pub(crate) const fn read(connection: PoolConnection<Sqlite>, timed: Timed) -> Self {
        Self(Inner::Read(connection, timed))
    }

    pub(crate) const fn snapshot(transaction: Transaction<'static, Sqlite>, timed: Timed) -> Self {
        Self(Inner::Snapshot(transaction, timed))
    }

    /// A unit of work in the transaction that the writer began.
    pub(crate) fn write(turn: Turn) -> Self {
        Self(Inner::Write(Box::new(Write {
            turn,
            recorded: Vec::new(),
            pending: Pending::default(),
        })))
    }

    pub(crate) fn conn(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            Inner::Read(connection, _) => connection,
            Inner::Snapshot(transaction, _) => transaction,
            Inner::Write(write) => write
                .turn
                .conn()
                .expect("closing waits for the turn, and a turn begins with a connection"),
        }
    }

    /// What is written with the commit.
    ///
    /// # Panics
    ///
    /// If this is no write transaction.
    pub(crate) fn pending(&mut self) -> &mut Pending {
        let Inner::Write(write) = &mut self.0 else { panic!("a read has nothing to write") };
        &mut write.pending
    }

    /// What waits for the commit, if this is a write transaction.
    pub(crate) fn waiting(&self) -> Option<&Pending> {
        match &self.0 {
            Inner::Write(write) => Some(&write.pending),
            Inner::Read(..) | Inner::Snapshot(..) => None,
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
            Inner::Read(..) => Ok(()),
            Inner::Snapshot(transaction, _) => Ok(transaction.rollback().await?),
            Inner::Write(write) if write.recorded.is_empty() => Err(StoreError::Unrecorded),
            Inner::Write(write) => write.commit().await,
        }
    }

    /// Keeps the receipts of a transaction that changed nothing, and nothing else of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unrecorded`] if there is a change after all; what the engine says otherwise.
    pub async fn commit_receipts(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::Write(mut write)
                if write.recorded.is_empty() && write.pending.changes_nothing() =>
            {
                // It begins anew: what was written all the same, without a line, is gone.
                write.turn.begin(&[], &[]).await?;
                write.turn.commit(&[], &write.pending).await
            }
            _ => Err(StoreError::Unrecorded),
        }
    }

    /// Makes durable what needs no line: it changes nothing of what lines are about.
    pub(crate) async fn commit_without_lines(self) -> Result<(), StoreError> {
        match self.0 {
            Inner::Write(mut write) => write.turn.commit(&[], &write.pending).await,
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
        let mut lines = seal(std::mem::take(&mut self.recorded), &head);
        let mut committed = self.turn.commit(&lines, &self.pending).await;
        if let Err(StoreError::Engine(error)) = &committed
            && is_taken(error)
        {
            // Another process (the command line) wrote since: its lines come first.
            let head = ledger::head(self.turn.conn()?).await?;
            lines = chained(lines, &head);
            committed = self.turn.commit(&lines, &self.pending).await;
        }
        committed?;
        self.turn.head = lines.last().map(Line::head);
        self.turn.announcer.tell(lines);
        Ok(())
    }
}

fn seal(recorded: Vec<Recorded>, head: &Head) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::with_capacity(recorded.len());
    for Recorded { author, ts, entry } in recorded {
        let previous = lines.last().map(Line::head);
        lines.push(Line::seal(previous.as_ref().unwrap_or(head), &author, &ts, entry));
    }
    lines
}

/// The same lines, after `head`.
fn chained(lines: Vec<Line>, head: &Head) -> Vec<Line> {
    let mut head = head.clone();
    let mut chained = Vec::with_capacity(lines.len());
    for line in lines {
        let line = line.after(&head);
        head = line.head();
        chained.push(line);
    }
    chained
}

/// Whether a line stands in the place of one of ours.
fn is_taken(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.is_unique_violation() && error.message().contains("ledger.seq"))
}

#[cfg(test)]
mod tests;
