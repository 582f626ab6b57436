//! What is asked is answered while it is wanted, and not longer.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{
    io::{BufRead as _, BufReader, Read as _},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use lens_serve::Limits;
use serde_json::{Value, json};
use support::{HOSTILE, open, open_lenses_with, open_slow_layers, open_words, parsed, reading};

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn a_prompt_is_read_at_every_layer_and_position() {
    let open = open(Limits::default(), Duration::ZERO);
    let events = open.post("/api/run", &reading("page", "5, 7 11", 0)).events();
    assert_eq!(events[0]["event"], "tokens");
    assert_eq!(events[0]["tokens"]["tokens"].as_array().unwrap().len(), 3);
    let last = of(&events, "data").pop().unwrap();
    assert_eq!((last["done"].as_u64(), last["of"].as_u64()), (Some(3), Some(3)));
    let trace = &last["data"]["traces"][0];
    assert_eq!(trace["positions"], json!([0, 1, 2]));
    assert!(trace["points"].as_array().unwrap().len() > 9);
    assert_eq!(events.last().unwrap()["event"], "end");
    // The stream alone.
    let mut question = reading("page", "5 7 11", 0);
    question["read"] = json!("stream");
    let events = open.post("/api/run", &question).events();
    let points =
        of(&events, "data").pop().unwrap()["data"]["traces"][0]["points"].as_array().unwrap().clone();
    assert_eq!(points.len(), 4);
}

/// A hundred words.
fn hundred() -> String {
    (0..100).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ")
}

/// How many places of an event's trace hold a readout, and how many there are.
fn filled(event: &Value, trace: usize) -> (usize, usize) {
    let top = event["data"]["traces"][trace]["cells"]["top"].as_array().unwrap();
    (top.iter().filter(|cell| !cell.is_null()).count(), top.len())
}

/// What the cells of an event's trace say by this name: of tokens their probabilities, since the tokens themselves are rows of a
/// table in the order in which they came up.
fn numbers(event: &Value, name: &str) -> Vec<Value> {
    let cells = event["data"]["traces"][0]["cells"][name].as_array().unwrap();
    cells.iter().map(|cell| if cell.is_array() { cell[1].clone() } else { cell.clone() }).collect()
}

#[test]
fn a_long_prompt_is_shown_layer_by_layer() {
    let open = open_slow_layers(Duration::from_millis(300));
    let events = open.post("/api/run", &reading("page", &hundred(), 0)).events();
    let data = of(&events, "data");
    // How many there are is a matter of how long it takes to draw them.
    assert!(data.len() >= 2, "{} pictures", data.len());
    let mut before = 0;
    let (last, growing) = data.split_last().unwrap();
    for event in growing {
        let (read, all) = filled(event, 0);
        // All places are there from the beginning, more and more of them filled, whole layers at a time.
        assert_eq!(all, 100 * last["data"]["traces"][0]["points"].as_array().unwrap().len());
        assert!(before < read && read < all && read % 100 == 0, "{before} {read} {all}");
        before = read;
        assert_eq!((event["done"].as_u64(), event["of"].as_u64()), (Some(0), Some(100)));
        let part = event["part"].as_f64().unwrap();
        assert!((part - 100.0 * read as f64 / all as f64).abs() < 0.01, "{part}");
        let trace = &event["data"]["traces"][0];
        assert_eq!(trace["growing"], true);
        assert_eq!(trace["points"], {
            let mut points = last["data"]["traces"][0]["points"].clone();
            // How close a point is to the end is known once it is read.
            for (point, now) in
                points.as_array_mut().unwrap().iter_mut().zip(trace["points"].as_array().unwrap())
            {
                (point[3], point[4]) = (now[3].clone(), now[4].clone());
            }
            points
        });
        assert!(trace["final"].as_array().unwrap().iter().all(|one| one["decided_at"].is_null()));
        // What is read is what the last picture says.
        for name in ["top", "kl_to_final"] {
            for (early, late) in numbers(event, name).into_iter().zip(numbers(last, name)) {
                assert!(early.is_null() || early == late, "{name}: {early} {late}");
            }
        }
    }
    assert_eq!(filled(last, 0).0, filled(last, 0).1);
    let trace = &last["data"]["traces"][0];
    assert!(trace.get("growing").is_none() && last["part"] == 0.0);
    // What is kept is what is read at once.
    let kept = open.post("/api/export", &json!({"client": "page", "form": "trace"})).json();
    let at_once = open_words(Limits::default(), Duration::ZERO);
    at_once.post("/api/run", &reading("page", &hundred(), 0));
    assert_eq!(kept, at_once.post("/api/export", &json!({"client": "page", "form": "trace"})).json());
}

