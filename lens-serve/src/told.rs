//! What a page is told while the model computes.

use std::{
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use crate::{failure::Failure, wish::Wish};

/// Events that wait for whoever reads them: few, because each may be a whole picture.
const WAITING: usize = 2;

/// How often a full answer is looked at again.
const LOOK: Duration = Duration::from_millis(2);

/// An event of an answer. What is JSON already stands in it as it is.
pub(crate) enum Event<'a> {
    /// The tokens of a run, before they are read.
    Tokens { run: usize, tokens: &'a str },
    /// What was read so far: `done` positions of `of`, as far as that is known, and of those that lack layers so much that
    /// it is as good as `part` more.
    Data { data: &'a str, done: usize, of: usize, part: f64 },
    /// What was assumed, dropped or left out.
    Notes(&'a [String]),
    /// The shares of a logit.
    Attribution(&'a str),
    /// What places of one prompt do in another.
    Patching(&'a str),
    /// That is all.
    End { positions: usize },
    /// It went wrong.
    Error(&'a Failure),
}

/// The end of an answer that the model speaks into.
pub(crate) struct Told {
    lines: Sender<Bytes>,
    wish: Wish,
    /// How long an answer may lie unread.
    unread: Duration,
}

impl Told {
    /// Both ends of an answer.
    pub(crate) fn new(unread: Duration) -> (Self, Receiver<Bytes>, Wish) {
        let (lines, read) = channel(WAITING);
        let wish = Wish::default();
        (Self { lines, wish: wish.clone(), unread }, read, wish)
    }

    pub(crate) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// Says what has to be heard, and waits until there is room for it. Who does not listen for long is dropped.
    pub(crate) fn say(&self, event: &Event<'_>) {
        let began = Instant::now();
        let mut line = line(event);
        while !self.wish.is_dropped() {
            match self.lines.try_send(line) {
                Ok(()) => return,
                Err(TrySendError::Closed(_)) => return self.wish.drop(),
                Err(TrySendError::Full(back)) if began.elapsed() < self.unread => {
                    line = back;
                    thread::sleep(LOOK);
                }
                Err(TrySendError::Full(_)) => return self.wish.drop(),
            }
        }
    }

    /// Whether what is said now can be heard now.
    pub(crate) fn has_room(&self) -> bool {
        self.lines.capacity() > 0
    }

    /// Says what went wrong.
    pub(crate) fn failed(&self, failure: &Failure) {
        self.say(&Event::Error(failure));
    }
}

/// An event as a line of JSON, which has no line feed within.
fn line(event: &Event<'_>) -> Bytes {
    let line = match event {
        Event::Tokens { run, tokens } => {
            format!("{{\"event\":\"tokens\",\"run\":{run},\"tokens\":{tokens}}}\n")
        }
        Event::Data { data, done, of, part } => {
            format!("{{\"event\":\"data\",\"done\":{done},\"of\":{of},\"part\":{part:.3},\"data\":{data}}}\n")
        }
        Event::Notes(notes) => format!("{}\n", json!({"event": "notes", "notes": notes})),
        Event::Attribution(trace) => format!("{{\"event\":\"attribution\",\"attribution\":{trace}}}\n"),
        Event::Patching(shown) => format!("{{\"event\":\"patching\",\"patching\":{shown}}}\n"),
        Event::End { positions } => format!("{}\n", json!({"event": "end", "positions": positions})),
        Event::Error(failure) => {
            format!("{}\n", json!({"event": "error", "error": failure.error, "help": failure.help}))
        }
    };
    line.into()
}
