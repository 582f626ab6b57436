//! Where a libtorch for the engine is.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};
use lens_checkpoint::memory;
use lens_core::ByteSize;

use super::linked::Linked;

/// The one that lens is built for: tch speaks to no other.
const VERSION: &str = "2.11";

/// The library that has the processor's half, which every model needs.
const LIBRARY: &str = if cfg!(target_os = "macos") {
    "libtorch_cpu.dylib"
} else if cfg!(windows) {
    "torch_cpu.dll"
} else {
    "libtorch_cpu.so"
};

/// The environment variable with the folders that the system's loader looks into first.
pub(super) const SEARCH_PATH: &str = if cfg!(target_os = "macos") {
    "DYLD_LIBRARY_PATH"
} else if cfg!(windows) {
    "PATH"
} else {
    "LD_LIBRARY_PATH"
};

/// The user's own choice of a libtorch for lens.
const CHOICE: &str = "LENS_LIBTORCH";

/// The variable by which libtorch is named when something is built with it.
const BUILT_WITH: &str = "LIBTORCH";

/// Where set-up leaves a libtorch for installed binaries, in the user's folder for data.
const PER_USER: &str = "lens/libtorch-2.11.0/lib";

/// Where a libtorch may be that belongs to the engine, from the engine's folder: in a folder that was put together by hand,
/// and in an installation with `bin/` and `lib/`.
const BESIDE: [&str; 4] = ["", "libtorch/lib", ".libtorch/lib", "../lib/lens/libtorch/lib"];

/// What the search depends on.
pub(super) struct Surroundings<'a> {
    /// The environment.
    pub(super) lookup: &'a dyn Fn(&str) -> Option<OsString>,
    /// The folder `torch` of the user's Python.
    pub(super) python: &'a dyn Fn() -> Option<PathBuf>,
}

/// Folders in which a libtorch may be, and what they are to the user.
struct Place {
    what: String,
    folders: Vec<PathBuf>,
}

impl Surroundings<'_> {
    /// What [`SEARCH_PATH`] has to be, so that `engine` is loaded with a libtorch that fits; `None` where it is right as
    /// it is.
    ///
    /// # Errors
    /// When there is no libtorch that fits; the message says where it was looked for, and what to do.
    pub(super) fn search_path(&self, engine: &Path) -> Result<Option<OsString>> {
        // What is not read, a script for example, sees to its libraries itself.
        let linked =
            Linked::of(engine).filter(|linked| linked.libraries.iter().any(|name| name.contains("torch")));
        let Some(linked) = linked else { return Ok(None) };
        let given = self.value(SEARCH_PATH).unwrap_or_default();
        let given: Vec<PathBuf> =
            env::split_paths(&given).filter(|folder| !folder.as_os_str().is_empty()).collect();
        let found = match self.value(CHOICE) {
            Some(chosen) => Self::chosen(&chosen)?,
            None => self.first(engine, &given, &linked.folders)?,
        };
        has_room(fs::metadata(found.join(LIBRARY)).map_or(0, |file| file.len()), memory::most_addresses())?;
        // What the loader would take by itself.
        let by_itself = given.iter().chain(&linked.folders).find(|folder| has_libtorch(folder));
        if by_itself == Some(&found) {
            return Ok(None);
        }
        Ok(Some(env::join_paths(std::iter::once(found).chain(given))?))
    }

    /// The value of a variable that is set to something.
    fn value(&self, name: &str) -> Option<OsString> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    /// The folder for data of this user: `XDG_DATA_HOME` or what stands for it.
    fn data(&self) -> Option<PathBuf> {
        let named = self.value("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        named.or_else(|| Some(Path::new(&self.value("HOME")?).join(".local/share")))
    }

    /// The libtorch that the user has named.
    fn chosen(chosen: &OsStr) -> Result<PathBuf> {
        let Some(folder) = below(chosen).into_iter().find(|folder| has_libtorch(folder)) else {
            bail!("{CHOICE} names {}, and there is no {LIBRARY} in it", Path::new(chosen).display());
        };
        match version(&folder) {
            Some(version) if !fits(&version) => bail!(
                "{CHOICE} names {}, which is libtorch {version}: lens runs with {VERSION} and no other",
                folder.display()
            ),
            _ => Ok(folder),
        }
    }

    /// The first libtorch that fits, where any will do.
    fn first(&self, engine: &Path, given: &[PathBuf], written: &[PathBuf]) -> Result<PathBuf> {
        let beside = engine.canonicalize().unwrap_or_else(|_| engine.to_owned());
        let beside = beside.parent().unwrap_or(Path::new("."));
        let mut places = vec![
            Place { what: SEARCH_PATH.to_owned(), folders: given.to_vec() },
            Place {
                what: "beside lens-engine".to_owned(),
                folders: BESIDE.map(|below| beside.join(below)).to_vec(),
            },
            Place { what: "where it was when lens-engine was built".to_owned(), folders: written.to_vec() },
        ];
        if let Some(data) = self.data() {
            let folders = vec![data.join(PER_USER)];
            places.push(Place { what: "the user's data folder".to_owned(), folders });
        }
        if let Some(named) = self.value(BUILT_WITH) {
            places.push(Place { what: BUILT_WITH.to_owned(), folders: below(&named) });
        }
        let mut seen = String::new();
        let mut look = |place: &Place| {
            let found = place.folders.iter().find(|folder| has_libtorch(folder))?;
            match version(found) {
                Some(version) if !fits(&version) => {
                    let _ = write!(seen, "; {} has {version} ({})", place.what, found.display());
                    None
                }
                _ => Some(found.clone()),
            }
        };
        if let Some(found) = places.iter().find_map(&mut look) {
            return Ok(found);
        }
        // A Python takes time to start, so it comes last.
        let folders = (self.python)().map(|torch| vec![torch.join("lib")]).unwrap_or_default();
        let python = Place { what: "the Python on the PATH".to_owned(), folders };
        if let Some(found) = look(&python) {
            return Ok(found);
        }
        places.push(python);
        let places: Vec<&str> = places.iter().map(|place| &*place.what).collect();
        bail!(
            "there is no libtorch {VERSION} to run a model with (looked for: {}){seen}. In a checkout of lens, `cargo \
             xtask setup` installs it; a Python with torch {VERSION} does as well, and {CHOICE} names a folder with one, \
             such as torch/lib of a Python",
            places.join(", ")
        )
    }
}

