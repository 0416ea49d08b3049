//! What can go wrong between a client and a server.

use std::fmt;
use std::io;

/// A request without the answer that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody listens, or nobody can be reached.
    #[error("cannot connect: {0}")]
    CannotConnect(io::Error),
    /// The connection ended before the answer did.
    #[error("the server hung up: {0}")]
    HungUp(io::Error),
    /// No whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// What came is no HTTP.
    #[error("the answer is no HTTP: {0}")]
    NotHttp(String),
    /// Another status than the expected one.
    #[error("{asked} answered {status}: {body}")]
    Status {
        /// The request.
        asked: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// A body that should be JSON, and is not.
    #[error("{0} did not answer with JSON")]
    NotJson(String),
}

/// Failures that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureKind {
    /// See [`Failure::CannotConnect`].
    CannotConnect,
    /// See [`Failure::HungUp`].
    HungUp,
    /// See [`Failure::TimedOut`].
    TimedOut,
    /// See [`Failure::NotHttp`] and [`Failure::NotJson`].
    NotUnderstood,
    /// See [`Failure::Status`].
    Status(u16),
}

impl Failure {
    /// What it is counted with.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::CannotConnect(_) => FailureKind::CannotConnect,
            Self::HungUp(_) => FailureKind::HungUp,
            Self::TimedOut => FailureKind::TimedOut,
            Self::NotHttp(_) | Self::NotJson(_) => FailureKind::NotUnderstood,
            Self::Status { status, .. } => FailureKind::Status(*status),
        }
    }

    pub(crate) fn end() -> Self {
        Self::HungUp(io::ErrorKind::UnexpectedEof.into())
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CannotConnect => f.write_str("cannot connect"),
            Self::HungUp => f.write_str("hung up"),
            Self::TimedOut => f.write_str("timed out"),
            Self::NotUnderstood => f.write_str("not understood"),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}
