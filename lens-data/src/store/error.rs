//! Why a store, or something in it, cannot be read or written.

use std::{error::Error, fmt, io};

use object_store::client::{HttpError, HttpErrorKind};

use crate::shown::shown;

/// Why a store, or something in it, cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place is none that can be opened.
    #[error("{place} is not a place that can be opened: {problem}")]
    Place {
        /// The place, without credentials.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The name is not one of a blob.
    #[error(
        "{name:?} is not a name for a file of a store: it takes up to 200 letters, digits, dots, dashes and underscores, \
         and does not begin with a dot"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// There is something under the name already.
    #[error("{store} has a file {name} already")]
    Exists {
        /// Where.
        store: String,
        /// The name.
        name: String,
    },
    /// More than what is read at once.
    #[error("{name} in {store} has {size} bytes, more than the {most} that are read")]
    TooLarge {
        /// Where.
        store: String,
        /// The name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The most that is read.
        most: u64,
    },
    /// The store did not do what was asked.
    #[error("cannot {doing} {store}: {reason}{}", details(detail))]
    Failed {
        /// Where.
        store: String,
        /// What was asked, with the name: `write "a.json" to`.
        doing: String,
        /// Why not.
        reason: Reason,
        /// What the system or the server says, on one line and without credentials; may be empty.
        detail: String,
        /// The error of the system, where it comes from this machine.
        source: Option<io::Error>,
    },
}

/// Why a store did not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The bucket or container does not exist.
    NoBucket,
    /// The object, or the file, does not exist.
    Missing,
    /// These credentials may not do it.
    Denied,
    /// No credentials were found.
    NoCredentials,
    /// The server cannot be reached, or does not answer.
    Unreachable,
    /// The object is no longer what it was when its reading began.
    Changed,
    /// The server does not give parts of an object.
    NoRanges,
    /// The disk, or what this user may write, is full.
    Full,
    /// It fails, for a reason that [`StoreError::Failed`] has in `detail`.
    Other,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoBucket => "the bucket does not exist",
            Self::Missing => "it does not exist",
            Self::Denied => "access is denied",
            Self::NoCredentials => "no credentials were found: set those of the store in the environment",
            Self::Unreachable => "the server cannot be reached",
            Self::Changed => "it was changed while it was read",
            Self::NoRanges => "the server does not give parts of a file: fetch it, and name the copy",
            Self::Full => "there is no space left",
            Self::Other => "it fails",
        })
    }
}

fn details(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

impl StoreError {
    /// Why, where a store did not do what was asked.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Failed { reason, .. } => Some(*reason),
            _ => None,
        }
    }

    /// An error of this machine's files.
    pub(super) fn io(store: String, doing: String, error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        let reason = match error.kind() {
            Kind::NotFound => Reason::Missing,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Reason::Denied,
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Reason::Full,
            _ => Reason::Other,
        };
        Self::Failed { store, doing, reason, detail: error.to_string(), source: Some(error) }
    }

    /// An error of an object store.
    pub(super) fn object(store: String, doing: String, error: &object_store::Error) -> Self {
        let (reason, detail) = told(error);
        Self::Failed { store, doing, reason, detail, source: None }
    }
}

/// What an object store's error means, and what it says.
fn told(error: &object_store::Error) -> (Reason, String) {
    use object_store::Error as Store;
    let mut chain: Vec<&(dyn Error + 'static)> = vec![error];
    while let Some(cause) = chain[chain.len() - 1].source() {
        chain.push(cause);
    }
    let whole = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| whole.contains(word));
    let http = chain.iter().find_map(|error| error.downcast_ref::<HttpError>());
    // What the server said stands in the innermost error; an error of the transport has its own cause.
    let innermost = chain.last().map_or_else(|| whole.clone(), ToString::to_string);
    let detail = said(&innermost);
    let reason = match error {
        // The services that give credentials to programs inside a cloud.
        _ if has(&["169.254.169.254", "169.254.170.2", "metadata.google.internal"]) => {
            return (Reason::NoCredentials, String::new());
        }
        _ if has(&["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]) => {
            Reason::NoBucket
        }
        Store::NotFound { .. } => Reason::Missing,
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Reason::Denied,
        Store::Precondition { .. } => Reason::Changed,
        // The parts that are asked for were there when the reading began.
        _ if has(&["416 Range Not Satisfiable"]) || (has(&["Requested "]) && has(&[", got "])) => {
            Reason::Changed
        }
        _ if has(&["non-partial response", "Range request not supported"]) => {
            return (Reason::NoRanges, String::new());
        }
        _ => match http.map(HttpError::kind) {
            Some(HttpErrorKind::Connect | HttpErrorKind::Timeout | HttpErrorKind::Interrupted) => {
                Reason::Unreachable
            }
            _ => Reason::Other,
        },
    };
    (reason, detail)
}

/// What a server or a transport says, on one line: code and message of an XML answer, or the text itself.
fn said(text: &str) -> String {
    let tag = |name: &str| {
        let start = text.find(&format!("<{name}>"))? + name.len() + 2;
        text[start..].split('<').next().map(str::trim).filter(|value| !value.is_empty())
    };
    let short = match (tag("Code"), tag("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    };
    let short: String = without_credentials(&short).chars().take(300).collect();
    shown(short.trim_end_matches([':', ' ', '.'])).into_owned()
}

/// The text with what stands before an `@` in its addresses left out, and queries as well: both may be secret.
pub(super) fn without_credentials(text: &str) -> String {
    let word = |word: &str| match word.split_once("://") {
        None => word.to_owned(),
        Some((scheme, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            format!("{scheme}://{}", rest.split_once('?').map_or(rest, |(address, _)| address))
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_one_line_without_credentials() {
        let xml =
            "Server returned 404: <Error><Code>NoSuchKey</Code>\n<Message>The key\tdoes not exist.</Message>";
        assert_eq!(said(xml), "NoSuchKey: The key\\tdoes not exist");
        assert_eq!(said("a\n  b\u{1b}[31m"), "a b\\u{1b}[31m");
        assert_eq!(said("at http://me:pass@host:1/x?sig=abc no"), "at http://host:1/x no");
        assert_eq!(said(&"x".repeat(1000)).len(), 300);
    }

    #[test]
    fn what_gives_credentials_to_machines_and_is_not_there_means_that_there_are_none() {
        let error = |text: &str| object_store::Error::Generic { store: "S3", source: text.into() };
        let address = "Error performing PUT http://169.254.169.254/latest/api/token in 3s";
        assert_eq!(told(&error(address)), (Reason::NoCredentials, String::new()));
        assert_eq!(told(&error("something\nelse")), (Reason::Other, "something else".to_owned()));
    }
}
