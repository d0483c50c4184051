//! Frames: how two channels are told, and how the bits that there are become the same quality everywhere.

use super::{
    hybrid::{Hybrid, LINES},
    kinds::{AHEAD, Kinds},
    mask::{Masked, Masks},
    quantize::{LONGEST, Unit},
    reservoir::Reservoir,
    scale,
};
use crate::audio::math::{log2, power};
use rusty_mp3::{
    bitio::BitWriter,
    encode::{huffman, quantize::QuantizedGranule},
    frame::{BlockType, ChannelMode, SideInfo},
    header::{FrameHeader, MpegVersion},
};
use std::f32::consts::FRAC_1_SQRT_2;

/// The highest frequency that is coded, by kilobits a second of stereo.
const TOP: [(f64, f64); 14] = [
    (32.0, 6000.0),
    (40.0, 7700.0),
    (48.0, 9400.0),
    (56.0, 11_000.0),
    (64.0, 12_600.0),
    (80.0, 14_800.0),
    (96.0, 16_700.0),
    (112.0, 17_600.0),
    (128.0, 18_500.0),
    (160.0, 19_500.0),
    (192.0, 20_500.0),
    (224.0, 21_000.0),
    (256.0, 21_500.0),
    (320.0, 22_000.0),
];
/// One channel takes more than half of what two take.
const ALONE: f64 = 1.7;
/// How much more noise the sum and the difference of two channels can have than the channel that hides less: it is heard from
/// both sides.
const JOINED: f32 = 4.0;
/// The least noise that is striven for, in decibels beside what is hidden.
const LEAST: f32 = -40.0;
/// How full the reservoir is kept, and how many decibels a frame it takes when it is empty.
const KEPT: f32 = 0.75;
const PULL: f32 = 0.15;
/// How far what is striven for follows what one frame needed.
const FOLLOWED: f32 = 0.2;
/// Tries to meet a frame's bits.
const TRIES: usize = 10;

/// Makes frames of samples.
pub(super) struct Coder {
    header: FrameHeader,
    hybrids: Vec<Hybrid>,
    kinds: Kinds,
    masks: Masks,
    /// A line for each channel; the first sample is frame `start`.
    lines: Vec<Vec<f32>>,
    start: u64,
    /// The next granule.
    granule: u64,
    /// Noise beside what is hidden, in decibels.
    ease: f32,
    reservoir: Reservoir,
    /// What frames without a byte more would be short of the bit rate by now, in bytes times the sample rate.
    short_of: u64,
}

impl Coder {
    pub(super) fn new(header: FrameHeader) -> Self {
        let channels = header.channel_mode.channels();
        let kilobits = f64::from(header.bitrate_kbps) * if channels == 1 { ALONE } else { 1.0 };
        let top = top(kilobits).min(f64::from(header.sample_rate) / 2.0);
        Self {
            hybrids: Hybrid::all(channels),
            kinds: Kinds::new(channels),
            masks: Masks::new(top, header.sample_rate),
            lines: vec![Vec::new(); channels],
            start: 0,
            granule: 0,
            ease: 0.0,
            reservoir: Reservoir::default(),
            short_of: 0,
            header,
        }
    }

    /// Takes interleaved frames.
    pub(super) fn push(&mut self, frames: &[f32]) {
        let channels = self.lines.len();
        for (at, line) in self.lines.iter_mut().enumerate() {
            let sane = |sample: &f32| if sample.is_nan() { 0.0 } else { sample.clamp(-16.0, 16.0) };
            line.extend(frames.iter().skip(at).step_by(channels).map(sane));
        }
    }

    /// Lays silence before what has been pushed; no frame has been made yet.
    pub(super) fn prime(&mut self, frames: usize) {
        self.lines.iter_mut().for_each(|line| drop(line.splice(0..0, std::iter::repeat_n(0.0, frames))));
    }

    /// Makes all frames that what was pushed suffices for.
    pub(super) fn frames(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        while self.start + self.lines[0].len() as u64 >= self.needed(1) {
            self.frame(out);
        }
    }

