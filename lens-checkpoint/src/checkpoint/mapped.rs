//! Which weight files are mapped, and whether they are still as they were.
//!
//! Memory that maps a file has no content any more where the file was cut off: reading there raises SIGBUS. A
//! program that handles that signal may call [`shrunk`] in its handler: it neither locks nor allocates.

use std::{
    fs::Metadata,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Files that are watched, at most; more are mapped all the same, and are not named when they shrink.
const WATCHED: usize = 1024;

/// Slots are filled one after another and never emptied; a file that is mapped again uses its slot again.
static FILES: [OnceLock<File>; WATCHED] = [const { OnceLock::new() }; WATCHED];

#[derive(Debug)]
struct File {
    /// With the zero that system calls want.
    #[cfg(unix)]
    path: std::ffi::CString,
    #[cfg(not(unix))]
    path: std::path::PathBuf,
    /// The path without anything that acts on a terminal.
    shown: String,
    /// Bytes that were mapped.
    length: AtomicU64,
    /// When it was written last, in nanoseconds since 1970.
    written: AtomicU64,
    /// How many maps there are of it now.
    maps: AtomicUsize,
}

impl File {
    fn new(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        let name = {
            use std::os::unix::ffi::OsStrExt;
            std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?
        };
        #[cfg(not(unix))]
        let name = path.to_owned();
        Some(Self {
            path: name,
            shown: format!("{path:?}"),
            length: AtomicU64::new(0),
            written: AtomicU64::new(0),
            maps: AtomicUsize::new(0),
        })
    }

    /// Its length now; `None` where there is no file any more, whose maps stay whole.
    #[cfg(unix)]
    fn length_now(&self) -> Option<u64> {
        u64::try_from(rustix::fs::stat(self.path.as_c_str()).ok()?.st_size).ok()
    }

    #[cfg(not(unix))]
    fn length_now(&self) -> Option<u64> {
        Some(self.path.metadata().ok()?.len())
    }
}

/// A file that is mapped, for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Watched(Option<&'static File>);

impl Watched {
    pub(super) fn new(path: &Path, now: &Metadata) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Some(file) = File::new(&path) else { return Self(None) };
        let name = file.path.clone();
        let mut file = Some(file);
        let slot = FILES.iter().find_map(|slot| {
            if slot.get().is_none()
                && let Some(new) = file.take()
                && let Err(new) = slot.set(new)
            {
                file = Some(new); // somebody else was faster
            }
            slot.get().filter(|there| there.path == name)
        });
        if let Some(slot) = slot {
            slot.length.store(now.len(), Ordering::SeqCst);
            slot.written.store(written(now), Ordering::SeqCst);
            slot.maps.fetch_add(1, Ordering::SeqCst);
        }
        Self(slot)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(file) = self.0 {
            file.maps.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn written(meta: &Metadata) -> u64 {
    let since = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

fn in_use() -> impl Iterator<Item = &'static File> {
    FILES.iter().map_while(OnceLock::get).filter(|file| file.maps.load(Ordering::SeqCst) > 0)
}

/// The mapped weight files that are shorter now than when they were mapped, as printable UTF-8. Fit for a signal
/// handler.
pub fn shrunk() -> impl Iterator<Item = &'static [u8]> {
    let shorter =
        |file: &&File| file.length_now().is_some_and(|now| now < file.length.load(Ordering::SeqCst));
    in_use().filter(shorter).map(|file| file.shown.as_bytes())
}

/// The mapped weight files that were written to since they were mapped: what was computed since may mix the weights of
/// two models. A file that was replaced by another of the same name counts too, although its map is whole.
pub fn changed() -> Vec<&'static str> {
    let changed = |file: &&File| {
        #[cfg(unix)]
        let path = {
            use std::os::unix::ffi::OsStrExt;
            std::ffi::OsStr::from_bytes(file.path.to_bytes())
        };
        #[cfg(not(unix))]
        let path = &file.path;
        std::fs::metadata(path).is_ok_and(|now| {
            (now.len(), written(&now))
                != (file.length.load(Ordering::SeqCst), file.written.load(Ordering::SeqCst))
        })
    };
    in_use().filter(changed).map(|file| file.shown.as_str()).collect()
}

/// The name of the network file system that a file lies on, if it does. Elsewhere than on Linux nobody is asked.
pub(super) fn network_file_system(path: &Path) -> Option<&'static str> {
    #[cfg(target_os = "linux")]
    {
        let magic = rustix::fs::statfs(path).ok()?.f_type;
        // As 32 bits: some platforms extend the sign.
        network_name(magic as u32)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

/// By the magic numbers of `statfs(2)`.
#[cfg(target_os = "linux")]
fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9P",
        0x5346_414f => "AFS",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x7375_7245 => "Coda",
        0x1983_0326 => "BeeGFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_shrinks_or_changes_while_it_is_mapped_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\nb");
        std::fs::write(&path, b"12345678").unwrap();
        let named = || {
            let is_here = |name: &&str| name.contains("a\\nb");
            let shrunk =
                shrunk().filter_map(|name| std::str::from_utf8(name).ok()).any(|name| is_here(&name));
            (shrunk, changed().iter().any(is_here))
        };
        let meta = path.metadata().unwrap();
        let (one, other) = (Watched::new(&path, &meta), Watched::new(&path, &meta));
        assert_eq!(named(), (false, false));
        std::fs::File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        assert_eq!(named(), (true, true));
        drop(one);
        assert_eq!(named(), (true, true));
        drop(other);
        assert_eq!(named(), (false, false));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!((network_name(0x6969), network_name(0x6573_5546)), (Some("NFS"), Some("FUSE")));
        // ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(network_name(local), None, "{local:x}");
        }
    }
}
