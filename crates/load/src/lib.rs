//! Load on a running server: connections that are kept open, what is asked on them, and what came of it.
//!
//! [`Run`] puts a [`Load`] on an [`Endpoint`] and measures it. In a closed loop each connection asks again when it was
//! answered; in an open loop requests are due at a fixed rate, whether the server keeps up or not, and their latency is
//! measured from the time when they were due: what waited behind a slow answer is slow, too.
//!
//! The client is written over sockets and a parser of HTTP's head, because it shares the processors with the server
//! that it measures. It costs less than half of what a general client does, and adds no package to the server's.

mod connection;
mod endpoint;
mod failure;
mod load;
mod measured;
mod pace;
mod samples;
mod stage;
mod work;

pub use connection::{Connection, Request};
pub use endpoint::{Endpoint, EndpointError};
pub use failure::{Failure, FailureKind};
pub use load::{Load, Run};
pub use measured::{ErrorCount, Measured};
pub use samples::{Events, project};
pub use stage::{Stage, Struck};
pub use work::{Ask, Fixed, Method, Work, WorkKind};
