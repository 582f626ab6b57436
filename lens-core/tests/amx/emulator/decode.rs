//! The encoding of the tile instructions: `C4`, two bytes of VEX, an opcode, ModRM, and perhaps SIB and a displacement.

/// What an instruction does; numbers are those of tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Configure(Memory),
    StoreConfiguration(Memory),
    Release,
    Zero(usize),
    Load(usize, Memory),
    Store(usize, Memory),
    /// C, A and B.
    Multiply(usize, usize, usize),
}

/// A memory operand. Of `LDTILECFG` and `STTILECFG` the address is the sum of all; of loads and stores, the index,
/// scaled, is the distance from row to row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) base: Base,
    /// A general register and the power of two that it is scaled by.
    pub(crate) index: Option<(usize, u32)>,
    pub(crate) displacement: i32,
}

/// What an address starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    None,
    /// A general register: 0 to 15 for RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    Register(usize),
    /// The address of the next instruction.
    NextInstruction,
}

/// An instruction and its length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) operation: Operation,
    pub(crate) length: usize,
}

/// Longest encoding of these instructions: C4, VEX (2), opcode, ModRM, SIB, displacement (4).
pub(crate) const LONGEST: usize = 10;

/// Reads bytes that may end early: an instruction at the end of a page has no more than its own.
type Code<'a> = dyn Fn(usize) -> Option<u8> + 'a;

/// The two bytes of VEX, the inverted bits turned.
struct Prefix {
    r: bool,
    x: bool,
    b: bool,
    /// 0 for none, 1 for 66, 2 for F3, 3 for F2.
    pp: u8,
    vvvv: usize,
}

impl Prefix {
    /// None unless the map is 0F38, W is 0 and the vector length 128.
    fn of(first: u8, second: u8) -> Option<Self> {
        let clear = |byte: u8, bit: u8| byte & (1 << bit) == 0;
        let known = first & 0x1f == 2 && clear(second, 7) && clear(second, 2);
        known.then(|| Self {
            r: clear(first, 7),
            x: clear(first, 6),
            b: clear(first, 5),
            pp: second & 3,
            vvvv: usize::from(!(second >> 3) & 15),
        })
    }
}

/// The instruction that starts at byte 0 of `code`, if it is one of the tiles'.
pub(crate) fn decode(code: &Code<'_>) -> Option<Decoded> {
    if code(0)? != 0xc4 {
        return None;
    }
    let prefix = Prefix::of(code(1)?, code(2)?)?;
    let (opcode, modrm) = (code(3)?, code(4)?);
    let (mode, reg, rm) = (modrm >> 6, usize::from(modrm >> 3 & 7), usize::from(modrm & 7));
    let registers = mode == 3;
    let no_third = prefix.vvvv == 0;
    let decoded = |operation| Some(Decoded { operation, length: 5 });
    if opcode == 0x5c {
        // Tiles 8 to 15 do not exist.
        let tiles = registers && prefix.pp == 2 && !prefix.r && !prefix.b && prefix.vvvv < 8;
        return if tiles { decoded(Operation::Multiply(reg, rm, prefix.vvvv)) } else { None };
    }
    match (opcode, registers, prefix.pp, reg, rm) {
        _ if !no_third => None,
        (0x49, true, 0, 0, 0) => decoded(Operation::Release),
        (0x49, true, 3, tile, 0) if !prefix.r => decoded(Operation::Zero(tile)),
        (0x49, false, 0 | 1, 0, _) => {
            let (memory, length) = memory(code, &prefix, mode, rm)?;
            let of = if prefix.pp == 0 { Operation::Configure } else { Operation::StoreConfiguration };
            Some(Decoded { operation: of(memory), length })
        }
        // Loads, with a hint or without, and stores have a SIB byte.
        (0x4b, false, 1..=3, tile, 4) if !prefix.r => {
            let (memory, length) = memory(code, &prefix, mode, rm)?;
            let of = if prefix.pp == 2 { Operation::Store } else { Operation::Load };
            Some(Decoded { operation: of(tile, memory), length })
        }
        _ => None,
    }
}

/// The memory operand, and the length of the instruction.
fn memory(code: &Code<'_>, prefix: &Prefix, mode: u8, rm: usize) -> Option<(Memory, usize)> {
    let high = |bit: bool| if bit { 8 } else { 0 };
    let mut at = 5;
    let (mut base, mut index) = (rm, None);
    if rm == 4 {
        let sib = code(at)?;
        at += 1;
        base = usize::from(sib & 7);
        let register = usize::from(sib >> 3 & 7) + high(prefix.x);
        // RSP is no index.
        index = (register != 4).then_some((register, u32::from(sib >> 6)));
    }
    let (base, bytes) = match (mode, base) {
        (0, 5) if rm == 4 => (Base::None, 4),
        (0, 5) => (Base::NextInstruction, 4),
        (mode, base) => (Base::Register(base + high(prefix.b)), [0, 1, 4][usize::from(mode)]),
    };
    let mut displacement = [0; 4];
    for byte in &mut displacement[..bytes] {
        *byte = code(at)?;
        at += 1;
    }
    let displacement = match bytes {
        1 => i32::from(displacement[0] as i8),
        _ => i32::from_le_bytes(displacement),
    };
    Some((Memory { base, index, displacement }, at))
}