    /// Makes the last frames, so that there are `frames` of them in all.
    pub(super) fn finish(&mut self, frames: u64, out: &mut impl FnMut(Vec<u8>)) {
        let made = self.granule / self.header.version.granules() as u64;
        let length = (self.needed(frames.saturating_sub(made)) - self.start) as usize;
        self.lines.iter_mut().for_each(|line| line.resize(length, 0.0));
        self.frames(out);
        self.reservoir.finish(out);
    }

    /// The samples that so many frames more need: the kind of a granule depends on the one after it.
    fn needed(&self, frames: u64) -> u64 {
        (self.granule + frames * self.header.version.granules() as u64 + 1) * LINES as u64 + AHEAD
    }

    fn frame(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        self.kinds.listen(&self.lines, self.start);
        let mut header = self.header.clone();
        header.padding = self.needs_padding();
        let mut granules = Vec::new();
        for _ in 0..header.version.granules() {
            // MPEG-2's codes for blocks beside short ones have other borders, which the crate doesn't write.
            let kind = if header.version == MpegVersion::V1 { self.kinds.next(self.granule) } else { BlockType::Long };
            granules.push((kind, self.transform(kind)));
            self.granule += 1;
        }
        if self.lines.len() == 2 {
            let is_joined = join(&mut granules, power(self.ease));
            header.channel_mode = ChannelMode::JointStereo { ms_stereo: is_joined, intensity_stereo: false };
        }
        let units = granules.iter().flat_map(|(kind, channels)| channels.iter().map(|channel| (*kind, channel)));
        let mut units: Vec<Unit> = units.map(|(kind, channel)| Unit::new(&self.header, kind, channel)).collect();
        let coded = self.spend(&header, &mut units);
        let (side, data) = written(&header, &coded);
        self.reservoir.add(&header, side, &data, out);
        let done = self.granule * LINES as u64 - self.start;
        self.lines.iter_mut().for_each(|line| drop(line.drain(..done as usize)));
        self.start += done;
    }

    /// Whether this frame has a byte more, so that the bit rate is kept.
    fn needs_padding(&mut self) -> bool {
        let rate = u64::from(self.header.sample_rate);
        let bytes = self.header.version.samples_per_frame() as u64 / 8 * u64::from(self.header.bitrate_kbps) * 1000;
        self.short_of += bytes % rate;
        let needs = self.short_of >= rate;
        self.short_of -= if needs { rate } else { 0 };
        needs
    }

    /// All channels of the next granule.
    fn transform(&mut self, kind: BlockType) -> Vec<Masked> {
        let from = (self.granule * LINES as u64 - self.start) as usize;
        let one = |(hybrid, line): (&mut Hybrid, &Vec<f32>)| {
            let samples = line[from..].first_chunk().unwrap_or(&[0.0; LINES]);
            self.masks.masked(hybrid.granule(samples, kind), kind)
        };
        self.hybrids.iter_mut().zip(&self.lines).map(one).collect()
    }

    /// Quantises the frame's granules, all with as much noise beside what they hide as the bits that there are make necessary.
    fn spend(&mut self, header: &FrameHeader, units: &mut [Unit]) -> Vec<QuantizedGranule> {
        let (least, most) = self.reservoir.room(header);
        let (mut dear, mut cheap): (Option<f32>, Option<(f32, usize)>) = (None, None);
        let (mut ease, mut best) = (self.ease, None);
        for _ in 0..TRIES {
            let (coded, bits) = quantized(header, units, ease);
            let aim = if bits > most {
                dear = Some(ease);
                most as f32 * 0.98
            } else {
                best = Some(coded);
                // There may be nothing left that is worth a bit.
                let at_end = cheap.is_some_and(|(at, was)| at - ease > 3.0 && bits < was + was / 50 + 8);
                if bits >= least || ease <= LEAST || at_end {
                    break;
                }
                cheap = Some((ease, bits));
                least as f32 + 0.1 * (most - least) as f32
            };
            // A decibel takes a sixth of a bit for each line that isn't zero.
            let next = ease + (bits as f32 - aim) / (35.0 * units.len() as f32);
            ease = match (dear, cheap) {
                (Some(dear), Some((cheap, _))) => {
                    let between = cheap - dear;
                    if between < 0.05 {
                        break;
                    }
                    next.clamp(dear + 0.2 * between, cheap - 0.2 * between)
                }
                (Some(dear), None) => next.max(dear + 0.2),
                (None, Some((cheap, _))) => next.min(cheap - 0.2).max(LEAST),
                (None, None) => break,
            };
        }
        // However much noise it takes: in the end all is silent.
        while best.is_none() && ease < 300.0 {
            ease += 6.0;
            let (coded, bits) = quantized(header, units, ease);
            best = (bits <= most).then_some(coded);
        }
        // What is striven for follows what was needed, at first wholly, and how full the reservoir is.
        let followed = if self.start == 0 { 1.0 } else { FOLLOWED };
        let pull = PULL * (KEPT - self.reservoir.fill(header));
        self.ease = (self.ease + followed * (ease - self.ease) + pull).clamp(LEAST, 100.0);
        best.unwrap_or_else(|| vec![QuantizedGranule::default(); units.len()])
    }
}

