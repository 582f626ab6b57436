//! Circles among modules.
//!
//! Modules that stand side by side, each with all that is in it, may need each other in one direction only. What a
//! module shares with those inside it is its own affair.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{Place, Sources};

/// For two modules side by side, where the first names the second.
type Needs = BTreeMap<String, BTreeMap<String, String>>;

/// Every circle, as a sentence with a place for each of its steps.
pub(crate) fn circles(sources: &Sources) -> Vec<String> {
    let mut levels: BTreeMap<Place, Needs> = BTreeMap::new();
    for (place, module) in &sources.modules {
        for named in &module.names {
            let Some(home) = sources.home(place, named) else { continue };
            let shared = place.iter().zip(&home).take_while(|(a, b)| a == b).count();
            if let (Some(from), Some(to)) = (place.get(shared), home.get(shared)) {
                let needs =
                    levels.entry(place[..shared].to_vec()).or_default().entry(from.clone()).or_default();
                let where_ = format!("{}:{} names {}", module.file, named.line, named.segments.join("::"));
                needs.entry(to.clone()).or_insert(where_);
            }
        }
    }
    levels.iter().flat_map(|(level, needs)| of_level(level, needs)).collect()
}

/// The shortest circle through each module that is in one and in none that was told before.
fn of_level(level: &Place, needs: &Needs) -> Vec<String> {
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for start in needs.keys() {
        let Some(circle) = shortest(start, needs) else { continue };
        if circle.iter().any(|name| told.contains(name)) {
            continue;
        }
        let steps = circle.iter().zip(circle.iter().cycle().skip(1));
        let steps: Vec<&str> = steps.map(|(from, to)| &*needs[from][to]).collect();
        let level = if level.is_empty() { String::new() } else { format!("{}::", level.join("::")) };
        found.push(format!("{level}{}\n    {}", circle.join(" -> "), steps.join("\n    ")));
        told.extend(circle);
    }
    found
}

/// The shortest way from a module back to itself.
fn shortest(start: &str, needs: &Needs) -> Option<Vec<String>> {
    let mut ways: Vec<Vec<String>> = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            for to in needs.get(way.last()?).into_iter().flat_map(BTreeMap::keys) {
                if to == start {
                    return Some(way);
                }
                if seen.insert(to.clone()) {
                    next.push(way.iter().cloned().chain([to.clone()]).collect());
                }
            }
        }
        ways = next;
    }
    None
}

#[test]
fn a_circle_is_found_with_its_places() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = root.path().join("src").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a; mod b; mod c; pub use a::A; pub use b::inner::B;");
    write("a.rs", "use crate::c::C; pub struct A(C);");
    write("b/mod.rs", "pub mod inner;");
    // Through the crate's face, and in the argument of a macro.
    write("b/inner.rs", "pub struct B; fn f() { println!(\"{:?}\", crate::A::new()); }");
    write("c.rs", "pub struct C(super::b::inner::B);");
    let sources = Sources::of(&root.path().join("src"));
    let found = circles(&sources);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("a -> c -> b\n"), "{}", found[0]);
    assert!(found[0].contains("src/b/inner.rs:1 names crate::A"), "{}", found[0]);
    assert_eq!(sources.through_the_face(), ["src/b/inner.rs:1: crate::A::new lives in a"]);

    write("c.rs", "pub struct C;");
    assert_eq!(circles(&Sources::of(&root.path().join("src"))), Vec::<String>::new());
}
