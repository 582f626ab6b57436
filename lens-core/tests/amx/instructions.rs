//! The emulator against the assembler's encodings, against scalar arithmetic, and against the instructions themselves.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]
#![allow(unsafe_code, reason = "the instructions are executed")]

use std::arch::asm;

use half::bf16;
use lens_core::toy::Random;

use crate::emulator::decode::{Base, Decoded, Memory, Operation, decode};
use crate::emulator::provide_tiles;
use crate::emulator::state::{Fault, ROW_BYTES, Tile, Tiles, add, multiply_add};

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RBX: usize = 3;
const RSP: usize = 4;
const RBP: usize = 5;
const RSI: usize = 6;
const RDI: usize = 7;

fn memory(base: usize, index: Option<(usize, u32)>, displacement: i32) -> Memory {
    Memory { base: Base::Register(base), index, displacement }
}

/// What `objdump -d -M intel` says of what GNU as makes of each.
fn encodings() -> Vec<(&'static str, &'static [u8], Operation)> {
    use Operation::{Configure, Load, Multiply, Release, Store, StoreConfiguration, Zero};
    let next = Memory { base: Base::NextInstruction, index: None, displacement: 0x12345 };
    let no_base = Memory { base: Base::None, index: Some((RCX, 3)), displacement: 0x1234_5678 };
    vec![
        ("ldtilecfg [rdi]", &[0xc4, 0xe2, 0x78, 0x49, 0x07], Configure(memory(RDI, None, 0))),
        (
            "ldtilecfg [rsp+0x40]",
            &[0xc4, 0xe2, 0x78, 0x49, 0x44, 0x24, 0x40],
            Configure(memory(RSP, None, 0x40)),
        ),
        ("ldtilecfg [rip+0x12345]", &[0xc4, 0xe2, 0x78, 0x49, 0x05, 0x45, 0x23, 0x01, 0x00], Configure(next)),
        ("ldtilecfg [r13+0x0]", &[0xc4, 0xc2, 0x78, 0x49, 0x45, 0x00], Configure(memory(13, None, 0))),
        (
            "ldtilecfg [rax+rcx*8-0x80]",
            &[0xc4, 0xe2, 0x78, 0x49, 0x44, 0xc8, 0x80],
            Configure(memory(RAX, Some((RCX, 3)), -0x80)),
        ),
        ("sttilecfg [r12]", &[0xc4, 0xc2, 0x79, 0x49, 0x04, 0x24], StoreConfiguration(memory(12, None, 0))),
        (
            "sttilecfg [rbx+0x1000]",
            &[0xc4, 0xe2, 0x79, 0x49, 0x83, 0x00, 0x10, 0x00, 0x00],
            StoreConfiguration(memory(RBX, None, 0x1000)),
        ),
        ("tilerelease", &[0xc4, 0xe2, 0x78, 0x49, 0xc0], Release),
        ("tilezero tmm0", &[0xc4, 0xe2, 0x7b, 0x49, 0xc0], Zero(0)),
        ("tilezero tmm7", &[0xc4, 0xe2, 0x7b, 0x49, 0xf8], Zero(7)),
        (
            "tileloadd tmm4,[rsi+rax*1]",
            &[0xc4, 0xe2, 0x7b, 0x4b, 0x24, 0x06],
            Load(4, memory(RSI, Some((RAX, 0)), 0)),
        ),
        (
            "tileloadd tmm7,[r13+r14*1+0x0]",
            &[0xc4, 0x82, 0x7b, 0x4b, 0x7c, 0x35, 0x00],
            Load(7, memory(13, Some((14, 0)), 0)),
        ),
        (
            "tileloadd tmm1,[rbp+r9*2-0x40]",
            &[0xc4, 0xa2, 0x7b, 0x4b, 0x4c, 0x4d, 0xc0],
            Load(1, memory(RBP, Some((9, 1)), -0x40)),
        ),
        (
            "tileloadd tmm2,[r12+rdi*4+0x400]",
            &[0xc4, 0xc2, 0x7b, 0x4b, 0x94, 0xbc, 0x00, 0x04, 0x00, 0x00],
            Load(2, memory(12, Some((RDI, 2)), 0x400)),
        ),
        (
            "tileloadd tmm3,[rdx+r12*1]",
            &[0xc4, 0xa2, 0x7b, 0x4b, 0x1c, 0x22],
            Load(3, memory(RDX, Some((12, 0)), 0)),
        ),
        (
            "tileloadd tmm5,[rcx*8+0x12345678]",
            &[0xc4, 0xe2, 0x7b, 0x4b, 0x2c, 0xcd, 0x78, 0x56, 0x34, 0x12],
            Load(5, no_base),
        ),
        (
            "tileloaddt1 tmm6,[r8+rdx*1]",
            &[0xc4, 0xc2, 0x79, 0x4b, 0x34, 0x10],
            Load(6, memory(8, Some((RDX, 0)), 0)),
        ),
        ("tileloadd tmm0,[rax+riz*1]", &[0xc4, 0xe2, 0x7b, 0x4b, 0x04, 0x20], Load(0, memory(RAX, None, 0))),
        (
            "tilestored [rcx+rax*1+0x400],tmm3",
            &[0xc4, 0xe2, 0x7a, 0x4b, 0x9c, 0x01, 0x00, 0x04, 0x00, 0x00],
            Store(3, memory(RCX, Some((RAX, 0)), 0x400)),
        ),
        (
            "tilestored [r15+rbx*1],tmm0",
            &[0xc4, 0xc2, 0x7a, 0x4b, 0x04, 0x1f],
            Store(0, memory(15, Some((RBX, 0)), 0)),
        ),
        ("tdpbf16ps tmm3,tmm4,tmm7", &[0xc4, 0xe2, 0x42, 0x5c, 0xdc], Multiply(3, 4, 7)),
        ("tdpbf16ps tmm0,tmm1,tmm2", &[0xc4, 0xe2, 0x6a, 0x5c, 0xc1], Multiply(0, 1, 2)),
        ("tdpbf16ps tmm7,tmm6,tmm5", &[0xc4, 0xe2, 0x52, 0x5c, 0xfe], Multiply(7, 6, 5)),
    ]
}

