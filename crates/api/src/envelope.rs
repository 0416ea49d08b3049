//! The native envelope: `{"success": true, "data": …}`.
//!
//! Stored documents are JSON already; they are put into the answer as they are, and long lists of them are not even copied.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use std::fmt;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use pilotdeck_services::{Document, Documents};
use serde::Serialize;

/// JSON text that is known to be JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json(Text);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Own(String),
    /// Put into the body as it is, without a copy.
    Shared(Bytes),
}

impl Json {
    /// The JSON of a value.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self::own(serde_json::to_string(value).expect("views are JSON"))
    }

    pub(crate) fn document(document: &Document) -> Self {
        Self::own(document.as_str().to_owned())
    }

    /// A list of documents that is one text already.
    pub(crate) fn documents(documents: &Documents) -> Self {
        Self(Text::Shared(documents.json().clone()))
    }

    /// The change of a ledger line, which is stored as canonical JSON.
    pub(crate) fn canonical(text: &str) -> Self {
        Self::own(text.to_owned())
    }

    pub(crate) fn optional(document: Option<&Document>) -> Self {
        document.map_or_else(|| Self::own("null".to_owned()), Self::document)
    }

    /// A list of documents.
    pub(crate) fn list(documents: &[Document]) -> Self {
        let size = documents.iter().map(|document| document.as_str().len() + 1).sum::<usize>();
        let mut list = String::with_capacity(size + 2);
        list.push('[');
        for (place, document) in documents.iter().enumerate() {
            if place > 0 {
                list.push(',');
            }
            list.push_str(document.as_str());
        }
        list.push(']');
        Self::own(list)
    }

    /// A list of whatever is JSON.
    pub(crate) fn array(items: &[Self]) -> Self {
        let items: Vec<&str> = items.iter().map(Self::as_str).collect();
        Self::own(format!("[{}]", items.join(",")))
    }

    const fn own(text: String) -> Self {
        Self(Text::Own(text))
    }

    fn as_str(&self) -> &str {
        match &self.0 {
            Text::Own(text) => text,
            Text::Shared(bytes) => std::str::from_utf8(bytes).expect("JSON is UTF-8"),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An object, written field by field.
#[derive(Debug)]
pub(crate) struct Object {
    /// What stands before `text`.
    before: VecDeque<Bytes>,
    text: String,
}

impl Object {
    pub(crate) fn new() -> Self {
        Self::beginning("{")
    }

    /// A successful answer.
    pub(crate) fn success() -> Self {
        Self::beginning("{\"success\":true")
    }

    fn beginning(text: &str) -> Self {
        Self { before: VecDeque::new(), text: text.to_owned() }
    }

    pub(crate) fn with(self, key: &'static str, value: &impl Serialize) -> Self {
        self.with_json(key, &Json::of(value))
    }

    pub(crate) fn with_json(mut self, key: &'static str, json: &Json) -> Self {
        if self.text != "{" {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
        match &json.0 {
            Text::Own(text) => self.text.push_str(text),
            Text::Shared(bytes) => {
                self.before.push_back(std::mem::take(&mut self.text).into());
                self.before.push_back(bytes.clone());
            }
        }
        self
    }

    /// The object as a part of another one.
    pub(crate) fn json(mut self) -> Json {
        self.text.push('}');
        if self.before.is_empty() {
            return Json::own(self.text);
        }
        self.before.push_back(self.text.into());
        Json(Text::Shared(self.before.into_iter().flatten().collect()))
    }

    pub(crate) fn respond(mut self, status: StatusCode) -> HttpResponse {
        self.text.push('}');
        let mut response = HttpResponse::build(status);
        response.content_type("application/json");
        if self.before.is_empty() {
            return response.body(self.text);
        }
        self.before.push_back(self.text.into());
        response.body(Spliced(self.before))
    }

    pub(crate) fn ok(self) -> HttpResponse {
        self.respond(StatusCode::OK)
    }

    /// The answer to a request that creates once: 201 the first time, 200 and `repeated` from then on.
    pub(crate) fn created(self, created: bool, repeated: &str) -> HttpResponse {
        if created {
            self.respond(StatusCode::CREATED)
        } else {
            self.with("message", &repeated).ok()
        }
    }
}

/// A body of several pieces.
struct Spliced(VecDeque<Bytes>);

impl MessageBody for Spliced {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.iter().map(|piece| piece.len() as u64).sum())
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A successful answer with `data`.
pub(crate) fn data(json: &Json) -> Object {
    Object::success().with_json("data", json)
}
