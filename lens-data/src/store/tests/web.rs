//! Object stores over HTTP, as servers on this machine play them.

use std::{sync::Mutex, time::Duration};

use super::*;
use crate::web::{Answer, Asked, Web};

fn store(web: &Web) -> Store {
    Store::open(&format!("{}/folder", web.address)).unwrap()
}

fn reason(error: &StoreError) -> Reason {
    error.reason().unwrap_or_else(|| panic!("{error}"))
}

#[test]
fn blobs_are_written_and_read() {
    let kept: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    let web = Web::new(move |_, asked: &Asked| {
        let mut kept = kept.lock().unwrap();
        assert_eq!(asked.path, "/folder/a.json");
        match (asked.method.as_str(), &*kept) {
            ("PUT", _) => {
                *kept = Some(asked.body.clone());
                Answer::status(201)
            }
            ("DELETE", _) => {
                *kept = None;
                Answer::status(204)
            }
            (_, Some(bytes)) => Answer::file(asked, bytes, "1"),
            (_, None) => Answer::status(404),
        }
    });
    let store = store(&web);
    assert!(!store.is_local());
    assert_eq!(store.to_string(), format!("{}/folder", web.address));
    assert_eq!(store.get("a.json", 9).unwrap(), None);
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
    store.put_new("a.json", bytes.clone()).unwrap();
    assert!(matches!(store.put_new("a.json", vec![]), Err(StoreError::Exists { .. })));
    assert_eq!(store.get("a.json", 1_000_000).unwrap().unwrap(), bytes);
    assert!(matches!(store.get("a.json", 999_999), Err(StoreError::TooLarge { .. })));
    store.put("a.json", Vec::new()).unwrap();
    assert_eq!(store.get("a.json", 0).unwrap().unwrap(), b"");
    store.delete("a.json").unwrap();
    store.delete("a.json").unwrap();
}

#[test]
fn refusals_are_told_apart() {
    for (status, expected) in [(403, Reason::Denied), (401, Reason::Denied), (400, Reason::Other)] {
        let web = Web::new(move |_, _| {
            let body = b"<Error><Code>Nope</Code><Message>not\x1b[31m you</Message></Error>".to_vec();
            Answer { body, ..Answer::status(status) }
        });
        let error = store(&web).get("a", 1).unwrap_err();
        assert_eq!(reason(&error), expected, "{error}");
        let error = error.to_string();
        assert!(error.contains("read a from http://127.0.0.1"), "{error}");
        assert!(error.contains("Nope: not\\u{1b}[31m you") && !error.contains('\u{1b}'), "{error}");
        assert_eq!(web.asked().len(), 1, "a refusal is not asked for again");
        assert_eq!(reason(&store(&web).put("a", vec![]).unwrap_err()), expected);
    }
    let web = Web::new(|_, _| Answer {
        body:
            b"<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"
                .to_vec(),
        ..Answer::status(404)
    });
    assert_eq!(reason(&store(&web).get("a", 1).unwrap_err()), Reason::NoBucket);
}

#[test]
fn a_server_that_fails_is_asked_again_so_many_times() {
    let web = Web::new(|n, asked| if n < 2 { Answer::status(500) } else { Answer::file(asked, b"x", "1") });
    assert_eq!(store(&web).get("a", 1).unwrap().unwrap(), b"x");
    let web = Web::new(|_, _| Answer::status(503));
    let error = store(&web).get("a", 1).unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(web.asked().len(), 3);
}

#[test]
fn a_body_that_ends_too_early_is_gone_on_with_or_an_error() {
    let bytes: &[u8] = &[5; 300_000];
    let cut = |cut| {
        move |n, asked: &Asked| {
            let answer = Answer::file(asked, bytes, "1");
            let cut = (n < cut).then_some(answer.body.len() / 2);
            Answer { cut, ..answer }
        }
    };
    let web = Web::new(cut(1));
    assert_eq!(store(&web).get("a", 300_000).unwrap().unwrap(), bytes);
    assert_eq!(web.asked()[1].range(300_000), Some((150_000, 300_000)));
    let web = Web::new(cut(usize::MAX));
    let error = store(&web).get("a", 300_000).unwrap_err();
    assert_eq!(reason(&error), Reason::Unreachable, "{error}");
}

#[test]
fn a_server_that_is_silent_or_absent_is_unreachable() {
    let web = Web::new(|_, asked| Answer { wait: Duration::from_secs(1), ..Answer::file(asked, b"x", "1") });
    let Ok(Place::Remote(address)) = web.address.parse() else { panic!("{}", web.address) };
    let remote = Remote::patient(&address, Duration::from_millis(300)).unwrap();
    let silent = Store { kind: Kind::Remote(remote) };
    assert_eq!(reason(&silent.get("a", 1).unwrap_err()), Reason::Unreachable);
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let absent = Store::open(&format!("http://{address}/x")).unwrap();
    for error in [absent.get("a", 1).unwrap_err(), absent.put("a", vec![1]).unwrap_err()] {
        assert_eq!(reason(&error), Reason::Unreachable, "{error}");
        assert!(error.to_string().contains("the server cannot be reached"), "{error}");
    }
}

#[test]
fn what_a_folder_of_a_server_has_is_listed() {
    let web = Web::new(|_, asked| {
        assert_eq!((asked.method.as_str(), asked.headers["depth"].as_str()), ("PROPFIND", "1"));
        let file = |name: &str, size: u64| {
            format!(
                "<D:response><D:href>/folder/{name}</D:href><D:propstat><D:prop><D:getcontentlength>{size}\
                 </D:getcontentlength><D:getlastmodified>Mon, 01 Jan 2024 00:00:00 GMT</D:getlastmodified>\
                 <D:resourcetype/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
            )
        };
        let files = file("b", 2) + &file("a", 1) + &file("not%20a%20name", 3);
        let body = format!("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">{files}</D:multistatus>");
        Answer { body: body.into_bytes(), ..Answer::status(207) }
    });
    let entry = |name: &str, size| Entry { name: name.to_owned(), size };
    assert_eq!(store(&web).list().unwrap(), [entry("a", 1), entry("b", 2)]);
}