#[test]
fn a_new_prompt_ends_the_one_before_it_between_layers() {
    let open = open_slow_layers(Duration::from_secs(1));
    let first = open.begin("/api/run", &reading("page", &hundred(), 0));
    open.wait_until("the first begins", |counts| counts.begun == 1);
    let began = Instant::now();
    let answer = open.post("/api/run", &reading("page", "one two", 0));
    assert_eq!(answer.events().last().unwrap()["event"], "end");
    // Sixteen columns come by twos, one pair a second.
    assert!(began.elapsed() < Duration::from_secs(5), "the second waited for {:?}", began.elapsed());
    open.wait_until("both end", |counts| counts.ended == 2);
    assert_eq!(open.server.counts().dropped, 1);
    drop(first);
}

#[test]
fn layers_of_several_lenses_are_shown_once_each_of_them_has_some() {
    let open = open_lenses_with(Limits::default(), Some(Duration::from_millis(300)));
    let events = open.post("/api/run", &reading("page", &hundred(), 0)).events();
    let data = of(&events, "data");
    assert!(data.len() >= 2, "{} pictures", data.len());
    let (last, growing) = data.split_last().unwrap();
    for event in growing {
        for trace in [0, 1] {
            let (read, all) = filled(event, trace);
            assert!(read > 0 && all == filled(last, trace).1, "{read} of {all}");
        }
    }
    assert_eq!(filled(last, 1).0, filled(last, 1).1);
}

#[test]
fn what_is_written_is_shown_token_by_token() {
    let open = open(Limits::default(), Duration::from_millis(50));
    let stream = open.begin("/api/run", &reading("page", "5 7 11", 8));
    let began = Instant::now();
    let mut sizes = Vec::new();
    let mut first = None;
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if event["event"] == "data" {
            first.get_or_insert(began.elapsed());
            sizes.push(event["done"].as_u64().unwrap());
        }
    }
    assert!(sizes.len() >= 4, "{sizes:?}");
    assert!(sizes.is_sorted() && *sizes.last().unwrap() == 10, "{sizes:?}");
    assert!(first.unwrap() < Duration::from_millis(250), "the first came after {first:?}");
}

#[test]
fn a_new_prompt_ends_the_one_before_it() {
    let open = open(Limits::default(), Duration::from_millis(20));
    let first = open.begin("/api/run", &reading("page", "5 7", 200));
    open.wait_until("the first begins", |counts| counts.begun == 1);
    let began = Instant::now();
    let answer = open.post("/api/run", &reading("page", "7 11", 0));
    assert_eq!(answer.events().last().unwrap()["event"], "end");
    assert!(began.elapsed() < Duration::from_secs(2), "the second waited for {:?}", began.elapsed());
    assert!(open.written.load(Ordering::SeqCst) < 100, "the first went on");
    open.wait_until("both end", |counts| counts.ended == 2);
    assert_eq!(open.server.counts().dropped, 1);
    drop(first);
}

#[test]
fn a_window_that_is_closed_wants_no_answer() {
    let open = open(Limits::default(), Duration::from_millis(20));
    let stream = open.begin("/api/run", &reading("page", "5 7", 200));
    open.wait_until("it begins", |counts| counts.begun == 1);
    drop(stream);
    open.wait_until("it ends", |counts| counts.ended == 1);
    assert!(open.written.load(Ordering::SeqCst) < 100, "it went on");
}

#[test]
fn what_is_stopped_is_kept() {
    let open = open(Limits::default(), Duration::from_millis(20));
    let mut stream = open.begin("/api/run", &reading("page", "5 7", 200));
    open.wait_until("it begins", |counts| counts.begun == 1);
    while open.written.load(Ordering::SeqCst) < 3 {
        thread::sleep(Duration::from_millis(5));
    }
    // Another window stops nothing of this one.
    assert_eq!(open.post("/api/stop", &json!({"client": "other"})).status, 204);
    assert_eq!(open.post("/api/stop", &json!({"client": "page"})).status, 204);
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let events = parsed(&all).unwrap().events();
    assert_eq!(events.last().unwrap()["event"], "end");
    let last = of(&events, "data").pop().unwrap();
    assert_eq!(last["data"]["traces"][0]["generation"]["stopped"], "interrupted");
    let trace = open.post("/api/export", &json!({"client": "page", "form": "trace"}));
    assert_eq!(trace.status, 200);
    assert!(trace.json()["steps"].as_array().unwrap().len() >= 3);
}

#[test]
fn the_queue_has_an_end_and_others_have_their_turn() {
    let open = open(Limits::default().with_waiting(3), Duration::from_millis(10));
    let busy = open.begin("/api/run", &reading("page 0", "5", 200));
    open.wait_until("it begins", |counts| counts.begun == 1);
    let waiting: Vec<_> =
        (1..4).map(|n| open.begin("/api/run", &reading(&format!("page {n}"), "5", 0))).collect();
    open.wait_until("three wait", |counts| counts.waiting == 3);
    let refused = open.post("/api/run", &reading("page 5", "5", 0));
    assert_eq!(refused.status, 503);
    assert!(refused.json()["help"].is_string());
    drop(busy);
    for mut stream in waiting {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(parsed(&all).unwrap().events().last().unwrap()["event"], "end");
    }
}

