//! Against a server that speaks S3, at AWS_ENDPOINT_URL, which `cargo xtask s3` starts. Everyone may do everything there.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::{Documents, PromptInput};

/// A bucket of the test's own.
fn bucket() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let endpoint = std::env::var("AWS_ENDPOINT_URL").expect("the chore s3 of xtask runs these tests");
    let name = format!("lens-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    ureq::put(format!("{endpoint}/{name}")).send_empty().unwrap();
    name
}

#[test]
#[ignore = "needs a server: the chore s3 of xtask starts one"]
fn a_bucket_is_a_store_with_or_without_a_folder() {
    let bucket = bucket();
    behaves(&Store::open(&format!("s3://{bucket}")).unwrap());
    let other = Store::open(&format!("s3://{bucket}/other")).unwrap();
    other.put("x", vec![1]).unwrap();
    behaves(&Store::open(&format!("s3://{bucket}/some/folder/")).unwrap());
    assert_eq!(other.list().unwrap().len(), 1);
    assert_eq!(other.to_string(), format!("s3://{bucket}/other"));
}

#[test]
#[ignore = "needs a server: the chore s3 of xtask starts one"]
fn more_blobs_than_one_answer_lists_are_listed() {
    let store = Store::open(&format!("s3://{}/many", bucket())).unwrap();
    for n in 0..1100 {
        store.put(&format!("part-{n:05}"), vec![0; n % 7]).unwrap();
    }
    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 1100);
    assert!(listed.iter().enumerate().all(|(n, entry)| entry.name == format!("part-{n:05}")));
}

#[test]
#[ignore = "needs a server: the chore s3 of xtask starts one"]
fn a_bucket_that_does_not_exist_is_an_error_of_every_call() {
    let store = Store::open("s3://lens-no-such-bucket/x").unwrap();
    let errors = [
        store.put("a", vec![1]).unwrap_err(),
        store.put_new("a", vec![1]).unwrap_err(),
        store.get("a", 1).unwrap_err(),
        store.list().unwrap_err(),
        store.delete("a").unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.reason(), Some(Reason::NoBucket), "{error}");
        assert!(
            error.to_string().contains("s3://lens-no-such-bucket/x: the bucket does not exist"),
            "{error}"
        );
    }
}

#[test]
#[ignore = "needs a server: the chore s3 of xtask starts one"]
fn documents_of_a_bucket_are_those_of_a_folder() {
    let bucket = bucket();
    let root = Store::open(&format!("s3://{bucket}/corpus")).unwrap();
    let inner = Store::open(&format!("s3://{bucket}/corpus/a")).unwrap();
    let lines: String = (0..300_000).map(|n| format!("{{\"text\": \"document {n} of many\"}}\n")).collect();
    assert!(lines.len() > 9 << 20, "more than one part");
    let files: [(&Store, &str, Vec<u8>); 5] = [
        (&root, "b.jsonl", lines.into_bytes()),
        (&root, "a-x.txt", b"a whole\nfile".to_vec()),
        (&inner, "z.csv", b"text\n1\n2\n".to_vec()),
        (&root, "c.parquet", crate::documents::tests::parquet(5000)),
        (&root, "d.json", b"{}".to_vec()),
    ];
    let folder = tempfile::tempdir().unwrap();
    let local = Store::open(folder.path().to_str().unwrap()).unwrap();
    let local_inner = Store::open(folder.path().join("a").to_str().unwrap()).unwrap();
    for (store, name, bytes) in files {
        store.put(name, bytes.clone()).unwrap();
        let beside = if std::ptr::eq(store, &inner) { &local_inner } else { &local };
        beside.put(name, bytes).unwrap();
    }
    let read = |input: &str| {
        let mut documents = Documents::open(&[input.to_owned()], None, None).unwrap();
        let total = documents.total_bytes().unwrap();
        let read: Vec<(String, PromptInput)> = documents
            .by_ref()
            .map(|document| document.unwrap())
            .map(|document| (document.source.rsplit("corpus/").next().unwrap().to_owned(), document.input))
            .collect();
        assert_eq!(documents.bytes_read(), total);
        assert!(documents.notes()[0].contains("d.json"), "{:?}", documents.notes());
        read
    };
    let remote = read(&format!("s3://{bucket}/corpus/"));
    assert_eq!(remote.len(), 1 + 2 + 300_000 + 5000);
    let here = read(folder.path().to_str().unwrap());
    assert!(remote.iter().map(|(_, input)| input).eq(here.iter().map(|(_, input)| input)));
    // One object; and a name that is neither an object nor a folder.
    assert_eq!(read_one(&format!("s3://{bucket}/corpus/a/z.csv")).len(), 2);
    let error = Documents::open(&[format!("s3://{bucket}/nothing")], None, None).err().unwrap();
    assert!(error.to_string().contains("neither an object nor a folder"), "{error}");
    let error = Documents::open(&[format!("s3://{bucket}/nothing/")], None, None).err().unwrap();
    assert!(error.to_string().contains("has no file of documents"), "{error}");
}

fn read_one(input: &str) -> Vec<crate::Document> {
    Documents::open(&[input.to_owned()], None, None).unwrap().map(|document| document.unwrap()).collect()
}

#[test]
#[ignore = "needs a server: the chore s3 of xtask starts one"]
fn an_object_that_is_replaced_while_it_is_read_is_an_error() {
    let bucket = bucket();
    let store = Store::open(&format!("s3://{bucket}")).unwrap();
    let lines = |byte: u8| [vec![byte; 99], vec![b'\n']].concat().repeat(100_000);
    store.put("a.txt", lines(b'a')).unwrap();
    let mut documents = Documents::open(&[format!("s3://{bucket}/a.txt")], None, None).unwrap();
    documents.next().unwrap().unwrap();
    store.put("a.txt", lines(b'b')).unwrap();
    let error = documents.find_map(Result::err).unwrap();
    let cause = std::error::Error::source(&error).and_then(std::error::Error::source).unwrap().to_string();
    assert!(cause.contains("it was changed while it was read"), "{cause}");
}
