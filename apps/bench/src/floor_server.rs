//! The floor of HTTP: the web framework of the server, with handlers that do nothing.

use std::io;
use std::path::PathBuf;

use actix_web::web::{Bytes, Data, Path, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer, Responder, get, post};
use anyhow::{Context as _, Result};
use clap::Args;
use xtask::server_process::ServerProcess;

use crate::Plan;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Files whose bytes are answered at `/bytes/0`, `/bytes/1` and so on.
    #[arg(long)]
    bytes: Vec<PathBuf>,
    /// Threads that answer, as many as the server has.
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

#[get("/bytes/{index}")]
async fn fixed(files: Data<Vec<Bytes>>, index: Path<usize>) -> impl Responder {
    match files.get(*index) {
        Some(file) => HttpResponse::Ok().content_type("application/json").body(file.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

#[post("/echo")]
async fn echoed(body: Bytes) -> impl Responder {
    HttpResponse::Ok().content_type("application/json").body(body)
}

/// Serves until it is killed.
pub(crate) fn serve(arguments: &Arguments) -> Result<()> {
    let read = |path: &PathBuf| std::fs::read(path).map(Bytes::from);
    let files = arguments.bytes.iter().map(read).collect::<io::Result<Vec<Bytes>>>()?;
    let files = Data::new(files);
    let app = move || {
        let limit = PayloadConfig::new(16 << 20);
        App::new().app_data(limit).app_data(files.clone()).service(fixed).service(echoed)
    };
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app).workers(arguments.workers).bind("127.0.0.1:0")?;
        let address = *server.addrs().first().context("the floor listens nowhere")?;
        println!("listening on http://{address}");
        Ok(server.run().await?)
    })
}

/// Starts the floor as a process of its own, as the server is.
pub(crate) fn start(plan: &Plan, files: &[&[u8]]) -> Result<ServerProcess> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg("floor");
    for (index, content) in files.iter().enumerate() {
        let path = plan.folder.join(format!("floor-{index}.json"));
        std::fs::write(&path, content)?;
        command.arg("--bytes").arg(path);
    }
    ServerProcess::start(&mut command, &plan.folder.join("floor.log"))
}
