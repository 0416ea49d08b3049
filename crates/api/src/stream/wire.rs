//! The ledger as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use pilotdeck_domain::ledger::Line;
use pilotdeck_services::stream::{End, Message};
use serde_json::json;

use crate::ledger;

/// How long a reader waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// A line. JSON has no line breaks outside its texts, and escapes them there.
pub(super) fn line(line: &Line) -> String {
    let (seq, operation) = (line.seq, line.operation.as_str());
    format!("id: {seq}\nevent: {operation}\ndata: {}\n\n", ledger::view(line))
}

/// What is said beside lines.
pub(super) fn aside(message: &Message) -> String {
    match message {
        Message::Hello { since, last_seq } => {
            first(*since, "hello", &json!({ "since": since, "lastSeq": last_seq }))
        }
        Message::Resync { first_seq, last_seq } => {
            first(*last_seq, "resync", &json!({ "firstSeq": first_seq, "lastSeq": last_seq }))
        }
        // An id without data is remembered by the reader, and is no event.
        Message::Beat { seq: Some(seq) } => format!(":\nid: {seq}\n\n"),
        Message::Beat { seq: None } => ":\n\n".to_owned(),
        Message::Ended(end) => {
            let name = if *end == End::SlowReader { "dropped" } else { "ended" };
            format!("event: {name}\ndata: {}\n\n", json!({ "reason": end.as_str() }))
        }
        Message::Lines(_) => String::new(),
    }
}

fn first(id: i64, name: &str, data: &serde_json::Value) -> String {
    format!("retry: {RETRY_MS}\nid: {id}\nevent: {name}\ndata: {data}\n\n")
}
