//! The whole numbers of a granule: as coarse as the noise that is let in allows, band by band.

use super::{
    hybrid::LINES,
    mask::Masked,
    scale::{self, Factors},
};
use rusty_mp3::{
    encode::{
        huffman::{self, estimate_bits},
        quantize::QuantizedGranule,
        shortblock::reorder_subband_to_bitstream,
    },
    frame::{BlockType, GranuleSideInfo},
    header::FrameHeader,
    tables::{sfb_long_offsets, sfb_short_offsets},
};
use std::sync::LazyLock;

/// The largest whole number that codes can tell.
const MOST: f32 = 8206.0;
/// What is added before the fraction is cut: less than a half, as the mean of what is in a step is nearer to its beginning.
const ROUNDING: f32 = 0.38;
/// The gain that is one: of 256 in steps of a fourth root of two.
const ONE: i32 = 210;
/// A band whose energy is so much of the noise that is let in, or less, is silent.
const SILENT: f32 = 0.8;
/// Gains below 0, which scale factors reach.
const BELOW: i32 = 128;
/// Gains that a band is tried with, from the finest.
const TRIED: usize = 80;
/// At this rate decoders differ on where this band of long blocks ends: at line 332 as the standard has it (mpg123, LAME,
/// symphonia) or at line 330 (ffmpeg). It has the next one's factor, and no region of codes ends with it, and so all of them
/// read the same sound.
const DISPUTED: (u32, usize) = (24_000, 17);
/// What a granule of a channel can take: its length has 12 bits.
pub(super) const LONGEST: usize = 4095;

/// What every granule needs: powers of 4/3, and the factors of gains, as they are and by the power of 3/4.
struct Powers {
    values: Vec<f32>,
    scales: Vec<f32>,
    steps: Vec<f32>,
}

static POWERS: LazyLock<Powers> = LazyLock::new(|| {
    let gains = || (-BELOW..256).map(|gain| f64::from(gain - ONE) / 4.0);
    Powers {
        values: (0..=MOST as usize).map(|value| (value as f64 * libm::cbrt(value as f64)) as f32).collect(),
        scales: gains().map(|by| libm::exp2(by) as f32).collect(),
        steps: gains().map(|by| libm::exp2(-0.75 * by) as f32).collect(),
    }
});

fn at(table: &[f32], gain: i32) -> f32 {
    table[(gain + BELOW) as usize]
}

/// One granule of one channel.
pub(super) struct Unit {
    kind: BlockType,
    /// In the order of the bitstream.
    lines: [f32; LINES],
    /// Their sizes by the power of 3/4, as they are quantised.
    powers: [f32; LINES],
    bands: Vec<Band>,
}

/// The lines that have a scale factor in common; of short blocks, each of the three has its own.
struct Band {
    from: usize,
    to: usize,
    /// The noise that is hidden, that which isn't heard in silence, and what would be lost by silence.
    hidden: f32,
    quiet: f32,
    energy: f32,
    /// The finest gain that can be told, and noise by gain from there on, where it is known.
    finest: i32,
    noise: [f32; TRIED],
}

impl Unit {
    pub(super) fn new(header: &FrameHeader, kind: BlockType, masked: &Masked) -> Self {
        let rate = header.sample_rate;
        let [lines, hidden, quiet] = match kind {
            BlockType::Short => {
                [&masked.lines, &masked.hidden, &masked.quiet].map(|values| reorder_subband_to_bitstream(rate, values))
            }
            _ => [masked.lines, masked.hidden, masked.quiet],
        };
        let powers = lines.map(|line| (line.abs() * line.abs().sqrt()).sqrt());
        let mut bands = Vec::new();
        let mut band = |from: usize, to: usize| {
            let most = powers[from..to].iter().fold(0.0f32, |most, power| most.max(*power));
            // The first whose numbers aren't too large: steps fall as gains rise.
            let finest = POWERS.steps.partition_point(|step| most * step > MOST) as i32 - BELOW;
            bands.push(Band {
                from,
                to,
                hidden: least(&hidden[from..to]),
                quiet: least(&quiet[from..to]),
                energy: lines[from..to].iter().map(|line| line * line).sum(),
                finest: finest.min(255 - TRIED as i32),
                noise: [f32::NAN; TRIED],
            });
        };
        if kind == BlockType::Short {
            for edges in sfb_short_offsets(rate).windows(2) {
                let (from, width) = (3 * usize::from(edges[0]), usize::from(edges[1] - edges[0]));
                (0..3).for_each(|block| band(from + block * width, from + (block + 1) * width));
            }
        } else {
            sfb_long_offsets(rate).windows(2).for_each(|edges| band(edges[0].into(), edges[1].into()));
        }
        Self { kind, lines, powers, bands }
    }

