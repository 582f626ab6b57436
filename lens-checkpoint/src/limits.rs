//! What a stranger's file or server may ask for: the limits of this crate, each with its reason, in one place.
//!
//! None of them is met by a model, a tokenizer or a lens that anybody is known to have published. What goes beyond one is refused
//! with an error that says which file and how much.

/// config.json and the other files of settings beside the weights; sizes are numbers of values.
pub(crate) mod config {
    /// A config.json has a few kilobytes, and with lists for every layer a few hundred.
    pub(crate) const LARGEST: u64 = 16 << 20;
    /// A generation_config.json has a kilobyte; anything beyond this is a mistake.
    pub(crate) const LARGEST_GENERATION_CONFIG: u64 = 1 << 20;
    /// tokenizer_config.json may list every added token; a few megabytes at most.
    pub(crate) const LARGEST_TOKENIZER_CONFIG: u64 = 64 << 20;
    /// More than any adapter_config.json has, in bytes.
    pub(crate) const LARGEST_BESIDE: u64 = 4 << 20;
    /// How deep sections lie in each other at most: `thinker_config.text_config.rope_parameters.full_attention`.
    pub(crate) const DEEPEST: usize = 4;
    /// The largest number that a size in a config may be: far above any model, and no product of two overflows.
    pub(crate) const LARGEST_SIZE: u64 = 1 << 30;
    /// More layers than any model has.
    pub(crate) const MOST_LAYERS: usize = 1024;
    /// More heads in a layer than any model has.
    pub(crate) const MOST_HEADS: usize = 1024;
    /// More experts, over all layers, than any model has.
    pub(crate) const MOST_EXPERTS: usize = 1 << 16;
    /// More experts that see every token than any layer has.
    pub(crate) const MOST_SHARED: usize = 1 << 10;
    /// More positions than any filter covers.
    pub(crate) const LONGEST_FILTER: usize = 1024;
    /// More values of state than any channel has.
    pub(crate) const LARGEST_STATE: usize = 1 << 16;
}

/// Files of safetensors and their index.
pub(crate) mod safetensors {
    /// The longest header that the safetensors format allows, in bytes.
    pub(crate) const LONGEST_HEADER: u64 = 100_000_000;
    /// A header with more tensors than any model has in a file is broken, and would take long to read.
    pub(crate) const MOST_TENSORS: usize = 1 << 18;
    /// A tensor with more dimensions than any model has is a broken header.
    pub(crate) const MOST_DIMENSIONS: usize = 8;
    /// More than the index of the largest known model, a hundred times over.
    pub(crate) const LARGEST_INDEX: u64 = 256 << 20;
}

/// GGUF files.
pub(crate) mod gguf {
    /// More than the header of any GGUF file has.
    pub(crate) const LONGEST_HEADER: u64 = 256 << 20;
    /// More parts than any model is split into.
    pub(crate) const MOST_PARTS: usize = 1 << 10;
    /// Tensors, and entries of metadata, that a file may have at most.
    pub(crate) const MOST_ENTRIES: u64 = 1 << 16;
    /// The most dimensions that ggml has.
    pub(crate) const MOST_DIMENSIONS: u32 = 4;
    /// The deepest array of arrays that is skipped.
    pub(crate) const DEEPEST: usize = 4;
    /// More factors than any head has pairs.
    pub(crate) const MOST_FACTORS: usize = 1 << 12;
    /// More experts in a layer than any model has.
    pub(crate) const MOST_EXPERTS: usize = 1 << 12;
}

/// Pickles: `.bin`, `.pt` and tuned lenses.
pub(crate) mod pickle {
    /// The longest pickle that is read, in bytes: tensors lie beside it, and tables of a lens have some kilobytes.
    pub(crate) const LONGEST: usize = 4 << 20;
    /// The most objects of a pickle; a lens of 100 blocks has some thousand.
    pub(crate) const MOST_OBJECTS: usize = 1 << 18;
    /// The most entries on the stack: Python writes tables a thousand entries at a time.
    pub(crate) const DEEPEST_STACK: usize = 1 << 14;
    /// The most remembered objects.
    pub(crate) const LARGEST_MEMO: usize = 1 << 18;
    /// The most marks that are open at once: how deep data is nested.
    pub(crate) const DEEPEST_NESTING: usize = 64;
    /// The most dimensions of a tensor.
    pub(crate) const MOST_DIMENSIONS: usize = 8;
    /// Parts that are looked at, tables within tables included: what is shared counts wherever it is.
    pub(crate) const MOST_PARTS: usize = 1 << 16;
}

/// Zip archives and NumPy files.
pub(crate) mod archives {
    /// The most entries that are read: more than any file of tensors has.
    pub(crate) const MOST_ENTRIES: usize = 1 << 16;
    /// The longest head that is read; NumPy itself reads ten thousand bytes.
    pub(crate) const LONGEST_NPY_HEAD: usize = 1 << 16;
}

/// What quantised weights carry beside them.
pub(crate) mod quantised {
    /// The longest state that is read, in bytes.
    pub(crate) const LONGEST_STATE: usize = 1 << 12;
}

