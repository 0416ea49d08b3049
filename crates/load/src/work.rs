//! What is asked, again and again.

use std::borrow::Cow;
use std::str::FromStr;

/// A method of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One request, but for its body.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: Cow<'a, str>,
    /// The status of a right answer.
    pub expected: u16,
}

/// A source of requests that all connections share.
pub trait Work: Send + Sync {
    /// The next request; `body`, which is empty, gets its JSON, if it has one.
    fn next(&self, body: &mut Vec<u8>) -> Ask<'_>;
}

/// The same request each time.
#[derive(Clone, Debug)]
pub struct Fixed {
    method: Method,
    path: String,
    body: Vec<u8>,
    expected: u16,
}

impl Fixed {
    /// Reading a path; the answer is 200.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self { method: Method::Get, path: path.to_owned(), body: Vec::new(), expected: 200 }
    }
}

impl Work for Fixed {
    fn next(&self, body: &mut Vec<u8>) -> Ask<'_> {
        body.extend_from_slice(&self.body);
        Ask { method: self.method, path: Cow::Borrowed(&self.path), expected: self.expected }
    }
}

/// The kinds of work that a person can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Append one event per request.
    Events,
    /// Read one project per request.
    Projects,
    /// What a team of agents does: mostly events, some reading, some changes, some usage.
    Mixed,
}

impl WorkKind {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Projects => "projects",
            Self::Mixed => "mixed",
        }
    }
}

impl FromStr for WorkKind {
    type Err = String;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        [Self::Events, Self::Projects, Self::Mixed]
            .into_iter()
            .find(|kind| kind.as_str() == raw)
            .ok_or_else(|| "must be events, projects or mixed".to_owned())
    }
}
