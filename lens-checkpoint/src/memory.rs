//! What the system leaves this program of memory, where it says so.

use std::fs::read_to_string;

/// Bytes that can be taken without swapping, and under the [limit](most_addresses) of this process if it has one.
#[must_use]
pub fn available() -> Option<u64> {
    let free = read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemAvailable:"));
    match (free, addresses_left()) {
        (Some(free), Some(left)) => Some(free.min(left)),
        (free, left) => free.or(left),
    }
}

/// The most bytes of addresses that this process may have (`ulimit -v`), mapped files and reserved memory among them.
#[must_use]
pub fn most_addresses() -> Option<u64> {
    let text = read_to_string("/proc/self/limits").ok()?;
    // The soft limit; `unlimited` is no number.
    after(&text, "Max address space")?.split_whitespace().next()?.parse().ok()
}

/// What of it is left.
fn addresses_left() -> Option<u64> {
    let most = most_addresses()?;
    let taken = kilobytes(&read_to_string("/proc/self/status").ok()?, "VmSize:")?;
    Some(most.saturating_sub(taken))
}

/// The bytes of a line such as `MemAvailable:  123 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    after(text, name)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The rest of the line that begins with `name`.
fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system_are_read() {
        let text = "MemFree:  1 kB\nMemAvailable:   3 kB\nVmSize: x kB\nHuge: 36028797018963968 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(3072));
        for none in ["VmSize:", "Huge:", "Absent:"] {
            assert_eq!(kilobytes(text, none), None, "{none}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_system_says_what_it_has() {
        assert!(available().is_some_and(|bytes| bytes > 1 << 20));
    }
}
