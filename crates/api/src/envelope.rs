//! The native envelope: `{"success": true, "data": …}`.
//!
//! Stored documents are JSON already; they are put into the answer as they are.

use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use pilotdeck_services::Document;
use serde::Serialize;

/// JSON text that is known to be JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json(String);

impl Json {
    /// The JSON of a value.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).expect("views are JSON"))
    }

    pub(crate) fn document(document: &Document) -> Self {
        Self(document.as_str().to_owned())
    }

    /// The change of a ledger line, which is stored as canonical JSON.
    pub(crate) fn canonical(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn optional(document: Option<&Document>) -> Self {
        document.map_or_else(|| Self("null".to_owned()), Self::document)
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
        Self(list)
    }

    /// A list of whatever is JSON.
    pub(crate) fn array(items: &[Self]) -> Self {
        let items: Vec<&str> = items.iter().map(|item| item.0.as_str()).collect();
        Self(format!("[{}]", items.join(",")))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object, written field by field.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    /// A successful answer.
    pub(crate) fn success() -> Self {
        Self(String::from("{\"success\":true"))
    }

    pub(crate) fn with(self, key: &'static str, value: &impl Serialize) -> Self {
        self.with_json(key, &Json::of(value))
    }

    pub(crate) fn with_json(mut self, key: &'static str, json: &Json) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        self.0.push_str(&json.0);
        self
    }

    pub(crate) fn json(mut self) -> Json {
        self.0.push('}');
        Json(self.0)
    }

    pub(crate) fn respond(self, status: StatusCode) -> HttpResponse {
        HttpResponse::build(status).content_type("application/json").body(self.json().0)
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

/// A successful answer with `data`.
pub(crate) fn data(json: &Json) -> Object {
    Object::success().with_json("data", json)
}
