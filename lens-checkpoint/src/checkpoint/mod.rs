//! A checkpoint: its config understood, its tensors indexed and accounted for, its weights mapped.

mod adapter;
mod bytes;
mod dequantised;
mod end_of_text;
mod fingerprint;
mod gguf;
mod header;
mod ledger;
mod located;
mod mapped;
mod names;
mod tokenizers;
mod torch;
mod values;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use lens_core::TokenId;
use serde_json::Value;

pub use adapter::{AdapterError, AdapterSummary};
pub(crate) use bytes::Bytes;
pub use bytes::{Aligned, Io};
pub use header::{StoredDtype, StoredTensor, TensorIndex};
pub use mapped::{changed, shrunk};

use dequantised::Dequantised;
use values::Recent;

use crate::{
    chat::{ChatError, ChatTemplate},
    config::{Config, ConfigError, parse},
    families::{self, Reading, TensorNames, Understood, is_wrapper},
    limits,
    made::{Files, MadeError},
    pickle::PickleError,
    quantised::{Quantisation, QuantisedError},
    sidecar::{Sidecar, Sidecars, TokenizerFile},
    source::{AdapterFiles, CheckpointFiles, CheckpointHeaders, files::read_at_most},
    spec::DecoderSpec,
};

/// How a checkpoint is opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// The family (one of the supported `model_type`s) that the config is read as, whatever its own `model_type` says;
    /// `None` is its own. Names and shapes of the tensors are still checked.
    pub assume_family: Option<String>,
    /// How weight files come into memory.
    pub io: Io,
    /// Whether keys of the config and tensors that the family does not use are ignored, with a note, instead of
    /// refused.
    pub ignore_extra: bool,
}

impl OpenOptions {
    lens_core::setters! {
        /// The family (one of the supported `model_type`s) that the config is read as, whatever its own `model_type`
        /// says; `None` is its own. Names and shapes of the tensors are still checked.
        with_assume_family => assume_family: Option<String>,
        /// How weight files come into memory.
        with_io => io: Io,
        /// Whether keys of the config and tensors that the family does not use are ignored, with a note, instead of
        /// refused.
        with_ignore_extra => ignore_extra: bool,
    }
}

/// What config and headers say of a checkpoint: all but the weights.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outline {
    /// Hub id, folder, or `demo`.
    pub id: String,
    /// Commit of a hub checkpoint, where known.
    pub revision: Option<String>,
    /// config.json.
    pub config: Value,
    /// The decoder that config.json describes.
    pub spec: DecoderSpec,
    /// The family that was assumed, where config.json says another `model_type`: what is computed then is what
    /// that family computes, and nothing here can know whether the model does.
    pub assumed_family: Option<String>,
    /// How weights are quantised, if some are. Their tensors are those that are made.
    pub quantisation: Option<Quantisation>,
    /// The adapters that were merged, in the order in which they were added.
    pub adapters: Vec<AdapterSummary>,
    /// Every tensor.
    pub tensors: TensorIndex,
    /// What was assumed, dropped or left out, as sentences for a person.
    pub notes: Vec<String>,
}

impl Outline {
    /// Understands a config, and compares the tensors that it implies with those that the headers list.
    ///
    /// # Errors
    /// When the config cannot be understood, or spec and tensors do not account for each other.
    pub fn new(
        id: String,
        revision: Option<String>,
        config: &[u8],
        tensors: TensorIndex,
        options: &OpenOptions,
    ) -> Result<Self, CheckpointError> {
        Self::with_files(id, revision, config, tensors, options, &[], None)
    }