#[test]
fn encodings_are_read_as_the_assembler_writes_them() {
    for (text, bytes, operation) in encodings() {
        let decoded = decode(&|at| bytes.get(at).copied());
        assert_eq!(decoded, Some(Decoded { operation, length: bytes.len() }), "{text}");
        for length in 0..bytes.len() {
            assert_eq!(decode(&|at| bytes[..length].get(at).copied()), None, "{text}, {length} bytes of it");
        }
    }
}

#[test]
fn other_instructions_are_left_alone() {
    let others: [(&str, &[u8]); 8] = [
        ("tdpbssd tmm0,tmm1,tmm2", &[0xc4, 0xe2, 0x6b, 0x5e, 0xc1]),
        ("tdpfp16ps tmm0,tmm1,tmm2", &[0xc4, 0xe2, 0x6b, 0x5c, 0xc1]),
        ("tdpbf16ps of a tile 8", &[0xc4, 0x62, 0x6a, 0x5c, 0xc1]),
        ("tilezero, vector length 256", &[0xc4, 0xe2, 0x7f, 0x49, 0xc0]),
        ("tilezero, W 1", &[0xc4, 0xe2, 0xfb, 0x49, 0xc0]),
        ("tilerelease with a third operand", &[0xc4, 0xe2, 0x70, 0x49, 0xc0]),
        ("tileloadd without SIB", &[0xc4, 0xe2, 0x7b, 0x4b, 0x06]),
        ("ud2", &[0x0f, 0x0b]),
    ];
    for (text, bytes) in others {
        assert_eq!(decode(&|at| bytes.get(at).copied()), None, "{text}");
    }
}

/// A configuration with the given rows and bytes of each tile.
fn configuration(shapes: [(u8, u16); 8]) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    for (tile, (rows, row_bytes)) in shapes.into_iter().enumerate() {
        bytes[16 + 2 * tile..18 + 2 * tile].copy_from_slice(&row_bytes.to_le_bytes());
        bytes[48 + tile] = rows;
    }
    bytes
}

/// C in tile 0 `[m, n]`, A in tile 1 `[m, 2k]`, B in tile 2 `[k, 2n]`.
fn configuration_of(m: usize, k: usize, n: usize) -> [u8; 64] {
    let (rows, columns) = (m as u8, 4 * n as u16);
    configuration([
        (rows, columns),
        (rows, 4 * k as u16),
        (k as u8, columns),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
        (0, 0),
    ])
}

fn tile_of_f32(value: impl Fn(usize, usize) -> f32) -> Tile {
    let mut tile = [[0; ROW_BYTES]; 16];
    for (r, row) in tile.iter_mut().enumerate() {
        for n in 0..16 {
            row[4 * n..4 * n + 4].copy_from_slice(&value(r, n).to_le_bytes());
        }
    }
    tile
}

fn tile_of_bf16(value: impl Fn(usize, usize) -> f32) -> Tile {
    let mut tile = [[0; ROW_BYTES]; 16];
    for (r, row) in tile.iter_mut().enumerate() {
        for n in 0..32 {
            row[2 * n..2 * n + 2].copy_from_slice(&bf16::from_f32(value(r, n)).to_le_bytes());
        }
    }
    tile
}

