//! Seeds and short ways, shared by the tests.
#![allow(dead_code, reason = "each test uses some")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod corpus;
pub(crate) mod fbx;
pub(crate) mod node;
pub(crate) mod pictured;
pub(crate) mod rich;
pub(crate) mod scans;
pub(crate) mod shapes;
pub(crate) mod sounds;
pub(crate) mod world;

use image::{ExtendedColorType, ImageEncoder};
use slate_core::{
    Cancel, Result,
    asset::{AssetInput, AssetLimits, MemoryOutput, Processor, Progress, Report, Work},
};
use std::{collections::BTreeMap, io::Cursor};

pub(crate) type Files = BTreeMap<String, bytes::Bytes>;

/// Runs a processor as a pipeline would, in this thread.
pub(crate) fn run<P: Processor>(
    processor: &P,
    input: &AssetInput,
    options: &P::Options,
    limits: &AssetLimits,
) -> Result<(Report, Files)> {
    let (mut output, cancel, progress) = (MemoryOutput::new(limits.output_bytes), Cancel::new(), Progress::ignored());
    let mut work = Work { input, output: &mut output, limits, cancel: &cancel, progress: &progress };
    let report = processor.process(&mut work, options)?;
    Ok((report, output.take()))
}

/// Numbers that look random and are the same each time: PCG, by O'Neill.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (((self.0 >> 18) ^ self.0) >> 27) as u32;
        mixed.rotate_right((self.0 >> 59) as u32)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end.max(1)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

pub(crate) fn png(width: u32, height: u32, color: ExtendedColorType, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    image::codecs::png::PngEncoder::new(&mut out).write_image(bytes, width, height, color).unwrap();
    out
}

/// The same small picture in every format that is read.
pub(crate) fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    let (width, height) = (13, 7);
    let rgb = Random(7).bytes(13 * 7 * 3);
    let image = image::RgbImage::from_raw(width, height, rgb.clone()).unwrap();
    let mut all = vec![("a.png", png(width, height, ExtendedColorType::Rgb8, &rgb))];
    for (name, format) in [
        ("a.jpg", image::ImageFormat::Jpeg),
        ("a.webp", image::ImageFormat::WebP),
        ("a.tga", image::ImageFormat::Tga),
        ("a.bmp", image::ImageFormat::Bmp),
        ("a.gif", image::ImageFormat::Gif),
        ("a.qoi", image::ImageFormat::Qoi),
    ] {
        let mut out = Cursor::new(Vec::new());
        image.write_to(&mut out, format).unwrap();
        all.push((name, out.into_inner()));
    }
    let floats: Vec<_> = rgb.chunks(3).map(|p| image::Rgb([f32::from(p[0]), f32::from(p[1]) / 9.0, 0.25])).collect();
    let mut hdr = Vec::new();
    image::codecs::hdr::HdrEncoder::new(&mut hdr).encode(&floats, 13, 7).unwrap();
    all.push(("a.hdr", hdr));
    let values = floats.iter().flat_map(|pixel| pixel.0).collect();
    let mut exr = Cursor::new(Vec::new());
    image::Rgb32FImage::from_raw(width, height, values)
        .unwrap()
        .write_to(&mut exr, image::ImageFormat::OpenExr)
        .unwrap();
    all.push(("a.exr", exr.into_inner()));
    all
}

pub(crate) fn is_hdr(name: &str) -> bool {
    matches!(name, "a.hdr" | "a.exr")
}

/// A Photoshop document without layers: RGB and alpha, in plain rows or as PackBits.
pub(crate) fn psd(width: u16, height: u16, rgba: &[u8], packed: bool) -> Vec<u8> {
    let mut out = b"8BPS\0\x01\0\0\0\0\0\0\0\x04\0\0".to_vec();
    out.extend(height.to_be_bytes());
    out.extend([0, 0]);
    out.extend(width.to_be_bytes());
    out.extend([0, 8, 0, 3]);
    out.extend([0; 12]);
    out.extend([0, u8::from(packed)]);
    let line = usize::from(width);
    let plane = |channel: usize| rgba.iter().skip(channel).step_by(4).copied().collect::<Vec<u8>>();
    let rows: Vec<Vec<u8>> =
        (0..4).flat_map(|c| plane(c).chunks(line).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    if !packed {
        out.extend(rows.concat());
        return out;
    }
    // Each row as one byte twice and the rest as they are.
    let rows: Vec<Vec<u8>> = rows
        .iter()
        .map(|row| {
            let twice = row[0] == row[1];
            let head = if twice { vec![255, row[0]] } else { vec![1, row[0], row[1]] };
            [&head[..], &[(row.len() - 3) as u8], &row[2..]].concat()
        })
        .collect();
    rows.iter().for_each(|row| out.extend((row.len() as u16).to_be_bytes()));
    out.extend(rows.concat());
    out
}

pub(crate) fn wav(channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    wav_by(spec, samples.iter().copied())
}

/// A WAV file of 48 kHz in floats.
pub(crate) fn float_wav(channels: u16, samples: impl IntoIterator<Item = f32>) -> Vec<u8> {
    let sample_format = hound::SampleFormat::Float;
    wav_by(hound::WavSpec { channels, sample_rate: 48_000, bits_per_sample: 32, sample_format }, samples)
}

fn wav_by<S: hound::Sample>(spec: hound::WavSpec, samples: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut out, spec).unwrap();
    samples.into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    out.into_inner()
}

