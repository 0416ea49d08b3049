//! Pages by key: a page begins where the one before ended, however many rows lie before it.

use pilotdeck_domain::paging::Cursor;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::Document;

/// What a row holds whose document could not be read when it was adopted: lists pass over it.
pub(crate) const UNREADABLE: &str = "null";

/// The rows before the last row of the page before, as a condition: its time is `$time`, its id `$id`.
///
/// Without a time there is no bound, for a blob is greater than every text. A time without an id is an inclusive bound;
/// where the row of the id is gone, the page goes on with the time before.
macro_rules! before {
    ($table:literal, $column:literal, $time:literal, $id:literal) => {
        concat!(
            // The first condition says nothing more, but an index on an expression serves it.
            $column,
            " <= coalesce(",
            $time,
            ", x'') AND (",
            $column,
            ", rowid) < (coalesce(",
            $time,
            ", x''), coalesce((SELECT last.rowid FROM ",
            $table,
            " last WHERE last.id = ",
            $id,
            "), iif(",
            $id,
            " IS NULL, 9223372036854775807, 0)))"
        )
    };
}

pub(crate) use before;

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The documents.
    pub documents: Vec<Document>,
    /// Where the next page begins; none after the last one.
    pub next: Option<Cursor>,
}

impl Page {
    /// The page of at most `limit` rows, newest first, of `rows` that were read with one to spare: the document, the time
    /// that the list goes by, and the id.
    pub(crate) fn of(mut rows: Vec<SqliteRow>, limit: i64) -> Result<Self, sqlx::Error> {
        let limit = usize::try_from(limit).unwrap_or_default();
        let is_cut = rows.len() > limit;
        rows.truncate(limit);
        // What cannot be read has its place in the list, too.
        let next = match rows.last().filter(|_| is_cut) {
            Some(last) => Some(Cursor { time: last.try_get(1)?, id: last.try_get(2)? }),
            None => None,
        };
        let mut documents = Vec::with_capacity(rows.len());
        for row in rows {
            documents.push(Document::stored(row.try_get(0)?));
        }
        documents.retain(|document| document.as_str() != UNREADABLE);
        Ok(Self { documents, next })
    }
}
