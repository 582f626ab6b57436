//! What the processor is called, and what of it matters here.

/// Instructions that decide how fast products of bfloat16 are, as the kernel calls them.
const INSTRUCTIONS: [(&str, &str); 4] =
    [("amx_bf16", "AMX-BF16"), ("avx512_bf16", "AVX-512 BF16"), ("avx512f", "AVX-512"), ("avx2", "AVX2")];

/// The processor's name, its best instructions, and how many threads it runs.
pub(super) fn name() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    described(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), threads)
}

fn described(cpuinfo: &str, threads: usize) -> String {
    let value = |key: &str| {
        let line =
            cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        Some(line.split_once(':')?.1.trim())
    };
    let flags: Vec<&str> = value("flags").unwrap_or_default().split_whitespace().collect();
    let best = INSTRUCTIONS.iter().find(|(flag, _)| flags.contains(flag)).map(|(_, name)| *name);
    let name = value("model name").unwrap_or(std::env::consts::ARCH);
    match best {
        Some(best) => format!("{name} ({best}), {threads} threads"),
        None => format!("{name}, {threads} threads"),
    }
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn the_best_instructions_are_named() {
        let info = "processor\t: 0\nmodel name\t: A Chip\nflags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16\n";
        assert_eq!(described(info, 2), "A Chip (AMX-BF16), 2 threads");
        assert_eq!(described("model name : B\nflags : fpu avx2", 4), "B (AVX2), 4 threads");
        assert!(described("", 1).ends_with("1 threads"));
    }
}
