#[path = "../tests/synthetic/mod.rs"]
mod synthetic;
use synthetic::*;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).take(3).map(|a| a.parse().unwrap()).collect();
    let texts: &[&str] = if std::env::args().nth(4).is_some() { &HOSTILE } else { &MIXED };
    let t = trace(&Shape { layers: a[0] as u16, components: &SITES, positions: a[1]..a[2], top: 10, texts });
    println!("{}", serde_json::to_string(&t).unwrap());
}
