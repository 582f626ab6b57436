//! Questions that wait, and the one that is answered.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    job::{Job, What},
    question::Client,
    wish::Wish,
};

/// How many questions came to what end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Questions that were handed in.
    pub asked: usize,
    /// Of them, those that were begun.
    pub begun: usize,
    /// Of them, those that came to an end, whatever it was.
    pub ended: usize,
    /// Questions that were dropped, before they were begun or after.
    pub dropped: usize,
    /// Questions that wait now.
    pub waiting: usize,
}

/// Where questions are handed in.
pub(crate) struct Desk {
    state: Mutex<State>,
    ready: Condvar,
    most: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    current: Option<Current>,
    counts: Counts,
    closed: bool,
}

/// The question that is answered now: whose it is, and whether it is still wanted.
struct Current {
    client: Client,
    reads: bool,
    wish: Wish,
}

/// Nothing more can wait.
#[derive(Debug)]
pub(crate) struct Full;

impl Desk {
    /// A desk at which so many questions may wait.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), ready: Condvar::new(), most })
    }

    /// Hands a question in. What it makes needless is dropped at once.
    pub(crate) fn hand_in(&self, job: Job) -> Result<(), Full> {
        let mut state = self.state();
        let is_read = matches!(job.what, What::Read(_));
        if let Some(current) = &state.current
            && current.client == job.client
            && (is_read || !current.reads)
        {
            current.wish.drop();
        }
        let before = state.waiting.len();
        state.waiting.retain(|other| {
            // Whoever has closed the window waits no more.
            let is_needless = job.replaces(&other.client, &other.what) || other.told.wish().is_dropped();
            if is_needless {
                other.told.wish().drop();
            }
            !is_needless
        });
        state.counts.dropped += before - state.waiting.len();
        if state.waiting.len() >= self.most || state.closed {
            return Err(Full);
        }
        state.counts.asked += 1;
        state.waiting.push_back(job);
        self.ready.notify_one();
        Ok(())
    }

    /// The next question that is still wanted, when there is one; `None` once the desk is closed.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if state.closed {
                return None;
            }
            match state.waiting.pop_front() {
                Some(job) if job.told.wish().is_dropped() => state.counts.dropped += 1,
                Some(job) => {
                    state.counts.begun += 1;
                    state.current = Some(Current {
                        client: job.client.clone(),
                        reads: matches!(job.what, What::Read(_)),
                        wish: job.told.wish().clone(),
                    });
                    return Some(job);
                }
                None => state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// The current question is answered, or was dropped.
    pub(crate) fn done(&self) {
        let mut state = self.state();
        if let Some(current) = state.current.take() {
            state.counts.ended += 1;
            state.counts.dropped += usize::from(current.wish.is_dropped());
        }
    }

    /// Has the current question of a page end with what is there.
    pub(crate) fn stop(&self, client: &Client) {
        let state = self.state();
        if let Some(current) = state.current.as_ref().filter(|current| current.client == *client) {
            current.wish.stop();
        }
    }

    /// Drops everything and takes nothing more.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        if let Some(current) = &state.current {
            current.wish.drop();
        }
        self.ready.notify_all();
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        Counts { waiting: state.waiting.len(), ..state.counts }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
