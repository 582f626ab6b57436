//! Whom the server does not listen to.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{io::Read as _, net::TcpStream, time::Duration};

use lens_serve::Limits;
use serde_json::json;
use support::{Open, open, reading};

/// Asks, and makes sure of the status and of what goes along with every answer.
fn case(open: &Open, status: u16, method: &str, path: &str, with: &[(&str, &str)], body: &str) {
    let answer = open.ask_with(method, path, with, body);
    assert_eq!(answer.status, status, "{method} {path} {with:?}: {}", answer.head);
    assert!(answer.header("access-control-allow-origin").is_none(), "{}", answer.head);
    assert!(answer.header("set-cookie").is_none(), "{}", answer.head);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    if status >= 400 {
        assert!(!String::from_utf8_lossy(&answer.body).contains(&open.token()), "an error tells the key");
        assert!(answer.json()["error"].is_string());
    }
}

#[test]
fn every_request_that_is_not_this_page_s_is_refused() {
    let open = open(Limits::default(), Duration::ZERO);
    let (host, token) = (open.address().to_string(), open.token());
    let port = open.address().port();
    let body = reading("page", "5 7 11", 0).to_string();
    let page = format!("/?token={token}");
    let other = "0".repeat(token.len());
    let elsewhere = format!("127.0.0.1:{}", port.wrapping_add(1));
    let foreign_port = format!("http://{elsewhere}");
    let (rebound, no_port, with_name) =
        (format!("evil.example:{port}"), "127.0.0.1".to_owned(), format!("127.0.0.1.evil.example:{port}"));
    let (longer, shorter) = (format!("{token}0"), token[1..].to_owned());
    let here = format!("http://{host}");
    let localhost = format!("localhost:{port}");
    let huge = "x".repeat(Limits::default().body + 1);
    let too_long = json!({"client": "page", "runs": [{"text": huge}]}).to_string();
    // What is let in.
    case(&open, 200, "GET", &page, &[], "");
    case(&open, 200, "GET", &page, &[("Host", &*localhost)], "");
    case(&open, 200, "POST", "/api/run", &[], &body);
    case(&open, 200, "POST", "/api/run", &[("Origin", &*here), ("Sec-Fetch-Site", "same-origin")], &body);
    // No key, or another.
    case(&open, 401, "GET", "/", &[], "");
    case(&open, 401, "GET", "/?token=", &[], "");
    for wrong in [&other, &longer, &shorter, &token.to_uppercase()] {
        if wrong != &token {
            case(&open, 401, "GET", &format!("/?token={wrong}"), &[], "");
            case(&open, 401, "POST", "/api/run", &[("X-Lens-Token", wrong.as_str())], &body);
        }
    }
    case(&open, 401, "POST", "/api/run", &[("X-Lens-Token", "")], &body);
    case(&open, 401, "POST", &format!("/api/run?token={token}"), &[("X-Lens-Token", "")], &body);
    case(
        &open,
        401,
        "POST",
        "/api/run",
        &[("X-Lens-Token", ""), ("Cookie", &*format!("token={token}"))],
        &body,
    );
    case(&open, 401, "GET", "/nothing", &[("X-Lens-Token", "")], "");
    // Another name of this machine, as DNS rebinding gives it.
    for host in [&rebound, &no_port, &with_name, &elsewhere, &"[::1]".to_owned()] {
        case(&open, 403, "GET", &page, &[("Host", host.as_str())], "");
        case(&open, 403, "POST", "/api/run", &[("Host", host.as_str())], &body);
    }
    case(&open, 403, "GET", &format!("http://evil.example{page}"), &[], "");
    // A page from elsewhere.
    for origin in ["http://evil.example", "null", "https://127.0.0.1", &*foreign_port, "http://localhost"] {
        case(&open, 403, "POST", "/api/run", &[("Origin", origin)], &body);
        case(&open, 403, "GET", &page, &[("Origin", origin)], "");
    }
    for site in ["cross-site", "same-site", "none"] {
        case(&open, 403, "POST", "/api/run", &[("Sec-Fetch-Site", site)], &body);
    }
    // What there is not.
    for path in [
        "/api",
        "/api/",
        "/api/run/",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/favicon.ico",
        "//",
        "/API/RUN",
    ] {
        case(&open, 404, "GET", path, &[], "");
        case(&open, 404, "POST", path, &[], &body);
    }
    // Another method.
    for method in ["POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        if method != "HEAD" {
            case(&open, 405, method, &page, &[], "");
        }
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        case(&open, 405, method, "/api/run", &[], &body);
    }
    // Forms and the like, which browsers send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        case(&open, 415, "POST", "/api/run", &[("Content-Type", kind)], &body);
    }
    case(&open, 413, "POST", "/api/run", &[], &too_long);
    for broken in ["", "{", "[]", "null", "{\"client\":\"page\"}", "{\"client\":\"\",\"runs\":[]}", "\u{0}"] {
        case(&open, 400, "POST", "/api/run", &[], broken);
    }
    let unknown = json!({"client": "page", "runs": [{"text": "5"}], "path": "/etc/passwd"}).to_string();
    case(&open, 400, "POST", "/api/run", &[], &unknown);
    case(&open, 409, "POST", "/api/export", &[], &json!({"client": "nobody", "form": "page"}).to_string());
}

