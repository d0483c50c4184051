//! Many blocks side by side in whole numbers of 8 and 16 bits: twice to four times as many as in floats.
//!
//! A [`Kernel`] is written once for all [`Lanes`]: those of a machine's own instructions, and those of plain
//! arrays, which any machine has. Each operation is exact, or rounded in one way, so that all of them give the same bytes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(any(test, not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(test)]
mod tests;

#[cfg(test)]
use crate::simd;

/// A row of texels.
pub(super) type Row<'a> = &'a [[u8; 4]];

/// No lanes have more blocks.
pub(super) const MOST_BLOCKS: usize = 32;

/// The blocks from this one on, and then each row's last texel again, for lanes of any width.
#[inline(always)]
pub(super) fn strip_of(lines: [Row<'_>; 4], block: usize) -> [[[u8; 4]; MOST_BLOCKS * 4]; 4] {
    lines.map(|line| {
        let (left, last) = (&line[block * 4..], line[line.len() - 1]);
        std::array::from_fn(|at| left.get(at).copied().unwrap_or(last))
    })
}

/// Blocks of 4×4 texels side by side, and what is done to all of them at a time.
///
/// Of the four texels in a row of a block one has numbers of 8 bits, or, the first and third apart from the second and
/// fourth, of 16. A number of the whole block stands in both places of 16 bits.
pub(super) trait Lanes {
    /// How many blocks there are.
    const BLOCKS: usize;

    /// One channel of four texels of each block.
    type Bytes: Copy;
    /// Two numbers of each block.
    type Words: Copy;
    /// A number of each block.
    type Floats: Copy;

    /// Red, green, blue and alpha of a row of blocks; it has four texels of each.
    fn row(texels: Row<'_>) -> [Self::Bytes; 4];
    /// The lesser of each two.
    fn min(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The greater of each two.
    fn max(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// The least of a block's four.
    fn least(of: Self::Bytes) -> Self::Words;
    /// The greatest of a block's four.
    fn most(of: Self::Bytes) -> Self::Words;
    /// What they are more than a number of the whole block from 0 to 255, with a sign.
    fn beyond(of: Self::Bytes, base: Self::Words) -> Self::Bytes;
    /// The products of signed numbers, two and two added, held to 16 bits.
    fn products(a: Self::Bytes, b: Self::Bytes) -> Self::Words;
    /// The sum of the values of all texels, and that of the values by numbers from 0 to 15.
    fn sums(values: [Self::Bytes; 4], by: &[Self::Bytes; 4]) -> [Self::Floats; 2];
    /// The sums over the channels of their products with signed numbers of the whole block no greater than 128: of the first
    /// and third texels, and of the others.
    fn dot(row: &[Self::Bytes; 4], by: &[Self::Words; 3]) -> [Self::Words; 2];
    /// How many of the thresholds each texel is beyond.
    fn passed(along: [Self::Words; 2], thresholds: &[Self::Words; 3]) -> Self::Bytes;

    /// As numbers of 16 bits: of the first and third texels, and of the others.
    fn halves(of: Self::Bytes) -> [Self::Words; 2];
    /// The way back, of numbers from 0 to 255.
    fn joined(halves: [Self::Words; 2]) -> Self::Bytes;

    /// The same number everywhere.
    fn word(value: i16) -> Self::Words;
    /// The sum, in 16 bits.
    fn add(a: Self::Words, b: Self::Words) -> Self::Words;
    /// The difference, in 16 bits.
    fn sub(a: Self::Words, b: Self::Words) -> Self::Words;
    /// The product, in 16 bits.
    fn mul(a: Self::Words, b: Self::Words) -> Self::Words;
    /// The product in 32768ths, rounded; not of -32768 by itself.
    fn part(of: Self::Words, by: Self::Words) -> Self::Words;
    /// The sum, held to 16 bits.
    fn held_sum(a: Self::Words, b: Self::Words) -> Self::Words;
    /// No less than 0, and no more than `most`.
    fn within(of: Self::Words, most: Self::Words) -> Self::Words;
    /// Without its sign.
    fn abs(of: Self::Words) -> Self::Words;
    /// `yes` where all three `a` are those of `b`, else `no`.
    fn same(a: &[Self::Words; 3], b: &[Self::Words; 3], yes: Self::Words, no: Self::Words) -> Self::Words;
    /// `yes` where a number is less than nothing, else `no`.
    fn falls(of: Self::Words, yes: Self::Words, no: Self::Words) -> Self::Words;
    /// Both numbers of each block added and held to 16 bits, in both places.
    fn both(of: Self::Words) -> Self::Words;

    /// As floats.
    fn floats(of: Self::Words) -> Self::Floats;
    /// The nearest whole numbers, even ones where two are as near; none may be beyond 16 bits.
    fn round(of: Self::Floats) -> Self::Words;
    /// The same number everywhere.
    fn float(value: f32) -> Self::Floats;
    /// The sum.
    fn plus(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The difference.
    fn minus(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The product.
    fn times(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// The quotient by a number that is not nothing.
    fn over(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// No less than 0, and no more than `most`.
    fn held(of: Self::Floats, most: Self::Floats) -> Self::Floats;

    /// The sums of the squares of all four texels' numbers, each no greater than 255.
    fn squares(of: [Self::Words; 2]) -> Self::Floats;
    /// Writes the numbers in the order of the blocks.
    fn store(of: Self::Floats, out: &mut [f32]);

    /// Blocks of BC1 from two colours, each as it is written, and how many thirds of the way to the second one each texel is.
    fn bc1(first: Self::Words, second: Self::Words, thirds: &[Self::Bytes; 4], out: &mut [[u8; 8]]);

    /// Blocks of BC7's mode 6: by endpoint the codes of red, green, blue and alpha in 7 bits, and the lowest bit of all of them; and
    /// how many fifteenths of the way to the second one each texel is.
    fn bc7(
        codes: &[[Self::Words; 4]; 2],
        lowest: &[Self::Words; 2],
        fifteenths: &[Self::Bytes; 4],
        out: &mut [[u8; 16]],
    );
}

/// An inner loop for any lanes: it and what it calls is inlined always.
pub(super) trait Kernel {
    /// Does the work; to be marked `#[inline(always)]`.
    fn run<L: Lanes>(self);
}

/// Runs a kernel with the widest lanes of this machine.
pub(super) fn run(kernel: impl Kernel) {
    #[cfg(test)]
    if simd::plain() {
        return kernel.run::<plain::Plain>();
    }
    cfg_select! {
        target_arch = "x86_64" => {
            if let Some(avx512) = avx512::Avx512::found() {
                avx512.run(kernel);
            } else if let Some(avx2) = avx2::Avx2::found() {
                avx2.run(kernel);
            } else {
                kernel.run::<sse2::Sse2>();
            }
        }
        all(target_arch = "aarch64", target_endian = "little") => kernel.run::<neon::Neon>(),
        _ => kernel.run::<plain::Plain>(),
    }
}
