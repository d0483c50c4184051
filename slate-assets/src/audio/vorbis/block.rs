//! Blocks: which size each has, and how one becomes a packet.

use super::{
    Symbol,
    bits::Bits,
    extend::extend,
    floor,
    mdct::{Mdct, slope},
    residue::{Residue, couple},
    rounding::Rounding,
    setup::Setup,
};
use crate::audio::{
    attack::{self, Ear},
    psy::{Psy, Tune},
};
use std::collections::VecDeque;

/// One block, and its neighbours' sizes, which shape its window.
pub(super) struct Block {
    /// The frame in its middle: decoders have given out all before it.
    pub(super) centre: u64,
    /// Frames since the block before.
    pub(super) gained: u64,
    pub(super) long: bool,
    before_long: bool,
    after_long: bool,
}

/// The sound that is still needed, and the choice of blocks.
pub(super) struct Blocks {
    sizes: [usize; 2],
    /// A line for each channel; the first sample is frame `start`.
    lines: Vec<Vec<f32>>,
    start: i64,
    ears: Vec<Ear>,
    ratio: f32,
    /// Frames that were listened to.
    heard: i64,
    /// The steps in which a sound sets in, by their first frame.
    attacks: VecDeque<i64>,
    begun: bool,
    ended: bool,
    centre: i64,
    gained: i64,
    long: bool,
    before_long: bool,
}

impl Blocks {
    pub(super) fn new(channels: usize, sizes: [usize; 2], ratio: f32) -> Self {
        Self {
            sizes,
            lines: vec![Vec::new(); channels],
            start: 0,
            ears: vec![Ear::default(); channels],
            ratio,
            heard: 0,
            attacks: VecDeque::new(),
            begun: false,
            ended: false,
            centre: 0,
            gained: 0,
            long: true,
            before_long: true,
        }
    }

    pub(super) fn push(&mut self, frames: &[f32]) {
        let channels = self.lines.len();
        for (at, line) in self.lines.iter_mut().enumerate() {
            let channel = wave_channel(channels, at);
            line.extend(frames.iter().skip(channel).step_by(channels));
        }
    }

    /// No more frames will come; blocks reach beyond the end.
    pub(super) fn end(&mut self) {
        self.begin();
        let beyond = 3 * self.sizes[1];
        self.lines.iter_mut().for_each(|line| extend(line, beyond));
        self.ended = true;
    }

    /// The next block, once enough is there to tell what comes after it. `end` is where the sound ends, once known.
    pub(super) fn next(&mut self, end: Option<u64>) -> Option<Block> {
        let [short, long] = self.sizes.map(|size| size as i64);
        if !self.begun {
            if (self.lines[0].len() as i64) < 2 * long {
                return None;
            }
            self.begin();
        }
        if let Some(end) = end
            && self.centre - self.gained >= end as i64
            && (self.centre > 0 || end == 0)
        {
            return None;
        }
        let available = self.start + self.lines[0].len() as i64;
        let needed = self.centre + long + short;
        if available < needed {
            return None;
        }
        self.listen();
        let size = if self.long { long } else { short };
        let next = self.centre + size / 4 + long / 4;
        let reach = (long - short) / 4;
        let calm =
            !self.attacks.iter().any(|&at| at + attack::STEP as i64 > next - reach && at < next + long / 4 + short / 4);
        let block = Block {
            centre: self.centre as u64,
            gained: self.gained as u64,
            long: self.long,
            before_long: self.before_long,
            after_long: calm,
        };
        self.gained = size / 4 + if calm { long } else { short } / 4;
        self.centre += self.gained;
        (self.before_long, self.long) = (self.long, calm);
        Some(block)
    }

    /// Lays what might have been before the first frame, and chooses the first block.
    fn begin(&mut self) {
        if self.begun {
            return;
        }
        self.begun = true;
        let reach = self.sizes[1];
        for line in &mut self.lines {
            let mut back: Vec<f32> = line.iter().take(2048).rev().copied().collect();
            let seen = back.len();
            extend(&mut back, reach);
            line.splice(0..0, back[seen..].iter().rev().copied());
        }
        self.start = -(reach as i64);
        self.heard = self.start;
    }

    fn listen(&mut self) {
        let keep = self.centre - self.sizes[1] as i64;
        while self.attacks.front().is_some_and(|&at| at < keep) {
            self.attacks.pop_front();
        }
        while self.heard + attack::STEP as i64 <= self.start + self.lines[0].len() as i64 {
            let at = (self.heard - self.start) as usize;
            let mut attack = false;
            for (ear, line) in self.ears.iter_mut().zip(&self.lines) {
                attack |= ear.hear(&line[at..at + attack::STEP], self.ratio);
            }
            if attack && self.heard > 0 {
                self.attacks.push_back(self.heard);
            }
            self.heard += attack::STEP as i64;
        }
        // What no block will reach any more.
        let done = keep.min(self.heard) - self.start;
        if done > 4 * self.sizes[1] as i64 {
            self.lines.iter_mut().for_each(|line| drop(line.drain(..done as usize)));
            self.start += done;
        }
    }
}

/// Where Vorbis' channel is in the order of WAVE: section 4.3.9.
pub(in super::super) fn wave_channel(channels: usize, at: usize) -> usize {
    let order: &[usize] = match channels {
        3 => &[0, 2, 1],
        5 => &[0, 2, 1, 3, 4],
        6 => &[0, 2, 1, 4, 5, 3],
        7 => &[0, 2, 1, 5, 6, 4, 3],
        8 => &[0, 2, 1, 6, 7, 4, 5, 3],
        _ => return at,
    };
    order[at]
}

