//! Scale factors: how much finer than the whole granule each band is quantised, and how that is told.

use rusty_mp3::{
    bitio::BitWriter,
    frame::{BlockType, GranuleSideInfo},
    header::{FrameHeader, MpegVersion},
    tables::{PRETAB, SCALEFAC_COMPRESS_V1},
};

/// Bands of a long block with a factor; the last one has none.
const LONG: usize = 21;
/// Bands of each of three short blocks with a factor; the last one has none.
const SHORT: usize = 12;
/// Finer by so many gains is a short block by one of its own gain.
const BLOCK: i32 = 8;

/// As many lines that are finer by a gain take a bit more: a fourth each, but for those that are zero anyway.
const LINES_A_BIT: i32 = 9;

/// How the gains of a granule's bands are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    /// The granule's gain.
    pub(super) gain: i32,
    /// By how many times eight gains each short block is finer.
    pub(super) blocks: [u8; 3],
    /// Which lengths factors have.
    pub(super) compress: u16,
    /// Whether a factor is four gains, and not two.
    pub(super) coarse: bool,
    /// Whether high bands are finer by themselves.
    pub(super) steeper: bool,
    /// By band; of short blocks three for each.
    pub(super) factors: [u8; 39],
    /// What the factors take.
    pub(super) bits: usize,
}

impl Factors {
    /// The gain of a band.
    pub(super) fn gain(&self, kind: BlockType, band: usize) -> i32 {
        let unit = unit(self.coarse);
        let factor = i32::from(self.factors[band]);
        if kind == BlockType::Short {
            return self.gain - BLOCK * i32::from(self.blocks[band % 3]) - unit * factor;
        }
        self.gain - unit * (factor + steeper(self.steeper, band))
    }
}

fn unit(coarse: bool) -> i32 {
    if coarse { 4 } else { 2 }
}

fn steeper(is: bool, band: usize) -> i32 {
    if is { PRETAB[band].into() } else { 0 }
}

/// Factors that make no band coarser than its gain, and as few of them finer as can be; none where no band has a gain, as all
/// are silent.
pub(super) fn choose(
    header: &FrameHeader,
    kind: BlockType,
    gains: &[Option<i32>],
    widths: &[usize],
) -> Option<Factors> {
    if gains.iter().all(Option::is_none) {
        return None;
    }
    let first = header.version == MpegVersion::V1;
    let ways: &[(bool, bool)] = match kind {
        BlockType::Short => &[(false, false), (true, false)],
        _ if !first => &[(false, false), (true, false)],
        _ => &[(false, false), (false, true), (true, false), (true, true)],
    };
    let candidates = ways.iter().map(|&(coarse, steeper)| {
        let factors = match kind {
            BlockType::Short => short(gains, coarse),
            _ => long(gains, coarse, steeper, first),
        };
        let finer = gains
            .iter()
            .enumerate()
            .zip(widths)
            .filter_map(|((band, gain), width)| gain.map(|gain| (gain - factors.gain(kind, band)) * *width as i32));
        (factors.bits as i32 * LINES_A_BIT + finer.sum::<i32>(), factors)
    });
    candidates.min_by_key(|(cost, _)| *cost).map(|(_, factors)| factors)
}

/// The largest factor that a band can have.
fn most(band: usize, half: usize) -> i32 {
    if band < half { 15 } else { 7 }
}

fn long(gains: &[Option<i32>], coarse: bool, is_steeper: bool, first: bool) -> Factors {
    let unit = unit(coarse);
    // MPEG-2 has four groups, of which the last two have short factors.
    let most = |band: usize| most(band, 11);
    let loud = || gains[..LONG].iter().enumerate().filter_map(|(band, gain)| Some((band, (*gain)?)));
    let wanted = loud().map(|(band, gain)| gain + unit * steeper(is_steeper, band)).max();
    let reached = loud().map(|(band, gain)| gain + unit * (most(band) + steeper(is_steeper, band))).min();
    let gain = [wanted, reached, gains[LONG]].into_iter().flatten().min().unwrap_or(0).clamp(0, 255);
    let mut factors = [0; 39];
    for (band, wanted) in loud() {
        let finer = gain - unit * steeper(is_steeper, band) - wanted;
        factors[band] = units(finer, unit).min(most(band)) as u8;
    }
    let of = |from: usize, to: usize| factors[from..to].iter().copied().max().unwrap_or(0);
    let (compress, bits) = if first {
        compress([of(0, 11), of(11, LONG)], [11, 10])
    } else {
        compress_lower([of(0, 6), of(6, 11), of(11, 16), of(16, LONG)], [6, 5, 5, 5])
    };
    Factors { gain, blocks: [0; 3], compress, coarse, steeper: is_steeper, factors, bits }
}

