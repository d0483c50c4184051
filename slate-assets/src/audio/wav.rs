use slate_core::{
    Error, Result,
    asset::{AssetLimits, WriteSeek},
};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// Writes 16-bit PCM in RIFF WAVE; the sizes are put in at the end.
///
/// More than two channels take the extensible form, which tells where each belongs: Microsoft, "Multiple channel audio
/// data and WAVE files".
pub(super) struct WavWriter {
    out: BufWriter<Box<dyn WriteSeek>>,
    header: u32,
    data: u64,
    clipped: u64,
}

/// KSDATAFORMAT_SUBTYPE_PCM.
const PCM: [u8; 16] = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
/// The usual speakers for 1 to 8 channels, as the bits of `dwChannelMask`.
const SPEAKERS: [u32; 8] = [0x4, 0x3, 0x7, 0x33, 0x37, 0x3F, 0x13F, 0x63F];

impl WavWriter {
    pub(super) fn new(out: Box<dyn WriteSeek>, channels: u16, rate: u32) -> Result<Self> {
        let extensible = channels > 2;
        let frame = channels * 2;
        let mut head = Vec::new();
        head.extend(b"RIFF\0\0\0\0WAVEfmt ");
        head.extend(if extensible { 40u32 } else { 16 }.to_le_bytes());
        head.extend(if extensible { 0xFFFEu16 } else { 1 }.to_le_bytes());
        head.extend(channels.to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend((rate * u32::from(frame)).to_le_bytes());
        head.extend(frame.to_le_bytes());
        head.extend(16u16.to_le_bytes());
        if extensible {
            head.extend(22u16.to_le_bytes());
            head.extend(16u16.to_le_bytes());
            let speakers = SPEAKERS.get(usize::from(channels) - 1).copied().unwrap_or(0);
            head.extend(speakers.to_le_bytes());
            head.extend(PCM);
        }
        head.extend(b"data\0\0\0\0");
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        out.write_all(&head).map_err(failed)?;
        Ok(Self { out, header: head.len() as u32, data: 0, clipped: 0 })
    }

    /// Appends interleaved samples times `gain`; those beyond full scale are clipped and counted.
    pub(super) fn write(&mut self, samples: &[f32], gain: f32) -> Result<()> {
        self.data += samples.len() as u64 * 2;
        AssetLimits::check("the size of a wav file", self.data + u64::from(self.header), u64::from(u32::MAX))?;
        for sample in samples {
            let value = (sample * gain * 32_768.0).round();
            if !(-32_768.0..=32_767.0).contains(&value) {
                self.clipped += 1;
            }
            self.out.write_all(&(value as i16).to_le_bytes()).map_err(failed)?;
        }
        Ok(())
    }

    /// Puts the sizes in and tells how many samples were clipped.
    pub(super) fn finish(mut self) -> Result<u64> {
        let data = self.data as u32;
        let put = |out: &mut BufWriter<Box<dyn WriteSeek>>, at: u32, size: u32| {
            out.seek(SeekFrom::Start(at.into())).and_then(|_| out.write_all(&size.to_le_bytes()))
        };
        put(&mut self.out, 4, self.header - 8 + data)
            .and_then(|()| put(&mut self.out, self.header - 4, data))
            .and_then(|()| self.out.flush())
            .map_err(failed)?;
        Ok(self.clipped)
    }
}

fn failed(error: io::Error) -> Error {
    Error::io("write the output", error)
}
