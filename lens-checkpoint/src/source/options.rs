//! Where to look and what is allowed, read from the environment once.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::{SourceError, Token};

/// Where checkpoints may come from.
///
/// [`from_env`](Self::from_env) reads the variables of the hub's own tools, with their meaning and
/// precedence: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`; `HF_TOKEN`,
/// `HUGGING_FACE_HUB_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_DISABLE_IMPLICIT_TOKEN`; `HF_ENDPOINT`;
/// `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE`; `HF_HUB_DOWNLOAD_TIMEOUT`; and `REQUESTS_CA_BUNDLE`,
/// `CURL_CA_BUNDLE`, `SSL_CERT_FILE` for a company's own certificates. The proxy variables are read by the
/// HTTP client itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Branch, tag or commit; `None` means `main`.
    pub revision: Option<String>,
    /// Whether to use the cache only, without any request.
    pub offline: bool,
    /// The hub cache, the folder with the `models--*` folders in it.
    pub cache: Option<PathBuf>,
    /// The hub's address.
    pub endpoint: String,
    /// The access token.
    pub token: Option<Token>,
    /// The file that is read for a token when `token` is `None`; a file that does not exist is not an error.
    pub token_file: Option<PathBuf>,
    /// Certificates in PEM form that replace the built-in ones.
    pub ca_bundle: Option<PathBuf>,
    /// How often a request is tried again that failed for lack of a connection.
    pub retries: u32,
    /// The pause before the first retry, doubled for every further one.
    pub retry_wait: Duration,
    /// How long to wait for a connection, and then for each piece of an answer.
    pub timeout: Duration,
    pub(super) home: Option<PathBuf>,
}

impl SourceOptions {
    /// Reads the process's environment.
    pub fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// Reads an environment given as a function from a variable's name to its value.
    ///
    /// ```
    /// use lens_checkpoint::source::SourceOptions;
    ///
    /// let options = SourceOptions::from_lookup(|name| (name == "HF_HOME").then(|| "/data/hf".into()));
    /// assert_eq!(options.cache.unwrap(), std::path::Path::new("/data/hf/hub"));
    /// assert!(!options.offline);
    /// ```
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let text = |name: &str| get(name).and_then(|value| value.into_string().ok());
        let home = get("HOME").or_else(|| get("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| get(name).map(|value| expand(value, home.as_ref(), &get));

        let hf_home = path("HF_HOME").or_else(|| {
            let caches = path("XDG_CACHE_HOME").or_else(|| home.as_ref().map(|home| home.join(".cache")));
            caches.map(|caches| caches.join("huggingface"))
        });
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| hf_home.as_ref().map(|home| home.join("hub")));

        let implicit = !text("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value));
        let token =
            || ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].iter().find_map(|name| Token::new(&text(name)?));
        let token_file = || path("HF_TOKEN_PATH").or_else(|| hf_home.as_ref().map(|home| home.join("token")));
        let seconds = text("HF_HUB_DOWNLOAD_TIMEOUT").and_then(|value| value.parse().ok()).filter(|s| *s > 0);

        Self {
            revision: None,
            offline: text("HF_HUB_OFFLINE")
                .or_else(|| text("TRANSFORMERS_OFFLINE"))
                .is_some_and(|v| is_true(&v)),
            cache,
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned()),
            token: implicit.then(token).flatten(),
            token_file: implicit.then(token_file).flatten(),
            ca_bundle: ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
                .iter()
                .find_map(|name| path(name)),
            retries: 4,
            retry_wait: Duration::from_millis(500),
            timeout: Duration::from_secs(seconds.unwrap_or(10)),
            home,
        }
    }

    /// The token to send, from the options or else from the token file, and where it came from.
    pub(super) fn read_token(&self) -> Result<Option<(Token, String)>, SourceError> {
        if let Some(token) = &self.token {
            return Ok(Some((token.clone(), "HF_TOKEN".to_owned())));
        }
        let Some(path) = &self.token_file else { return Ok(None) };
        match std::fs::read_to_string(path) {
            Ok(raw) => Ok(Token::new(&raw).map(|token| (token, path.display().to_string()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SourceError::io("read the token file", path)(error)),
        }
    }

    pub(super) fn cache(&self) -> Result<PathBuf, SourceError> {
        self.cache.clone().ok_or(SourceError::NoCacheFolder)
    }

    lens_core::setters! {
        /// Branch, tag or commit; `None` means `main`.
        with_revision => revision: Option<String>,
        /// Whether to use the cache only, without any request.
        with_offline => offline: bool,
        /// The hub cache, the folder with the `models--*` folders in it.
        with_cache => cache: Option<PathBuf>,
        /// The hub's address.
        with_endpoint => endpoint: String,
        /// The access token.
        with_token => token: Option<Token>,
        /// The file that is read for a token when `token` is `None`; a file that does not exist is not an error.
        with_token_file => token_file: Option<PathBuf>,
        /// Certificates in PEM form that replace the built-in ones.
        with_ca_bundle => ca_bundle: Option<PathBuf>,
        /// How often a request is tried again that failed for lack of a connection.
        with_retries => retries: u32,
        /// The pause before the first retry, doubled for every further one.
        with_retry_wait => retry_wait: Duration,
        /// How long to wait for a connection, and then for each piece of an answer.
        with_timeout => timeout: Duration,
    }
}

fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_ascii_uppercase().as_str())
}

/// Expands a leading `~` and every `$NAME` or `${NAME}` that is set, as Python's `os.path` does.
fn expand(raw: OsString, home: Option<&PathBuf>, get: &impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let Some(text) = raw.to_str() else { return raw.into() };
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (name, tail) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some(braced) => braced,
            None => after.split_at(after.find(|c| !is_name(c)).unwrap_or(after.len())),
        };
        match get(name).and_then(|value| value.into_string().ok()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&text[text.len() - after.len() - 1..text.len() - tail.len()]),
        }
        rest = tail;
    }
    out.push_str(rest);
    match (out.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (None, Some(home)) if out == "~" => home.clone(),
        _ => out.into(),
    }
}