    /// [`Outline::new`] with adapters, where the contents of the weight files may be at hand.
    fn with_files(
        id: String,
        revision: Option<String>,
        config: &[u8],
        tensors: TensorIndex,
        options: &OpenOptions,
        adapters: &[adapter::Opened],
        files: Option<Files<'_>>,
    ) -> Result<Self, CheckpointError> {
        let config = parse(config)
            .map_err(|source| CheckpointError::ConfigJson { file: "config.json".to_owned(), source })?;
        let ignore_extra = options.ignore_extra;
        let adapters = adapters.iter().map(|opened| adapter::Adapter::read(opened, ignore_extra));
        let adapters = adapters.collect::<Result<Vec<_>, _>>()?;
        let assume = options.assume_family.as_deref();
        let is_wrapper = is_wrapper(&config, assume);
        let (mut tensors, renamed) = names::usual(&config, tensors, assume);
        let dequantised = Dequantised::new(&config, &mut tensors, files)?;
        let read = dequantised.as_ref().map_or(&config, |dequantised| &dequantised.config);
        let mut names = names_of(&tensors, None);
        let reading = Reading { assume, ignore_extra };
        let mut understood = families::understand(read, &names, &reading)?;
        // The embedding and the unembedding that are one in the model and two with the adapters.
        let untied = adapter::unties(&adapters, &understood.spec, &tensors, is_wrapper);
        let embed = untied.then(|| understood.spec.embed.tokens.name.clone());
        if untied {
            (understood, names) = understand_untied(read, &tensors, &reading)?;
        }
        let Understood { spec, notes: more } = understood;
        let (quantisation, dequantised) = Dequantised::settle(dequantised, &spec, &mut tensors);
        let apart = embed.and_then(|embed| tensors.set_apart(&embed, &spec.readout.unembed.name));
        let merged = adapter::merge(&adapters, &spec, &mut tensors, is_wrapper, ignore_extra)?;
        let left_out = ledger::close(&spec, &names, &tensors, ignore_extra)?;
        let assumed = options.assume_family.clone();
        let assumed_family = assumed.filter(|family| config["model_type"] != family.as_str());
        let assumed = assumed_family.iter().map(|family| assumption(&config, family));
        let notes = assumed.chain(dequantised).chain(more).chain(renamed).chain(left_out);
        let notes = notes.chain(merged.notes).chain(apart).collect();
        let adapters = merged.summaries;
        Ok(Self { id, revision, config, spec, assumed_family, quantisation, adapters, tensors, notes })
    }

    /// The outline of a checkpoint from its headers alone: its weights need not be on this machine.
    ///
    /// # Errors
    /// When a file cannot be read, or as for [`Outline::new`].
    pub fn of_headers(headers: &CheckpointHeaders) -> Result<Self, CheckpointError> {
        Self::of_headers_with(headers, &OpenOptions::default())
    }

    /// [`Outline::of_headers`] with `options`.
    ///
    /// # Errors
    /// As for [`Outline::of_headers`].
    pub fn of_headers_with(
        headers: &CheckpointHeaders,
        options: &OpenOptions,
    ) -> Result<Self, CheckpointError> {
        let mut tensors = TensorIndex::default();
        // A pickle has no header: all of it is looked at.
        let wholes: Vec<Option<Bytes>> = headers
            .shards
            .iter()
            .map(|shard| shard.whole.as_ref().map(|path| Ok(Bytes::of_file(path)?.0)).transpose())
            .collect::<Result<_, CheckpointError>>()?;
        let weights: Vec<gguf::File<'_>> = headers
            .shards
            .iter()
            .zip(&wholes)
            .map(|(shard, whole)| {
                let bytes = whole.as_ref().map_or(shard.bytes.as_slice(), Bytes::as_slice);
                (shard.file.clone(), bytes, shard.file_size)
            })
            .collect();
        let said = add_weights(&mut tensors, &weights, || read(&headers.config), &mut Sidecars::default())?;
        let (id, revision) = (headers.id.clone(), headers.revision.clone());
        let adapters: Vec<Bytes> = headers
            .adapters
            .iter()
            .map(|adapter| Ok(Bytes::of_file(&adapter.weights)?.0))
            .collect::<Result<_, CheckpointError>>()?;
        let adapters = adapters.iter().map(Bytes::as_slice);
        let adapters = open_adapters(&headers.adapters, adapters, headers.shards.len())?;
        let mut outline = Self::with_files(id, revision, &said.config, tensors, options, &adapters, None)?;
        outline.quantisation = outline.quantisation.or(said.quantisation);
        outline.notes.splice(..0, headers.notes.iter().cloned().chain(said.notes));
        Ok(outline)
    }