/// 16-bit mono AIFF.
pub(crate) fn aiff(rate: u32, samples: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    let mut common = 1u16.to_be_bytes().to_vec();
    common.extend((samples.len() as u32).to_be_bytes());
    common.extend(16u16.to_be_bytes());
    // An 80-bit float: the exponent, then the mantissa with its leading one.
    common.extend((16_383 + 31 - rate.leading_zeros() as u16).to_be_bytes());
    common.extend((u64::from(rate) << (32 + rate.leading_zeros())).to_be_bytes());
    let mut out = b"FORM".to_vec();
    out.extend((4 + 8 + common.len() as u32 + 8 + 8 + data.len() as u32).to_be_bytes());
    out.extend(b"AIFFCOMM\0\0\0\x12");
    out.extend(common);
    out.extend(b"SSND");
    out.extend((data.len() as u32 + 8).to_be_bytes());
    out.extend([0; 8]);
    out.extend(data);
    out
}

/// One triangle, an unused view and accessor, an embedded image, and things that nobody knows.
pub(crate) fn gltf(uri: &str) -> serde_json::Value {
    serde_json::json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "root", "extras": {"keep": [1, 2.5, "x"]}}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "images": [{"uri": "data:image/png;base64,iVBORw0KGgo=", "name": "p"}],
        "buffers": [{"byteLength": 60, "uri": uri}],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": 12},
            {"buffer": 0, "byteOffset": 48, "byteLength": 6}
        ],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
            {"bufferView": 2, "componentType": 5123, "count": 3, "type": "SCALAR"},
            {"bufferView": 1, "componentType": 5126, "count": 1, "type": "VEC3"}
        ],
        "extras": {"author": "nobody"}
    })
}

pub(crate) fn triangle() -> Vec<u8> {
    let mut bytes: Vec<u8> =
        [0.0f32, 0., 0., 1., 0., 0., 0., 1., 0., 9., 9., 9.].iter().flat_map(|v| v.to_le_bytes()).collect();
    [0u16, 1, 2].iter().for_each(|index| bytes.extend(index.to_le_bytes()));
    bytes.resize(60, 0);
    bytes
}

pub(crate) fn data_uri(bytes: &[u8]) -> String {
    use base64::Engine;
    let alphabet = base64::alphabet::STANDARD;
    let engine = base64::engine::GeneralPurpose::new(&alphabet, base64::engine::GeneralPurposeConfig::new());
    format!("data:application/octet-stream;base64,{}", engine.encode(bytes))
}

/// The JSON and the binary chunk of a GLB, read by other code than the one under test.
pub(crate) fn glb(bytes: &[u8]) -> (serde_json::Value, Vec<u8>) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((&bytes[..4], word(4), word(8)), (&b"glTF"[..], 2, bytes.len()));
    let json = word(12);
    assert_eq!((json % 4, &bytes[16..20]), (0, &b"JSON"[..]));
    let value = serde_json::from_slice(&bytes[20..20 + json]).unwrap();
    let rest = &bytes[20 + json..];
    assert_eq!((rest.len() % 4, &rest[4..8]), (0, &b"BIN\0"[..]));
    (value, rest[8..].to_vec())
}

/// A GLB of both.
pub(crate) fn to_glb(json: &serde_json::Value, binary: &[u8]) -> Vec<u8> {
    let mut text = json.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(4), b' ');
    let padded = binary.len().next_multiple_of(4);
    let mut glb = b"glTF".to_vec();
    for word in [2, (12 + 8 + text.len() + 8 + padded) as u32, text.len() as u32] {
        glb.extend(word.to_le_bytes());
    }
    glb.extend(b"JSON");
    glb.extend(&text);
    glb.extend((padded as u32).to_le_bytes());
    glb.extend(b"BIN\0");
    glb.extend(binary);
    glb.resize(12 + 8 + text.len() + 8 + padded, 0);
    glb
}

/// One verbatim frame of 16-bit mono FLAC: RFC 9639.
pub(crate) fn flac(rate: u32, samples: &[i16]) -> Vec<u8> {
    let crc = |bytes: &[u8], bits: u32, poly: u32| {
        bytes.iter().fold(0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << (bits - 8), |crc, _| {
                let shifted = crc << 1;
                (if crc >> (bits - 1) & 1 == 1 { shifted ^ poly } else { shifted }) & ((1 << bits) - 1)
            })
        })
    };
    let count = samples.len() as u16;
    let mut out = b"fLaC\x80\0\0\x22".to_vec();
    [count, count].iter().for_each(|size| out.extend(size.to_be_bytes()));
    out.extend([0; 6]);
    out.extend((u64::from(rate) << 44 | 15 << 36 | u64::from(count)).to_be_bytes());
    out.extend([0; 16]);
    let mut frame = vec![0xFF, 0xF8, 0x70, 0x08, 0];
    frame.extend((count - 1).to_be_bytes());
    frame.push(crc(&frame, 8, 0x07) as u8);
    frame.push(2);
    samples.iter().for_each(|sample| frame.extend(sample.to_be_bytes()));
    frame.extend((crc(&frame, 16, 0x8005) as u16).to_be_bytes());
    out.extend(frame);
    out
}

/// Frames of MPEG 1 layer 3, 128 kbit/s, 44100 Hz, mono, that hold nothing.
pub(crate) fn silent_mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xFF, 0xFB, 0x90, 0xC0];
    frame.resize(417, 0);
    frame.repeat(frames)
}
