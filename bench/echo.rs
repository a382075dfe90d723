//! The least that an HTTP server can do: axum reads a JSON body and answers it back, 201, nothing stored.
//! It runs as a child process of the benchmark, so that its processor time is counted apart.

use axum::extract::Json;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;

use crate::Result;

/// Worker threads: as many as the machine has cores in the reference figures.
const WORKERS: usize = 2;

/// Serves until killed; prints its address as `oms serve` does.
pub fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Without it small answers wait; a failure only makes the echo slower.
            let _ = stream.set_nodelay(true);
        });
        let echo = |body: Json<serde_json::Value>| async { (StatusCode::CREATED, body) };
        axum::serve(
            listener,
            axum::Router::new().route("/v0.9/customers", post(echo)),
        )
        .await?;
        Ok(())
    })
}
