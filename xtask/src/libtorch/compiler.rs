//! Is there a C++ compiler, and does it work? torch-sys would find out too, but after minutes and with less to say.

use std::ffi::OsStr;
use std::process::Command;

use super::python::exchange;
use super::{SetupError, Surroundings};

/// C++17 and a header of the standard library, which some systems package apart from the compiler.
const PROGRAM: &str = "#include <optional>\nint main() { return std::optional<int>(0).value(); }\n";

pub(crate) fn check(around: &Surroundings) -> Result<(), SetupError> {
    if let Some(cxx) = &around.cxx {
        // CXX may hold arguments or a wrapper ("ccache g++").
        let words = cxx.to_string_lossy().into_owned();
        let mut words = words.split_whitespace();
        let program = words.next().ok_or(SetupError::NoCompiler)?;
        return compiles(program.as_ref(), words).unwrap_or(Err(SetupError::NoCompiler));
    }
    if let Some(verdict) = compiles("c++".as_ref(), []) {
        return verdict;
    }
    match ["g++", "clang++"].into_iter().find(|name| compiles(name.as_ref(), []).is_some()) {
        Some(found) => Err(SetupError::UnnamedCompiler { found }),
        None => Err(SetupError::NoCompiler),
    }
}

/// `None` if there is no such program.
fn compiles<'a>(program: &OsStr, extra: impl IntoIterator<Item = &'a str>) -> Option<Result<(), SetupError>> {
    let mut command = Command::new(program);
    command.args(extra).args(["-std=c++17", "-fsyntax-only", "-x", "c++", "-"]);
    let output = exchange(&mut command, PROGRAM).ok()?;
    Some(if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().find(|line| line.contains("error")).unwrap_or("no reason given").to_owned();
        Err(SetupError::BrokenCompiler { compiler: program.display().to_string(), said })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cxx(cxx: &str) -> Surroundings {
        Surroundings { cxx: Some(cxx.into()), ..Surroundings::default() }
    }

    #[test]
    fn a_compiler_that_is_not_there_is_named_as_missing() {
        let error = check(&with_cxx("no-such-compiler-anywhere")).unwrap_err();
        assert!(error.to_string().starts_with("no C++ compiler found"), "{error}");
    }

    #[test]
    fn a_compiler_that_fails_is_reported_with_its_name() {
        let error = check(&with_cxx("false")).unwrap_err();
        assert!(
            matches!(&error, SetupError::BrokenCompiler { compiler, .. } if compiler == "false"),
            "{error}"
        );
    }
}