    /// Number of weights that the model uses, each counted once.
    pub fn parameters(&self) -> usize {
        self.used().map(|tensor| tensor.shape.iter().product::<usize>()).sum()
    }

    /// Bytes of the weights as they are stored.
    pub fn stored_bytes(&self) -> usize {
        self.used().map(StoredTensor::stored_bytes).sum()
    }

    /// The types that the weights are stored in, each once.
    pub fn stored_dtypes(&self) -> Vec<StoredDtype> {
        let mut dtypes: Vec<_> = self.used().filter_map(|tensor| tensor.dtype.clone().ok()).collect();
        dtypes.sort_unstable();
        dtypes.dedup();
        dtypes
    }

    /// The type that most weights are stored in: the dtype that `auto` chooses.
    pub fn main_dtype(&self) -> StoredDtype {
        let weight = |dtype| {
            self.used()
                .filter(|t| t.dtype == Ok(dtype))
                .map(|t| t.shape.iter().product::<usize>())
                .sum::<usize>()
        };
        self.stored_dtypes().into_iter().max_by_key(|dtype| weight(*dtype)).unwrap_or(StoredDtype::F32)
    }

    /// The ids of tokens that begin a sequence, as the config says.
    pub fn bos_token_ids(&self) -> Vec<u32> {
        Config::new(&self.config).and_then(|config| config.token_ids("bos_token_id")).unwrap_or_default()
    }

    /// The ids of tokens that end a text, as the config says: its own, or those of the text model within.
    fn end_of_text(&self) -> Result<Vec<TokenId>, ConfigError> {
        const KEY: &str = "eos_token_id";
        let config = Config::new(&self.config)?;
        let mut ids = config.token_ids(KEY)?;
        if let Some((_, text)) = families::text_section(&config)? {
            ids.extend(text.token_ids(KEY)?);
        }
        Ok(ids.into_iter().map(TokenId).collect())
    }

    fn used(&self) -> impl Iterator<Item = &StoredTensor> {
        let mut names: Vec<&str> = self.spec.tensors().into_iter().map(|t| t.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| self.tensors.get(name))
    }
}

/// A checkpoint with its weights, mapped or in memory.
#[derive(Debug)]
pub struct Checkpoint {
    outline: Outline,
    pub(crate) shards: Vec<Bytes>,
    pub(crate) sidecars: Sidecars,
    /// Tensors that were made last and may be asked for again.
    recent: Recent,
    /// The hash of the unembedding, once somebody asked for it: it takes a pass over a large part of the weights.
    pub(crate) unembed_sha256: OnceLock<Option<String>>,
}

impl Checkpoint {
    /// Opens a checkpoint on this machine. Weights are mapped into memory and not read yet,
    /// unless they lie on a network file system: see [`Io`].
    ///
    /// # Errors
    /// When a file cannot be opened or is broken, the model is unsupported, or tensors are missing or left over.
    pub fn open(files: &CheckpointFiles) -> Result<Self, CheckpointError> {
        Self::open_with(files, &OpenOptions::default())
    }

    /// [`Checkpoint::open`] with `options`.
    ///
    /// # Errors
    /// As for [`Checkpoint::open`].
    pub fn open_with(files: &CheckpointFiles, options: &OpenOptions) -> Result<Self, CheckpointError> {
        Self::open_files(files, options).map_err(|error| error.located(files))
    }

