//! `serve`: a bluegreen server with a generated fleet that is switched by an HTTP POST, for other load generators.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Json, Router, http::StatusCode, routing};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex};

use crate::{
    BoxError,
    args::ServeArgs,
    process,
    server::{Ports, Server},
};

/// Runs until the server's process ends.
pub async fn serve(args: ServeArgs) -> Result<(), BoxError> {
    process::open_files(0);
    let server = Server::start(args.shape, Ports { xds: args.port }).await?;
    let listener = TcpListener::bind(args.listen).await?;
    if let Some(file) = &args.pid_file {
        write_pid(file, server.pid)?;
    }
    println!(
        "bluegreen {} serves {} on {}; POST http://{}/switch switches it",
        server.pid,
        args.shape,
        server.xds,
        listener.local_addr()?
    );
    let server = Arc::new(Mutex::new(server));
    let switched = server.clone();
    let router = Router::new()
        .route("/ready", routing::get(async || "ready\n"))
        .route(
            "/switch",
            routing::post(async move || switch(&switched).await),
        );
    let mut ended = tokio::time::interval(std::time::Duration::from_millis(200));
    tokio::select! {
        served = axum::serve(listener, router).into_future() => served?,
        () = async {
            loop {
                ended.tick().await;
                if server.lock().await.has_ended() {
                    return;
                }
            }
        } => {}
    }
    Ok(())
}

async fn switch(server: &Mutex<Server>) -> Result<Json<Value>, (StatusCode, String)> {
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let started = started.unwrap_or_default().as_nanos();
    let mut server = server.lock().await;
    // The operator's command goes on waiting for every proxy of the roster.
    match server.switch(usize::MAX).await {
        Ok(_) => Ok(Json(json!({
            "started_unix_ns": u64::try_from(started).unwrap_or(u64::MAX),
            "weights": server.weights(),
        }))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}

/// Whole, or not at all: somebody waits for the file.
fn write_pid(file: &Path, pid: u32) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, format!("{pid}\n"))?;
    std::fs::rename(beside, file)
}
