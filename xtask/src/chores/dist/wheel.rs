//! The wheel: both binaries, and the module `lens`, which runs them on the torch of the Python that it is installed in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    BINARIES, Parts, VERSION, elf,
    pack::{Entry, Form, pack},
};

/// What pip calls it: `lens` is somebody else's.
pub(super) const NAME: &str = "logit-lens-rs";

/// Where the torch of the same Python is, seen from `lens/bin/`.
const TORCH: &str = "$ORIGIN/../../torch/lib";

/// The files of the module.
const MODULE: [(&str, &str); 6] = [
    ("__init__.py", include_str!("../../../../python/lens/__init__.py")),
    ("__main__.py", include_str!("../../../../python/lens/__main__.py")),
    ("_binary.py", include_str!("../../../../python/lens/_binary.py")),
    ("_options.py", include_str!("../../../../python/lens/_options.py")),
    ("_run.py", include_str!("../../../../python/lens/_run.py")),
    ("py.typed", ""),
];

pub(super) fn make(parts: &Parts, out: &Path) -> anyhow::Result<PathBuf> {
    let folder = out.join("parts/wheel");
    fs::create_dir_all(&folder)?;
    for name in BINARIES {
        let binary = folder.join(name);
        fs::copy(parts.made.join(name), &binary)?;
        if elf::Needs::of(&binary)?.folders.is_some() {
            elf::look_in(&binary, TORCH)?;
        }
    }
    let tag = tag(parts.glibc);
    let path = out.join(format!("{}-{VERSION}-{tag}.whl", NAME.replace('-', "_")));
    let readme = fs::read_to_string(parts.root.join("python/README.md"))?;
    let mut files = described(&tag, &readme);
    files
        .extend(BINARIES.map(|name| Entry::copy(format!("lens/bin/{name}"), folder.join(name)).executable()));
    for (name, terms) in parts.licences() {
        files.push(terms.entry(format!("{}/licenses/{name}", information())));
    }
    // A wheel of another glibc would lie beside this one.
    for entry in fs::read_dir(out)? {
        let old = entry?.path();
        if old.extension().is_some_and(|end| end == "whl") {
            fs::remove_file(&old)?;
        }
    }
    pack(
        &path,
        Form::Wheel { record: &format!("{}/RECORD", information()) },
        parts.time,
        parts.level(),
        &files,
    )?;
    Ok(path)
}

/// Which systems it is for: those with this glibc or a newer one.
fn tag((major, minor): elf::Version) -> String {
    format!("py3-none-manylinux_{major}_{minor}_x86_64")
}

/// The folder with what describes the wheel.
fn information() -> String {
    format!("{}-{VERSION}.dist-info", NAME.replace('-', "_"))
}

/// The module, and what tells an installer about it.
fn described(tag: &str, readme: &str) -> Vec<Entry> {
    let information = information();
    let mut files: Vec<Entry> =
        MODULE.map(|(name, text)| Entry::text(format!("lens/{name}"), text)).into_iter().collect();
    files.push(Entry::text("lens/_version.py", format!("__version__ = \"{VERSION}\"\n")));
    files.push(Entry::text(format!("{information}/METADATA"), metadata(readme)));
    files.push(Entry::text(
        format!("{information}/WHEEL"),
        format!(
            "Wheel-Version: 1.0\nGenerator: lens-xtask ({VERSION})\nRoot-Is-Purelib: false\nTag: {tag}\n"
        ),
    ));
    files.push(Entry::text(
        format!("{information}/entry_points.txt"),
        "[console_scripts]\nlens = lens.__main__:main\n",
    ));
    files
}

fn metadata(readme: &str) -> String {
    format!(
        "Metadata-Version: 2.4
Name: {NAME}
Version: {VERSION}
Summary: See what a language model believes at every layer: the logit lens
License-Expression: MIT
License-File: LICENSE
License-File: LICENSE.DejaVu.txt
License-File: LICENSE.NotoSansSymbols2.txt
License-File: crates.txt
Requires-Python: >=3.10
Requires-Dist: torch==2.11.*
Provides-Extra: pandas
Requires-Dist: pandas; extra == \"pandas\"
Requires-Dist: pyarrow; extra == \"pandas\"
Description-Content-Type: text/markdown

{readme}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::pack::What;
    use super::*;

    #[test]
    fn names_and_dependencies_are_what_installers_expect() {
        assert_eq!(tag((2, 34)), "py3-none-manylinux_2_34_x86_64");
        let files = described("py3-none-manylinux_2_34_x86_64", "# A handbook\n");
        let text = |name: &str| {
            let entry = files.iter().find(|entry| entry.name.ends_with(name)).unwrap();
            match &entry.what {
                What::Text(text) => text.clone(),
                What::Path(path) => panic!("{}", path.display()),
            }
        };
        let metadata = text(".dist-info/METADATA");
        let (head, body) = metadata.split_once("\n\n").unwrap();
        for line in ["Name: logit-lens-rs", "Requires-Dist: torch==2.11.*", &format!("Version: {VERSION}")] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }
        assert_eq!(body, "# A handbook\n");
        assert!(text("/WHEEL").contains("Root-Is-Purelib: false\nTag: py3-none-manylinux_2_34_x86_64\n"));
        assert!(text("/entry_points.txt").contains("lens = lens.__main__:main"));
        assert!(text("lens/_version.py").contains(VERSION));
        assert!(
            files.iter().any(|entry| entry.name == format!("logit_lens_rs-{VERSION}.dist-info/METADATA"))
        );
    }

    #[test]
    fn every_file_of_the_module_is_packed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("python/lens");
        let mut there: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".py"))
            .collect();
        there.sort();
        let mut packed: Vec<&str> =
            MODULE.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".py")).collect();
        packed.sort_unstable();
        assert_eq!(there, packed);
    }
}
