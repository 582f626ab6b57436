//! What whoever asks much leaves behind: nothing. A program of its own, because what other tests keep would count.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{
    io::Read as _,
    net::TcpStream,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use lens_serve::Limits;
use support::{open, parsed, reading, resident};

/// One test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn two_hundred_quick_edits_leave_nothing_behind() {
    let _alone = alone();
    let open = open(Limits::default(), Duration::from_millis(1));
    let edit = |n: usize| reading("page", &format!("5 7 {}", n % 50), 20);
    for n in 0..50 {
        drop(open.begin("/api/run", &edit(n)));
    }
    open.wait_until("nothing waits", |counts| counts.waiting == 0 && counts.ended == counts.begun);
    let before = resident();
    let mut last = None;
    for n in 0..200 {
        last = Some(open.begin("/api/run", &edit(n)));
        thread::sleep(Duration::from_millis(2));
    }
    let mut all = Vec::new();
    last.unwrap().read_to_end(&mut all).unwrap();
    assert_eq!(parsed(&all).unwrap().events().last().unwrap()["event"], "end");
    open.wait_until("nothing waits", |counts| counts.waiting == 0 && counts.ended == counts.begun);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "200 edits left {grown} bytes");
    assert!(open.server.counts().dropped >= 150, "{:?}", open.server.counts());
}

#[test]
fn a_thousand_connections_take_no_memory() {
    let _alone = alone();
    let open = open(Limits::default().with_patience(Duration::from_secs(2)), Duration::ZERO);
    assert_eq!(open.post("/api/run", &reading("page", "5 7", 0)).status, 200);
    let before = resident();
    let crowd: Vec<TcpStream> = (0..1000).filter_map(|_| TcpStream::connect(open.address()).ok()).collect();
    let grown = resident().saturating_sub(before);
    assert!(crowd.len() >= 100, "only {} connections were made", crowd.len());
    assert!(grown < 16 << 20, "{} connections took {grown} bytes", crowd.len());
    drop(crowd);
    // There is room again at once: those who left are gone.
    let mut served = false;
    for _ in 0..100 {
        let request = open.request("POST", "/api/run", &[], &reading("page", "5 7", 0).to_string());
        served |= open.raw(request.as_bytes()).is_some_and(|answer| answer.status == 200);
        if served {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(served, "nobody is served after a crowd");
}
