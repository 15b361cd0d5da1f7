//! Connections: accepted up to a limit, with limits of time, and ended without losing a request.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Maximum number of connections; others wait.
const MOST_CONNECTIONS: usize = 512;
/// How long a client may take to send the head of a request, or stay idle.
const MOST_WAITED: Duration = Duration::from_secs(10);
/// How long requests may take once the server is to end: to send a body, wait and be answered.
const MOST_ENDING: Duration = Duration::from_secs(150);

/// Serves connections until `stop` changes, then answers what was accepted.
///
/// # Errors
/// The system refusing to listen, or requests that are not finished in time at the end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("cannot listen")?;
    let (room, mut open) = (Arc::new(Semaphore::new(MOST_CONNECTIONS)), JoinSet::new());
    let stopped = stop.clone();
    let handle = |open: &mut JoinSet<()>, stream, permit| {
        let (router, stop) = (router.clone(), stopped.clone());
        open.spawn(async move {
            connection(stream, router, stop).await;
            drop(permit);
        });
    };
    loop {
        let next = pin!(async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        });
        match select(next, pin!(stop.changed())).await {
            Either::Left(((permit, Ok((stream, _))), _)) => handle(&mut open, stream, permit.ok()),
            // Such as too many open files: others may be closed soon.
            Either::Left(((_, Err(_)), _)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Either::Right(_) => break,
        }
        while open.try_join_next().is_some() {}
    }
    // Those that the system has accepted already.
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                handle(&mut open, TcpStream::from_std(stream)?, None);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => {}
        }
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    let ended = tokio::time::timeout(MOST_ENDING, all).await.is_ok();
    ensure!(ended, "requests were not finished within {} seconds", MOST_ENDING.as_secs());
    Ok(())
}

/// Serves the requests of a connection, and after `stop` only the one that was begun.
async fn connection(stream: TcpStream, router: Router, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(MOST_WAITED);
    let service = TowerToHyperService::new(router);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    let is_stopped = *stop.borrow();
    if !is_stopped && let Either::Left(_) = select(served.as_mut(), pin!(stop.changed())).await {
        return; // errors are the client's: a connection that ended, a request that is not HTTP
    }
    served.as_mut().graceful_shutdown();
    let _ = served.await;
}
