//! Chooses the mode, the partition and the rotation of a block.

use super::{
    MODES, Mode, Parity,
    estimate::Estimates,
    fit::{Fit, Grid, Search, Set},
};
use crate::texture::block::{Effort, Texels, bits::Writer, partitions};

/// How far each effort goes.
struct Plan {
    search: Search,
    /// Partitions of two subsets that are fitted.
    two: usize,
    /// Partitions of three subsets that are fitted.
    three: usize,
    /// Rotations that are tried in modes 4 and 5.
    rotations: usize,
    /// A block whose squared error is at most this is good enough.
    enough: f32,
}

const fn plan(refits: usize, all_lowest: bool, steps: bool, counts: [usize; 3], enough: f32) -> Plan {
    let [two, three, rotations] = counts;
    Plan { search: Search { refits, all_lowest, steps }, two, three, rotations, enough }
}

/// By effort.
const PLANS: [Plan; 5] = [
    plan(1, false, false, [0, 0, 0], 60.0),
    plan(1, false, false, [1, 0, 0], 60.0),
    plan(2, false, false, [4, 2, 1], 30.0),
    plan(2, true, false, [8, 4, 4], 8.0),
    plan(3, true, true, [24, 16, 4], 0.0),
];

/// Encodes a block.
pub(crate) fn encode(texels: &Texels, effort: Effort) -> [u8; 16] {
    let plan = &PLANS[effort.at_most(4)];
    let points = texels.map(|texel| texel.map(f32::from));
    let opaque = texels.iter().all(|texel| texel[3] == 255);
    let mut best = whole(&points, &MODES[6], plan.search);
    let enough = |best: &Found| best.error <= plan.enough;
    if !enough(&best) && (plan.rotations > 0 || !opaque) {
        split(&points, &mut best, plan, opaque);
    }
    if !enough(&best) && plan.two > 0 {
        two(&points, &mut best, plan, opaque);
    }
    if !enough(&best) && plan.three > 0 && opaque {
        three(&points, &mut best, plan);
    }
    best.pack()
}

/// A whole block: everything that is written.
struct Found {
    mode: &'static Mode,
    partition: usize,
    rotation: usize,
    selector: u32,
    /// By subset; indices are by texel.
    fits: [Fit; 3],
    /// Alpha, in modes 4 and 5.
    alpha: Option<Fit>,
    error: f32,
}

const NOTHING: Fit = Fit { codes: [[0; 4]; 2], lowest: [0; 2], indices: [0; 16], error: 0.0 };

fn whole(points: &[[f32; 4]; 16], mode: &'static Mode, search: Search) -> Found {
    let fit = Set::of(points, u16::MAX, 4).fit(&Grid::of(mode), search);
    let error = fit.error;
    Found { mode, partition: 0, rotation: 0, selector: 0, fits: [fit, NOTHING, NOTHING], alpha: None, error }
}

/// Modes 4 and 5: one channel has endpoints and indices of its own.
fn split(points: &[[f32; 4]; 16], best: &mut Found, plan: &Plan, opaque: bool) {
    // Alpha first; the others only where they are asked for.
    for rotation in 0..plan.rotations.max(1) {
        let mut turned = *points;
        if rotation > 0 {
            turned.iter_mut().for_each(|texel| texel.swap(rotation - 1, 3));
        } else if opaque && plan.rotations < 4 {
            continue;
        }
        let (colors, alpha) = (Set::of(&turned, u16::MAX, 3), Set::of_channel(&turned, 3));
        for (number, selector) in [(5, 0), (4, 0), (4, 1)] {
            let mode = &MODES[number];
            let widths =
                if selector == 1 { [mode.second_bits, mode.index_bits] } else { [mode.index_bits, mode.second_bits] };
            let (color, lone) = (mode.color_bits, mode.alpha_bits);
            let grid = Grid { bits: [color, color, color, 0], parity: Parity::None, index_bits: widths[0] };
            let of_alpha = Grid { bits: [lone, 0, 0, 0], parity: Parity::None, index_bits: widths[1] };
            let alpha = alpha.fit(&of_alpha, plan.search);
            if alpha.error >= best.error {
                continue;
            }
            let fit = colors.fit(&grid, plan.search);
            let error = fit.error + alpha.error;
            if error < best.error {
                let fits = [fit, NOTHING, NOTHING];
                *best = Found { mode, partition: 0, rotation, selector, fits, alpha: Some(alpha), error };
            }
        }
    }
}

