//! The HTTP server over connections that can be handed over ([`crate::handover`]); otherwise what
//! `actix_web::HttpServer` is.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, Request, Response};
use actix_server::{Server, ServerBuilder};
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use actix_web::rt::net::TcpStream;

use crate::handover::Connection;
use crate::server::TimeLimits;

/// How long a client may take to see that its connection is closed.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long accepted requests may take after the server was told to stop.
const SHUTDOWN_SECONDS: u64 = 8;

/// Serves the application on `listener`, in as many threads as there are workers.
pub(crate) fn listen<F, I, S, B>(
    listener: TcpListener,
    workers: usize,
    time_limits: TimeLimits,
    application: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let builder =
        ServerBuilder::new().workers(workers).disable_signals().shutdown_timeout(SHUTDOWN_SECONDS);
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let stopping = stopping.clone();
        let application =
            application().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(time_limits.keep_alive)
            .client_request_timeout(time_limits.head)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(|connection: &Connection, extensions| {
                extensions.insert(connection.desk());
            })
            .h1(map_config(application, |()| AppConfig::default()));
        fn_service(move |stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            // The pieces of an answer go out as they come, not when the client acknowledged the ones before.
            let _ = stream.set_nodelay(true);
            ready(Ok((Connection::new(stream, time_limits.answer), peer)))
        })
        .and_then(http)
    })?;
    Ok(server.run())
}
