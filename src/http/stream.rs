//! The tasks of HTTP/2 streams, each with the deadline of its answer: a stream whose client
//! does not take it is reset, and the others of the connection go on.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use hyper::rt::Executor;
use tokio::time::{Instant, sleep_until};

use super::outgoing::Outgoing;
use crate::metrics;

tokio::task_local! {
    /// The answer of the stream whose task this is.
    static ANSWER: OnceCell<Arc<Outgoing>>;
}

/// Tells the task of the stream, if this is one, what its answer is.
pub(super) fn is_answered_by(outgoing: &Arc<Outgoing>) {
    // HTTP/1.1 has no tasks of streams; its connection looks after its answers.
    _ = ANSWER.try_with(|answer| answer.set(Arc::clone(outgoing)));
}

/// Spawns the streams of HTTP/2 connections.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor;

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(ANSWER.scope(OnceCell::new(), until_late(stream)));
    }
}

/// Runs a stream until it ends or its answer was not taken in time; dropping it resets it.
async fn until_late(stream: impl Future<Output = ()>) {
    let mut stream = pin!(stream);
    let mut timer = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let deadline = || ANSWER.with(|answer| answer.get()?.deadline());
        while let Some(due) = deadline() {
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline().unwrap_or(due) {
                metrics::ANSWERS_CUT.add();
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline().unwrap_or(due));
        }
        Poll::Pending
    })
    .await;
}
