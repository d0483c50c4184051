//! Rows of blocks: mode 6 for all of them at once, and a longer look at those of which it leaves much.

use super::{
    encode::{Hard, improve},
    plan::Plan,
    quick::Strips,
    solid,
};
use crate::texture::block::{
    Effort, Texels,
    narrow::{self, Row},
};

/// Encodes a row of blocks of these lines.
pub(in super::super) fn encode(lines: [Row<'_>; 4], effort: Effort, out: &mut [[u8; 16]]) {
    let plan = Plan::of(effort);
    let refits = if effort < Effort::FAST { 2 } else { 3 };
    let mut errors = vec![0.0; out.len()];
    narrow::run(Strips { lines, refits, out, errors: &mut errors });
    for (at, error) in errors.iter_mut().enumerate().filter(|(_, error)| **error > 0.0) {
        if let Some(color) = only_color(lines, at) {
            out[at] = solid::encode(color);
            *error = 0.0;
        }
    }
    let hard: Vec<Hard> = (0..out.len())
        .filter(|&at| errors[at] > plan.enough)
        .map(|at| Hard { at, texels: texels(lines, at), error: errors[at] })
        .collect();
    improve(&hard, plan, |at, block| out[at] = block);
}

/// The colour of a block, if it has only one.
fn only_color(lines: [Row<'_>; 4], block: usize) -> Option<[u8; 4]> {
    let color = lines[0][block * 4];
    // Few come beyond the first two looks.
    let is_alone = color == lines[3][block * 4]
        && lines.iter().all(|line| line[block * 4..].iter().take(4).all(|texel| *texel == color));
    is_alone.then_some(color)
}

/// The texels of a block; those beyond the lines are their last ones.
fn texels(lines: [Row<'_>; 4], block: usize) -> Texels {
    let mut texels = [[0; 4]; 16];
    for (texels, line) in texels.as_chunks_mut::<4>().0.iter_mut().zip(lines) {
        match line[block * 4..].first_chunk() {
            Some(inside) => *texels = *inside,
            None => (0..4).for_each(|at| texels[at] = line[(block * 4 + at).min(line.len() - 1)]),
        }
    }
    texels
}
