//! Ogg Vorbis, written by an encoder of our own.
//!
//! A sound is cut into long blocks, and short ones where something sets in (`attack`); each is transformed ([`mdct`]),
//! the model of hearing says how much noise each part of its spectrum hides (`psy`), straight lines near that are the
//! block's floor ([`floor`]), and what is left over it are whole numbers ([`rounding`]) in codebooks ([`residue`],
//! [`tables`]).
//!
//! The first block's middle is the first sample and the last page tells where the sound ends, so that decoders give
//! back exactly as many samples as were pushed.

mod bits;
mod block;
mod book;
mod extend;
mod floor;
mod mdct;
mod quality;
mod residue;
mod rounding;
mod setup;
mod tables;
#[cfg(test)]
mod train;

use super::{
    ogg::{self, OggWriter},
    sink::{Encoded, Encoder},
};
pub(super) use block::wave_channel;
use block::{BlockCoder, Blocks};
pub(super) use mdct::Spectrum;
use quality::Keeper;
pub(super) use quality::Rate;
use setup::Setup;
use slate_core::{Result, asset::WriteSeek};

/// One entry of one of the stream's codebooks.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    book: u8,
    entry: u16,
}

impl Symbol {
    fn new(book: usize, entry: usize) -> Self {
        Self { book: book as u8, entry: entry as u16 }
    }

    fn book(self) -> usize {
        self.book.into()
    }

    fn entry(self) -> usize {
        self.entry.into()
    }
}

/// Writes frames, interleaved in the order of WAVE, as Ogg Vorbis.
pub(super) struct VorbisEncoder {
    ogg: OggWriter,
    blocks: Blocks,
    coder: BlockCoder,
    keeper: Keeper,
    channels: usize,
    pushed: u64,
    packets: u64,
}

impl VorbisEncoder {
    /// Writes the headers; `comments` are names and values.
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        wanted: Rate,
        comments: &[(String, String)],
    ) -> Result<Self> {
        let channels = usize::from(channels);
        let keeper = Keeper::new(wanted, channels, rate);
        let setup = Setup::new(channels, rate, keeper.top(), keeper.band());
        let headers = [setup.identification(keeper.nominal()), setup::comment(comments), setup.setup()];
        let [first, second, third] = &headers;
        let mut ogg = OggWriter::new(out, ogg::serial(&[first, second, third]));
        ogg.packet(first, 0)?;
        ogg.flush(false)?;
        ogg.packet(second, 0)?;
        ogg.packet(third, 0)?;
        ogg.flush(false)?;
        let blocks = Blocks::new(channels, setup.blocks, keeper.attack());
        Ok(Self { ogg, blocks, coder: BlockCoder::new(setup), keeper, channels, pushed: 0, packets: 0 })
    }

    fn drain(&mut self, end: Option<u64>) -> Result<()> {
        while let Some(block) = self.blocks.next(end) {
            let packet = self.coder.code(&self.blocks, &block, self.keeper.tune(), self.keeper.ease());
            let bits = packet.len() as u64 * 8;
            self.keeper.spent(bits, block.gained);
            let place = end.map_or(block.centre, |end| block.centre.min(end));
            // FFmpeg tells where a sound ends only if its last page isn't its first.
            if self.packets == 2 {
                self.ogg.flush(false)?;
            }
            self.packets += 1;
            self.ogg.packet(&packet, place)?;
        }
        Ok(())
    }
}

impl Encoder for VorbisEncoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        // In pieces, so that what waits for its block stays small however much is pushed at a time.
        for piece in frames.chunks(4096 * self.channels) {
            self.pushed += (piece.len() / self.channels) as u64;
            self.blocks.push(piece);
            self.drain(None)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        self.blocks.end();
        self.drain(Some(self.pushed))?;
        self.ogg.finish()?;
        Ok(Encoded::default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Decoder;
    use super::*;
    use slate_core::{
        Cancel,
        asset::{AssetInput, MemoryOutput, Output},
    };

    fn encoded(channels: u16, rate: u32, wanted: Rate, frames: &[f32], piece: usize) -> Vec<u8> {
        let mut output = MemoryOutput::new(1 << 30);
        let out = output.create("a.ogg").unwrap();
        let mut encoder = Box::new(VorbisEncoder::new(out, channels, rate, wanted, &[]).unwrap());
        frames.chunks(piece * usize::from(channels)).for_each(|piece| encoder.push(piece).unwrap());
        encoder.finish().unwrap();
        output.take()["a.ogg"].to_vec()
    }

    fn decoded(bytes: &[u8]) -> Vec<f32> {
        let input = AssetInput::from_bytes("a.ogg", bytes.to_vec());
        let mut decoder = Decoder::open(&input, &Cancel::new()).unwrap();
        let (mut all, mut packet) = (Vec::new(), Vec::new());
        while decoder.next(&mut packet).unwrap() {
            all.extend_from_slice(&packet);
        }
        all
    }

    fn noise(count: usize, channels: usize) -> Vec<f32> {
        let mut state = 7u32;
        let mut low = 0.0;
        (0..count * channels)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                low += ((state >> 8) as f32 / 8_388_608.0 - 1.0 - low) * 0.1;
                low * 0.7 + (at as f32 * 0.03 / channels as f32).sin() * 0.3
            })
            .collect()
    }

    fn loss(before: &[f32], after: &[f32]) -> f64 {
        let power: f64 = before.iter().map(|x| f64::from(x * x)).sum();
        let error: f64 = before.iter().zip(after).map(|(a, b)| f64::from((a - b) * (a - b))).sum();
        10.0 * (power / error).log10()
    }

    #[test]
    fn as_many_frames_come_back_as_went_in() {
        for channels in [1u16, 2, 3, 4, 5, 6, 7, 8] {
            for count in [1usize, 100, 575, 576, 577, 4_000, 20_000] {
                let frames = noise(count, channels.into());
                let bytes = encoded(channels, 48_000, Rate::Quality(4.0), &frames, 1000);
                assert_eq!(decoded(&bytes).len(), frames.len(), "{count} frames of {channels} channels");
            }
        }
        for rate in [8_000, 16_000, 22_050, 32_000, 96_000, 192_000] {
            let frames = noise(30_000, 2);
            let after = decoded(&encoded(2, rate, Rate::Quality(6.0), &frames, 777));
            assert_eq!(after.len(), frames.len(), "{rate}");
            assert!(loss(&frames, &after) > 8.0, "{rate}: {}", loss(&frames, &after));
        }
    }

    #[test]
    fn more_quality_is_nearer_to_the_sound() {
        let frames = noise(96_000, 2);
        let (mut sizes, mut losses) = (Vec::new(), Vec::new());
        for quality in [-1.0, 2.0, 4.0, 6.0, 8.0, 10.0] {
            let bytes = encoded(2, 48_000, Rate::Quality(quality), &frames, 5_000);
            sizes.push(bytes.len());
            losses.push(loss(&frames, &decoded(&bytes)));
        }
        assert!(sizes.is_sorted() && losses.is_sorted(), "{sizes:?} {losses:?}");
        assert!(losses[0] > 3.0 && losses[5] > 25.0, "{losses:?}");
    }

    #[test]
    fn pieces_don_t_matter() {
        let frames = noise(20_000, 2);
        let whole = encoded(2, 48_000, Rate::Average(128), &frames, 20_000);
        assert!(whole == encoded(2, 48_000, Rate::Average(128), &frames, 13));
    }
}