    fn open_files(files: &CheckpointFiles, options: &OpenOptions) -> Result<Self, CheckpointError> {
        let mut tensors = TensorIndex::default();
        let mut shards = Vec::new();
        let (io, note) = bytes::choose(&files.weights, options.io);
        let mut names = Vec::new();
        for path in &files.weights {
            shards.push(Bytes::open(path, io)?);
            names.push(path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned());
        }
        for adapter in &files.adapters {
            shards.push(Bytes::open(&adapter.weights, io)?);
        }
        let contents: Vec<&[u8]> = shards.iter().map(Bytes::as_slice).collect();
        let weights: Vec<gguf::File<'_>> =
            names.into_iter().zip(&contents).map(|(name, file)| (name, *file, file.len() as u64)).collect();
        let mut sidecars = Sidecars::of_files(files);
        let said = add_weights(&mut tensors, &weights, || read(&files.config), &mut sidecars)?;
        let (id, revision) = (files.id.clone(), files.revision.clone());
        let of_adapters = contents.iter().skip(files.weights.len()).copied();
        let adapters = open_adapters(&files.adapters, of_adapters, files.weights.len())?;
        let contents = Some(Files(&contents));
        let mut outline =
            Outline::with_files(id, revision, &said.config, tensors, options, &adapters, contents)?;
        outline.quantisation = outline.quantisation.or(said.quantisation);
        outline.notes.splice(..0, files.notes.iter().cloned().chain(said.notes));
        outline.notes.extend(note);
        outline.notes.extend(torch::note(&files.weights));
        let mut checkpoint =
            Self { outline, shards, sidecars, recent: Recent::default(), unembed_sha256: OnceLock::new() };
        let tie = checkpoint.note_on_tie()?;
        checkpoint.outline.notes.extend(tie);
        Ok(checkpoint)
    }

    /// A checkpoint whose files are part of the program, given as their contents.
    ///
    /// # Errors
    /// As for [`Checkpoint::open`].
    pub fn embedded(
        id: &str,
        config: &[u8],
        weights: &'static [u8],
        tokenizer: &'static [u8],
    ) -> Result<Self, CheckpointError> {
        let mut tensors = TensorIndex::default();
        tensors.add_shard("model.safetensors", weights, weights.len() as u64)?;
        Ok(Self {
            outline: Outline::new(id.to_owned(), None, config, tensors, &OpenOptions::default())?,
            shards: vec![Bytes::Static(weights)],
            sidecars: Sidecars {
                tokenizer: Some(TokenizerFile::Json(Sidecar::Embedded(tokenizer))),
                ..Sidecars::default()
            },
            recent: Recent::default(),
            unembed_sha256: OnceLock::new(),
        })
    }

    /// A checkpoint whose files are in memory: the text of config.json, and weight files by name, whose endings say what
    /// they are (`.gguf`, whose config is its own; `.bin`; else safetensors). The contents are copied.
    ///
    /// # Errors
    /// As for [`Checkpoint::open`].
    pub fn of_contents(
        id: &str,
        config: &[u8],
        files: &[(&str, &[u8])],
        options: &OpenOptions,
    ) -> Result<Self, CheckpointError> {
        let failed = |name: &str| {
            let path = PathBuf::from(name);
            move |source| CheckpointError::Read { path, source }
        };
        let shards = files.iter().map(|(name, bytes)| Bytes::copied(bytes).map_err(failed(name)));
        let shards = shards.collect::<Result<Vec<_>, _>>()?;
        let contents: Vec<&[u8]> = shards.iter().map(Bytes::as_slice).collect();
        let names = files.iter().map(|(name, _)| (*name).to_owned());
        let weights: Vec<gguf::File<'_>> =
            names.zip(&contents).map(|(name, bytes)| (name, *bytes, bytes.len() as u64)).collect();
        let (mut tensors, mut sidecars) = (TensorIndex::default(), Sidecars::default());
        let said = add_weights(&mut tensors, &weights, || Ok(config.to_vec()), &mut sidecars)?;
        let contents = Some(Files(&contents));
        let mut outline =
            Outline::with_files(id.to_owned(), None, &said.config, tensors, options, &[], contents)?;
        outline.quantisation = outline.quantisation.or(said.quantisation);
        outline.notes.splice(..0, said.notes);
        Ok(Self { outline, shards, sidecars, recent: Recent::default(), unembed_sha256: OnceLock::new() })
    }

