//! Endpoints as ASTC writes them, one in each lane: rounded to what the range of the colours holds.

use super::Dialect;
use crate::texture::block::wide::{LANES, Wide};

/// The values that a range of colours holds, by the 8 bits that are wanted: those that are nearest.
pub(super) type Held = [f32; 256];

/// How the endpoints of a block's subsets are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// One lightness for each endpoint.
    Grey,
    /// Lightness and alpha.
    GreyAlpha,
    /// One colour, and how much of it the darker endpoint has.
    Scaled,
    /// Two colours.
    Colors,
    /// Two colours with alpha.
    ColorsAlpha,
}

impl Kind {
    /// Its number in the block.
    pub(super) fn mode(self) -> u32 {
        match self {
            Self::Grey => 0,
            Self::GreyAlpha => 4,
            Self::Scaled => 6,
            Self::Colors => 8,
            Self::ColorsAlpha => 12,
        }
    }

    /// The kind of this number, where it is written here.
    pub(super) fn of_mode(mode: u32) -> Option<Self> {
        let all = [Self::Grey, Self::GreyAlpha, Self::Scaled, Self::Colors, Self::ColorsAlpha];
        all.into_iter().find(|kind| kind.mode() == mode)
    }

    pub(super) fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::ColorsAlpha)
    }
}

/// What endpoints of all lanes have in common, and the values that each lane's range holds.
pub(super) struct Coder<'a> {
    pub(super) dialect: Dialect,
    pub(super) kind: Kind,
    /// The places of alpha and blue among the channels.
    pub(super) alpha: usize,
    pub(super) blue: usize,
    pub(super) held: [&'a Held; LANES],
}

/// Both endpoints of a subset: what is written, and what that stands for.
#[derive(Clone, Copy)]
pub(super) struct Coded<const C: usize> {
    /// By end and channel, in the order of the channels; of scaled colours the brighter one first, and the scale as the
    /// second's first.
    pub(super) values: [[Wide; C]; 2],
    pub(super) ends: [[Wide; C]; 2],
}

impl<const C: usize> Coded<C> {
    pub(super) const NONE: Self = Self { values: [[Wide([0.0; LANES]); C]; 2], ends: [[Wide([0.0; LANES]); C]; 2] };
}

