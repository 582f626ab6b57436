//! What an executable is linked with, and where it looks for that: read from its file, which is not run.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use object::{
    FileKind, ReadCache, ReadRef,
    elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader64},
    endian::Endianness,
    macho::MachHeader64,
    read::{
        elf::{Dyn as _, FileHeader as _},
        macho::{LoadCommandVariant, MachHeader as _},
    },
};

/// The libraries of an executable, and the folders that are written down in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Linked {
    pub(super) libraries: Vec<String>,
    pub(super) folders: Vec<PathBuf>,
}

impl Linked {
    /// Reads an executable; `None` for what is none that can be read, such as a script that starts one.
    pub(super) fn of(executable: &Path) -> Option<Self> {
        let file = ReadCache::new(File::open(executable).ok()?);
        let mut linked = match FileKind::parse(&file).ok()? {
            FileKind::Elf64 => Self::of_elf(&file)?,
            FileKind::MachO64 => Self::of_macho(&file)?,
            _ => return None,
        };
        // Where the executable itself lies.
        let here = executable.canonicalize().ok()?.parent()?.to_owned();
        for folder in &mut linked.folders {
            let origins = ["$ORIGIN", "${ORIGIN}", "@loader_path", "@executable_path"];
            let rest = origins.iter().find_map(|origin| folder.strip_prefix(origin).ok());
            if let Some(rest) = rest {
                *folder = here.join(rest);
            }
        }
        Some(linked)
    }

    fn of_elf<'data>(file: impl ReadRef<'data>) -> Option<Self> {
        let mut linked = Self::default();
        let header = FileHeader64::<Endianness>::parse(file).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.sections(endian, file).ok()?;
        // Without dynamic linking there is nothing to find.
        let Some((entries, strings)) = sections.dynamic(endian, file).ok()? else { return Some(linked) };
        let strings = sections.strings(endian, file, strings).ok()?;
        for entry in entries {
            let tag = u32::try_from(entry.d_tag(endian)).unwrap_or(0);
            if ![DT_NEEDED, DT_RPATH, DT_RUNPATH].contains(&tag) {
                continue;
            }
            let offset = u32::try_from(entry.d_val(endian)).ok()?;
            let text = String::from_utf8_lossy(strings.get(offset).ok()?).into_owned();
            if tag == DT_NEEDED {
                linked.libraries.push(text);
            } else {
                linked.folders.extend(text.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from));
            }
        }
        Some(linked)
    }

    fn of_macho<'data>(file: impl ReadRef<'data>) -> Option<Self> {
        let mut linked = Self::default();
        let header = MachHeader64::<Endianness>::parse(file, 0).ok()?;
        let endian = header.endian().ok()?;
        let mut commands = header.load_commands(endian, file, 0).ok()?;
        while let Some(command) = commands.next().ok()? {
            let text =
                |place| Some(String::from_utf8_lossy(command.string(endian, place).ok()?).into_owned());
            match command.variant().ok()? {
                LoadCommandVariant::Dylib(library) => linked.libraries.push(text(library.dylib.name)?),
                LoadCommandVariant::Rpath(folder) => linked.folders.push(text(folder.path)?.into()),
                _ => {}
            }
        }
        Some(linked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_executable_has_nothing_to_say() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("engine");
        std::fs::write(&script, "#!/bin/sh\nexec true\n").unwrap();
        assert_eq!(Linked::of(&script), None);
        std::fs::write(&script, b"\x7fELF\x02\x01\x01").unwrap();
        assert_eq!(Linked::of(&script), None, "a part of an executable");
        assert_eq!(Linked::of(folder.path()), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn libraries_of_an_executable_are_read() {
        let linked = Linked::of(&std::env::current_exe().unwrap()).unwrap();
        assert!(linked.libraries.iter().any(|library| library.starts_with("libc.so")), "{linked:?}");
        assert!(!linked.libraries.iter().any(|library| library.contains("torch")), "{linked:?}");
    }
}
