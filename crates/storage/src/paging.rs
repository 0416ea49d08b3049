//! Pages by key: a page begins where the one before ended, however many rows lie before it.

use pilotdeck_domain::paging::Cursor;
use serde_json::{Map, Value};

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
    /// The page of at most `limit` rows, newest first, of `rows` that were read with one to spare; `time` is the field
    /// that the list goes by.
    pub(crate) fn of(mut rows: Vec<Document>, limit: i64, time: &str) -> Self {
        let limit = usize::try_from(limit).unwrap_or_default();
        let is_cut = rows.len() > limit;
        rows.truncate(limit);
        rows.retain(|row| row.as_str() != UNREADABLE);
        let last = rows.last().filter(|_| is_cut).and_then(|row| row.fields().ok());
        Self { documents: rows, next: last.and_then(|last| cursor(&last, time)) }
    }
}

fn cursor(row: &Map<String, Value>, time: &str) -> Option<Cursor> {
    let text = |field: &str| row.get(field).and_then(Value::as_str).map(str::to_owned);
    Some(Cursor { time: text(time).unwrap_or_default(), id: text("id")? })
}