impl Coder<'_> {
    /// The endpoints that may be written nearest to these, the darker one first.
    #[inline(always)]
    pub(super) fn code<const C: usize>(&self, ends: &[[Wide; C]; 2]) -> Coded<C> {
        match self.kind {
            Kind::Grey | Kind::GreyAlpha => self.grey(ends),
            Kind::Scaled => self.scaled(ends),
            Kind::Colors | Kind::ColorsAlpha if self.dialect == Dialect::Uastc => self.straight(ends),
            Kind::Colors | Kind::ColorsAlpha => self.colors(ends),
        }
    }

    /// Gives the values of a subset's endpoints in the order of the block; `place` tells where a channel stands.
    #[inline(always)]
    pub(super) fn written<const C: usize>(
        &self,
        coded: &Coded<C>,
        place: impl Fn(usize) -> usize,
        mut put: impl FnMut(Wide),
    ) {
        let mut pair = |channel: usize| coded.values.iter().for_each(|end| put(end[place(channel)]));
        match self.kind {
            Kind::Grey => pair(0),
            Kind::GreyAlpha => [0, 3].into_iter().for_each(pair),
            Kind::Colors => (0..3).for_each(pair),
            Kind::ColorsAlpha => (0..4).for_each(pair),
            Kind::Scaled => {
                (0..3).for_each(|channel| put(coded.values[0][place(channel)]));
                put(coded.values[1][0]);
            }
        }
    }

    /// The value nearest to each of these, which are 0 to 255.
    #[inline(always)]
    fn nearest(&self, value: Wide) -> Wide {
        let bytes = value.bytes();
        let mut out = Wide::default();
        for lane in 0..LANES {
            out.0[lane] = self.held[lane][usize::from(bytes[lane])];
        }
        out
    }

    #[inline(always)]
    fn nearest_end<const C: usize>(&self, end: &[Wide; C]) -> [Wide; C] {
        let mut out = *end;
        for c in 0..C {
            out[c] = self.nearest(end[c].held(Wide::splat(255.0)));
        }
        out
    }

    /// The sum of red, green and blue.
    #[inline(always)]
    fn sum<const C: usize>(&self, end: &[Wide; C]) -> Wide {
        let mut sum = Wide::default();
        for c in 0..C {
            if c != self.alpha {
                sum = sum + end[c];
            }
        }
        sum
    }

    #[inline(always)]
    fn grey<const C: usize>(&self, ends: &[[Wide; C]; 2]) -> Coded<C> {
        let mut coded = Coded { values: *ends, ends: *ends };
        for end in 0..2 {
            let light = self.nearest((self.sum(&ends[end]) * Wide::splat(1.0 / 3.0)).held(Wide::splat(255.0)));
            for c in 0..C {
                let alpha = c == self.alpha;
                let value = if alpha { self.nearest(ends[end][c].held(Wide::splat(255.0))) } else { light };
                (coded.values[end][c], coded.ends[end][c]) = (value, value);
            }
        }
        coded
    }

    /// Both ends on one line through black, that of their sum.
    #[inline(always)]
    fn scaled<const C: usize>(&self, ends: &[[Wide; C]; 2]) -> Coded<C> {
        let mut axis = ends[0];
        let (mut squares, mut shares) = (Wide::default(), [Wide::default(); 2]);
        for c in 0..C {
            axis[c] = ends[0][c] + ends[1][c];
            squares = squares + axis[c] * axis[c];
            for end in 0..2 {
                shares[end] = shares[end] + axis[c] * ends[end][c];
            }
        }
        let (low, high) = (shares[0].min(shares[1]), shares[0].max(shares[1]));
        let far = high.over(squares);
        let mut coded = Coded { values: *ends, ends: *ends };
        let scale = self.nearest((low.over(high) * Wide::splat(256.0)).held(Wide::splat(255.0)));
        for c in 0..C {
            let value = self.nearest((axis[c] * far).held(Wide::splat(255.0)));
            (coded.values[0][c], coded.values[1][c]) = (value, scale);
            coded.ends[1][c] = value;
            coded.ends[0][c] = (value * scale * Wide::splat(1.0 / 256.0)).floor();
        }
        coded
    }

    /// Two colours as they are, in either order.
    #[inline(always)]
    fn straight<const C: usize>(&self, ends: &[[Wide; C]; 2]) -> Coded<C> {
        let ends = [self.nearest_end(&ends[0]), self.nearest_end(&ends[1])];
        Coded { values: ends, ends }
    }

    /// Two colours as they are, or with red and green drawn to blue, which is finer where a colour is near to grey. Their
    /// order says which.
    #[inline(always)]
    fn colors<const C: usize>(&self, ends: &[[Wide; C]; 2]) -> Coded<C> {
        let (turned, mut wanted) = ([self.sum(&ends[0]), self.sum(&ends[1])], *ends);
        for c in 0..C {
            wanted[0][c] = turned[1].less(turned[0], ends[1][c], ends[0][c]);
            wanted[1][c] = turned[1].less(turned[0], ends[0][c], ends[1][c]);
        }
        let ends = wanted;
        let mut plain = [self.nearest_end(&ends[0]), self.nearest_end(&ends[1])];
        let sums = [self.sum(&plain[0]), self.sum(&plain[1])];
        if sums[1].is_less_anywhere(sums[0]) {
            for c in 0..C {
                if c == self.alpha {
                    continue;
                }
                // Too near to tell apart: one colour is as good as both.
                let middle = (ends[0][c] + ends[1][c]) * Wide::splat(0.5);
                let middle = self.nearest(middle.held(Wide::splat(255.0)));
                for end in &mut plain {
                    end[c] = sums[1].less(sums[0], middle, end[c]);
                }
            }
        }
        let mut drawn = ends;
        for end in &mut drawn {
            let blue = end[self.blue];
            for c in 0..C {
                if c != self.blue && c != self.alpha {
                    // Half of the sum with blue is rounded down.
                    end[c] = end[c] + end[c] - blue + Wide::splat(0.5);
                }
            }
        }
        let drawn = [self.nearest_end(&drawn[1]), self.nearest_end(&drawn[0])];
        let sums = [self.sum(&drawn[0]), self.sum(&drawn[1])];
        let mut seen = [drawn[1], drawn[0]];
        for end in &mut seen {
            let blue = end[self.blue];
            for c in 0..C {
                if c != self.blue && c != self.alpha {
                    end[c] = ((end[c] + blue) * Wide::splat(0.5)).floor();
                }
            }
        }
        let off = |found: &[[Wide; C]; 2]| {
            let mut sum = Wide::default();
            for end in 0..2 {
                for c in 0..C {
                    let off = found[end][c] - ends[end][c].held(Wide::splat(255.0));
                    sum = sum + off * off;
                }
            }
            sum
        };
        // Those of the second order are drawn, so that they must not be equal.
        let off_drawn = sums[1].less(sums[0], off(&seen), Wide::splat(f32::MAX));
        let off_plain = off(&plain);
        let mut coded = Coded { values: plain, ends: plain };
        for end in 0..2 {
            for c in 0..C {
                coded.values[end][c] = off_drawn.less(off_plain, drawn[end][c], plain[end][c]);
                coded.ends[end][c] = off_drawn.less(off_plain, seen[end][c], plain[end][c]);
            }
        }
        coded
    }
}
