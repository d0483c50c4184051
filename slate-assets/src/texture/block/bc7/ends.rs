//! Endpoints on the grid of what may be written, one in each lane.

use super::{Mode, Parity};
use crate::texture::block::wide::Wide;

/// What the endpoints of a subset may be.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    /// How many channels there are: 1, 3 or 4.
    pub(super) channels: usize,
    /// Bits of each channel, without the shared lowest one.
    pub(super) bits: u32,
    pub(super) parity: Parity,
    /// Bits of an index.
    pub(super) index_bits: u32,
}

impl Grid {
    /// Of a mode whose channels have endpoints of one width.
    pub(super) fn of(mode: &Mode) -> Self {
        let channels = if mode.alpha_bits > 0 { 4 } else { 3 };
        Self { channels, bits: mode.color_bits, parity: mode.parity, index_bits: mode.index_bits }
    }
}

/// A grid in numbers.
pub(super) struct Scale {
    /// From 255 to the greatest whole value, with the lowest bit.
    down: Wide,
    /// The greatest code, without the lowest bit.
    pub(super) most: Wide,
    /// What a whole value is shifted up by, and what its highest bits are shifted down by to be repeated.
    up: Wide,
    repeat: Wide,
    pub(super) parity: Parity,
    pub(super) steps: Wide,
    /// From an index to its weight in 64ths.
    pub(super) share: Wide,
}

impl Scale {
    #[inline(always)]
    pub(super) fn of(grid: &Grid) -> Self {
        let total = grid.bits + u32::from(grid.parity != Parity::None);
        let steps = ((1 << grid.index_bits) - 1) as f32;
        Self {
            down: Wide::splat(((1 << total) - 1) as f32 / 255.0),
            most: Wide::splat(((1 << grid.bits) - 1) as f32),
            up: Wide::splat((1 << (8 - total)) as f32),
            repeat: Wide::splat(1.0 / (1 << (2 * total - 8)) as f32),
            parity: grid.parity,
            steps: Wide::splat(steps),
            share: Wide::splat(64.0 / steps),
        }
    }
}

/// One endpoint of each lane: its code, its lowest bit, and the value that this stands for.
#[derive(Clone, Copy)]
pub(super) struct End<const C: usize> {
    pub(super) codes: [Wide; C],
    pub(super) lowest: Wide,
    pub(super) values: [Wide; C],
}

/// The nearest endpoint with this lowest bit.
#[inline(always)]
pub(super) fn round<const C: usize>(end: &[Wide; C], lowest: Wide, scale: &Scale) -> End<C> {
    let (mut codes, mut values) = (*end, *end);
    for c in 0..C {
        let whole = end[c].held(Wide::splat(255.0)) * scale.down;
        let code = if scale.parity == Parity::None { whole } else { (whole - lowest) * Wide::splat(0.5) };
        codes[c] = code.held(scale.most).round();
        values[c] = value(codes[c], lowest, scale);
    }
    End { codes, lowest, values }
}

/// What a code stands for: its highest bits are repeated below.
#[inline(always)]
pub(super) fn value(code: Wide, lowest: Wide, scale: &Scale) -> Wide {
    let whole = if scale.parity == Parity::None { code } else { code + code + lowest };
    // Rounded down: half a step is taken off, but for less than what a whole number can be above.
    let half = Wide::splat(0.5) - scale.repeat * Wide::splat(0.5);
    whole * scale.up + (whole * scale.repeat - half).round()
}

/// The first where `a` is less than `b`, else the second.
#[inline(always)]
pub(super) fn nearer<const C: usize>(a: Wide, b: Wide, first: &End<C>, second: &End<C>) -> End<C> {
    let mut out = *second;
    for c in 0..C {
        out.codes[c] = a.less(b, first.codes[c], second.codes[c]);
        out.values[c] = a.less(b, first.values[c], second.values[c]);
    }
    out.lowest = a.less(b, first.lowest, second.lowest);
    out
}

/// The squared distance of an endpoint to the wanted one.
#[inline(always)]
pub(super) fn off<const C: usize>(end: &End<C>, wanted: &[Wide; C]) -> Wide {
    let mut sum = Wide::default();
    for c in 0..C {
        let off = end.values[c] - wanted[c].held(Wide::splat(255.0));
        sum = sum + off * off;
    }
    sum
}
