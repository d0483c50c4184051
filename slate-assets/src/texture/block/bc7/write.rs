//! Whole blocks as they are written.

use super::{Mode, Parity, fit::Fit};
use crate::texture::block::{bits::Writer, partitions};

/// A whole block: everything that is written.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) mode: &'static Mode,
    pub(super) partition: usize,
    pub(super) rotation: usize,
    pub(super) selector: u32,
    /// By subset; indices are in the order of the subset's texels.
    pub(super) fits: [Fit; 3],
    /// Alpha, in modes 4 and 5.
    pub(super) alpha: Option<Fit>,
}

pub(super) const NOTHING: Fit = Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: 0.0 };

impl Found {
    pub(super) fn pack(mut self) -> [u8; 16] {
        let mode = self.mode;
        let (mut first, mut second) = (mode.index_bits, mode.second_bits);
        if self.selector == 1 {
            (first, second) = (second, first);
        }
        let (mut color, mut anchors) = ([0; 16], 0);
        for (subset, fit) in self.fits.iter_mut().enumerate().take(mode.subsets) {
            let (anchor, mask) = (
                partitions::anchor(mode.subsets, self.partition, subset),
                partitions::mask(mode.subsets, self.partition, subset),
            );
            // The place of the anchor among the subset's texels.
            turn(fit, (mask & ((1 << anchor) - 1)).count_ones() as usize, first);
            anchors |= 1 << anchor;
            if mask == u16::MAX {
                color = fit.indices;
                break;
            }
            let mut rest = mask;
            for index in fit.indices.iter().take(mask.count_ones() as usize) {
                color[rest.trailing_zeros() as usize & 15] = *index;
                rest &= rest.wrapping_sub(1);
            }
        }
        if let Some(alpha) = &mut self.alpha {
            turn(alpha, 0, second);
        }
        let mut out = Writer::default();
        out.put(1 << mode.number, mode.number + 1);
        out.put(self.partition as u32, mode.partition_bits);
        out.put(self.rotation as u32, mode.rotation_bits);
        out.put(self.selector, mode.selector_bits);
        self.write_ends(&mut out);
        let mut sets = [Some((color, first)), self.alpha.map(|alpha| (alpha.indices, second))];
        if self.selector == 1 {
            sets.swap(0, 1);
        }
        for (indices, bits) in sets.into_iter().flatten() {
            let (mut all, mut at) = (0u64, 0);
            for (texel, &index) in indices.iter().enumerate() {
                all |= u64::from(index) << at;
                at += bits - u32::from(anchors >> texel & 1 == 1);
            }
            out.put_long(all, at);
        }
        out.bytes()
    }

    fn write_ends(&self, out: &mut Writer) {
        let mode = self.mode;
        for channel in 0..3 {
            for fit in self.fits.iter().take(mode.subsets) {
                fit.codes.iter().for_each(|code| out.put(code[channel].into(), mode.color_bits));
            }
        }
        match &self.alpha {
            Some(alpha) => alpha.codes.iter().for_each(|code| out.put(code[0].into(), mode.alpha_bits)),
            None if mode.alpha_bits > 0 => {
                for fit in self.fits.iter().take(mode.subsets) {
                    fit.codes.iter().for_each(|code| out.put(code[3].into(), mode.alpha_bits));
                }
            }
            None => {}
        }
        for fit in self.fits.iter().take(mode.subsets) {
            match mode.parity {
                Parity::None => {}
                Parity::Shared => out.put(fit.lowest[0].into(), 1),
                Parity::Each => fit.lowest.iter().for_each(|&bit| out.put(bit.into(), 1)),
            }
        }
    }
}

/// Turns a subset round where its anchor's index has the highest bit, which isn't written.
fn turn(fit: &mut Fit, anchor: usize, bits: u32) {
    if fit.indices[anchor] >> (bits - 1) & 1 == 1 {
        let most = (1u8 << bits) - 1;
        fit.codes.swap(0, 1);
        fit.lowest.swap(0, 1);
        fit.indices.iter_mut().for_each(|index| *index = most - *index);
    }
}
