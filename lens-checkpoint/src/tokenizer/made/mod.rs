//! tokenizer.json, made of other files: vocab.json and merges.txt, tokenizer.model, tekken.json, or what another format
//! holds.
//!
//! What is made is what the converters of transformers (`convert_slow_tokenizer.py`, 4.57) make of the same files, as
//! the text of a tokenizer.json. From there on it is read like one.

mod bpe;
mod draft;
mod merges;
mod piece;
mod pre;
mod proto;
mod sentencepiece;
mod tekken;

pub(crate) use bpe::of_vocabulary;
pub(crate) use draft::{Added, ByteLevelBpe, PieceBpe, around};
pub(crate) use piece::Piece;
pub(crate) use pre::PreTokenizer;
pub(crate) use sentencepiece::of_sentencepiece;
pub(crate) use tekken::of_tekken;
