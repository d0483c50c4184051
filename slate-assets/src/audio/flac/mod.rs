//! FLAC (RFC 9639), written by an encoder of our own: frames of 4096 samples, each channel by the cheapest of a constant,
//! fixed predictors and linear prediction, the rest in Rice codes.

mod bits;
mod subframe;

use super::{
    art::Picture,
    dither::Quantizer,
    sink::{Encoded, Encoder, failed},
    tags,
};
use bits::Bits;
use md5::{Digest, Md5};
use slate_core::{Result, asset::WriteSeek};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use subframe::Coder;

const BLOCK: usize = 4096;

/// Writes 16 or 24 bits.
pub(super) struct FlacEncoder {
    out: BufWriter<Box<dyn WriteSeek>>,
    rate: u32,
    bits: u16,
    quantizer: Quantizer,
    /// A line for each channel.
    lines: Vec<Vec<i32>>,
    coder: Coder,
    md5: Md5,
    /// The block's samples as the sum takes them.
    plain: Vec<u8>,
    frames: u64,
    block: u64,
    least: u32,
    most: u32,
}

impl FlacEncoder {
    pub(super) fn new(
        out: Box<dyn WriteSeek>,
        channels: u16,
        rate: u32,
        bits: u16,
        quantizer: Quantizer,
        comments: &[(String, String)],
        pictures: &[Picture],
    ) -> Result<Self> {
        let mut encoder = Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            rate,
            bits,
            quantizer,
            lines: vec![Vec::with_capacity(BLOCK); channels.into()],
            coder: Coder::default(),
            md5: Md5::new(),
            plain: Vec::new(),
            frames: 0,
            block: 0,
            least: u32::MAX,
            most: 0,
        };
        let mut head = b"fLaC\0\0\0\x22".to_vec();
        head.extend(encoder.info());
        let comments = tags::comments(comments);
        let last = |is: bool| if is { 0x8000_0000u32 } else { 0 };
        head.extend((last(pictures.is_empty()) | 0x0400_0000 | comments.len() as u32).to_be_bytes());
        head.extend(comments);
        for (at, picture) in pictures.iter().enumerate() {
            let block = picture.block();
            head.extend((last(at + 1 == pictures.len()) | 0x0600_0000 | block.len() as u32).to_be_bytes());
            head.extend(block);
        }
        encoder.out.write_all(&head).map_err(failed)?;
        Ok(encoder)
    }

    /// The stream's description; sizes and the sum are put in at the end.
    fn info(&self) -> Vec<u8> {
        let mut info = Vec::new();
        [BLOCK as u16; 2].iter().for_each(|size| info.extend(size.to_be_bytes()));
        let least = if self.least == u32::MAX { 0 } else { self.least };
        [least, self.most].iter().for_each(|size| info.extend(&size.to_be_bytes()[1..]));
        let packed = u64::from(self.rate) << 44
            | (self.lines.len() as u64 - 1) << 41
            | (u64::from(self.bits) - 1) << 36
            | self.frames & 0xF_FFFF_FFFF;
        info.extend(packed.to_be_bytes());
        info.extend(self.md5.clone().finalize());
        info
    }

    /// Writes the frame that is gathered: section 9.
    fn block(&mut self) -> Result<()> {
        let count = self.lines[0].len();
        if count == 0 {
            return Ok(());
        }
        let mut bits = Bits::default();
        let depth = u32::from(self.bits);
        if let [left, right] = &mut self.lines[..] {
            let pair = subframe::decorrelate(left, right);
            self.header(count, pair.assignment(), &mut bits);
            let [first, second] = pair.extra_bits();
            self.coder.subframe(&self.lines[0], depth + first, &mut bits);
            self.coder.subframe(&self.lines[1], depth + second, &mut bits);
        } else {
            self.header(count, self.lines.len() as u32 - 1, &mut bits);
            self.lines.iter().for_each(|line| self.coder.subframe(line, depth, &mut bits));
        }
        self.md5.update(&self.plain);
        self.plain.clear();
        let frame = bits.finish();
        self.out.write_all(&frame).map_err(failed)?;
        (self.least, self.most) = (self.least.min(frame.len() as u32), self.most.max(frame.len() as u32));
        self.block += 1;
        self.lines.iter_mut().for_each(Vec::clear);
        Ok(())
    }

    fn header(&self, count: usize, assignment: u32, bits: &mut Bits) {
        let rate = match self.rate {
            88_200 => 1,
            176_400 => 2,
            192_000 => 3,
            8_000 => 4,
            16_000 => 5,
            22_050 => 6,
            24_000 => 7,
            32_000 => 8,
            44_100 => 9,
            48_000 => 10,
            96_000 => 11,
            ..=65_535 => 13,
            // From the stream's description.
            _ => 0,
        };
        bits.put(0x3FFE << 2, 16);
        bits.put(7, 4);
        bits.put(rate, 4);
        bits.put(assignment, 4);
        bits.put(if self.bits == 16 { 4 } else { 6 }, 3);
        bits.put(0, 1);
        bits.number(self.block);
        bits.put(count as u32 - 1, 16);
        if rate == 13 {
            bits.put(self.rate, 16);
        }
        bits.header_sum();
    }
}

impl Encoder for FlacEncoder {
    fn push(&mut self, frames: &[f32]) -> Result<()> {
        let channels = self.lines.len();
        let bytes = usize::from(self.bits / 8);
        for frame in frames.chunks_exact(channels) {
            for (line, sample) in self.lines.iter_mut().zip(frame) {
                let value = self.quantizer.next(*sample);
                self.plain.extend_from_slice(&value.to_le_bytes()[..bytes]);
                line.push(value);
            }
            self.frames += 1;
            if self.lines[0].len() == BLOCK {
                self.block()?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Encoded> {
        self.block()?;
        let info = self.info();
        (self.out.seek(SeekFrom::Start(8)))
            .and_then(|_| self.out.write_all(&info))
            .and_then(|()| self.out.flush())
            .map_err(failed)?;
        Ok(Encoded { clipped: self.quantizer.clipped() })
    }
}
