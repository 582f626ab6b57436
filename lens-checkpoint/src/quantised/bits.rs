//! Whole numbers of a few bits, packed into words of 32 without gaps.

/// The number at `index` of a row of numbers of `bits` each, whose words are `word(0)`, `word(1)`, …: bits are counted from
/// the lowest of the first word, and a number may begin in one word and end in the next.
pub(super) fn number(word: impl Fn(usize) -> u32, bits: usize, index: usize) -> u32 {
    let (first, shift) = (index * bits / 32, index * bits % 32);
    let low = u64::from(word(first)) >> shift;
    let all = match shift + bits > 32 {
        true => low | u64::from(word(first + 1)) << (32 - shift),
        false => low,
    };
    (all & ((1 << bits) - 1)) as u32
}

/// Words that hold `count` numbers of `bits`; `None` for more than memory has.
pub(super) fn words(count: usize, bits: usize) -> Option<usize> {
    Some(count.checked_mul(bits)?.div_ceil(32))
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_lie_across_words() {
        let words = [0xdead_beef_u32, 0x1234_5678, 0x9abc_def0];
        let number = |bits, index| super::number(|i| words[i], bits, index);
        assert_eq!((number(4, 0), number(4, 7), number(4, 8)), (0xf, 0xd, 0x8));
        assert_eq!((number(8, 3), number(8, 4), number(2, 15)), (0xde, 0x78, 0b11));
        // Of three bits the eleventh has two in the first word and one in the second.
        assert_eq!(number(3, 10), 0xdead_beef_u32 >> 30);
        assert_eq!(number(3, 31), 0x9abc_def0 >> 29);
        assert_eq!(
            (super::words(32, 3), super::words(33, 4), super::words(usize::MAX, 4)),
            (Some(3), Some(5), None)
        );
    }
}
