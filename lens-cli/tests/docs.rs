//! The documentation: every command line in it is one of this `lens`, every command has a page, and every page is in the book.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use lens_cli::args::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn pages_in(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages_in(&path, pages);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            pages.push(path);
        }
    }
}

/// The pages of the book, and the two that stand before it.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![root().join("README.md"), root().join("README.zh-CN.md")];
    pages_in(&root().join("docs"), &mut pages);
    pages.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    pages.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The words of a command line as a shell divides it, up to a comment, a pipe or a redirection; `None` where a line
/// goes on.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | '>' | ';' | '&') => break,
            (None, '\\') => return None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The command lines of a page: indented by four spaces, or between fences, with or without a prompt.
fn command_lines(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let Some(line) = line.strip_prefix("    ").or(Some(line).filter(|_| fenced)) else { continue };
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if line.starts_with("lens ") {
            lines.push(line.to_owned());
        }
    }
    lines
}

#[test]
fn every_command_line_is_understood() {
    let (mut seen, mut wrong) = (0, String::new());
    for (page, text) in pages() {
        for line in command_lines(&text) {
            let Some(words) = words(&line).filter(|words| !words.iter().any(|word| word == "…")) else {
                continue;
            };
            seen += 1;
            match Cli::try_parse_from(words) {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {}
                Err(error) => wrong += &format!("{page}: {line}\n{error}\n"),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen > 100, "{seen} command lines were found");
}

#[test]
fn every_command_has_a_page_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let titles: Vec<&str> = summary.lines().filter(|line| line.contains("[lens ")).collect();
    let listed = |command: &str| {
        let words = |title: &str| title.replace(',', " ").split([' ', '[', ']']).any(|word| word == command);
        titles.iter().any(|title| words(title))
    };
    // What completions are is said where lens is installed.
    let commands: Vec<String> = Cli::command()
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(|command| command.get_name().to_owned())
        .collect();
    let missing: Vec<&String> = commands
        .iter()
        .filter(|name| !["completions", "help"].contains(&name.as_str()) && !listed(name))
        .collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md has no page of {missing:?}");
}

/// What the links of a page lead to, without those to the web.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    local.map(|target| target.split('#').next().unwrap().to_owned()).collect()
}

#[test]
fn the_book_holds_every_page_once_and_no_link_leads_nowhere() {
    let docs = root().join("docs");
    let summary: Vec<String> = links(&fs::read_to_string(docs.join("SUMMARY.md")).unwrap());
    let listed: BTreeSet<String> = summary.iter().map(|link| format!("docs/{link}")).collect();
    assert_eq!(listed.len(), summary.len(), "a page is listed twice");
    let there: BTreeSet<String> = pages()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("docs/") && name != "docs/SUMMARY.md")
        .collect();
    assert_eq!(there, listed);
    let broken = |(page, text): (String, String)| {
        let folder = root().join(&page).parent().unwrap().to_owned();
        links(&text)
            .into_iter()
            .filter(move |link| !folder.join(link).exists())
            .map(move |link| format!("{page}: {link}"))
    };
    assert_eq!(pages().into_iter().flat_map(broken).collect::<Vec<_>>(), [""; 0]);
}
