//! Places: folders of this machine and addresses of object stores.

use std::{path::PathBuf, str::FromStr};

use super::error::{StoreError, without_credentials};

/// A folder or file of this machine, or a place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path.
    Local(PathBuf),
    /// An address.
    Remote(Address),
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) service: Service,
    /// Scheme and bucket, or scheme, host and port; without a slash at its end.
    pub(crate) root: String,
    /// What follows, without a slash at its beginning.
    pub(crate) path: String,
}

/// Who keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    S3,
    Google,
    Azure,
    Http,
}

impl FromStr for Place {
    type Err = StoreError;

    fn from_str(place: &str) -> Result<Self, StoreError> {
        let wrong = |problem: &str| StoreError::Place {
            place: format!("{:?}", without_credentials(place)),
            problem: problem.to_owned(),
        };
        let Some((scheme, rest)) = place.split_once("://") else {
            return if place.is_empty() { Err(wrong("it is empty")) } else { Ok(Self::Local(place.into())) };
        };
        let service = match scheme.to_ascii_lowercase().as_str() {
            "file" if rest.starts_with('/') => return Ok(Self::Local(rest.into())),
            "s3" | "s3a" => Service::S3,
            "gs" => Service::Google,
            "az" | "azure" | "abfs" | "abfss" | "adl" => Service::Azure,
            "http" | "https" => Service::Http,
            _ => return Err(wrong("known are folders, s3://, gs://, az://, http:// and https://")),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong("an address with a query or a fragment is not read"));
        }
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // In Azure's own addresses the container stands before the account.
        if service != Service::Azure && host.contains('@') {
            return Err(wrong("it holds a user's name or a password: those belong in the environment"));
        }
        if host.is_empty() {
            return Err(wrong("the bucket or host is missing"));
        }
        if path.split('/').any(|part| part == "." || part == "..") {
            return Err(wrong("a part of its path is . or .."));
        }
        Ok(Self::Remote(Address { service, root: format!("{scheme}://{host}"), path: path.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_and_addresses() {
        let local = |place: &str| assert_eq!(place.parse::<Place>().unwrap(), Place::Local(place.into()));
        ["a/b", "/a", ".", "-", "C:\\a", "a:b", "s3:/a"].into_iter().for_each(local);
        assert_eq!("file:///a b".parse::<Place>().unwrap(), Place::Local("/a b".into()));
        for (place, service, root, path) in [
            ("s3://b/p/q/", Service::S3, "s3://b", "p/q/"),
            ("gs://b", Service::Google, "gs://b", ""),
            ("az://c/x", Service::Azure, "az://c", "x"),
            ("https://h:1/a", Service::Http, "https://h:1", "a"),
        ] {
            let address = Address { service, root: root.into(), path: path.into() };
            assert_eq!(place.parse::<Place>().unwrap(), Place::Remote(address));
        }
    }

    #[test]
    fn what_is_no_place_is_refused_without_its_secrets() {
        for (place, says) in [
            ("", "empty"),
            ("ftp://a/b", "known are"),
            ("s3:///a", "bucket or host"),
            ("s3://b/../c", ". or .."),
            ("https://me:SECRET@h/a", "belong in the environment"),
            ("https://h/a?sig=SECRET", "a query"),
        ] {
            let error = place.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("SECRET"), "{error}");
        }
    }
}
