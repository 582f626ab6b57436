//! Where `unsafe` stands, held against docs/unsafe.md.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{TokenStream, TokenTree};

/// How often each source file says `unsafe`, without types of foreign functions; tests are left out.
pub(crate) fn counted(root: &Path, crates: impl Iterator<Item = &'static str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in crates.flat_map(|name| files(&root.join(name).join("src"))) {
        let tokens: TokenStream = fs::read_to_string(&file).unwrap().parse().unwrap();
        let n = uses(tokens);
        if n > 0 {
            counts.insert(file.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), n);
        }
    }
    counts
}

/// The same as the table of the document says: `| `file` | uses | …`.
pub(crate) fn listed(document: &str) -> BTreeMap<String, usize> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.parse().ok()?))
    };
    document.lines().filter_map(row).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.file_name().unwrap().to_str().unwrap() {
            "tests" | "tests.rs" => Vec::new(),
            _ if path.is_dir() => files(&path),
            name if name.ends_with(".rs") => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

fn uses(tokens: TokenStream) -> usize {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is =
        |tree: Option<&TokenTree>, word: &str| matches!(tree, Some(TokenTree::Ident(ident)) if ident == word);
    let of = |(i, tree): (usize, &TokenTree)| match tree {
        TokenTree::Group(group) => uses(group.stream()),
        tree => usize::from(is(Some(tree), "unsafe") && !is(tokens.get(i + 1), "extern")),
    };
    tokens.iter().enumerate().map(of).sum()
}
