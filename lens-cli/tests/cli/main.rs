//! What the binary keeps: exit codes, streams, files and messages.

mod files;
mod generation;
mod help;
mod hostile;
mod interruption;
mod many;
mod options;
mod refusal;
mod render;
mod results;
mod stale;
mod support;
