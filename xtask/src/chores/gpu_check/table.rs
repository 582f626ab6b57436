//! The table: what this project needs, what plain PyTorch needs, and the bar.

use std::fmt::Write as _;

use super::measure::{LONG, SHORT, Seconds, WHOLE};
use super::pytorch::Plain;

/// A row.
struct Row {
    what: String,
    lens: f64,
    plain: Option<f64>,
    /// Seconds on an H200 for the shape of Llama 3.1 8B.
    bar: f64,
}

/// What the bars are for.
const BARS_FOR: &str = "llama-3.1-8b";

fn rows(lens: &Seconds, plain: Option<&Plain>) -> Vec<Row> {
    let row = |what: String, lens, of: fn(&Plain) -> f64, bar| Row { what, lens, plain: plain.map(of), bar };
    let points = lens.readouts / WHOLE;
    vec![
        row(
            format!("readout of {WHOLE} tokens x {points} points"),
            lens.readout_whole,
            |plain| plain.readout_whole,
            0.13,
        ),
        row(format!("forward, {WHOLE} tokens"), lens.forward_whole, |plain| plain.forward_whole, 0.025),
        row(
            format!("forward, {LONG} tokens, last position"),
            lens.forward_long,
            |plain| plain.forward_long,
            0.12,
        ),
        row(
            format!("forward + readout, {SHORT} tokens, last"),
            lens.step_short,
            |plain| plain.step_short,
            0.024,
        ),
        row("a written token, with all readouts".to_owned(), lens.token, |plain| plain.token, 0.012),
        row("whole program, first answer".to_owned(), lens.first_answer, |plain| plain.load, 3.5),
    ]
}

/// The table, a section for each way in which readouts were decoded.
pub(super) fn table(
    device: &str,
    shape: &str,
    ways: &[(String, Seconds)],
    plain: &Result<Plain, String>,
) -> String {
    let (mut text, plain_seconds) = (String::new(), plain.as_ref().ok());
    let has_bars = shape == BARS_FOR;
    // A string takes everything.
    let _ = writeln!(text, "{shape} in bf16 on {device}\n");
    let _ = writeln!(text, "{:<44} {:>9} {:>9} {:>7} {:>7}", "", "lens s", "PyTorch s", "ratio", "bar s");
    for (way, seconds) in ways {
        let _ = writeln!(text, "{way}");
        for Row { what, lens, plain, bar } in rows(seconds, plain_seconds) {
            let (plain, ratio) = match plain {
                Some(plain) => (format!("{plain:.4}"), format!("{:.2}", lens / plain)),
                None => ("-".to_owned(), "-".to_owned()),
            };
            let bar = if has_bars { format!("{bar:.3}") } else { "-".to_owned() };
            let _ = writeln!(text, "  {what:<42} {lens:>9.4} {plain:>9} {ratio:>7} {bar:>7}");
        }
    }
    let _ = match plain {
        Ok(plain) => writeln!(
            text,
            "\nPyTorch: its readout has top-10, log-sum-exp and entropy only; the product alone takes {:.4} s. Its written \
             token has no readout, and its last row is the load alone.",
            plain.product
        ),
        Err(why) => writeln!(text, "\n{why}"),
    };
    if has_bars {
        let _ = writeln!(text, "The bars are those of an H200.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENS: Seconds = Seconds {
        readout_whole: 0.2,
        readouts: 512 * 129,
        forward_whole: 0.03,
        forward_long: 0.1,
        step_short: 0.02,
        token: 0.01,
        first_answer: 3.0,
    };
    const PLAIN: Plain = Plain {
        load: 3.0,
        forward_whole: 0.02,
        product: 0.09,
        readout_whole: 0.4,
        forward_long: 0.1,
        step_short: 0.04,
        token: 0.02,
    };

    #[test]
    fn every_row_has_its_ratio_and_its_bar() {
        let ways =
            [("by kernels".to_owned(), LENS), ("by libtorch".to_owned(), Seconds { token: 0.5, ..LENS })];
        let text = table("cuda", BARS_FOR, &ways, &Ok(PLAIN));
        let lines: Vec<&str> = text.lines().collect();
        let columns = |line: &str| line[44..].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let of = |what: &str| -> Vec<Vec<String>> {
            lines.iter().filter(|line| line.trim().starts_with(what)).map(|line| columns(line)).collect()
        };
        assert_eq!(of("readout of 512 tokens x 129 points")[0], ["0.2000", "0.4000", "0.50", "0.130"]);
        assert_eq!(of("a written token")[1], ["0.5000", "0.0200", "25.00", "0.012"]);
        assert_eq!(of("whole program").len(), 2);
        assert!(text.contains("the product alone takes 0.0900 s"), "{text}");
    }

    #[test]
    fn without_pytorch_the_table_says_so() {
        let why = Err("PyTorch is not at hand: python3 has no torch".to_owned());
        let text = table("cpu", "tiny", &[("on the processor".to_owned(), LENS)], &why);
        assert!(text.contains("PyTorch is not at hand"), "{text}");
        assert!(!text.contains("0.130") && !text.contains("H200"), "{text}");
        assert_eq!(text.matches(" - ").count() + text.matches(" -\n").count(), 18, "{text}");
    }
}