    /// What the config and the headers of the weights say.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The checkpoint's chat template.
    ///
    /// # Errors
    /// [`ChatError::NoTemplate`] for a base model, and other errors when the template or a file that it needs is
    /// broken.
    pub fn chat_template(&self) -> Result<ChatTemplate, ChatError> {
        ChatTemplate::of(&self.outline.id, &self.sidecars, &self.outline.config)
    }

    /// The tokens that end a text: those that config.json and generation_config.json name, in ascending order.
    /// Both may be silent; then a text has no end of its own.
    ///
    /// # Errors
    /// When one of the files cannot be read, or names something that is not a token id.
    pub fn end_of_text(&self) -> Result<Vec<TokenId>, CheckpointError> {
        let mut ids = self.outline.end_of_text()?;
        ids.extend(end_of_text::of_generation_config(&self.sidecars)?);
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }
}

/// The names of tensors, with their first dimensions, and one name more.
fn names_of(tensors: &TensorIndex, more: Option<&str>) -> TensorNames {
    let names: TensorNames = tensors.iter().map(|(name, _)| name).chain(more).collect();
    names.with_shapes(tensors.iter().map(|(name, stored)| (name.to_owned(), stored.shape.clone())))
}

/// What a config means without its tie of the unembedding to the embedding, and the names with the unembedding's.
fn understand_untied(
    config: &Value,
    tensors: &TensorIndex,
    reading: &Reading<'_>,
) -> Result<(Understood, TensorNames), CheckpointError> {
    let config = adapter::untied_config(config);
    let names = names_of(tensors, None);
    match families::understand(&config, &names, reading) {
        Err(ConfigError::NoUnembedding { name }) => {
            let names = names_of(tensors, Some(name));
            Ok((families::understand(&config, &names, reading)?, names))
        }
        understood => Ok((understood?, names)),
    }
}

/// Opens adapters whose files follow the first `files` of a checkpoint; `contents` are those of their weights.
fn open_adapters<'b>(
    adapters: &[AdapterFiles],
    contents: impl Iterator<Item = &'b [u8]>,
    files: usize,
) -> Result<Vec<adapter::Opened>, CheckpointError> {
    let open = |(i, (adapter, bytes)): (usize, (&AdapterFiles, &[u8]))| {
        let mut tensors = TensorIndex::after(files + i);
        let path = adapter.weights.as_path();
        let name = format!("{}/{}", adapter.id, path.file_name().unwrap_or_default().to_string_lossy());
        match torch::is_torch(&name) {
            true => tensors.add_torch(&name, bytes)?,
            false => tensors.add_shard(&name, bytes, bytes.len() as u64)?,
        }
        let (id, revision) = (adapter.id.clone(), adapter.revision.clone());
        Ok(adapter::Opened { id, revision, config: read(&adapter.config)?, tensors })
    };
    adapters.iter().zip(contents).enumerate().map(open).collect()
}

/// What weight files say apart from their tensors, and the config beside them.
struct Said {
    /// The text of the config.
    config: Vec<u8>,
    notes: Vec<String>,
    quantisation: Option<Quantisation>,
}

