//! Cursors in queries and answers.

use pilotdeck_services::paging::Cursor;

use crate::envelope::Json;
use crate::error::ApiError;
use crate::extract::Query;

/// The cursor that the query carries, of a page of the list called `list`.
pub(crate) fn cursor(
    query: &Query,
    name: &'static str,
    list: &str,
) -> Result<Option<Cursor>, ApiError> {
    match query.text(name) {
        Some(text) => Ok(Some(Cursor::parse(name, list, &text)?)),
        None => Ok(None),
    }
}

/// What a client sends to read on after this page.
pub(crate) fn next(cursor: Option<&Cursor>, list: &str) -> Json {
    Json::of(&cursor.map(|cursor| cursor.print(list)))
}