#[test]
fn too_much_is_refused_with_the_limit_in_the_error() {
    let limits = Limits::default().with_prompt(4).with_written(3).with_top_k(12).with_targets(2);
    let open = open(limits, Duration::ZERO);
    let with = |name: &str, value: serde_json::Value| {
        let mut question = reading("page", "5 7", 0);
        question[name] = value;
        open.post("/api/run", &question)
    };
    for (name, value, says) in [
        ("write", json!(4), "the most is 3"),
        ("top_k", json!(13), "the most is 12"),
        ("top_k", json!(0), "the most is 12"),
        ("targets", json!([1, 2, 3]), "the most is 2"),
        ("runs", json!([]), "the most is 2"),
        ("runs", json!([{"text": "1"}, {"text": "1"}, {"text": "1"}]), "the most is 2"),
        ("temperature", json!(11), "from 0 to 10"),
        ("temperature", json!(-1), "from 0 to 10"),
    ] {
        let answer = with(name, value.clone());
        assert_eq!(answer.status, 422, "{name} {value}");
        assert!(answer.json()["error"].as_str().unwrap().contains(says), "{}", answer.json());
    }
    // What only the model knows is said within the answer.
    for (name, value, says) in [
        ("runs", json!([{"text": "1 2 3 4 5"}]), "5 tokens, and the most is 4"),
        ("runs", json!([{"text": "cat"}]), "not token ids"),
        ("runs", json!([{"text": "999"}]), "999"),
        ("steer", json!([{"index": 9, "strength": 1}]), "no such change"),
    ] {
        let answer = with(name, value.clone());
        assert_eq!(answer.status, 200);
        let last = answer.events().pop().unwrap();
        assert_eq!(last["event"], "error", "{name} {value}: {last}");
        assert!(last["error"].as_str().unwrap().contains(says), "{last}");
    }
}

#[test]
fn whoever_says_nothing_is_closed_and_others_are_served() {
    let limits = Limits::default().with_patience(Duration::from_millis(300)).with_connections(8);
    let open = open(limits, Duration::ZERO);
    // As many as there may be, each of which has begun a request and goes on with none.
    let mut silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(open.address()).unwrap()).collect();
    for stream in &mut silent {
        std::io::Write::write_all(stream, b"GET / HTTP/1.1\r\nHost: ").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    for stream in &mut silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest); // ends
    }
    assert_eq!(open.post("/api/run", &reading("page", "5 7", 0)).status, 200);
    // A body that does not come.
    let head = open.request("POST", "/api/run", &[("Content-Length", "100")], "{");
    assert_eq!(open.raw(head.as_bytes()).unwrap().status, 408);
    // A head without end.
    let head =
        format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Much: {}\r\n\r\n", open.address(), "x".repeat(100_000));
    assert!(open.raw(head.as_bytes()).is_none_or(|answer| answer.status == 431));
    assert_eq!(open.post("/api/run", &reading("page", "5 7", 0)).status, 200);
}
