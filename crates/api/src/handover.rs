//! Taking a connection over from the HTTP server once the head of an answer was sent.
//!
//! The HTTP server keeps two buffers of 8 KiB, a dispatcher and its timers for each connection. An answer that goes on
//! for days needs none of them: its head goes the usual way, through all layers; then its connection is handed over to
//! a task that writes the rest. The HTTP server sees a peer that hung up, and lets go of everything else.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, MessageBody};
use actix_web::rt::net::TcpStream;
use actix_web::web::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

type Receiver = Box<dyn FnOnce(TcpStream)>;

/// A connection that can be handed over.
pub(crate) struct Connection {
    /// None once it was handed over: nothing more can be read, and what is written goes nowhere.
    stream: Option<TcpStream>,
    desk: Desk,
}

/// Where a connection and the answer on it meet. Clones are the same desk.
#[derive(Clone, Default)]
pub(crate) struct Desk(Rc<State>);

#[derive(Default)]
struct State {
    receiver: RefCell<Option<Receiver>>,
    is_handed_over: Cell<bool>,
}

/// The body of an answer whose connection is taken over after its head. It ends with the connection.
pub(crate) struct Handover {
    desk: Desk,
    receiver: Option<Receiver>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream), desk: Desk::default() }
    }

    pub(crate) fn desk(&self) -> Desk {
        self.desk.clone()
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
            Some(stream) => Pin::new(stream).poll_write(cx, bytes),
            None => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
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
