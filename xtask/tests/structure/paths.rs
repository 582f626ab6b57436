//! The paths in a file: in `use`, in expressions and types, and in the arguments of macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that begins with `crate`, `super` or `self`, or that a `use` brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its segments, `crate`, `super` and `self` included; `*` for all that there is.
    pub segments: Vec<String>,
    /// The name that it has in the file, if a `use` gives it one.
    pub alias: Option<String>,
    /// Its line, from 1.
    pub line: usize,
}

/// All paths of a file outside its inline modules, which are tests.
pub(crate) fn of(tokens: TokenStream) -> Vec<Named> {
    let mut found = Vec::new();
    collect(&tokens.into_iter().collect::<Vec<_>>(), &mut found);
    found
}

fn collect(tokens: &[TokenTree], found: &mut Vec<Named>) {
    let mut i = 0;
    while i < tokens.len() {
        match &tokens[i] {
            // `mod tests { … }`
            TokenTree::Ident(ident) if *ident == "mod" && is_braced(tokens.get(i + 2)) => i += 2,
            TokenTree::Ident(ident) if *ident == "use" => {
                i += 1;
                i += tree(&tokens[i..], &[], true, found);
                continue;
            }
            TokenTree::Ident(ident)
                if ["crate", "super", "self"].iter().any(|start| ident == start)
                    && is_colons(&tokens[i + 1..]) =>
            {
                i += tree(&tokens[i..], &[], false, found);
                continue;
            }
            TokenTree::Group(group) => collect(&group.stream().into_iter().collect::<Vec<_>>(), found),
            _ => {}
        }
        i += 1;
    }
}

fn is_braced(token: Option<&TokenTree>) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    let is_colon =
        |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    is_colon(tokens.first()) && is_colon(tokens.get(1))
}

/// Reads a path, or a tree of them, and says how many tokens it has.
fn tree(tokens: &[TokenTree], start: &[String], is_use: bool, found: &mut Vec<Named>) -> usize {
    let mut segments = start.to_vec();
    let mut i = 0;
    let mut line;
    loop {
        match tokens.get(i) {
            Some(TokenTree::Ident(ident)) => {
                line = ident.span().start().line;
                segments.push(ident.to_string());
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' && is_use => {
                line = star.span().start().line;
                segments.push("*".to_owned());
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && is_use => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
                for part in inner.split(is_comma).filter(|part| !part.is_empty()) {
                    tree(part, &segments, true, found);
                }
                return i + 1;
            }
            _ => return i,
        }
        i += 1;
        if !is_colons(&tokens[i.min(tokens.len())..]) {
            break;
        }
        i += 2;
    }
    let mut alias = None;
    if is_use {
        if segments.last().is_some_and(|last| last == "self") && segments.len() > 1 {
            segments.pop();
        }
        alias = segments.last().cloned();
        if let (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(name))) =
            (tokens.get(i), tokens.get(i + 1))
            && *word == "as"
        {
            alias = Some(name.to_string());
            i += 2;
        }
    }
    found.push(Named { segments, alias, line });
    i
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = r#"
        use std::fmt;
        use crate::{a::{b, C as D}, e::*};
        pub(crate) use self::inner::Name;
        fn f(x: super::X) -> bool { println!("{}", crate::g::h(x)); self.field() }
        mod tests { use super::super::other; }
    "#;
    let found: Vec<String> = of(text.parse().unwrap())
        .into_iter()
        .map(|named| {
            format!("{}: {} as {}", named.line, named.segments.join("::"), named.alias.unwrap_or_default())
        })
        .collect();
    let expected = [
        "2: std::fmt as fmt",
        "3: crate::a::b as b",
        "3: crate::a::C as D",
        "3: crate::e::* as *",
        "4: self::inner::Name as Name",
        "5: super::X as ",
        "5: crate::g::h as ",
    ];
    assert_eq!(found, expected);
}