#[test]
fn two_prompts_and_two_models_are_compared() {
    let open = open(Limits::default(), Duration::ZERO);
    let question = json!({"client": "page", "runs": [{"text": "5 7 11"}, {"text": "5 9 11"}]});
    let events = open.post("/api/run", &question).events();
    let last = of(&events, "data").pop().unwrap();
    assert_eq!(last["data"]["traces"].as_array().unwrap().len(), 2);
    assert_eq!(last["data"]["pairs"].as_array().unwrap().len(), 1);
    // Patched into one another.
    let events = open.post("/api/patch", &json!({"client": "page"})).events();
    let patched = &of(&events, "patching")[0]["patching"];
    assert_eq!(patched["rows"].as_array().unwrap().len(), 3);
    assert_eq!(patched["positions"].as_array().unwrap().len(), 3);
    // What enters the first block where the prompts differ makes the second run the first; elsewhere they are the same.
    let row: Vec<f64> = (0..3).map(|column| patched["rows"][0][column].as_f64().unwrap()).collect();
    assert!(row[0].abs() < 1e-3 && (row[1] - 1.0).abs() < 1e-3 && row[2].abs() < 1e-3, "{patched}");
    // Steered, and as it is.
    let question = json!({"client": "page", "runs": [{"text": "5 7 11"}, {"text": "5 7 11", "unchanged": true}],
        "steer": [{"index": 0, "strength": 2.0}]});
    let events = open.post("/api/run", &question).events();
    let traces = of(&events, "data").pop().unwrap()["data"]["traces"].clone();
    assert_eq!(traces[0]["interventions"][0]["text"], "L1.resid_post *= 3");
    assert_eq!(traces[1]["interventions"], json!([]));
    assert_eq!((&traces[0]["name"], &traces[1]["name"]), (&json!("changed"), &json!("unchanged")));
}

#[test]
fn a_logit_is_taken_apart() {
    let open = open(Limits::default(), Duration::ZERO);
    let ask = json!({"client": "page", "run": 0, "position": 2, "target": 9});
    let none = open.post("/api/attribute", &ask).events();
    assert!(none.last().unwrap()["help"].as_str().unwrap().contains("type a prompt"));
    let mut question = reading("page", "5 7 11", 3);
    question["steer"] = json!([{"index": 0, "strength": 1.0}]);
    open.post("/api/run", &question);
    for position in [0, 2, 4] {
        let ask = json!({"client": "page", "run": 0, "position": position, "target": 9});
        let events = open.post("/api/attribute", &ask).events();
        let parts = &of(&events, "attribution")[0]["attribution"];
        let sum: f64 =
            parts["contributions"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).sum();
        let whole = parts["logit_before_cap"].as_f64().unwrap() - parts["bias"].as_f64().unwrap();
        assert!((sum - whole).abs() < 1e-3, "position {position}: {sum} and {whole}");
        assert_eq!(parts["interventions"][0]["text"], "L1.resid_post *= 2");
    }
    let beyond = json!({"client": "page", "run": 0, "position": 99, "target": 9});
    assert_eq!(open.post("/api/attribute", &beyond).events().last().unwrap()["event"], "error");
}

#[test]
fn what_was_read_becomes_files() {
    let open = open(Limits::default(), Duration::ZERO);
    open.post("/api/run", &reading("page", "5 7 11", 2));
    for (form, name, begins) in [
        ("page", "lens.html", &b"<!DOCTYPE html>"[..]),
        ("svg", "lens.svg", b"<"),
        ("png", "lens.png", b"\x89PNG"),
        ("csv", "lens.csv", b"prompt"),
        ("trace", "trace.json", b"{\"schema\":\"lens-trace/1\""),
    ] {
        let answer =
            open.post("/api/export", &json!({"client": "page", "form": form, "component": "resid_post"}));
        assert_eq!(answer.status, 200, "{form}: {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.body.starts_with(begins), "{form}: {}", String::from_utf8_lossy(&answer.body[..60]));
        assert_eq!(answer.header("content-disposition"), Some(&*format!("attachment; filename=\"{name}\"")));
    }
    // Another window has none of it.
    assert_eq!(open.post("/api/export", &json!({"client": "other", "form": "page"})).status, 409);
    let wrong = json!({"client": "page", "form": "svg", "component": "nothing"});
    assert_eq!(open.post("/api/export", &wrong).status, 422);
}

#[test]
fn the_page_asks_nobody_else_and_a_hostile_name_is_text() {
    let open = open(Limits::default(), Duration::ZERO);
    let page = open.ask_with("GET", &format!("/?token={}", open.token()), &[], "");
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(!html.contains(HOSTILE) && !html.contains("<img"));
    assert!(!html.contains(&open.token()), "the page holds the key");
    let policy = page.header("content-security-policy").unwrap();
    for word in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "script-src 'sha256-"]
    {
        assert!(policy.contains(word), "{policy}");
    }
    for address in ["http:", "https:", "src=\"", "@import"] {
        assert!(!html.contains(address), "the page says {address}");
    }
}