/// Lenses, vectors and dictionaries; bytes.
pub(crate) mod lenses {
    /// Configs have some hundred bytes; older ones hold that of the model.
    pub(crate) const LARGEST_TUNED_CONFIG: u64 = 1 << 20;
    /// Sidecars have some kilobytes.
    pub(crate) const LARGEST_MLX_CONFIG: u64 = 1 << 20;
    /// Such a config has two numbers.
    pub(crate) const LARGEST_MLXTERP_CONFIG: u64 = 1 << 16;
    /// Files beyond this are not vectors.
    pub(crate) const LARGEST_VECTORS: u64 = 1 << 30;
    /// A config of an autoencoder has a few kilobytes.
    pub(crate) const LARGEST_DICTIONARY_CONFIG: u64 = 1 << 20;
}

/// LoRA adapters.
pub(crate) mod adapters {
    /// The largest rank, of a width that no model has.
    pub(crate) const LARGEST_RANK: usize = 1 << 20;
    /// The longest pattern that is taken, in bytes; those of published adapters have a few hundred.
    pub(crate) const LONGEST_PATTERN: usize = 1 << 13;
}

/// Answers of a hub, and folders.
pub(crate) mod hub {
    /// How often an answer may send on to another address.
    pub(crate) const MOST_REDIRECTS: usize = 10;
    /// The longest answer that is not a file, in bytes: a listing of a model with thousands of files has some megabytes.
    pub(crate) const LARGEST_REPLY: u64 = 64 << 20;
    /// The most that is taken of a file whose size nobody says: beyond the configs and tokenizers of all known models. Weights
    /// come with their size.
    pub(crate) const LARGEST_OF_UNKNOWN_SIZE: u64 = 64 << 20;
    /// Bytes a second that a connection has to bring: a fiftieth of a telephone line's would do for metadata, and nothing
    /// slower ever brings a model.
    pub(crate) const SLOWEST: u64 = 128;
    /// How deep folders are looked into.
    pub(crate) const DEEPEST_FOLDER: usize = 8;
}

/// Chat templates: what they may take is bounded by what they are given.
pub(crate) mod chat {
    use std::time::Duration;

    /// The longest template that is read. Published ones have up to thirty kilobytes.
    pub(crate) const LONGEST_SOURCE: usize = 128 << 10;
    /// The longest conversation that is rendered: more than any model reads.
    pub(crate) const LONGEST_CONVERSATION: usize = 8 << 20;
    /// What a template may do with no message at all: so many instructions, or 64 bytes written for each of them.
    pub(crate) const FUEL: usize = 100_000;
    /// And for each message.
    pub(crate) const FUEL_PER_MESSAGE: usize = 500;
    /// And for so many bytes of text. A copy costs a 64th of them, so each may be copied sixteen times.
    pub(crate) const BYTES_PER_FUEL: usize = 4;
    /// What a template may write around the messages.
    pub(crate) const LONGEST_FRAME: usize = 1 << 20;
    /// How often it may write the messages.
    pub(crate) const REPETITIONS: usize = 8;
    /// How long a template may take. Fuel does not see everything, a thousandth of this is long for a template, and a
    /// machine may be busy.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
    /// And so much longer for each megabyte of messages.
    pub(crate) const MORE_PATIENCE: Duration = Duration::from_secs(1);
    /// How deep blocks, macros and expressions may nest while they run.
    pub(crate) const DEEPEST: usize = 100;
    /// The longest format of a date.
    pub(crate) const LONGEST_DATE: usize = 200;
    /// How deep a value may be nested that a template writes.
    pub(crate) const DEEPEST_VALUE: usize = 100;
    /// How often a conversation is rendered again at most, so that a slow template stays bearable.
    pub(crate) const MOST_PROBES: usize = 128;
    /// As much late work as this may go on at once: what would come on top is refused before it begins.
    pub(crate) const MOST_LATE: usize = 16;
}

/// Tokenizers, and texts on their way through them; bytes, but for counts.
pub(crate) mod tokenizer {
    /// A tokenizer.json is tens of megabytes at most; anything beyond this is a mistake.
    pub(crate) const LARGEST_FILE: u64 = 512 << 20;
    /// The longest text that is read: some millions of tokens.
    pub(crate) const LONGEST_TEXT: u64 = 16 << 20;
    /// How long it may be on its way to the vocabulary. Each byte takes seventeen there.
    pub(crate) const LONGEST_FORM: u64 = 64 << 20;
    /// So many times as long it may become.
    pub(crate) const MOST_GROWTH: u64 = 32;
    /// What a text may become however short it is, in bytes.
    pub(crate) const ANY_FORM: u64 = 1 << 20;
    /// How many tokens may be put around a text.
    pub(crate) const MOST_AROUND: u64 = 1000;
    /// How often a text may be repeated.
    pub(crate) const MOST_COPIES: u64 = 8;
    /// More tokens than any vocabulary has.
    pub(crate) const MOST_TOKENS: usize = 1 << 22;
}