/// Turns blocks into packets.
pub(super) struct BlockCoder {
    pub(super) setup: Setup,
    mdcts: [Mdct; 2],
    slopes: [Vec<f32>; 2],
    psys: [Psy; 2],
    inverse: Vec<f32>,
    rounding: Rounding,
    residue: Residue,
    windowed: Vec<f32>,
    spectra: Vec<Vec<f32>>,
    steps: Vec<f32>,
    curve: Vec<i32>,
    ints: Vec<Vec<i32>>,
    /// The last packet's symbols, in order.
    pub(super) symbols: Vec<Symbol>,
}

impl BlockCoder {
    pub(super) fn new(setup: Setup) -> Self {
        let halves = setup.blocks.map(|block| block / 2);
        let levels = floor::levels();
        let channels = setup.channels;
        let psys = [0, 1].map(|size| Psy::new(halves[size], setup.coded[size], setup.rate, size == 1));
        Self {
            mdcts: halves.map(Mdct::new),
            slopes: halves.map(slope),
            psys,
            inverse: levels.iter().map(|level| 1.0 / level).collect(),
            rounding: Rounding::default(),
            residue: Residue::default(),
            windowed: Vec::new(),
            spectra: vec![Vec::new(); channels],
            steps: Vec::new(),
            curve: Vec::new(),
            ints: vec![Vec::new(); channels],
            symbols: Vec::new(),
            setup,
        }
    }

    /// One block's packet: Vorbis I, section 4.3.
    pub(super) fn code(&mut self, blocks: &Blocks, block: &Block, tune: Tune, ease: f32) -> Vec<u8> {
        let size = usize::from(block.long);
        let mut bits = Bits::default();
        bits.flag(false);
        bits.flag(block.long);
        if block.long {
            bits.flag(block.before_long);
            bits.flag(block.after_long);
        }
        self.transform(blocks, block);
        self.symbols.clear();
        let channels = self.setup.channels;
        let mut used = vec![false; channels];
        let mut ends = vec![[0; 2]; channels];
        let mut spans = vec![0; channels];
        for channel in 0..channels {
            let spectrum = &self.spectra[channel];
            let coded = self.setup.coded[size];
            // Beneath what 24 bits can tell there is nothing.
            used[channel] = spectrum[..coded].iter().any(|value| value.abs() > 3e-8);
            self.ints[channel].clear();
            if used[channel] {
                self.psys[size].steps(spectrum, &tune, ease, &mut self.steps);
                self.steps.iter_mut().for_each(|step| *step = floor::step_of(*step).clamp(0.0, 254.0));
                let books = super::tables::floor_books(size);
                ends[channel] = self.setup.floors[size].fit(&self.steps, books, &mut self.symbols, &mut self.curve);
                let ints = &mut self.ints[channel];
                self.rounding.round(&spectrum[..coded], &self.curve[..coded], &self.inverse, size, ints);
            } else {
                self.ints[channel].resize(coded, 0);
            }
            spans[channel] = self.symbols.len();
        }
        let floors = self.symbols.len();
        if self.setup.paired
            && let [left, right] = &mut self.ints[..]
        {
            for (left, right) in left.iter_mut().zip(right) {
                (*left, *right) = couple(*left, *right);
            }
        }
        self.residue.code(&self.setup, size, &self.ints, &used, &mut self.symbols);
        let mut from = 0;
        for channel in 0..channels {
            bits.flag(used[channel]);
            if used[channel] {
                floor::write_ends(ends[channel], &mut bits);
            }
            self.write(&self.symbols[from..spans[channel]], &mut bits);
            from = spans[channel];
        }
        self.write(&self.symbols[floors..], &mut bits);
        bits.take()
    }

    fn write(&self, symbols: &[Symbol], bits: &mut Bits) {
        symbols.iter().for_each(|symbol| self.setup.books[symbol.book()].write(symbol.entry(), bits));
    }

    /// Windows and transforms every channel.
    fn transform(&mut self, blocks: &Blocks, block: &Block) {
        let size = usize::from(block.long);
        let len = self.setup.blocks[size];
        let from = (block.centre as i64 - len as i64 / 2 - blocks.start) as usize;
        for (line, spectrum) in blocks.lines.iter().zip(&mut self.spectra) {
            self.windowed.clear();
            self.windowed.extend_from_slice(&line[from..from + len]);
            let (left, right) = self.windowed.split_at_mut(len / 2);
            fade(left.iter_mut(), &self.slopes[size.min(usize::from(block.before_long))]);
            fade(right.iter_mut().rev(), &self.slopes[size.min(usize::from(block.after_long))]);
            spectrum.resize(len / 2, 0.0);
            self.mdcts[size].forward(&self.windowed, spectrum);
        }
    }
}

/// Half a window: silence, the slope, then all of it. The slope is in the middle of the half.
fn fade<'a>(half: impl ExactSizeIterator<Item = &'a mut f32>, slope: &[f32]) {
    let flat = (half.len() - slope.len()) / 2;
    for (at, sample) in half.enumerate() {
        *sample *= match at.checked_sub(flat) {
            None => 0.0,
            Some(at) => slope.get(at).copied().unwrap_or(1.0),
        };
    }
}
