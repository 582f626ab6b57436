//! The GGUF format, in which llama.cpp keeps models and control vectors: metadata, and tensors in blocks.
//!
//! [`Header`] reads what a file says of itself; [`BlockType`] knows what the blocks of its tensors mean. What a model's
//! metadata means is for [`checkpoint`](crate::checkpoint) to know.

mod blocks;
mod cursor;
mod header;
mod shards;
mod value;

pub(crate) use blocks::BlockType;
pub(crate) use header::{Described, Header, HeaderError};
pub(crate) use shards::Shards;
pub(crate) use value::{Value, meant};
