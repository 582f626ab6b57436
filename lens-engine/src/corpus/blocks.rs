//! A corpus in blocks of consecutive documents: what a part is made of.

use std::num::NonZeroU64;

use anyhow::Result;
use lens_core::TokenId;
use lens_data::{Document, DocumentError, Documents, PromptInput};
use sha2::{Digest as _, Sha256};

/// What a document says, or why it says nothing.
pub(super) enum Content {
    Text(String),
    Tokens(Vec<TokenId>),
    Broken(String),
}

/// A document of a block.
pub(super) struct InBlock {
    pub(super) index: u64,
    pub(super) id: Option<String>,
    pub(super) content: Content,
}

/// The documents of one part.
pub(super) struct Block {
    pub(super) part: u64,
    /// The number of the first document.
    pub(super) first: u64,
    pub(super) documents: Vec<InBlock>,
    /// The SHA-256 of all that the documents say.
    pub(super) texts_sha256: String,
}

/// A corpus, block by block.
pub(super) struct Blocks {
    documents: Documents,
    size: u64,
    /// How many documents may still be read.
    left: Option<u64>,
    part: u64,
    read: u64,
}

impl Blocks {
    pub(super) fn new(documents: Documents, size: NonZeroU64, most: Option<NonZeroU64>) -> Self {
        Self { documents, size: size.get(), left: most.map(NonZeroU64::get), part: 0, read: 0 }
    }

    /// The documents that were read so far.
    pub(super) fn documents(&self) -> u64 {
        self.read
    }

    pub(super) fn total_bytes(&self) -> Option<u64> {
        self.documents.total_bytes().filter(|_| self.left.is_none())
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.documents.bytes_read()
    }

    /// The next block; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Block>> {
        let mut documents = Vec::new();
        let mut hash = Sha256::new();
        while (documents.len() as u64) < self.size && self.left != Some(0) {
            let Some(next) = self.documents.next() else { break };
            let document = in_block(self.read, next)?;
            hash_of(&document, &mut hash);
            documents.push(document);
            self.read += 1;
            self.left = self.left.map(|left| left - 1);
        }
        if documents.is_empty() {
            return Ok(None);
        }
        let (part, first) = (self.part, self.part * self.size);
        self.part += 1;
        let texts_sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Block { part, first, documents, texts_sha256 }))
    }
}

/// A document as it stands in a block. One that is broken counts; a file that cannot be read to its end ends the run.
fn in_block(index: u64, next: Result<Document, DocumentError>) -> Result<InBlock> {
    match next {
        Ok(Document { id, input, .. }) => {
            let content = match input {
                PromptInput::Text(text) => Content::Text(text),
                PromptInput::Tokens(tokens) => Content::Tokens(tokens),
                PromptInput::Messages(_) => {
                    Content::Broken("it is a conversation: name the field that holds a text".to_owned())
                }
            };
            Ok(InBlock { index, id, content })
        }
        Err(error) if error.is_passing() => {
            Ok(InBlock { index, id: None, content: Content::Broken(error.to_string()) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Adds what a document says, so that no two lists of documents look alike.
fn hash_of(document: &InBlock, hash: &mut Sha256) {
    match &document.content {
        Content::Text(text) => {
            hash.update(b"t");
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Content::Tokens(tokens) => {
            hash.update(b"i");
            hash.update((tokens.len() as u64).to_le_bytes());
            tokens.iter().for_each(|token| hash.update(token.0.to_le_bytes()));
        }
        // What is wrong with it is said with the name of its file, which may lie elsewhere on another machine.
        Content::Broken(_) => hash.update(b"b"),
    }
}
