mod faults;
mod local;
mod s3;
mod web;

use super::*;

#[test]
fn names_are_plain() {
    for name in ["part-00001-of-00002.json", "a", "A_b.c-d", &"x".repeat(200)] {
        assert!(named(name).is_ok(), "{name}");
    }
    for name in
        ["", ".", "..", ".a", "a/b", "../a", "a\\b", "a b", "ä", "a\n", "a\0", "C:a", &"x".repeat(201)]
    {
        let error = named(name).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains("letters"), "{error}");
    }
}

/// What every store does.
fn behaves(store: &Store) {
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.get("a", 10).unwrap(), None);
    store.put("b", vec![7; 1000]).unwrap();
    store.put_new("a", Vec::new()).unwrap();
    store.put("b", b"once more".to_vec()).unwrap();
    assert!(matches!(store.put_new("b", vec![1]), Err(StoreError::Exists { .. })));
    let entry = |name: &str, size| Entry { name: name.to_owned(), size };
    assert_eq!(store.list().unwrap(), [entry("a", 0), entry("b", 9)]);
    assert_eq!(store.get("b", 9).unwrap().unwrap(), b"once more");
    assert_eq!(store.get("a", 0).unwrap().unwrap(), b"");
    let error = store.get("b", 8).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { size: 9, most: 8, .. }), "{error}");
    for call in [store.put("../b", vec![]), store.delete("a/b"), store.get("", 1).map(drop)] {
        assert!(matches!(call, Err(StoreError::Name { .. })));
    }
    // From several threads at once, of which one makes a new one.
    let new = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn(move || {
                    store.put(&format!("part-{n}"), vec![n; 100]).unwrap();
                    store.put_new("new", vec![n]).is_ok()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count()
    });
    assert_eq!(new, 1);
    assert_eq!(store.list().unwrap().len(), 7);
    for entry in store.list().unwrap() {
        store.delete(&entry.name).unwrap();
    }
    store.delete("b").unwrap();
    assert_eq!(store.list().unwrap(), []);
}