/// Adds the tensors of all weight files to an index. A GGUF file is its own config, and has its tokenizer with it.
fn add_weights(
    tensors: &mut TensorIndex,
    files: &[gguf::File<'_>],
    config: impl FnOnce() -> Result<Vec<u8>, CheckpointError>,
    sidecars: &mut Sidecars,
) -> Result<Said, CheckpointError> {
    if files.first().is_some_and(|(name, ..)| gguf::is_gguf(name)) {
        let gguf::Described { config, notes, tokenizer_config, quantisation } = gguf::add(tensors, files)?;
        sidecars.tokenizer = Some(TokenizerFile::Gguf);
        sidecars.tokenizer_config = Some(Sidecar::Made(tokenizer_config.into()));
        return Ok(Said { config, notes, quantisation });
    }
    for (name, start, size) in files {
        match torch::is_torch(name) {
            true => tensors.add_torch(name, start)?,
            false => tensors.add_shard(name, start, *size)?,
        }
    }
    Ok(Said { config: config()?, notes: Vec::new(), quantisation: None })
}

/// Nothing here can know whether the assumption is right: whoever reads the results must.
fn assumption(config: &Value, family: &str) -> String {
    let own = config["model_type"].as_str().unwrap_or("unknown");
    format!(
        "the config's model_type is {own}; it is read as {family}, as was asked for, and its tensors \
         have the names and shapes of one. The results are right only if the model computes as {family} does"
    )
}

fn read(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    read_at_most(path, limits::config::LARGEST)
        .map_err(|source| CheckpointError::Read { path: path.to_owned(), source })
}

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Quantised weights that cannot be read.
    #[error(transparent)]
    Quantised(#[from] QuantisedError),
    /// A tensor that cannot be made from what is stored.
    #[error(transparent)]
    Made(#[from] MadeError),
    /// An adapter that cannot be merged.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A file beside config.json cannot be used.
    #[error("{file} cannot be used: {reason}")]
    BrokenFile {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// config.json is not JSON.
    #[error("{file} is not valid JSON")]
    ConfigJson {
        /// Its path, where it lies in a file.
        file: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// config.json cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A weight file whose header cannot be trusted.
    #[error("{file} has a broken safetensors header: {reason}. Download the file again")]
    BrokenHeader {
        /// Which file.
        file: String,
        /// What is broken.
        reason: String,
    },
    /// A GGUF file that cannot be read as a model.
    #[error("{file} cannot be read as a GGUF model: {reason}")]
    Gguf {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
    /// A weight file of `torch.save` that is not read.
    #[error("{file} is not read")]
    Pickle {
        /// Which file.
        file: String,
        /// Why.
        source: PickleError,
    },
    /// A weight file of `torch.save` that holds something else than a table of tensors.
    #[error("{file} holds no table of tensors, as a state_dict is: {reason}")]
    NoStateDict {
        /// Which file.
        file: String,
        /// What is there.
        reason: String,
    },
    /// A weight file of another length than its header says.
    #[error(
        "{file} is {} bytes {}: its header describes {expected}, the file has {actual}. Download it again",
        expected.abs_diff(*actual), if actual < expected { "too short" } else { "too long" }
    )]
    WrongSize {
        /// Which file.
        file: String,
        /// Length that the header implies, in bytes.
        expected: u64,
        /// Length on disk, in bytes.
        actual: u64,
    },
    /// A git-lfs pointer in place of the weights.
    #[error("{file} is a git-lfs pointer, not the weights themselves: run `git lfs pull` in that folder")]
    LfsPointer {
        /// Which file.
        file: String,
    },
    /// One tensor in two files.
    #[error("{file} holds the tensor {name:?}, which another shard holds too")]
    TwiceStored {
        /// The second file.
        file: String,
        /// The tensor.
        name: String,
    },
    /// Tensors that the config implies and the checkpoint lacks.
    #[error("the checkpoint lacks tensors that config.json implies for {family}: {names}")]
    Missing {
        /// The family.
        family: String,
        /// Their names.
        names: String,
    },
    /// Tensors that the family does not use.
    #[error(
        "the checkpoint holds tensors that {family} does not use: {names}. A model with parts that are not \
         understood is refused rather than approximated, unless what is extra is to be left out"
    )]
    Unknown {
        /// The family.
        family: String,
        /// Their names.
        names: String,
    },
    /// The head of another task beside the decoder.
    #[error(
        "the checkpoint holds a head that rates or classifies texts: {names}. It is not a part of {family}; \
         the decoder alone can be read if what is extra is left out"
    )]
    OtherHead {
        /// The family.
        family: String,
        /// The head's tensors.
        names: String,
    },
    /// A tensor in another shape than the config implies.
    #[error("the tensor {name} is stored as {stored:?}, config.json implies {expected:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        stored: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor of a type that no decoder here can use.
    #[error(
        "the tensor {name} is stored as {dtype}; a lens needs f32, bf16 or f16: convert the checkpoint first"
    )]
    Dtype {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
}
