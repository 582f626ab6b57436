//! What the binary keeps: exit codes, streams, files and messages.

mod adapters;
mod attribute;
mod cache;
mod corpus;
mod diff;
mod engine;
mod files;
mod fitting;
mod generation;
mod gguf;
mod help;
mod hostile;
mod interruption;
mod killed;
mod lenses;
mod many;
mod options;
mod packed;
mod patch;
mod refusal;
mod render;
mod results;
mod serve;
mod stale;
mod support;
