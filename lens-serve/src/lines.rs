//! An answer as it goes out: lines of JSON, as they come.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc::Receiver;

use crate::wish::Wish;

/// The body of an answer. Whoever drops it, because the window is closed or another question was asked, wants no more.
pub(crate) struct Lines {
    lines: Receiver<Bytes>,
    wish: Wish,
}

impl Lines {
    pub(crate) fn new(lines: Receiver<Bytes>, wish: Wish) -> Self {
        Self { lines, wish }
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.lines.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.wish.drop();
    }
}