/// MPEG-1's only: this encoder writes no others.
fn short(gains: &[Option<i32>], coarse: bool) -> Factors {
    let unit = unit(coarse);
    // What each block would like, and what it must not exceed.
    let wanted: [Option<[i32; 2]>; 3] = std::array::from_fn(|block| {
        let loud = || (0..SHORT).filter_map(|band| Some((band, gains[3 * band + block]?)));
        let wanted = loud().map(|(_, gain)| gain).chain(gains[3 * SHORT + block]).max()?;
        let reached = loud().map(|(band, gain)| gain + unit * most(band, 6)).chain(gains[3 * SHORT + block]).min()?;
        Some([wanted.min(reached), reached])
    });
    let most_wanted = wanted.iter().flatten().map(|[wanted, _]| *wanted).max().unwrap_or(0);
    let least_reached = wanted.iter().flatten().map(|[_, reached]| reached + 7 * BLOCK).min().unwrap_or(255);
    let gain = most_wanted.min(least_reached).clamp(0, 255);
    let (mut blocks, mut factors) = ([0; 3], [0; 39]);
    for block in 0..3 {
        let Some([wanted, reached]) = wanted[block] else { continue };
        let by = (gain - wanted).max(0) / BLOCK;
        let by = if gain - by * BLOCK > reached { units(gain - reached, BLOCK) } else { by }.min(7);
        blocks[block] = by as u8;
        for band in 0..SHORT {
            if let Some(wanted) = gains[3 * band + block] {
                let finer = gain - by * BLOCK - wanted;
                factors[3 * band + block] = units(finer, unit).min(most(band, 6)) as u8;
            }
        }
    }
    let of = |from: usize, to: usize| factors[3 * from..3 * to].iter().copied().max().unwrap_or(0);
    let (compress, bits) = compress([of(0, 6), of(6, SHORT)], [18, 18]);
    Factors { gain, blocks, compress, coarse, steeper: false, factors, bits }
}

/// How many units it takes to be so much finer.
fn units(finer: i32, unit: i32) -> i32 {
    (finer.max(0) + unit - 1) / unit
}

/// The bits that a number needs.
fn length(most: u8) -> u8 {
    (u8::BITS - most.leading_zeros()) as u8
}

/// The lengths of both groups that take the fewest bits, by their number in MPEG-1's table, and those bits.
fn compress(most: [u8; 2], counts: [usize; 2]) -> (u16, usize) {
    let needed = most.map(length);
    let bits = |(first, second): (u8, u8)| usize::from(first) * counts[0] + usize::from(second) * counts[1];
    let fits = |lengths: &&(u8, u8)| lengths.0 >= needed[0] && lengths.1 >= needed[1];
    let best = SCALEFAC_COMPRESS_V1.iter().filter(fits).min_by_key(|lengths| bits(**lengths));
    let best = best.copied().unwrap_or((4, 3));
    let number = SCALEFAC_COMPRESS_V1.iter().position(|lengths| *lengths == best).unwrap_or(15);
    (number as u16, bits(best))
}

/// MPEG-2's number of four lengths, and the bits: ISO/IEC 13818-3, 2.4.3.2.
fn compress_lower(most: [u8; 4], counts: [usize; 4]) -> (u16, usize) {
    let lengths = most.map(length);
    let [a, b, c, d] = lengths.map(u16::from);
    let bits = lengths.iter().zip(counts).map(|(length, count)| usize::from(*length) * count).sum();
    (((a * 5 + b) << 4) | c << 2 | d, bits)
}

/// Writes the factors of one granule of one channel, none of which is shared with the one before.
pub(super) fn write(out: &mut BitWriter, header: &FrameHeader, side: &GranuleSideInfo, factors: &[u8; 39]) {
    let compress = side.scalefac_compress;
    let lengths = if header.version == MpegVersion::V1 {
        let (first, second) = SCALEFAC_COMPRESS_V1[usize::from(compress & 15)];
        [first, first, second, second]
    } else {
        let both = compress >> 4;
        [both / 5, both % 5, compress >> 2 & 3, compress & 3].map(|length| length as u8)
    };
    let ends: [usize; 4] = match side.block_type {
        BlockType::Short => [9, 18, 27, 36],
        _ => [6, 11, 16, LONG],
    };
    let mut from = 0;
    for (length, end) in lengths.into_iter().zip(ends) {
        if length > 0 {
            factors[from..end].iter().for_each(|factor| out.write(u32::from(*factor), u32::from(length)));
        }
        from = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusty_mp3::{decode::scalefactors::decode, encoder_header, frame::SideInfo};

    /// Gains that wander from band to band, some of them silent.
    fn gains(count: usize, reach: i32, seed: &mut u32) -> Vec<Option<i32>> {
        let mut next = |below: i32| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*seed >> 8) as i32 % below
        };
        let middle = 100 + next(60);
        (0..count).map(|_| (next(6) > 0).then(|| middle + next(reach))).collect()
    }

    #[test]
    fn no_band_is_coarser_than_it_may_be_and_decoders_find_the_factors() {
        let mut seed = 1;
        for (rate, kind) in [(44_100, BlockType::Long), (48_000, BlockType::Short), (22_050, BlockType::Long)] {
            let header = encoder_header(rate, 1, 96).unwrap();
            let count = if kind == BlockType::Short { 39 } else { 22 };
            for reach in [1, 4, 12, 30, 70].repeat(40) {
                let gains = gains(count, reach, &mut seed);
                let Some(told) = choose(&header, kind, &gains, &vec![8; count]) else { continue };
                for (band, gain) in gains.iter().enumerate() {
                    if let Some(gain) = gain {
                        assert!(told.gain(kind, band) <= *gain, "{rate} {band}: {gains:?} {told:?}");
                    }
                }
                let mut side = SideInfo::default();
                side.granules[0][0] = GranuleSideInfo {
                    scalefac_compress: told.compress,
                    window_switching: kind != BlockType::Long,
                    block_type: kind,
                    ..GranuleSideInfo::default()
                };
                let mut bits = BitWriter::new();
                write(&mut bits, &header, &side.granules[0][0], &told.factors);
                assert_eq!(bits.bit_len(), told.bits);
                let (mut at, data) = (0, bits.finish());
                let found = decode(&data, &mut at, &header, &side, 0, 0, None);
                assert_eq!(at, told.bits);
                let of = |band: usize| match kind {
                    BlockType::Short => found.short[band % 3][band / 3],
                    _ => found.long[band],
                };
                assert!((0..count).all(|band| of(band) == told.factors[band]), "{told:?} {found:?}");
            }
        }
    }
}
