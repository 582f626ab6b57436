//! The tarball: unpacked anywhere, it runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    BINARIES, IN_INSTALLATION, Parts, TARGET, VERSION, elf,
    pack::{Entry, Form, pack},
};

/// Shells, and where their completions are looked for.
pub(super) const SHELLS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/lens"),
    ("zsh", "share/zsh/site-functions/_lens"),
    ("fish", "share/fish/vendor_completions.d/lens.fish"),
];

/// The folder that it unpacks into.
pub(super) fn folder() -> String {
    format!("lens-{VERSION}-{TARGET}")
}

pub(super) fn make(parts: &Parts, out: &Path) -> anyhow::Result<PathBuf> {
    for name in BINARIES {
        // What `lens` itself is linked with is the machine's.
        let binary = parts.made.join(name);
        if elf::Needs::of(&binary)?.folders.is_some() {
            elf::look_in(&binary, IN_INSTALLATION)?;
        }
    }
    let path = out.join(format!("{}.tar.gz", folder()));
    pack(&path, Form::Tar { folder: &folder() }, parts.time, parts.level(), &files(parts)?)?;
    Ok(path)
}

fn files(parts: &Parts) -> anyhow::Result<Vec<Entry>> {
    let (root, made) = (&parts.root, &parts.made);
    let mut files: Vec<Entry> = BINARIES
        .map(|name| Entry::copy(format!("bin/{name}"), made.join(name)).executable())
        .into_iter()
        .collect();
    let libtorch = "lib/lens/libtorch";
    for library in &parts.libraries {
        let name = library.file_name().unwrap_or_default().to_string_lossy();
        files.push(Entry::copy(format!("{libtorch}/lib/{name}"), library));
    }
    files.push(Entry::copy(format!("{libtorch}/build-version"), root.join(".libtorch/build-version")));
    add_folder(&mut files, &made.join("man"), "share/man/man1")?;
    for (shell, place) in SHELLS {
        files.push(Entry::copy(place, made.join(shell)));
    }
    let documents = "share/doc/lens";
    for name in ["README.md", "README.zh-CN.md", "CHANGELOG.md"] {
        files.push(Entry::copy(format!("{documents}/{name}"), root.join(name)));
    }
    for (name, terms) in parts.licences() {
        files.push(terms.entry(format!("{documents}/licenses/{name}")));
    }
    add_folder(&mut files, &root.join(".libtorch/licenses"), &format!("{documents}/licenses"))?;
    let (major, minor) = parts.glibc;
    let glibc =
        |text: &str| text.replace("@GLIBC@", &format!("{major}.{minor}")).replace("@VERSION@", VERSION);
    files.push(Entry::text("README", glibc(include_str!("README.txt"))));
    files.push(Entry::text("install.sh", glibc(include_str!("install.sh"))).executable());
    Ok(files)
}

/// Adds all files below `folder`, as files below `name`.
fn add_folder(files: &mut Vec<Entry>, folder: &Path, name: &str) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            add_folder(files, &path, &name)?;
        } else {
            files.push(Entry::copy(name, path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    #[cfg(unix)]
    fn install(folder: &Path, path: &Path, needs: &str) -> Output {
        let script = folder.join("install.sh");
        let text = include_str!("install.sh").replace("@GLIBC@", needs).replace("@VERSION@", VERSION);
        fs::write(&script, text).unwrap();
        let mut command = Command::new("/bin/sh");
        let path = std::env::join_paths([path, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        command.arg(&script).arg(folder.join("to")).env_clear().env("PATH", path);
        command.output().unwrap()
    }

    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    #[test]
    fn the_script_installs_where_it_can_run_and_refuses_elsewhere() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        for place in ["bin", "lib/lens/libtorch/lib", "share/doc/lens"] {
            fs::create_dir_all(folder.path().join(place)).unwrap();
        }
        let lens = folder.path().join("bin/lens");
        fs::write(&lens, "#!/bin/sh\necho lens 1\n").unwrap();
        fs::set_permissions(&lens, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("lib/lens/libtorch/lib/x.so"), "new").unwrap();
        let none = folder.path().join("none");
        let installed = install(folder.path(), &none, "2.17");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let to = folder.path().join("to");
        assert!(to.join("bin/lens").is_file() && to.join("lib/lens/libtorch/lib/x.so").is_file());
        // An older installation's libraries do not stay.
        fs::write(to.join("lib/lens/libtorch/lib/old.so"), "").unwrap();
        assert!(install(folder.path(), &none, "2.17").status.success());
        assert!(!to.join("lib/lens/libtorch/lib/old.so").exists());

        let old = install(folder.path(), &none, "9.1");
        let says = String::from_utf8_lossy(&old.stderr).into_owned();
        assert!(!old.status.success() && says.contains("glibc 9.1 or newer"), "{says}");
        let tools = folder.path().join("tools");
        fs::create_dir(&tools).unwrap();
        for (name, script, part) in [("uname", "echo aarch64", "x86_64"), ("getconf", "exit 1", "musl")] {
            let tool = tools.join(name);
            fs::write(&tool, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
            let refused = install(folder.path(), &tools, "2.17");
            let says = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && says.contains(part), "{name}: {says}");
            fs::remove_file(&tool).unwrap();
        }
    }
}
