//! RIFF WAVE out: 16 and 24 bits or floats, with loop points; and its chunks, for what decoders don't tell.

use super::{
    dither::Quantizer,
    layout,
    loops::Loop,
    sink::{Encoded, Encoder, failed},
};
use slate_core::{
    Result,
    asset::{AssetInput, AssetLimits, WriteSeek},
};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};

/// Writes PCM; the sizes are put in at the end.
///
/// More than two channels or 16 bits take the extensible form, which tells where each channel belongs: Microsoft,
/// "Multiple channel audio data and WAVE files".
pub(super) struct WavEncoder {
    out: BufWriter<Box<dyn WriteSeek>>,
    rate: u32,
    /// `None`: floats.
    quantizer: Option<Quantizer>,
    bytes: u16,
    looped: Option<Loop>,
    header: u32,
    data: u64,
    coded: Vec<u8>,
}

/// KSDATAFORMAT_SUBTYPE_PCM and _IEEE_FLOAT but for their first byte, which is the format's number.
const SUBTYPE: [u8; 15] = [0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// Samples that are coded at a time.
const PIECE: usize = 4096;
/// What is kept free for the chunk of loop points.
const TAIL: u64 = 1024;

impl WavEncoder {
    /// `bits` is 16, 24 or 32, which are floats and need no quantiser.
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        bits: u16,
        quantizer: Quantizer,
        looped: Option<Loop>,
    ) -> Result<Self> {
        let float = bits == 32;
        let kind: u16 = if float { 3 } else { 1 };
        let extensible = channels > 2 || bits == 24;
        let frame = channels * bits / 8;
        let mut head = Vec::new();
        head.extend(b"RIFF\0\0\0\0WAVEfmt ");
        head.extend(if extensible { 40u32 } else { 16 }.to_le_bytes());
        head.extend(if extensible { 0xFFFE } else { kind }.to_le_bytes());
        head.extend(channels.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend((rate * u32::from(frame)).to_le_bytes());
        head.extend(frame.to_le_bytes());
        head.extend(bits.to_le_bytes());
        if extensible {
            head.extend(22u16.to_le_bytes());
            head.extend(bits.to_le_bytes());
            let speakers = layout::USUAL.get(usize::from(channels) - 1).copied().unwrap_or(0);
            head.extend(speakers.to_le_bytes());
            head.push(kind as u8);
            head.extend(SUBTYPE);
        }
        head.extend(b"data\0\0\0\0");
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        out.write_all(&head).map_err(failed)?;
        let quantizer = (!float).then_some(quantizer);
        Ok(Self {
            out,
            rate,
            quantizer,
            bytes: bits / 8,
            looped,
            header: head.len() as u32,
            data: 0,
            coded: Vec::new(),
        })
    }
}

impl Encoder for WavEncoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        self.data += frames.len() as u64 * u64::from(self.bytes);
        let size = self.data + u64::from(self.header) + TAIL;
        AssetLimits::check("the size of a wav file", size, u64::from(u32::MAX))?;
        let width = usize::from(self.bytes);
        for piece in frames.chunks(PIECE) {
            self.coded.clear();
            match &mut self.quantizer {
                None => self.coded.extend(piece.iter().flat_map(|sample| sample.to_le_bytes())),
                Some(quantizer) if width == 2 => {
                    self.coded.extend(piece.iter().flat_map(|sample| (quantizer.next(*sample) as i16).to_le_bytes()));
                }
                Some(quantizer) => {
                    piece.iter().for_each(|sample| self.coded.extend(&quantizer.next(*sample).to_le_bytes()[..width]));
                }
            }
            self.out.write_all(&self.coded).map_err(failed)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        let data = self.data as u32;
        let mut tail = vec![0; usize::from(data % 2 == 1)];
        if let Some(looped) = self.looped {
            tail.extend(looped.chunk(self.rate));
        }
        let whole = self.header - 8 + data + tail.len() as u32;
        let put = |out: &mut BufWriter<Box<dyn WriteSeek>>, at: u32, size: u32| {
            out.seek(SeekFrom::Start(at.into())).and_then(|_| out.write_all(&size.to_le_bytes()))
        };
        (self.out.write_all(&tail))
            .and_then(|()| put(&mut self.out, 4, whole))
            .and_then(|()| put(&mut self.out, self.header - 4, data))
            .and_then(|()| self.out.flush())
            .map_err(failed)?;
        Ok(Encoded { clipped: self.quantizer.map_or(0, |quantizer| quantizer.clipped()) })
    }
}

/// The first chunk of that name, or as much of it as `most` bytes.
pub(super) fn chunk(input: &AssetInput, wanted: &[u8; 4], most: u32) -> Option<Vec<u8>> {
    /// Chunks that are looked at; more is a damaged file.
    const CHUNKS: usize = 1000;
    let mut file = input.open().ok()?;
    file.seek(SeekFrom::Start(12)).ok()?;
    for _ in 0..CHUNKS {
        let (mut name, mut size) = ([0; 4], [0; 4]);
        file.read_exact(&mut name).ok()?;
        file.read_exact(&mut size).ok()?;
        let size = u32::from_le_bytes(size);
        if name == *wanted {
            let mut bytes = Vec::new();
            file.take(size.min(most).into()).read_to_end(&mut bytes).ok()?;
            return Some(bytes);
        }
        file.seek(SeekFrom::Current((u64::from(size) + u64::from(size % 2)) as i64)).ok()?;
    }
    None
}
