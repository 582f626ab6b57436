//! What can go wrong between a model's name and its files.

use std::path::PathBuf;

/// The cause of an error, kept whole for whoever prints the chain.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a checkpoint could not be found, fetched or trusted.
///
/// A message says what is wrong, with which file or address, and what to do. No variant can hold the access token, and
/// addresses are stored without their query, where a download host keeps its signatures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The name looks like a path, and there is nothing there.
    #[error("there is no folder {}", path.display())]
    UnknownFolder {
        /// The path as it was understood.
        path: PathBuf,
    },
    /// The name looks like a path, and there is nothing there.
    #[error("there is no file and no folder {}", path.display())]
    UnknownPath {
        /// The path as it was understood.
        path: PathBuf,
    },
    /// Neither the published collection nor a repository of that name has such a lens.
    #[error("the hub has no {kind} lens {name:?}: {tried}")]
    NoLens {
        /// The kind of lens.
        kind: &'static str,
        /// The name as it was given.
        name: String,
        /// Where it was looked for.
        tried: String,
    },
    /// The path leads to a file.
    #[error(
        "{} is a file: give the folder that holds config.json and the weights, or a GGUF file",
        path.display()
    )]
    NotAFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The name is neither a folder nor a hub id.
    #[error("{name:?} is neither a folder nor a hub id such as \"gpt2\" or \"Qwen/Qwen3-0.6B\": {reason}")]
    BadName {
        /// The name as it was given.
        name: String,
        /// What is wrong with it, and what might have been meant.
        reason: String,
    },
    /// The revision is not a branch, tag or commit that git would accept.
    #[error("{revision:?} cannot be a revision (a branch, a tag or a commit): {reason}")]
    BadRevision {
        /// The revision as it was given.
        revision: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A revision was asked of a local folder.
    #[error("{} is a local folder and has no revisions: leave out {revision:?}", path.display())]
    RevisionOfFolder {
        /// The folder.
        path: PathBuf,
        /// The revision that was asked for.
        revision: String,
    },
    /// `HF_ENDPOINT` is not the address of a server.
    #[error("HF_ENDPOINT is {endpoint:?}, which is not an http:// or https:// address ({reason})")]
    BadEndpoint {
        /// The address as it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The access token holds characters that no token has.
    #[error("the access token of {origin} holds a space or a character that is not ASCII: paste it again")]
    BadToken {
        /// Where the token came from: `HF_TOKEN`, or the path of a file.
        origin: String,
    },
    /// Neither a home folder nor a cache folder is known.
    #[error("the folder for downloads is unknown: set HF_HOME or HF_HUB_CACHE")]
    NoCacheFolder,

    /// There is no config.json.
    #[error("{place} has no config.json{hint}")]
    NoConfig {
        /// The folder, or the model and its revision.
        place: String,
        /// What might have been meant; empty, or a sentence that starts with `: `.
        hint: String,
    },
    /// There is an adapter, and no model.
    #[error("{place} is an adapter without a model")]
    OnlyAdapter {
        /// The folder, or the model and its revision.
        place: String,
    },
    /// An adapter does not name the model that it is for.
    #[error(
        "{place} is an adapter whose adapter_config.json {reason}: give the model, and this as its adapter"
    )]
    NoBase {
        /// The folder, or the hub id of the adapter.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model that an adapter is for cannot be had.
    #[error(
        "{place} is an adapter for the model {base}, which cannot be had: give the model, and this as its adapter"
    )]
    Base {
        /// The folder, or the hub id of the adapter.
        place: String,
        /// The model, as the adapter's config names it.
        base: String,
        /// Why.
        source: Box<SourceError>,
    },
    /// There is no adapter.
    #[error("{place} holds no adapter of PEFT: {reason}")]
    NoAdapter {
        /// The folder, or the hub id.
        place: String,
        /// What is missing.
        reason: String,
    },
    /// There are weights, in the pickle format only.
    #[error(
        "{place} has its weights as {file} only, a pickle, which runs code when it is opened: convert it \
         with `AutoModelForCausalLM.from_pretrained(...).save_pretrained(\"folder\")` of transformers, \
         which writes safetensors, and give that folder"
    )]
    OnlyPickle {
        /// The folder, or the model and its revision.
        place: String,
        /// The pickle.
        file: String,
    },
    /// There are several models as GGUF files, and none was named.
    #[error(
        "{place} has several models as GGUF files: {there}. Name one of them: FOLDER/FILE, or owner/name:FILE"
    )]
    SeveralGguf {
        /// The folder, or the model and its revision.
        place: String,
        /// The first files of the models.
        there: String,
    },
    /// There is no such GGUF file.
    #[error("{place} has no {file}; its GGUF files: {there}")]
    NoSuchGguf {
        /// The folder, or the model and its revision.
        place: String,
        /// The file that was named.
        file: String,
        /// The first files of the models that there are.
        there: String,
    },
    /// There are no weights.
    #[error("{place} has neither model.safetensors nor model.safetensors.index.json{hint}")]
    NoWeights {
        /// The folder, or the model and its revision.
        place: String,
        /// What is there instead; empty, or a sentence that starts with `: `.
        hint: String,
    },
    /// The weight index is not JSON, or not an index.
    #[error("{} is not a weight index", path.display())]
    BadIndex {
        /// The index.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// The weight index names no shard.
    #[error("{} names no weights: its weight_map is empty", path.display())]
    EmptyIndex {
        /// The index.
        path: PathBuf,
    },
    /// The weight index names a shard by something other than a plain file name.
    #[error(
        "{} keeps the tensor {tensor:?} in {shard:?}, which is not a plain file name ending in .safetensors",
        path.display()
    )]
    BadShardName {
        /// The index.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The name that is refused.
        shard: String,
    },
    /// The weight index names a shard that does not exist.
    #[error("{place} lacks {shard}, which {}: the copy is incomplete", role(shard))]
    MissingShard {
        /// The folder, or the model and its revision.
        place: String,
        /// The shard.
        shard: String,
    },
    /// A git-lfs pointer stands where the file should be.
    #[error(
        "{} is a git-lfs pointer, not the file itself: run `git lfs pull` there, or give the hub id",
        path.display()
    )]
    LfsPointer {
        /// The pointer.
        path: PathBuf,
    },
    /// A link in the cache leads out of the model's own part of the cache.
    #[error("{} leads out of the model's cache, to {}: refused", path.display(), target.display())]
    EscapingLink {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A safetensors header claims a length that it cannot have.
    #[error(
        "{file}: a header of {length} bytes is claimed: this is not a safetensors file, or a truncated one"
    )]
    BadHeaderLength {
        /// The weight file.
        file: String,
        /// The length in its first eight bytes.
        length: u64,
    },

    /// Nothing may be fetched, and the cache does not have it.
    #[error(
        "{id} (revision {revision}) is not whole in the cache {}{}, and offline mode is on: fetch it once \
         without that mode (HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE turn it on, too), or copy the model there{}",
        cache.display(), missing_file(file), known_snapshots(revision, snapshots)
    )]
    NotCached {
        /// The hub id.
        id: String,
        /// The revision that was asked for.
        revision: String,
        /// The file that is missing, where one is known.
        file: Option<String>,
        /// The cache folder.
        cache: PathBuf,
        /// The commits of which the cache has something.
        snapshots: Vec<String>,
    },
    /// The server wants to know who asks.
    #[error(
        "the hub does not show {id} without an access token (401): either there is no such model (check the \
         spelling), or it is private or gated: then accept its licence on {page} and set HF_TOKEN"
    )]
    Unauthorized {
        /// The hub id.
        id: String,
        /// The model's page.
        page: String,
    },
    /// The server does not accept the token.
    #[error(
        "the hub rejected the access token while asking for {id} (401): renew HF_TOKEN or the token file"
    )]
    TokenRejected {
        /// The hub id.
        id: String,
    },
    /// The model is gated, and its licence has not been accepted.
    #[error("{id} is gated: accept its licence on {page}{}", token_hint(*token_sent))]
    Gated {
        /// The hub id.
        id: String,
        /// The model's page.
        page: String,
        /// Whether a token was sent with the request.
        token_sent: bool,
    },
    /// The token does not reach this model.
    #[error("the hub denies access to {id} (403): ask for access on {page}, or use a token that may read it")]
    Forbidden {
        /// The hub id.
        id: String,
        /// The model's page.
        page: String,
    },
    /// There is no such model.
    #[error("the hub has no model {id} (404): check the spelling; a private model needs HF_TOKEN")]
    UnknownModel {
        /// The hub id.
        id: String,
    },
    /// The model has no such branch, tag or commit.
    #[error("{id} has no revision {revision:?} (404): see its branches and tags on {page}")]
    UnknownRevision {
        /// The hub id.
        id: String,
        /// The revision.
        revision: String,
        /// The model's page.
        page: String,
    },
    /// The revision has no such file.
    #[error("{id} (revision {revision}) has no file {file} (404)")]
    UnknownFile {
        /// The hub id.
        id: String,
        /// The revision.
        revision: String,
        /// The file.
        file: String,
    },
    /// The server answered with a status that nothing above explains.
    #[error("{url} answered {status}{}", status_hint(*status))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No answer: no network, no such host, a proxy, a certificate, a time-out.
    #[error("{url} cannot be reached: check the network (and HF_ENDPOINT, HTTPS_PROXY)")]
    Unreachable {
        /// The address.
        url: String,
        /// What the network says.
        #[source]
        source: Cause,
    },
    /// A server that sends next to nothing, but never quite nothing.
    #[error(
        "{url} answers too slowly to go on: check the network, or try again later; a download goes on from there"
    )]
    TooSlow {
        /// The address.
        url: String,
        /// How slowly.
        #[source]
        source: Cause,
    },
    /// The answer cannot be what a hub sends.
    #[error("{url} did not answer as a hub does: {reason}")]
    BadReply {
        /// The address.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The connection closed before the file was whole.
    #[error("{file} broke off after {received} of {expected} bytes: run it again{}", resume(*resumable))]
    ShortBody {
        /// The file.
        file: String,
        /// Bytes on disk now.
        received: u64,
        /// Bytes of the whole file.
        expected: u64,
        /// Whether the next download goes on from here.
        resumable: bool,
    },
    /// The file is longer or shorter than the hub says.
    #[error("{file} came as {received} bytes where the hub says {expected}: thrown away, try again")]
    SizeMismatch {
        /// The file.
        file: String,
        /// The hub's size in bytes.
        expected: u64,
        /// The bytes that came.
        received: u64,
    },
    /// The content is not what the hub says.
    #[error("{file} has the sha256 {received} where the hub says {expected}: thrown away, try again")]
    HashMismatch {
        /// The file.
        file: String,
        /// The hub's sha256, in hex.
        expected: String,
        /// The sha256 of what came, in hex.
        received: String,
    },

    /// A file could not be read, written or linked.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

fn missing_file(file: &Option<String>) -> String {
    file.as_ref().map(|file| format!(" (missing: {file})")).unwrap_or_default()
}

fn known_snapshots(revision: &str, snapshots: &[String]) -> String {
    const NAMED: usize = 4;
    let others: Vec<&str> =
        snapshots.iter().map(String::as_str).filter(|commit| *commit != revision).collect();
    if others.is_empty() {
        return String::new();
    }
    let more = if others.len() > NAMED { ", …" } else { "" };
    format!("; it has something of the revision {}{more}", others[..others.len().min(NAMED)].join(", "))
}

fn token_hint(token_sent: bool) -> &'static str {
    if token_sent {
        " with the account whose token was sent"
    } else {
        " and set HF_TOKEN to a token of that account"
    }
}

fn status_hint(status: u16) -> &'static str {
    match status {
        429 => " (too many requests): wait a little, or set HF_TOKEN",
        500.. => ": the server is in trouble, try again later",
        _ => "",
    }
}

fn resume(resumable: bool) -> &'static str {
    if resumable { ", it goes on from there" } else { "" }
}

impl SourceError {
    /// Pairs an I/O failure with what was tried on which file.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::ShortBody { .. } => true,
            Self::Status { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            _ => false,
        }
    }

    /// Whether a copy in the cache may stand in: the hub is out of reach, or does not show the model to this
    /// user.
    pub(super) fn lets_cache_stand_in(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::TooSlow { .. }
                | Self::Unauthorized { .. }
                | Self::TokenRejected { .. }
                | Self::Gated { .. }
                | Self::Forbidden { .. }
                | Self::UnknownModel { .. }
                | Self::Status { .. }
        )
    }
}

/// How it is known that a file of this name belongs to the weights.
fn role(shard: &str) -> &'static str {
    match shard.rsplit_once('.') {
        Some((_, "safetensors")) => "its model.safetensors.index.json names",
        Some((_, "bin")) => "its pytorch_model.bin.index.json names",
        _ => "is a part of its weights by its name",
    }
}
