//! Manual pages, made of the command line itself.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};

use crate::args::Cli;

/// Writes a page for `lens` and for every command that is shown in its help, named as `man` looks for them.
pub(crate) fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (name, page) in pages()? {
        let path = folder.join(name);
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The pages with the names of their files.
fn pages() -> Result<Vec<(String, Vec<u8>)>> {
    let mut lens = Cli::command();
    lens.build();
    let mut pages = Vec::new();
    add(&lens, "lens", &mut pages)?;
    Ok(pages)
}

/// The page of `command`, whose full name is `name`, and those of the commands below it.
fn add(command: &Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    // A page is called by all words of its command, as those of git are; built commands have such a name.
    let manual = clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).manual("lens");
    let mut page = Vec::new();
    manual.render(&mut page).with_context(|| format!("cannot make the page of {name}"))?;
    pages.push((format!("{name}.1"), page));
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help")
    {
        add(below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_its_options() {
        let pages = pages().unwrap();
        let page = |name: &str| {
            let page = pages.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("no {name}"));
            String::from_utf8(page.1.clone()).unwrap()
        };
        let lens = page("lens.1");
        assert!(lens.contains(".TH LENS 1") && lens.contains("lens\\-run(1)"), "{lens}");
        let run = page("lens-run.1");
        assert!(run.contains(".TH LENS-RUN 1"), "{run}");
        for part in ["\\-\\-token\\-ids", "\\-\\-steer", "Examples:"] {
            assert!(run.contains(part), "{part} in {run}");
        }
        // Commands of commands have pages, too, and what is hidden has none.
        page("lens-fit-jacobian.1");
        assert!(!pages.iter().any(|(name, _)| name == "lens-man-pages.1"));
        let names: std::collections::BTreeSet<_> = pages.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), pages.len());
    }
}