fn f32_at(tile: &Tile, r: usize, n: usize) -> f32 {
    f32::from_le_bytes([0, 1, 2, 3].map(|byte| tile[r][4 * n + byte]))
}

/// The product by the emulator's state, without any instruction.
fn by_state(configuration: &[u8; 64], c: &Tile, a: &Tile, b: &Tile) -> Tile {
    let mut tiles = Tiles::INITIAL;
    tiles.configure(configuration).unwrap();
    for (tile, contents) in [c, a, b].into_iter().enumerate() {
        tiles.load(tile, |r, row| row.copy_from_slice(&contents[r][..row.len()])).unwrap();
    }
    tiles.multiply(0, 1, 2).unwrap();
    stored(&tiles)
}

fn stored(tiles: &Tiles) -> Tile {
    let out = std::cell::RefCell::new([[0; ROW_BYTES]; 16]);
    tiles.store(0, |r, row| out.borrow_mut()[r][..row.len()].copy_from_slice(row)).unwrap();
    out.into_inner()
}

/// The product by the instructions, emulated or not; what is stored goes over `c`.
fn by_instructions(configuration: &[u8; 64], c: &Tile, a: &Tile, b: &Tile) -> Tile {
    provide_tiles();
    let mut out = *c;
    // SAFETY: the tiles are there, 64 bytes from row to row, and no other code on this thread uses them.
    unsafe {
        asm!(
            "ldtilecfg [{configuration}]",
            "tileloadd tmm0, [r12 + r14*2]",
            "tileloadd tmm1, [{a} + r13*1 + 0]",
            "tileloaddt1 tmm2, [{b} + r13 - 0x1000]",
            "tdpbf16ps tmm0, tmm1, tmm2",
            "tilestored [r12 + r13], tmm0",
            "tilerelease",
            configuration = in(reg) configuration,
            a = in(reg) a,
            b = in(reg) std::ptr::from_ref(b).wrapping_byte_add(0x1000),
            in("r12") &raw mut out,
            in("r13") ROW_BYTES,
            in("r14") ROW_BYTES / 2,
            options(nostack),
        );
    }
    out
}

/// Products of whole numbers, exact in any order, for full and for ragged tiles.
#[test]
fn products_of_whole_numbers_are_exact() {
    let mut random = Random::new(3);
    for (m, k, n) in [(16, 16, 16), (1, 16, 16), (11, 16, 16), (16, 5, 16), (3, 2, 9), (1, 1, 1)] {
        let values: Vec<f32> = (0..3 * 512).map(|_| random.below(41) as f32 - 20.0).collect();
        let a = tile_of_bf16(|r, i| values[r * 32 + i]);
        let b = tile_of_bf16(|r, i| values[512 + r * 32 + i]);
        let c = tile_of_f32(|r, i| values[1024 + r * 16 + i] * 100.0);
        let configuration = configuration_of(m, k, n);
        for (how, out) in [
            ("state", by_state(&configuration, &c, &a, &b)),
            ("instructions", by_instructions(&configuration, &c, &a, &b)),
        ] {
            for row in 0..m {
                for column in 0..n {
                    let mut sum = values[1024 + row * 16 + column] * 100.0;
                    for i in 0..2 * k {
                        sum += values[row * 32 + i] * values[512 + i / 2 * 32 + 2 * column + i % 2];
                    }
                    assert_eq!(
                        f32_at(&out, row, column),
                        sum,
                        "{how}, {m} x {k} x {n}, row {row}, column {column}"
                    );
                }
            }
        }
        // What is outside the tile is not stored.
        let out = by_instructions(&configuration, &c, &a, &b);
        for row in 0..16 {
            for column in 0..16 {
                if row >= m || column >= n {
                    assert_eq!(f32_at(&out, row, column), f32_at(&c, row, column));
                }
            }
        }
    }
}

/// Random numbers: the emulator has the bits of the pseudo-code written out once more, the instructions are near.
#[test]
fn products_are_chains_of_even_and_of_odd_pairs() {
    let mut random = Random::new(4);
    let values = random.values(3 * 512, 3.0);
    let value = |index: usize| bf16::from_f32(values[index]).to_f32();
    let a = tile_of_bf16(|r, i| value(r * 32 + i));
    let b = tile_of_bf16(|r, i| value(512 + r * 32 + i));
    let c = tile_of_f32(|r, i| values[1024 + r * 16 + i]);
    let configuration = configuration_of(16, 16, 16);
    let (state, instructions) =
        (by_state(&configuration, &c, &a, &b), by_instructions(&configuration, &c, &a, &b));
    for row in 0..16 {
        for column in 0..16 {
            let chain = |odd: usize| {
                (0..16).fold(0.0f32, |sum, k| {
                    value(row * 32 + 2 * k + odd).mul_add(value(512 + k * 32 + 2 * column + odd), sum)
                })
            };
            let expected = values[1024 + row * 16 + column] + (chain(0) + chain(1));
            assert_eq!(f32_at(&state, row, column).to_bits(), expected.to_bits());
            let error = (f32_at(&instructions, row, column) - expected).abs();
            assert!(error < 1e-4, "row {row}, column {column}: off by {error}");
        }
    }
}

