//! How slowly the body of a request may come: it gets a while, and more for what has come.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::handover::Desk;

/// What a body must bring in a second, after its first while: little enough for the worst line, too much to keep ten
/// thousand connections busy with nothing.
const BYTES_PER_SECOND: u64 = 4 << 10;

/// How long the rest of a body that came too slowly is waited for: until the answer has gone out.
const FAREWELL: Duration = Duration::from_secs(1);

/// A body that must come.
struct Patient {
    body: Payload,
    /// Nothing more is to come.
    is_over: bool,
    /// Where the connection hears that nobody reads any more.
    desk: Option<Desk>,
    /// How long it may rest.
    grace: Duration,
    /// When it must have come, if nothing more comes.
    deadline: Instant,
    /// When the next piece must have come.
    next: Instant,
    /// Waits for that. Most bodies are there at once.
    over: Option<Pin<Box<Sleep>>>,
}

/// The same body, which fails (`TimedOut`) when it comes too slowly.
pub(crate) fn patient(body: Payload, grace: Duration, desk: Option<Desk>) -> Payload {
    match body {
        Payload::None => Payload::None,
        body => {
            let deadline = Instant::now() + grace;
            let payload =
                Patient { body, is_over: false, desk, grace, deadline, next: deadline, over: None };
            Payload::Stream { payload: Box::pin(payload) }
        }
    }
}

impl Stream for Patient {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(piece) = Pin::new(&mut self.body).poll_next(cx) {
            if let Some(Ok(piece)) = &piece {
                let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.deadline += Duration::from_micros(bytes * 1_000_000 / BYTES_PER_SECOND);
                self.next = Instant::now() + self.grace;
            }
            self.is_over |= !matches!(piece, Some(Ok(_)));
            return Poll::Ready(piece);
        }
        let deadline = self.deadline.min(self.next);
        let over = self.over.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if over.deadline() != deadline {
            over.as_mut().reset(deadline);
        }
        std::task::ready!(over.as_mut().poll(cx));
        self.grace = FAREWELL;
        let error = Error::new(ErrorKind::TimedOut, "it came too slowly");
        Poll::Ready(Some(Err(PayloadError::Io(error))))
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        if let Some(desk) = &self.desk
            && !self.is_over
        {
            desk.leave_unread(self.grace);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt as _;
    use futures_util::stream::unfold;

    use super::*;

    /// A body that brings a piece of so many bytes every second, so many times.
    fn dripping(bytes: usize, times: u32) -> Payload {
        let body = unfold(0, move |sent| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (sent < times).then(|| (Ok(Bytes::from(vec![b' '; bytes])), sent + 1))
        });
        Payload::Stream { payload: Box::pin(body) }
    }

    async fn read(mut body: Payload) -> (usize, bool) {
        let mut bytes = 0;
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(_) => return (bytes, false),
            }
        }
        (bytes, true)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_given_up_and_one_that_flows_is_not() {
        let grace = Duration::from_secs(30);

        let (bytes, is_whole) = read(patient(dripping(1, 1_000), grace, None)).await;
        assert!((28..=31).contains(&bytes) && !is_whole, "{bytes}");

        assert_eq!(read(patient(dripping(8 << 10, 1_000), grace, None)).await, (8_192_000, true));
        assert_eq!(read(patient(dripping(1, 20), grace, None)).await, (20, true));
        assert_eq!(read(patient(Payload::None, grace, None)).await, (0, true));
    }
}
