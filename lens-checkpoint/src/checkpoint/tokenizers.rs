//! The tokenizer of a checkpoint, from whichever file it has.

use std::path::Path;

use super::{Bytes, Checkpoint, gguf};
use crate::{
    limits,
    sidecar::{Sidecar, TokenizerFile},
    source::files::read_at_most,
    tokenizer::{Settings, Tokenizer, TokenizerError, made},
};

/// The text of a tokenizer.json, and what was assumed to make it.
type Json = (Vec<u8>, Vec<String>);

impl Checkpoint {
    /// Loads the tokenizer, if the checkpoint has one, with the changes that the files beside it ask for. Where there is
    /// no tokenizer.json it is made of what there is: vocab.json and merges.txt, tokenizer.model, tekken.json, or the
    /// vocabulary of a GGUF file.
    ///
    /// # Errors
    /// When the tokenizer's file or a file beside it is broken, or of a kind that is not read here.
    pub fn tokenizer(&self) -> Result<Option<Tokenizer>, TokenizerError> {
        let Some(file) = &self.sidecars.tokenizer else { return Ok(None) };
        let config = &self.outline.config;
        let settings = self.sidecars.tokenizer_settings(config)?;
        let Some((json, notes)) = self.tokenizer_json(file, &settings)? else { return Ok(None) };
        Tokenizer::load(&json, Some(&settings)).map(|tokenizer| Some(tokenizer.with_notes(notes)))
    }

    fn tokenizer_json(
        &self,
        file: &TokenizerFile,
        settings: &Settings,
    ) -> Result<Option<Json>, TokenizerError> {
        let class = || settings.class_name(self.outline.config["model_type"].as_str().unwrap_or_default());
        let json = match file {
            TokenizerFile::Json(file) => {
                let json =
                    file.read(limits::tokenizer::LARGEST_FILE).map_err(|source| TokenizerError::Read {
                        path: match file {
                            Sidecar::File(path) => path.clone(),
                            Sidecar::Embedded(_) | Sidecar::Made(_) => "tokenizer.json".into(),
                        },
                        source,
                    })?;
                (json, Vec::new())
            }
            TokenizerFile::Gguf => {
                let file = self.shards.first().map_or(&[][..], Bytes::as_slice);
                return gguf::tokenizer_json(file);
            }
            TokenizerFile::Vocabulary { vocab, merges } => {
                let json = made::of_vocabulary(
                    &read(vocab)?,
                    &read(merges)?,
                    &class(),
                    settings.puts_space(false),
                    settings.bos_to_add(),
                );
                let json = json.map_err(|(file, reason)| TokenizerError::SideFile { file, reason })?;
                (json, vec![note("vocab.json and merges.txt", &class())])
            }
            TokenizerFile::SentencePiece(path) => {
                let file = read(path)?;
                let legacy = settings.legacy.unwrap_or(true);
                let made = made::of_sentencepiece(&file, &class(), legacy, settings.puts_space(true));
                let broken = |reason| TokenizerError::SideFile { file: "tokenizer.model", reason };
                let (json, mut notes) = made.map_err(broken)?;
                notes.insert(0, note("tokenizer.model", &class()));
                (json, notes)
            }
            TokenizerFile::Tekken(path) => {
                let broken = |reason| TokenizerError::SideFile { file: "tekken.json", reason };
                let json = made::of_tekken(&read(path)?).map_err(broken)?;
                let note = "the tokenizer is made of tekken.json, as mistral-common reads it".to_owned();
                (json, vec![note])
            }
        };
        Ok(Some(json))
    }
}

fn note(files: &str, class: &str) -> String {
    format!("there is no tokenizer.json: the tokenizer is made of {files}, as {class} of transformers does")
}

fn read(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    read_at_most(path, limits::tokenizer::LARGEST_FILE)
        .map_err(|source| TokenizerError::Read { path: path.to_owned(), source })
}