/// Modes 1 and 3, or 7 where there is alpha.
fn two(points: &[[f32; 4]; 16], best: &mut Found, plan: &Plan, opaque: bool) {
    if opaque {
        let estimates = Estimates::new(points, 2, 3, 64);
        for (error, partition) in estimates.best::<24>(64, 1.0 / 49.0, plan.two).iter() {
            if error < best.error * 1.5 {
                partitioned(points, &MODES[1], partition, best, plan);
            }
        }
        if plan.three > 0 {
            for (error, partition) in estimates.best::<24>(64, 1.0 / 9.0, plan.two / 2).iter() {
                if error < best.error * 1.5 {
                    partitioned(points, &MODES[3], partition, best, plan);
                }
            }
        }
        return;
    }
    let estimates = Estimates::new(points, 2, 4, 64);
    for (error, partition) in estimates.best::<24>(64, 1.0 / 9.0, plan.two).iter() {
        if error < best.error * 1.5 {
            partitioned(points, &MODES[7], partition, best, plan);
        }
    }
}

/// Modes 0 and 2.
fn three(points: &[[f32; 4]; 16], best: &mut Found, plan: &Plan) {
    let estimates = Estimates::new(points, 3, 3, 64);
    for (mode, partitions, rounding) in [(&MODES[2], 64, 1.0 / 9.0), (&MODES[0], 16, 1.0 / 49.0)] {
        for (error, partition) in estimates.best::<16>(partitions, rounding, plan.three).iter() {
            if error < best.error {
                partitioned(points, mode, partition, best, plan);
            }
        }
    }
}

fn partitioned(points: &[[f32; 4]; 16], mode: &'static Mode, partition: usize, best: &mut Found, plan: &Plan) {
    let channels = if mode.alpha_bits > 0 { 4 } else { 3 };
    let grid = Grid::of(mode);
    let mut fits = [NOTHING; 3];
    let mut error = 0.0;
    for (subset, fit) in fits.iter_mut().enumerate().take(mode.subsets) {
        let mask = partitions::mask(mode.subsets, partition, subset);
        *fit = Set::of(points, mask, channels).fit(&grid, plan.search);
        error += fit.error;
        if error >= best.error {
            return;
        }
        let mut spread = [0; 16];
        (0..16).filter(|&at| mask >> at & 1 == 1).enumerate().for_each(|(from, at)| spread[at] = fit.indices[from]);
        fit.indices = spread;
    }
    *best = Found { mode, partition, rotation: 0, selector: 0, fits, alpha: None, error };
}

impl Found {
    fn pack(mut self) -> [u8; 16] {
        let mode = self.mode;
        let (mut first, mut second) = (mode.index_bits, mode.second_bits);
        if self.selector == 1 {
            (first, second) = (second, first);
        }
        for subset in 0..mode.subsets {
            let anchor = partitions::anchor(mode.subsets, self.partition, subset);
            turn(&mut self.fits[subset], anchor, first);
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
        let mut color = [0; 16];
        for (texel, index) in color.iter_mut().enumerate() {
            *index = self.fits[partitions::subset(mode.subsets, self.partition, texel)].indices[texel];
        }
        let mut sets = [Some((color, first)), self.alpha.map(|alpha| (alpha.indices, second))];
        if self.selector == 1 {
            sets.swap(0, 1);
        }
        for (indices, bits) in sets.into_iter().flatten() {
            for (texel, &index) in indices.iter().enumerate() {
                let anchor = partitions::is_anchor(mode.subsets, self.partition, texel);
                out.put(index.into(), bits - u32::from(anchor));
            }
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
