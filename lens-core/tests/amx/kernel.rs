//! What the kernel promises besides the properties of every kernel.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(unsafe_code, reason = "memory with a guard behind it, and the thread's configuration")]

use std::{arch::asm, io::Write as _};

use half::bf16;
use lens_core::TokenId;
use lens_core::projection::{Job, Kernel, Post, Unembedding, VocabRows};
use lens_core::toy::Random;

use crate::emulator::{emulated_products, is_emulated};
use crate::kernels;

fn job(readouts: &[f32], top_k: usize) -> Job<'_> {
    Job { readouts, top_k, entropy: false, variance: false, finals: None, distances: false, tracked: &[] }
}

fn bf16s(n: usize, scale: f32, seed: u64) -> Vec<bf16> {
    Random::new(seed).values(n, scale).into_iter().map(bf16::from_f32).collect()
}

/// All logits of every readout, by token.
fn logits(kernel: Kernel, rows: &[bf16], d: usize, readouts: &[f32]) -> Vec<Vec<f32>> {
    let unembedding = Unembedding::new(VocabRows::Bf16(rows), d, None, Post::default()).unwrap();
    let projected = unembedding.project_with(kernel, &job(readouts, usize::MAX)).unwrap();
    let by_token = |top: &[(TokenId, f32)]| {
        let mut logits = vec![f32::NAN; top.len()];
        top.iter().for_each(|(token, logit)| logits[token.index()] = *logit);
        logits
    };
    projected.into_iter().map(|projected| by_token(&projected.unwrap().top)).collect()
}

#[test]
fn the_product_is_made_of_tiles() {
    for kernel in kernels() {
        if !is_emulated() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: instructions that the processor carries out are not counted"
            );
            return;
        }
        let before = emulated_products();
        logits(kernel, &bf16s(100 * 40, 1.0, 1), 100, &Random::new(2).values(20 * 100, 1.0));
        // 40 rows are three tiles, 20 readouts two, and a row is four steps. Other tests may run beside this one.
        assert!(emulated_products() - before >= 3 * 2 * 4);
    }
}

/// The order of operations that the kernel documents, for rows in place and for copies, for one span of steps and several.
#[test]
fn a_logit_is_the_chain_of_steps_that_is_documented() {
    for kernel in kernels() {
        if !is_emulated() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: the order within a step is the manual's; the processor's own is not looked into"
            );
            return;
        }
        for (d, n_vocab, n) in [(31, 20, 3), (96, 33, 20), (897, 50, 2), (1100, 35, 40), (2500, 20, 1)] {
            let rows = bf16s(d * n_vocab, 1.0, 5);
            let readouts = Random::new(6).values(n * d, 1.0);
            for (readout, logits) in readouts.chunks(d).zip(logits(kernel, &rows, d, &readouts)) {
                let readout: Vec<bf16> = readout.iter().copied().map(bf16::from_f32).collect();
                for (row, logit) in rows.chunks(d).zip(logits) {
                    let steps = row.chunks(32).zip(readout.chunks(32));
                    let expected = steps.fold(0.0f32, |before, (weights, values)| {
                        let mut sums = [0.0f32; 2];
                        for (i, (w, x)) in weights.iter().zip(values).enumerate() {
                            sums[i % 2] = w.to_f32().mul_add(x.to_f32(), sums[i % 2]);
                        }
                        before + (sums[0] + sums[1])
                    });
                    assert_eq!(logit.to_bits(), expected.to_bits(), "d {d}, V {n_vocab}, n {n}");
                }
            }
        }
    }
}

/// One readout alone is multiplied with rows in place, in company with copies of them; rows of 4 KB and more are always
/// copied.
#[test]
fn copies_of_rows_have_the_bits_of_rows_in_place() {
    for kernel in kernels() {
        for (d, n_vocab) in [(64, 700), (1000, 37), (2047, 40), (2048, 40), (4097, 19)] {
            let rows = bf16s(d * n_vocab, 1.0, 7);
            let readouts = Random::new(8).values(33 * d, 1.0);
            let together = logits(kernel, &rows, d, &readouts);
            for i in [0, 15, 16, 32] {
                let alone = logits(kernel, &rows, d, &readouts[i * d..][..d]);
                assert_eq!(alone[0], together[i], "d {d}, V {n_vocab}, readout {i}");
            }
        }
    }
}