/// The folders of libraries that somebody may mean who names `folder`.
fn below(folder: &OsStr) -> Vec<PathBuf> {
    vec![Path::new(folder).join("lib"), folder.into()]
}

fn has_libtorch(folder: &Path) -> bool {
    folder.join(LIBRARY).is_file()
}

/// What a program takes beside libtorch before its first line runs.
const BESIDE_LIBTORCH: u64 = 160 << 20;

/// Refuses to load a library of so many bytes under a limit on addresses that is too low for it: the system's loader would
/// speak of a segment, or libtorch give up before anybody could say why.
fn has_room(library: u64, limit: Option<u64>) -> Result<()> {
    let least = library.saturating_add(BESIDE_LIBTORCH);
    match limit {
        Some(limit) if limit < least => bail!(
            "a limit (ulimit -v) leaves this program {} of memory, and libtorch alone needs {}: raise the limit",
            ByteSize(limit),
            ByteSize(least)
        ),
        _ => Ok(()),
    }
}

fn fits(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|rest| rest.starts_with('.'))
}

/// The version of the libtorch in `folder`, where a file above says it: archives have one, and Pythons another.
fn version(folder: &Path) -> Option<String> {
    let root = folder.canonicalize().ok()?.parent()?.to_owned();
    if let Ok(version) = fs::read_to_string(root.join("build-version")) {
        return Some(version.trim().to_owned());
    }
    let module = fs::read_to_string(root.join("version.py")).ok()?;
    let value = module.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim().trim_matches(['\'', '"']).to_owned())
}

