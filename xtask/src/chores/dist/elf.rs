//! What a binary needs of the machine, and where it looks for libraries: read from its file, and changed in it.

use std::path::Path;

use anyhow::{Context as _, bail};
use object::{
    elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader64, SHT_DYNSYM},
    endian::Endianness,
    read::elf::{Dyn as _, FileHeader as _, SectionHeader as _, SectionTable, Sym as _},
};

type Header = FileHeader64<Endianness>;

/// A version of the C library, such as 2.34.
pub(super) type Version = (u32, u32);

/// What a file asks of others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Libraries, by their names.
    pub(super) libraries: Vec<String>,
    /// The newest version of glibc that a symbol asks for.
    pub(super) glibc: Version,
    /// The folders that are written down in it, as one text.
    pub(super) folders: Option<String>,
    /// Every other name in the table of strings that is in use.
    names: Vec<String>,
    /// Where the text of the folders is in the file.
    place: usize,
}

impl Needs {
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&data).with_context(|| format!("{} is not what a linker makes", path.display()))
    }

    fn parse(data: &[u8]) -> anyhow::Result<Self> {
        let header = Header::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let mut needs = Self::default();
        let (entries, link) = sections.dynamic(endian, data)?.context("it is not linked dynamically")?;
        let strings = sections.strings(endian, data, link)?;
        let (start, _) =
            sections.section(link)?.file_range(endian).context("its strings are not in the file")?;
        for entry in entries {
            let tag = u32::try_from(entry.d_tag(endian)).unwrap_or(0);
            if ![DT_NEEDED, DT_RPATH, DT_RUNPATH].contains(&tag) {
                continue;
            }
            let offset = u32::try_from(entry.d_val(endian))?;
            let bytes = strings.get(offset).ok().context("a name is not in the table of strings")?;
            let text = String::from_utf8_lossy(bytes).into_owned();
            if tag == DT_NEEDED {
                needs.libraries.push(text);
            } else {
                needs.place = usize::try_from(start)? + offset as usize;
                needs.folders = Some(text);
            }
        }
        needs.names.clone_from(&needs.libraries);
        needs.versions(&sections, endian, data)?;
        let symbols = sections.symbols(endian, data, SHT_DYNSYM)?;
        for symbol in symbols.iter() {
            let name = symbol.name(endian, symbols.strings())?;
            needs.names.push(String::from_utf8_lossy(name).into_owned());
        }
        Ok(needs)
    }

    fn versions(
        &mut self,
        sections: &SectionTable<'_, Header>,
        endian: Endianness,
        data: &[u8],
    ) -> anyhow::Result<()> {
        let Some((mut files, link)) = sections.gnu_verneed(endian, data)? else { return Ok(()) };
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut versions)) = files.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                self.glibc = self.glibc.max(glibc(&name).unwrap_or_default());
                self.names.push(name);
            }
        }
        Ok(())
    }
}

/// The version in the name of a symbol's version, where it is one of glibc.
fn glibc(name: &str) -> Option<Version> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Makes the file at `path` look for its libraries in `folders` and nowhere else. What is written down in it is
/// overwritten, so that it must be at least as long.
pub(super) fn look_in(path: &Path, folders: &str) -> anyhow::Result<()> {
    let mut data = std::fs::read(path)?;
    let before = Needs::parse(&data).with_context(|| format!("{} cannot be read", path.display()))?;
    let Some(written) = &before.folders else {
        bail!("{} has no folder of libraries written down in it", path.display())
    };
    if written.len() < folders.len() {
        bail!("{} has no room for {folders} in the place of {written}", path.display());
    }
    let place = before.place..before.place + written.len();
    data[place.clone()].fill(0);
    data[place.start..place.start + folders.len()].copy_from_slice(folders.as_bytes());
    let after = Needs::parse(&data)?;
    // A linker may let another name end in the same bytes.
    if after.names != before.names || after.folders.as_deref() != Some(folders) {
        bail!("{} has names that share bytes with {written}", path.display());
    }
    std::fs::write(path, data).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn folders_are_replaced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("x.cpp"), folder.path().join("x.so"));
        std::fs::write(&source, "#include <cstdlib>\nextern \"C\" void *lib() { return std::malloc(1); }")
            .unwrap();
        let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        let mut compile = Command::new(compiler);
        compile.args(["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/../lib:/somewhere/else", "-o"]);
        assert!(compile.arg(&library).arg(&source).status().unwrap().success());

        let before = Needs::of(&library).unwrap();
        assert_eq!(before.folders.as_deref(), Some("$ORIGIN/../lib:/somewhere/else"));
        assert!(before.libraries.iter().any(|name| name.starts_with("libc.so")), "{before:?}");
        assert!(before.glibc >= (2, 0) && before.names.iter().any(|name| name == "lib"), "{before:?}");
        look_in(&library, "$ORIGIN/../lib").unwrap();
        let after = Needs::of(&library).unwrap();
        assert_eq!(after.folders.as_deref(), Some("$ORIGIN/../lib"));
        assert_eq!((after.names, after.glibc), (before.names, before.glibc));
        let bytes = std::fs::read(&library).unwrap();
        assert!(!bytes.windows(10).any(|bytes| bytes == b"/somewhere"), "the old folder is still in it");
        let long = look_in(&library, &"x".repeat(40)).unwrap_err().to_string();
        assert!(long.contains("no room"), "{long}");
    }

    #[test]
    fn versions_of_other_libraries_are_not_those_of_glibc() {
        assert_eq!(glibc("GLIBC_2.34"), Some((2, 34)));
        assert_eq!(glibc("GLIBC_2.2.5"), Some((2, 2)));
        for other in ["GLIBCXX_3.4.30", "GCC_3.0", "GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"] {
            assert_eq!(glibc(other), None, "{other}");
        }
    }
}