/// Blocks of another number of rows leave nothing behind: 289 rows are a block of 288 and one row.
#[test]
fn every_row_is_multiplied_whatever_its_block() {
    for kernel in kernels() {
        for (d, n_vocab) in [(32, 289), (33, 303), (40, 577), (6000, 97)] {
            // Every row has the same weights, so every token the same logit.
            let row = bf16s(d, 1.0, 9);
            let readouts = Random::new(10).values(40 * d, 1.0);
            for logits in logits(kernel, &row.repeat(n_vocab), d, &readouts) {
                assert!(
                    logits.iter().all(|logit| logit.to_bits() == logits[0].to_bits()),
                    "d {d}, V {n_vocab}"
                );
            }
        }
    }
}

/// Rows that end where memory ends.
#[test]
fn nothing_is_read_past_the_last_weight() {
    const PAGE: usize = 4096;
    for kernel in kernels() {
        for (d, n_vocab) in [(31, 17), (32, 16), (33, 50), (100, 47), (2500, 20)] {
            let weights = bf16s(d * n_vocab, 1.0, 11);
            let bytes = size_of_val(weights.as_slice());
            let room = bytes.next_multiple_of(PAGE);
            // SAFETY: new pages, the last of which may not be touched; the rows are copied to the end of the others, and
            // unmapped when nothing refers to them any more.
            unsafe {
                let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                let protection = libc::PROT_READ | libc::PROT_WRITE;
                let pages = libc::mmap(std::ptr::null_mut(), room + PAGE, protection, flags, -1, 0);
                assert_ne!(pages, libc::MAP_FAILED);
                assert_eq!(libc::mprotect(pages.wrapping_byte_add(room), PAGE, libc::PROT_NONE), 0);
                let at = pages.wrapping_byte_add(room - bytes).cast::<bf16>();
                std::ptr::copy_nonoverlapping(weights.as_ptr(), at, weights.len());
                let rows = std::slice::from_raw_parts(at, weights.len());
                for n in [1, 20, 40] {
                    let readouts = Random::new(12).values(n * d, 1.0);
                    assert_eq!(logits(kernel, rows, d, &readouts), logits(kernel, &weights, d, &readouts));
                }
                assert_eq!(libc::munmap(pages, room + PAGE), 0);
            }
        }
    }
}

/// A thread has no tiles in use before and after a projection.
#[test]
fn no_tiles_stay_configured() {
    let configuration = || {
        let mut out = [1u8; 64];
        // SAFETY: 64 bytes are written.
        unsafe { asm!("sttilecfg [{}]", in(reg) &raw mut out, options(nostack)) };
        out
    };
    for kernel in kernels() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| {
            logits(kernel, &bf16s(33 * 40, 1.0, 13), 33, &Random::new(14).values(40 * 33, 1.0));
            assert_eq!(configuration(), [0; 64]);
        });
    }
}

/// What is not bfloat16 goes through AVX-512, or else AVX2, to the bit.
#[test]
fn other_rows_are_multiplied_by_vectors() {
    for kernel in kernels() {
        let rows = Random::new(15).values(50 * 33, 1.0);
        let halves: Vec<half::f16> = rows.iter().copied().map(half::f16::from_f32).collect();
        let readouts = Random::new(16).values(20 * 33, 1.0);
        for rows in [VocabRows::F32(&rows), VocabRows::F16(&halves)] {
            let unembedding = Unembedding::new(rows, 33, None, Post::default()).unwrap();
            let with = |kernel| unembedding.project_with(kernel, &job(&readouts, 50)).unwrap();
            let vectors =
                [Kernel::Avx512, Kernel::Avx2, Kernel::Plain].into_iter().find(|k| k.is_available());
            assert_eq!(with(kernel), with(vectors.unwrap()));
        }
    }
}

#[test]
fn the_kernel_goes_before_all_others() {
    for kernel in kernels() {
        assert_eq!((kernel, kernel.name()), (Kernel::best(), "amxbf16"));
        assert_eq!(Kernel::AmxBf16, kernel);
    }
}
