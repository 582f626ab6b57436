//! The table of chores. A new one is a file in `chores/` and a row here.

mod browser;
mod demo;
mod gpu_check;
mod make_checkpoint;
mod pictures;
mod setup;
mod test;

use std::path::Path;

use crate::arguments::{Arguments, Usage, suggestion};

pub(crate) struct Chore {
    pub(crate) name: &'static str,
    /// One line for the list of chores.
    summary: &'static str,
    /// What `cargo xtask NAME --help` adds.
    details: &'static str,
    /// Does it, in the checkout with this root.
    pub(crate) run: fn(&Path, Arguments) -> anyhow::Result<()>,
}

static CHORES: &[Chore] = &[
    setup::CHORE,
    test::CHORE,
    browser::CHORE,
    demo::CHORE,
    make_checkpoint::CHORE,
    pictures::CHORE,
    gpu_check::CHORE,
];

impl Chore {
    pub(crate) fn help(&self) -> String {
        format!("cargo xtask {}: {}\n\n{}\n", self.name, self.summary, self.details.trim_end())
    }
}

/// The chore called `name`, or an error that suggests the nearest one.
pub(crate) fn find(name: &str) -> Result<&'static Chore, Usage> {
    let unknown = || {
        let near = suggestion(name, CHORES.iter().map(|chore| chore.name));
        Usage(format!("unknown chore {name:?}{near}"))
    };
    CHORES.iter().find(|chore| chore.name == name).ok_or_else(unknown)
}

pub(crate) fn help() -> String {
    let mut text = String::from("The project's chores: cargo xtask CHORE [OPTIONS] [-- ARGUMENTS]\n\n");
    let width = CHORES.iter().map(|chore| chore.name.len()).max().unwrap_or(0);
    for Chore { name, summary, .. } in CHORES {
        text.push_str(&format!("  {name:width$}  {summary}\n"));
    }
    text.push_str("\n`cargo xtask CHORE --help` says more.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chore_is_found_by_its_name_and_listed() {
        for chore in CHORES {
            assert_eq!(find(chore.name).unwrap().name, chore.name);
            assert!(help().contains(&format!("  {}  ", chore.name)) || help().contains(chore.summary));
        }
    }

    #[test]
    fn an_unknown_chore_suggests_the_near_name_only() {
        let said = |name| find(name).err().unwrap().to_string();
        assert!(said("setpu").contains("did you mean \"setup\"?"), "{}", said("setpu"));
        assert!(said("tests").contains("did you mean \"test\"?"));
        assert!(!said("deploy-everything").contains("did you mean"));
    }
}
