//! A bounded queue in which projects take turns: whoever asks for much waits for itself, and
//! nobody waits for more than one piece of work of each other project.

use std::collections::{HashMap, VecDeque};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// Work that waits, by project.
#[derive(Debug)]
pub(super) struct Turns<T> {
    state: Mutex<State<T>>,
    came: Condvar,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    /// In the order in which it came. A project without work is not here.
    waiting: HashMap<i64, VecDeque<T>>,
    /// The projects that have work, the next first.
    next: VecDeque<i64>,
    length: usize,
    /// Threads that wait for work.
    idle: usize,
    is_closed: bool,
}

/// Why work was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// As much waits as may.
    Full,
    /// Nobody works any more.
    Closed,
}

impl<T> Turns<T> {
    /// A queue of at most so many.
    pub(super) fn new(limit: usize) -> Self {
        let state = State {
            waiting: HashMap::new(),
            next: VecDeque::new(),
            length: 0,
            idle: 0,
            is_closed: false,
        };
        Self {
            state: Mutex::new(state),
            came: Condvar::new(),
            limit,
        }
    }

    /// Queues work of a project.
    pub(super) fn push(&self, project: i64, work: T) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.length >= self.limit {
            return Err(Refused::Full);
        }
        let waiting = state.waiting.entry(project).or_default();
        waiting.push_back(work);
        if waiting.len() == 1 {
            state.next.push_back(project);
        }
        state.length += 1;
        let is_waited_for = state.idle > 0;
        drop(state);
        if is_waited_for {
            self.came.notify_one();
        }
        Ok(())
    }

    /// The next work, as soon as there is some; `None` once it is closed and empty.
    pub(super) fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.take() {
                return Some(work);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self
                .came
                .wait(state)
                .expect("no code panics while it holds this lock");
            state.idle -= 1;
        }
    }

    /// The next work, if there is some now.
    pub(super) fn try_pop(&self) -> Option<T> {
        self.lock().take()
    }

    /// Takes no more work; what waits is still given out.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.came.notify_all();
    }

    /// How much waits.
    pub(super) fn len(&self) -> usize {
        self.lock().length
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state
            .lock()
            .expect("no code panics while it holds this lock")
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<T> {
        let project = self.next.pop_front()?;
        let waiting = self.waiting.get_mut(&project)?;
        let work = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&project);
        } else {
            self.next.push_back(project);
        }
        self.length -= 1;
        work
    }
}
