//! Writing a stream to its connection.

use std::io::{self, IoSlice};

use actix_web::rt::net::TcpStream;
use pilotdeck_services::stream::{Message, Subscription};
use tokio::io::AsyncWriteExt as _;

use super::wire;

/// Tells `subscription` to the reader at the other end of `connection`, in a task of its own.
pub(super) fn begin(
    connection: TcpStream,
    subscription: Subscription,
    request_id: Option<Box<str>>,
) {
    actix_web::rt::spawn(tell(connection, subscription, request_id));
}

async fn tell(
    mut connection: TcpStream,
    mut subscription: Subscription,
    request_id: Option<Box<str>>,
) {
    // A line should not wait for the acknowledgement of the one before it.
    let _ = connection.set_nodelay(true);
    let reason = loop {
        let message = tokio::select! {
            message = subscription.next() => message,
            () = hung_up(&connection) => break "hung_up",
        };
        let written = match &message {
            Message::Lines(lines) => {
                let texts: Vec<&str> = lines.iter().map(|told| told.wire(wire::line)).collect();
                write(&connection, &mut subscription, &texts).await
            }
            aside => write(&connection, &mut subscription, &[&wire::aside(aside)]).await,
        };
        match (written, message) {
            (Ok(()), Message::Ended(end)) => break end.as_str(),
            (Ok(()), _) => {}
            (Err(error), _) if error.kind() == io::ErrorKind::TimedOut => break "stalled",
            (Err(_), _) => break "hung_up",
        }
    };
    let seq = subscription.cursor();
    tracing::info!(request.id = request_id, reason, seq, "a stream ended");
    drop(subscription);
    let _ = connection.shutdown().await;
}

/// Waits until the reader is gone. What it sends meanwhile is of no interest.
async fn hung_up(connection: &TcpStream) {
    loop {
        if connection.readable().await.is_err() {
            return;
        }
        match connection.try_read(&mut [0; 256]) {
            Ok(1..) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return,
        }
    }
}

/// Writes all texts, in as few calls as the connection takes.
async fn write(
    connection: &TcpStream,
    subscription: &mut Subscription,
    texts: &[&str],
) -> io::Result<()> {
    let (mut text, mut offset) = (0, 0);
    while text < texts.len() {
        let written = {
            let mut slices: Vec<IoSlice<'_>> =
                texts[text..].iter().map(|text| IoSlice::new(text.as_bytes())).collect();
            slices[0] = IoSlice::new(&texts[text].as_bytes()[offset..]);
            connection.try_write_vectored(&slices)
        };
        match written {
            Ok(written) => {
                offset += written;
                while text < texts.len() && offset >= texts[text].len() {
                    offset -= texts[text].len();
                    text += 1;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                subscription.reader_is_slow();
                tokio::select! {
                    writable = connection.writable() => writable?,
                    () = subscription.patience() => return Err(io::ErrorKind::TimedOut.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