/// The folder of the module torch of the first Python on the PATH that has one. It is not imported.
pub(super) fn of_python() -> Option<PathBuf> {
    const ASK: &str = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])";
    ["python3", "python"].iter().find_map(|python| {
        let mut command = Command::new(python);
        command.args(["-c", ASK]).stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).ok()?.trim_end().into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with libtorch in `lib`, of a version that a file says.
    fn libtorch(root: &Path, file: &str, text: &str) -> PathBuf {
        let lib = root.join("lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join(LIBRARY), "").unwrap();
        if !file.is_empty() {
            fs::write(root.join(file), text).unwrap();
        }
        lib
    }

    fn first(
        folder: &Path,
        given: &[PathBuf],
        written: &[PathBuf],
        named: Option<&Path>,
        python: Option<&Path>,
    ) -> Result<PathBuf> {
        let lookup = |name: &str| match name {
            BUILT_WITH => named.map(|named| named.as_os_str().to_owned()),
            "HOME" => Some(folder.join("home").into_os_string()),
            _ => None,
        };
        let around = Surroundings { lookup: &lookup, python: &|| python.map(Path::to_owned) };
        around.first(&folder.join("bin/lens-engine"), given, written)
    }

    #[test]
    fn a_limit_that_is_too_low_for_libtorch_is_said() {
        assert!(has_room(400 << 20, None).is_ok() && has_room(400 << 20, Some(560 << 20)).is_ok());
        let error = has_room(400 << 20, Some(300 << 20)).unwrap_err().to_string();
        assert!(error.contains("ulimit -v") && error.contains("raise the limit"), "{error}");
    }

    #[test]
    fn the_first_that_fits_is_taken() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| root.path().join(name);
        let none = first(root.path(), &[], &[], None, None).unwrap_err().to_string();
        assert!(none.contains("no libtorch 2.11") && none.contains("cargo xtask setup"), "{none}");

        let python = libtorch(
            &folder("python/torch"),
            "version.py",
            "from x import y\n__version__ = '2.11.0+cu130'\n",
        );
        let python_root = folder("python/torch");
        assert_eq!(first(root.path(), &[], &[], None, Some(&python_root)).unwrap(), python);
        let named = libtorch(&folder("named"), "build-version", "2.11.0+cpu\n");
        let named_root = folder("named");
        let both = |given: &[PathBuf], written: &[PathBuf]| {
            first(root.path(), given, written, Some(&named_root), Some(&python_root)).unwrap()
        };
        assert_eq!(both(&[], &[]), named);
        let own = libtorch(&folder("own"), "build-version", "2.11.0");
        assert_eq!(both(&[], &[folder("gone"), own.clone()]), own);
        let given = libtorch(&folder("given"), "", "");
        assert_eq!(both(&[folder("gone"), given.clone()], &[own]), given, "of unknown version");
        // Another version is passed over, wherever it is.
        let old = libtorch(&folder("old"), "build-version", "2.4.1+cpu");
        assert_eq!(both(std::slice::from_ref(&old), std::slice::from_ref(&old)), named);
        let wrong = first(root.path(), &[], &[old], None, None).unwrap_err().to_string();
        assert!(wrong.contains("when lens-engine was built has 2.4.1+cpu"), "{wrong}");
        fs::create_dir_all(folder("bin")).unwrap();
        let beside = libtorch(&folder("bin/libtorch"), "build-version", "2.11.0");
        assert_eq!(both(&[], &[]), beside.canonicalize().unwrap());
    }

    #[test]
    fn what_set_up_left_for_installed_binaries_is_found_when_the_checkout_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("home/.local/share/lens/libtorch-2.11.0");
        let own = libtorch(&data, "build-version", "2.11.0");
        let gone = [root.path().join("checkout/.libtorch/lib")];
        assert_eq!(first(root.path(), &[], &gone, None, None).unwrap(), own);
        // What lies where an installation keeps its own comes before.
        fs::create_dir_all(root.path().join("bin")).unwrap();
        let installed = libtorch(&root.path().join("lib/lens/libtorch"), "build-version", "2.11.0");
        let found = first(root.path(), &[], &gone, None, None).unwrap();
        assert_eq!(found.canonicalize().unwrap(), installed.canonicalize().unwrap());

        let named = root.path().join("data");
        let lookup = |name: &str| (name == "XDG_DATA_HOME").then(|| named.clone().into_os_string());
        let around = Surroundings { lookup: &lookup, python: &|| None };
        assert_eq!(around.data(), Some(named.clone()));
        let lookup = |name: &str| (name == "XDG_DATA_HOME").then(|| "relative".into());
        assert_eq!(Surroundings { lookup: &lookup, python: &|| None }.data(), None);
    }

    #[test]
    fn a_choice_of_the_user_is_kept_or_refused() {
        let root = tempfile::tempdir().unwrap();
        let lib = libtorch(root.path(), "build-version", "2.11.0");
        // Its root, or the folder of its libraries.
        for named in [root.path(), &lib] {
            assert_eq!(Surroundings::chosen(named.as_os_str()).unwrap(), lib);
        }
        fs::write(root.path().join("build-version"), "2.110.0").unwrap();
        let wrong = Surroundings::chosen(lib.as_os_str()).unwrap_err().to_string();
        assert!(wrong.contains("libtorch 2.110.0") && wrong.contains("2.11 and no other"), "{wrong}");
        fs::remove_file(lib.join(LIBRARY)).unwrap();
        let gone = Surroundings::chosen(lib.as_os_str()).unwrap_err().to_string();
        assert!(gone.contains(&format!("no {LIBRARY}")), "{gone}");
    }
}