/// Replaces channels by their sum and their difference, where that takes fewer bits; whether it does.
fn join(granules: &mut [(BlockType, Vec<Masked>)], ease: f32) -> bool {
    let joined: Vec<Vec<Masked>> = granules.iter().map(|(_, channels)| sum_and_difference(channels)).collect();
    let cost = |channels: &[Masked]| channels.iter().map(|channel| cost(channel, ease)).sum::<f32>();
    let apart: f32 = granules.iter().map(|(_, channels)| cost(channels)).sum();
    let is_joined = joined.iter().map(|channels| cost(channels)).sum::<f32>() < apart;
    if is_joined {
        granules.iter_mut().zip(joined).for_each(|((_, channels), joined)| *channels = joined);
    }
    is_joined
}

fn sum_and_difference(channels: &[Masked]) -> Vec<Masked> {
    let [left, right] = channels else { return channels.to_vec() };
    let hidden = std::array::from_fn(|at| JOINED * left.hidden[at].min(right.hidden[at]));
    let both = |sign: f32| Masked {
        lines: std::array::from_fn(|at| (left.lines[at] + sign * right.lines[at]) * FRAC_1_SQRT_2),
        hidden,
        quiet: left.quiet,
    };
    vec![both(1.0), both(-1.0)]
}

/// The bits that lines take, about.
fn cost(channel: &Masked, ease: f32) -> f32 {
    let lines = channel.lines.iter().zip(&channel.hidden);
    lines.map(|(line, hidden)| log2(1.0 + line * line / (hidden * ease).max(1e-20))).sum()
}

/// All granules with the same noise beside what they hide, and their bits in whole bytes.
fn quantized(header: &FrameHeader, units: &mut [Unit], ease: f32) -> (Vec<QuantizedGranule>, usize) {
    let mut sum = 0usize;
    let coded = units.iter_mut().map(|unit| {
        let mut ease = ease;
        loop {
            let (coded, bits) = unit.quantize(header, power(ease));
            if bits <= LONGEST {
                sum += bits;
                return coded;
            }
            ease += 1.0;
        }
    });
    (coded.collect(), sum.next_multiple_of(8))
}

/// The side information and the data of a frame.
fn written(header: &FrameHeader, coded: &[QuantizedGranule]) -> (SideInfo, Vec<u8>) {
    let (mut side, mut data) = (SideInfo::default(), BitWriter::new());
    let channels = header.channel_mode.channels();
    for (at, unit) in coded.iter().enumerate() {
        side.granules[at / channels][at % channels] = unit.side.clone();
        if unit.side.part2_3_length > 0 {
            scale::write(&mut data, header, &unit.side, &unit.scalefactors);
            huffman::encode(unit, header, &mut data);
        }
    }
    (side, data.finish())
}

fn top(kilobits: f64) -> f64 {
    let above = TOP.partition_point(|(known, _)| *known < kilobits).clamp(1, TOP.len() - 1);
    let ((low, from), (high, to)) = (TOP[above - 1], TOP[above]);
    from + (to - from) * ((kilobits - low) / (high - low)).clamp(0.0, 1.0)
}
