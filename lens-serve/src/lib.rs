//! A page on this machine that reads a model as one types.
//!
//! The server knows no model: whatever is a [`Model`] answers, on the thread that calls [`Server::work`], one question at a
//! time. Connections are held by a thread of their own, so that a page is heard while the model computes: a new prompt ends
//! what was asked before, and so does a window that is closed.
//!
//! Nobody else is meant to be heard. The server listens at 127.0.0.1 alone, and who asks has to have the key that is part of
//! its address, to have asked for this machine by name, and not to be a page from elsewhere ([`Limits`] says what is too
//! much).

mod about;
mod bar;
mod desk;
mod door;
mod export;
mod failure;
mod growing;
mod headers;
mod job;
mod key;
mod limits;
mod lines;
mod model;
mod patching;
mod question;
mod results;
mod routes;
mod run;
mod server;
mod told;
mod wish;

pub use about::About;
pub use desk::Counts;
pub use failure::Failure;
pub use limits::Limits;
pub use model::Model;
pub use patching::sweep;
pub use server::{Server, ServerError};