    /// Whole numbers whose noise is `ease` times what is hidden, but no less than what isn't heard in silence, or as near as
    /// scale factors come; and the bits they take.
    pub(super) fn quantize(&mut self, header: &FrameHeader, ease: f32) -> (QuantizedGranule, usize) {
        let gains: Vec<Option<i32>> = (0..self.bands.len()).map(|band| self.gain(band, ease)).collect();
        let widths: Vec<usize> = self.bands.iter().map(|band| band.to - band.from).collect();
        let Some(factors) = scale::choose(header, self.kind, &undisputed(header, &gains), &widths) else {
            return (QuantizedGranule { side: silent(self.kind), ..QuantizedGranule::default() }, 0);
        };
        let mut coeffs = [0i32; LINES];
        for (number, band) in self.bands.iter().enumerate() {
            if gains[number].is_none() {
                continue;
            }
            let step = at(&POWERS.steps, factors.gain(self.kind, number));
            let own = band.from..band.to;
            let lines = self.lines[own.clone()].iter().zip(&self.powers[own.clone()]);
            for (level, (line, power)) in coeffs[own].iter_mut().zip(lines) {
                let size = (power * step + ROUNDING).min(MOST) as i32;
                *level = if *line < 0.0 { -size } else { size };
            }
        }
        let (mut side, mut bits) = huffman::select(header, &coeffs, self.kind);
        let ends = usize::from(side.region0_count) + usize::from(side.region1_count) + 2;
        if self.kind == BlockType::Long && (header.sample_rate, ends) == (DISPUTED.0, DISPUTED.1 + 1) {
            bits = shorten(&mut side, &coeffs, bits, &self.bands[DISPUTED.1]);
        }
        let Factors { gain, blocks, compress, coarse, steeper, factors, bits: told } = factors;
        let side = GranuleSideInfo {
            global_gain: gain as u8,
            subblock_gain: blocks,
            scalefac_compress: compress,
            scalefac_scale: coarse,
            preflag: steeper,
            part2_3_length: (bits + told).min(usize::from(u16::MAX)) as u16,
            ..side
        };
        (QuantizedGranule { coeffs, side, scalefactors: factors }, bits + told)
    }

    /// The coarsest gain whose noise is allowed; none where silence is.
    fn gain(&mut self, band: usize, ease: f32) -> Option<i32> {
        let Band { hidden, quiet, energy, finest, .. } = self.bands[band];
        let allowed = (hidden * ease).max(quiet.min(hidden));
        if energy <= SILENT * allowed {
            return None;
        }
        let (mut fine, mut coarse) = (0, TRIED);
        while coarse - fine > 1 {
            let middle = usize::midpoint(fine, coarse);
            if self.noise(band, middle) <= allowed { fine = middle } else { coarse = middle }
        }
        Some(finest + fine as i32)
    }

    /// The noise of a band, so many gains above the finest.
    fn noise(&mut self, band: usize, tried: usize) -> f32 {
        let Band { from, to, finest, noise, .. } = &mut self.bands[band];
        if noise[tried].is_nan() {
            let gain = *finest + tried as i32;
            let (step, scale) = (at(&POWERS.steps, gain), at(&POWERS.scales, gain));
            let mut sum = 0.0;
            for (line, power) in self.lines[*from..*to].iter().zip(&self.powers[*from..*to]) {
                let level = (power * step + ROUNDING).min(MOST) as usize;
                let off = line.abs() - POWERS.values[level] * scale;
                sum += off * off;
            }
            noise[tried] = sum;
        }
        noise[tried]
    }
}

/// The noise of a whole band, of which each line gets as much: by the harmonic mean, those count most that hide little.
fn least(noise: &[f32]) -> f32 {
    let coded = noise.iter().filter(|noise| **noise > 0.0);
    let (count, sum) = coded.fold((0.0, 0.0), |(count, sum), noise| (count + 1.0, sum + 1.0 / noise));
    if count > 0.0 { count * count / sum } else { 0.0 }
}

/// Gains of long blocks of which all decoders make the same.
fn undisputed(header: &FrameHeader, gains: &[Option<i32>]) -> Vec<Option<i32>> {
    let (rate, band) = DISPUTED;
    let mut gains = gains.to_vec();
    if header.sample_rate == rate {
        let finer = gains[band..=band + 1].iter().flatten().min().copied();
        gains[band..=band + 1].fill(finer);
    }
    gains
}

/// Lets the second region of codes end before `band` and not with it; the bits that it all takes then, which took `bits`.
fn shorten(side: &mut GranuleSideInfo, coeffs: &[i32; LINES], bits: usize, band: &Band) -> usize {
    let end = 2 * usize::from(side.big_values);
    let own = &coeffs[band.from.min(end)..band.to.min(end)];
    let last = &coeffs[band.from.min(end)..end];
    let [_, second, third] = side.table_select;
    let was = estimate_bits(own, second) + estimate_bits(&last[own.len()..], third);
    let table = (0..32).min_by_key(|table| estimate_bits(last, *table)).unwrap_or(third);
    side.region1_count -= 1;
    side.table_select[2] = table;
    bits - was + estimate_bits(last, table)
}

fn silent(kind: BlockType) -> GranuleSideInfo {
    GranuleSideInfo {
        global_gain: ONE as u8,
        window_switching: kind != BlockType::Long,
        block_type: kind,
        ..GranuleSideInfo::default()
    }
}
