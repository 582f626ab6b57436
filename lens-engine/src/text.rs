//! A text of many documents: read one after the other, and hashed.

use std::{fs::File, io, path::Path};

use anyhow::{Context, Result, bail};
use lens_cli::{args::TextArgs, style::Console};
use lens_core::TokenId;
use lens_data::{PromptInput, Prompts};
use lens_models::fit::Documents;
use sha2::{Digest as _, Sha256};

use crate::records::{self, What};

/// Records that could not be read and are told one by one.
const TOLD: u64 = 5;

/// The documents of a text as tokens, one after the other. A record that cannot be read is passed over, with a note.
pub(crate) struct Text<'a> {
    prompts: Prompts<'static>,
    documents: &'a Documents<'a>,
    console: &'a Console,
    broken: u64,
    /// Documents without a text.
    empty: u64,
}

impl<'a> Text<'a> {
    pub(crate) fn open(args: &TextArgs, documents: &'a Documents<'a>, console: &'a Console) -> Result<Self> {
        let (path, column) = (args.text.as_path(), args.text_column.as_deref());
        let prompts = records::open(path, args.text_format, column, What::Text)?;
        documents.note().iter().for_each(|note| console.note(note));
        Ok(Self { prompts, documents, console, broken: 0, empty: 0 })
    }

    /// The tokens of the next document; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<TokenId>>> {
        loop {
            let Some(record) = self.prompts.next() else { return Ok(None) };
            match record {
                Ok(record) => {
                    return match record.input {
                        PromptInput::Text(text) => {
                            self.empty += u64::from(text.is_empty());
                            Ok(Some(self.documents.encode(&text)?))
                        }
                        PromptInput::Tokens(tokens) => Ok(Some(tokens)),
                        PromptInput::Messages(_) => {
                            bail!(
                                "record {} of the text is a conversation: name the field that holds a text",
                                record.index
                            )
                        }
                    };
                }
                Err(error) if error.is_passing() => {
                    self.broken += 1;
                    if self.broken <= TOLD {
                        self.console.note(&format!("a record of the text is passed over: {error}"));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All tokens that are left.
    pub(crate) fn rest(&mut self) -> Result<Vec<TokenId>> {
        let mut tokens = Vec::new();
        while let Some(document) = self.next()? {
            tokens.extend(document);
        }
        self.end();
        Ok(tokens)
    }

    /// Says how much could not be read, where that was not said.
    pub(crate) fn end(&self) {
        if self.broken > TOLD {
            self.console.note(&format!("{} records of the text were passed over", self.broken));
        }
        if self.empty > 0 {
            let empty = if self.empty == 1 {
                "1 document is".to_owned()
            } else {
                format!("{} documents are", self.empty)
            };
            self.console.note(&format!("{empty} empty, and read as what the tokenizer puts around any text"));
        }
    }
}

/// The SHA-256 of a plain file, in hexadecimal; `None` for anything else, which can be read only once.
pub(crate) fn sha256(path: &Path) -> Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    let mut file = File::open(path).with_context(|| format!("cannot read the text {}", path.display()))?;
    io::copy(&mut file, &mut hash).with_context(|| format!("cannot read the text {}", path.display()))?;
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}
