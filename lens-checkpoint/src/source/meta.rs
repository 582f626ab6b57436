//! What the hub says about a file before it is fetched.

use ureq::http::Method;

use super::cache::is_blob_name;
use super::client::{Answer, Client, Follow, Subject};
use super::error::SourceError;

/// What the hub says about a file before it is fetched.
pub(super) struct FileMeta {
    /// The name of the blob, not yet checked to be one.
    pub(super) etag: String,
    /// Bytes of the whole file.
    pub(super) size: Option<u64>,
    /// The sha256 of the content in lower-case hex, for files in large file storage.
    pub(super) sha256: Option<String>,
}

impl FileMeta {
    /// Asks the hub, without following it to the host that has the content.
    pub(super) fn ask(client: &Client, url: &str, subject: Subject<'_>) -> Result<Self, SourceError> {
        let answer = client.send(&Method::HEAD, url, None, Follow::AtHome, subject)?;
        let linked = answer.first_header("x-linked-etag").map(unquoted);
        let etag = linked.clone().or_else(|| answer.header("etag").map(unquoted));
        let etag = etag.ok_or_else(|| answer.bad("it sends no etag"))?;
        if !is_blob_name(&etag) {
            return Err(answer.bad(format!("its etag {etag:?} cannot be the name of a file")));
        }
        let is_content = answer.reply.status().is_success() && is_plain(&answer);
        let own_length = || answer.header("content-length").filter(|_| is_content);
        let size = answer.first_header("x-linked-size").or_else(own_length);
        let size = match size.map(str::parse) {
            Some(Ok(size)) => Some(size),
            Some(Err(_)) => return Err(answer.bad("its size is not a number")),
            None => None,
        };
        let is_sha256 = |etag: &String| etag.len() == 64 && etag.bytes().all(|b| b.is_ascii_hexdigit());
        let sha256 = linked.filter(is_sha256).map(|etag| etag.to_ascii_lowercase());
        Ok(Self { etag, size, sha256 })
    }
}

/// Whether the length of the body is the length of the file.
pub(super) fn is_plain(answer: &Answer) -> bool {
    answer.header("content-encoding").is_none_or(|encoding| encoding == "identity")
}

fn unquoted(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}
