//! Server-sent events, as they come in.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

use crate::{Answer, Request};

/// How long something that must come may take.
const IN_TIME: Duration = Duration::from_secs(20);

/// A stream of server-sent events. It is hung up when it is dropped.
pub struct EventStream {
    /// What `content-type` and so on say, before the first event.
    pub headers: reqwest::header::HeaderMap,
    response: Response,
    rest: String,
    /// How far the rest was looked through.
    searched: usize,
}

/// What stands between two empty lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its place, if it has one.
    pub id: Option<i64>,
    /// Its name; empty if it is no event.
    pub name: String,
    /// Its data; null if there is none.
    pub data: Value,
    /// All of it, as it came.
    pub text: String,
}

impl Request {
    /// Sends the request and follows what is answered.
    ///
    /// # Errors
    ///
    /// The answer, if it is no stream.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    pub async fn follow(self) -> Result<EventStream, Answer> {
        let response = self.0.send().await.expect("the server answers");
        let headers = response.headers().clone();
        match headers.get("content-type") {
            Some(kind) if kind == "text/event-stream" => {
                Ok(EventStream { headers, response, rest: String::new(), searched: 0 })
            }
            _ => Err(Answer::of(response).await),
        }
    }
}

impl EventStream {
    /// What comes next; none at the end.
    ///
    /// # Panics
    ///
    /// If nothing comes in time, or no text.
    pub async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(end) = self.rest[self.searched..].find("\n\n") {
                let block = Block::parse(&self.rest[..self.searched + end]);
                self.rest.drain(..self.searched + end + 2);
                self.searched = 0;
                return Some(block);
            }
            self.searched = self.rest.len().saturating_sub(1);
            let chunk =
                timeout(IN_TIME, self.response.chunk()).await.expect("something comes in time");
            let Ok(Some(chunk)) = chunk else {
                assert_eq!(self.rest, "", "it ends between two events");
                return None;
            };
            self.rest.push_str(std::str::from_utf8(&chunk).expect("these tests send ASCII only"));
        }
    }

    /// The next event.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn event(&mut self) -> Block {
        loop {
            let block = self.next().await.expect("there is another event");
            if !block.name.is_empty() {
                return block;
            }
        }
    }

    /// The next events.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub async fn events(&mut self, count: usize) -> Vec<Block> {
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            events.push(self.event().await);
        }
        events
    }
}

impl Block {
    fn parse(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        Self {
            id: field("id").map(|id| id.parse().expect("an id is a place")),
            name: field("event").unwrap_or_default(),
            data: field("data").map_or(Value::Null, |data| data.parse().expect("data is JSON")),
            text: text.to_owned(),
        }
    }
}
