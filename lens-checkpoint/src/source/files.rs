//! Reads files that come with a checkpoint and may be anything.

use std::{
    fs::{File, Metadata},
    io::{Error, ErrorKind, Read, Result},
    path::Path,
};

use super::error::SourceError;

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, has more bytes, or is not a regular file, which may have no end. The message has the size.
pub(crate) fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let metadata = check_regular(path)?;
    let too_large = |size: u64| {
        let reason = format!("it has {size} bytes, and at most {limit} are read: no such file is that large");
        Error::new(ErrorKind::FileTooLarge, reason)
    };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    if size > limit { Err(too_large(size)) } else { Ok(bytes) }
}

/// The same as part of finding a checkpoint.
pub(super) fn read_whole(path: &Path, limit: u64) -> std::result::Result<Vec<u8>, SourceError> {
    read_at_most(path, limit).map_err(SourceError::io("read", path))
}

/// Refuses what is not a regular file.
pub(crate) fn check_regular(path: &Path) -> Result<Metadata> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let what = if metadata.is_dir() { "a folder" } else { "a device or a pipe, which may have no end" };
    Err(Error::new(ErrorKind::InvalidInput, format!("it is {what}, not a file")))
}

#[cfg(test)]
mod tests {
    use super::read_at_most;

    #[test]
    fn no_more_is_read_than_a_file_may_have() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        let error = read_at_most(&path, 4).unwrap_err().to_string();
        assert!(error.contains("5 bytes") && error.contains("at most 4"), "{error}");
        // A file of holes has a size and no content.
        std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read_at_most(&path, 1 << 20).unwrap_err().to_string();
        assert!(error.contains("1099511627776 bytes"), "{error}");
        assert!(read_at_most(folder.path(), 9).unwrap_err().to_string().contains("a folder"));
        assert!(
            read_at_most(std::path::Path::new("/dev/zero"), 9).unwrap_err().to_string().contains("no end")
        );
    }
}
