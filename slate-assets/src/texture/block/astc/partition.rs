//! Which subset a texel is in: a hash of the partition's number. Section 23.18.

/// The partitions of a number of subsets.
pub(super) const COUNT: u32 = 1024;

/// The subset of a texel of a block of two dimensions; `small` where the block has fewer than 31 texels.
pub(in crate::texture::block) fn subset(seed: u32, x: u32, y: u32, subsets: u32, small: bool) -> usize {
    if subsets == 1 {
        return 0;
    }
    let (x, y) = if small { (x << 1, y << 1) } else { (x, y) };
    let seed = seed + (subsets - 1) * 1024;
    let random = hash(seed);
    let nibble = |at: u32| {
        let value = random.rotate_right(at) & 15;
        value * value
    };
    let (mut first, mut second) = (if seed & 2 != 0 { 4 } else { 5 }, if subsets == 3 { 6 } else { 5 });
    if seed & 1 == 0 {
        (first, second) = (second, first);
    }
    let side = |at: u32, shift: u32| nibble(at) >> shift;
    let plane = |at: u32, offset: u32| (side(at, first) * x + side(at + 4, second) * y + (random >> offset)) & 63;
    let a = plane(0, 14);
    let b = plane(8, 10);
    let c = if subsets < 3 { 0 } else { plane(16, 6) };
    let d = if subsets < 4 { 0 } else { plane(24, 2) };
    if a >= b && a >= c && a >= d {
        0
    } else if b >= c && b >= d {
        1
    } else if c >= d {
        2
    } else {
        3
    }
}

fn hash(mut value: u32) -> u32 {
    value ^= value >> 15;
    value = value.wrapping_sub(value << 17);
    value = value.wrapping_add(value << 7);
    value = value.wrapping_add(value << 4);
    value ^= value >> 5;
    value = value.wrapping_add(value << 16);
    value ^= value >> 7;
    value ^= value >> 3;
    value ^= value << 6;
    value ^ value >> 17
}
