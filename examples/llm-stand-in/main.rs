//! A stand-in for a language model, with OpenAI's API: it answers by a table in a file, and is no model at all.
//!
//! It lets the checks of language models be tried without one: two tables are two versions that truly differ.
//!
//! ```text
//! cargo run --example llm-stand-in -- --answers examples/llm-stand-in/answers/v1.json --listen 127.0.0.1:9101
//! curl -d '{"model":"support","messages":[{"role":"user","content":"How do I block my card?"}]}' \
//!     -H 'content-type: application/json' 127.0.0.1:9101/v1/chat/completions
//! ```

mod service;
mod table;

use std::{error::Error, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use tokio::net::TcpListener;

use crate::table::Table;

/// A stand-in for a language model: GET /v1/models, POST /v1/chat/completions, GET /healthz.
#[derive(Parser)]
struct Args {
    /// Address to listen on; port 0 takes a free one. The first line on stdout is what was bound.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The version's answers, as in examples/llm-stand-in/answers.
    #[arg(long)]
    answers: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("llm-stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let table = Arc::new(Table::load(&args.answers)?);
    let listener = TcpListener::bind(args.listen).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, service::router(table)).await?;
    Ok(())
}
