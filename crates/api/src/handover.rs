//! What is done to a connection past the HTTP server: it is taken over once the head of an answer was sent, and it is
//! cut off when its client takes too long.
//!
//! The HTTP server keeps two buffers of 8 KiB, a dispatcher and its timers for each connection. An answer that goes on
//! for days needs none of them: its head goes the usual way, through all layers; then its connection is handed over to
//! a task that writes the rest. The HTTP server sees a peer that hung up, and lets go of everything else.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

type Receiver = Box<dyn FnOnce(TcpStream)>;

/// A connection that can be handed over.
pub(crate) struct Connection {
    /// None once it was handed over: nothing more can be read, and what is written goes nowhere.
    stream: Option<TcpStream>,
    desk: Desk,
    /// How long the client may take nothing of what is written.
    patience: Duration,
    /// Ends that while something waits to be taken.
    over: Option<Pin<Box<Sleep>>>,
    /// Waits for the end of a body that nobody reads.
    cut: Option<Pin<Box<Sleep>>>,
}

/// Where a connection and the answer on it meet. Clones are the same desk.
#[derive(Clone, Default)]
pub(crate) struct Desk(Rc<State>);

#[derive(Default)]
struct State {
    receiver: RefCell<Option<Receiver>>,
    is_handed_over: Cell<bool>,
    /// How long the rest of a body is waited for that nobody reads any more.
    unread: Cell<Option<Duration>>,
    /// When it must have come.
    cut_at: Cell<Option<Instant>>,
}

/// The body of an answer whose connection is taken over after its head. It ends with the connection.
pub(crate) struct Handover {
    desk: Desk,
    receiver: Option<Receiver>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream: Some(stream), desk: Desk::default(), patience, over: None, cut: None }
    }

    /// Fails if the client took nothing for too long: an answer that nobody takes costs memory.
    fn in_time(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.over = None;
            return written;
        }
        let patience = self.patience;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(patience)));
        over.as_mut().poll(cx).map(|()| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer"))
        })
    }

    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
    }
}

impl Desk {
    /// A new request: the body before it came to its end.
    pub(crate) fn begin(&self) {
        self.0.unread.set(None);
        self.0.cut_at.set(None);
    }

    /// Nobody reads the body any more. Once the request is answered, what is still to come is waited for so long.
    pub(crate) fn leave_unread(&self, patience: Duration) {
        self.0.unread.set(Some(patience));
    }

    /// The request is answered.
    pub(crate) fn answered(&self) {
        self.0.cut_at.set(self.0.unread.get().map(|patience| Instant::now() + patience));
    }
}

impl Handover {
    /// Hands the connection of `request` over to `receiver`, which is called on the thread of the connection. None if
    /// it is not one that can be handed over.
    pub(crate) fn new(
        request: &HttpRequest,
        receiver: impl FnOnce(TcpStream) + 'static,
    ) -> Option<Self> {
        let desk = request.conn_data::<Desk>()?.clone();
        Some(Self { desk, receiver: Some(Box::new(receiver)) })
    }
}

impl MessageBody for Handover {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        // Asked for the first time, the head lies in the buffer already; it is flushed next.
        if let Some(receiver) = self.receiver.take() {
            *self.desk.0.receiver.borrow_mut() = Some(receiver);
        }
        if self.desk.0.is_handed_over.get() { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let cut_at = self.desk.0.cut_at.get();
        if let Some(when) = cut_at {
            let cut = self.cut.get_or_insert_with(|| Box::pin(sleep_until(when)));
            if cut.deadline() != when {
                cut.as_mut().reset(when);
            }
            if cut.as_mut().poll(cx).is_ready() {
                let error = io::Error::new(io::ErrorKind::TimedOut, "nobody waits for the rest");
                return Poll::Ready(Err(error));
            }
        }
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => {
                let written = Pin::new(stream).poll_write(cx, bytes);
                self.in_time(cx, written)
            }
            None => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => {
                let written = Pin::new(stream).poll_write_vectored(cx, slices);
                self.in_time(cx, written)
            }
            None => Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(TcpStream::is_write_vectored)
    }

    /// Called by the dispatcher when all that it had to write was taken, which is the moment to hand over.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(stream) = &mut self.stream {
            std::task::ready!(Pin::new(stream).poll_flush(cx))?;
        }
        let receiver = self.desk.0.receiver.borrow_mut().take();
        if let Some(receiver) = receiver
            && let Some(stream) = self.stream.take()
        {
            self.desk.0.is_handed_over.set(true);
            receiver(stream);
            // The dispatcher has to see that the body and the connection ended.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
