//! The running server: its runtime, its two listeners and its jobs.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::context::Context;
use crate::core::installation::CreatedKey;
use crate::descriptors::Descriptors;
use crate::error::{Error, Result};
use crate::http::app::App;
use crate::http::request_id::Edge;
use crate::http::server::{ServerLimits, Stopped};
use crate::http::{self, router};
use crate::jobs::{self, Servers};
use crate::outbound::Outbound;

/// A server that runs until it is stopped or dropped.
pub struct Server {
    runtime: Runtime,
    app: App,
    address: SocketAddr,
    operator_address: Option<SocketAddr>,
    first_key: Option<CreatedKey>,
    shutdown: watch::Sender<bool>,
    listeners: Vec<JoinHandle<Stopped>>,
}

impl Server {
    /// Opens the data folder and listens. Blocks until requests are taken.
    ///
    /// # Errors
    /// When the folder, the master key or an address cannot be used.
    pub fn start(config: Config, context: Context) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Error::internal)?;
        let started = runtime.block_on(start(config, context))?;
        let Started {
            app,
            servers,
            first_key,
            public,
            operator,
            descriptors,
        } = started;
        let address = public.local_addr().map_err(Error::internal)?;
        let operator_address = operator
            .as_ref()
            .and_then(|listener| listener.local_addr().ok());
        let (shutdown, stopping) = watch::channel(false);
        let serve = |listener, routes, address_limit, connections| {
            let metrics = Arc::clone(&app.metrics);
            let context = app.context.clone();
            let edge = Edge::new(routes, context, &app.config, metrics, address_limit);
            let mut limits = ServerLimits::from(&app.config);
            limits.max_connections = limits.max_connections.min(connections);
            runtime.spawn(http::server::serve(
                listener,
                edge,
                limits,
                stopping.clone(),
            ))
        };
        let limit = app.address_limit.clone();
        let routes = router::public(app.clone());
        let mut listeners = vec![serve(public, routes, limit, descriptors.api)];
        if let Some(operator) = operator {
            // Whoever runs the server must see it when others send too much.
            let routes = router::operator(app.clone());
            listeners.push(serve(operator, routes, None, descriptors.operator));
        }
        runtime.spawn(jobs::watch_keys(app.clone()));
        runtime.spawn(jobs::watch_list(app.clone()));
        runtime.spawn(jobs::rescreen_forever(app.clone()));
        runtime.spawn(jobs::rehash_forever(app.clone()));
        runtime.spawn(jobs::sweep_forever(app.clone()));
        runtime.spawn(jobs::read_used_keys(app.clone()));
        runtime.spawn(jobs::share_limits(app.clone()));
        runtime.spawn(servers.watch());
        runtime.spawn(jobs::deliver_webhooks(app.clone()));
        runtime.spawn(jobs::sign_audit_forever(app.clone()));
        runtime.spawn(jobs::ask_provider(app.clone())?);
        Ok(Self {
            runtime,
            app,
            address,
            operator_address,
            first_key,
            shutdown,
            listeners,
        })
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics listen, unless they are off.
    #[must_use]
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator_address
    }

    /// The key that was made because there was none.
    #[must_use]
    pub fn first_key(&self) -> Option<&CreatedKey> {
        self.first_key.as_ref()
    }

    /// What the handlers are given.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Runs a future on the server's runtime and waits for it.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Runs a future on the server's runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    /// Takes no more connections, finishes what runs, and closes the store.
    pub fn stop(mut self) {
        self.shutdown.send_replace(true);
        let listeners = std::mem::take(&mut self.listeners);
        self.runtime.block_on(async {
            for listener in listeners {
                let _ = listener.await;
            }
            self.app.close().await;
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

struct Started {
    app: App,
    servers: Servers,
    first_key: Option<CreatedKey>,
    public: TcpListener,
    operator: Option<TcpListener>,
    descriptors: Descriptors,
}

async fn start(config: Config, context: Context) -> Result<Started> {
    let document = serde_json::to_vec(&router::document()?).map_err(Error::internal)?;
    // The address first: a second server on the same port must not touch the data.
    let public = bind(config.listen).await?;
    let operator = bind_operator(&config).await?;
    let listeners = std::iter::once(&public).chain(&operator);
    let listeners: std::io::Result<Vec<_>> = listeners.map(TcpListener::local_addr).collect();
    let descriptors = Descriptors::of_process(&config)?;
    let outbound = Outbound::for_webhooks(
        config.outbound_ca_file.as_deref(),
        listeners.map_err(Error::internal)?,
        descriptors.outbound,
    )?;
    let (app, first_key) = App::open(config, context, Bytes::from(document), outbound).await?;
    let servers = Servers::join(&app).await;
    Ok(Started {
        app,
        servers,
        first_key,
        public,
        operator,
        descriptors,
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        Error::internal(format!(
            "cannot listen on {address}: {cause}; choose another with --listen"
        ))
    })
}

/// The default operator port may be taken by another server on this machine;
/// one that somebody asked for must be free.
async fn bind_operator(config: &Config) -> Result<Option<TcpListener>> {
    let Some(operator) = config.operator_listen else {
        return Ok(None);
    };
    match TcpListener::bind(operator.address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(cause) if operator.chosen => Err(Error::internal(format!(
            "cannot listen on {}: {cause}; choose another with --operator-listen",
            operator.address
        ))),
        Err(cause) => {
            tracing::warn!(%cause, address = %operator.address, "the operator port is taken; using a free one");
            let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            TcpListener::bind(free)
                .await
                .map(Some)
                .map_err(Error::internal)
        }
    }
}