/// By hand: where the order of operations and the flushing of subnormal numbers show.
#[test]
fn order_and_flushing_are_the_manual_s() {
    let configuration = configuration_of(1, 2, 1);
    let product = |weights: [f32; 4], before: f32| {
        let a = tile_of_bf16(|_, i| weights.get(i).copied().unwrap_or(0.0));
        let b = tile_of_bf16(|_, _| 1.0);
        f32_at(&by_state(&configuration, &tile_of_f32(|_, _| before), &a, &b), 0, 0)
    };
    let large = 2f32.powi(60);
    // One chain over all four would lose the first 1.
    assert_eq!(product([large, 1.0, -large, 1.0], 0.0), 2.0);
    // So would a chain that starts from the sum before: 2^24 + 1 is 2^24.
    assert_eq!(product([1.0, 1.0, 0.0, 0.0], 16_777_216.0), 16_777_218.0);
    let subnormal = f32::MIN_POSITIVE / 2.0;
    assert_eq!(bf16::from_f32(subnormal).to_f32(), subnormal);
    assert_eq!(product([subnormal; 4], 0.0), 0.0);
    assert_eq!(product([0.0; 4], subnormal), 0.0);
    assert_eq!(add(1.5 * f32::MIN_POSITIVE, -f32::MIN_POSITIVE), 0.0);
    assert_eq!(multiply_add(1e-20, 1e-20, 0.0), 0.0);
    assert_eq!(multiply_add(1e-20, -1e-20, 0.0).to_bits(), 0x8000_0000);
    assert!(product([f32::INFINITY, 0.0, f32::NEG_INFINITY, 0.0], 0.0).is_nan());
    assert!(product([f32::NAN, 0.0, 0.0, 0.0], 0.0).is_nan());
}

#[test]
fn what_the_manual_forbids_is_a_fault() {
    let mut tiles = Tiles::INITIAL;
    let undefined =
        |result: Result<(), Fault>| assert!(matches!(result, Err(Fault::Undefined(_))), "{result:?}");
    let general = |operand: [u8; 64]| {
        let mut tiles = Tiles::INITIAL;
        let result = tiles.configure(&operand);
        assert!(matches!(result, Err(Fault::General(_))), "{result:?}");
    };
    undefined(tiles.zero(0));
    undefined(tiles.load(0, |_, _| ()));
    undefined(tiles.store(0, |_, _| ()));
    let good = configuration_of(4, 3, 2);
    tiles.configure(&good).unwrap();
    assert_eq!(tiles.configuration(), good);
    undefined(tiles.zero(3));
    undefined(tiles.multiply(0, 1, 1));
    undefined(tiles.multiply(0, 2, 1));
    tiles.multiply(0, 1, 2).unwrap();
    for (byte, value) in [(0, 2), (5, 1), (33, 1), (57, 1), (48, 17), (16, 65), (48, 0), (16, 0)] {
        let mut bad = good;
        bad[byte] = value;
        general(bad);
    }
    tiles.release();
    assert_eq!(tiles.configuration(), [0; 64]);
    undefined(tiles.zero(0));
}

/// The configuration comes back from the thread, and `tilerelease` and palette 0 clear it.
#[test]
fn a_configuration_is_the_thread_s() {
    provide_tiles();
    let good = configuration_of(7, 16, 16);
    let read = || {
        let mut out = [0u8; 64];
        // SAFETY: 64 bytes are written.
        unsafe { asm!("sttilecfg [{}]", in(reg) &raw mut out, options(nostack)) };
        out
    };
    // SAFETY: 64 bytes are read, and this thread has no tiles in use.
    let set = |operand: &[u8; 64]| unsafe { asm!("ldtilecfg [{}]", in(reg) operand, options(nostack)) };
    assert_eq!(read(), [0; 64]);
    set(&good);
    assert_eq!(read(), good);
    assert_eq!(std::thread::spawn(read).join().unwrap(), [0; 64]);
    set(&[0; 64]);
    assert_eq!(read(), [0; 64]);
    set(&good);
    // SAFETY: nobody uses the tiles any more.
    unsafe { asm!("tilerelease", options(nostack)) };
    assert_eq!(read(), [0; 64]);
}
