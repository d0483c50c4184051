//! WebP: VP8L keeps every sample, VP8 throws away what is seen least.

use super::{
    encode::{color_8, error_of, samples_8},
    pixels::Pixels,
};
use image::{ImageEncoder, codecs::webp::WebPEncoder};
use oxideav_webp::{EncodeOptions, WebpError};
use slate_core::{
    Error, Result,
    asset::{TextureKind, TextureOptions},
};

/// The longest side, in pixels, that VP8L holds (RFC 9649, section 3.4).
const MOST: u32 = 16_384;

/// A file.
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// Whether it keeps every sample that it was made of.
    pub(super) is_lossless: bool,
    /// Why it is lossless though it needn't be: VP8 has 16 383 pixels a side, and 512 KiB for the ways in which the blocks of a
    /// picture are predicted, which very large ones with much detail exceed.
    pub(super) refused: Option<WebpError>,
}

/// Colours lose what the quality allows, unless keeping all of them takes no more bytes; normals, masks and alpha lose nothing.
pub(super) fn encoded(pixels: &Pixels, options: &TextureOptions) -> Result<Encoded> {
    if pixels.width.max(pixels.height) > MOST {
        return Err(Error::unsupported("webp holds 16384 pixels a side at most; choose ktx2 or png, or resize"));
    }
    let samples = samples_8(pixels)?;
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.write_image(&samples, pixels.width, pixels.height, color_8(pixels.channels)).map_err(error_of)?;
    let whole = Encoded { bytes, is_lossless: true, refused: None };
    if options.kind != TextureKind::Color || options.quality == 100 {
        return Ok(whole);
    }
    Ok(match lossy(pixels, &samples, options.quality) {
        Ok(bytes) if bytes.len() < whole.bytes.len() => Encoded { bytes, is_lossless: false, refused: None },
        Ok(_) => whole,
        Err(error) => Encoded { refused: Some(error), ..whole },
    })
}

/// VP8, with an alpha that isn't opaque beside it as it is.
fn lossy(pixels: &Pixels, samples: &[u8], quality: u8) -> Result<Vec<u8>, WebpError> {
    let (width, height, channels) = (pixels.width, pixels.height, usize::from(pixels.channels));
    let options = EncodeOptions::default().with_quality(f32::from(quality));
    // Red, green and blue are one sample of grey.
    let color = |pixel: &[u8]| if channels < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] };
    let of = samples.chunks_exact(channels);
    if pixels.is_translucent() {
        let all = of.flat_map(|pixel| color(pixel).into_iter().chain(pixel.last().copied()));
        return oxideav_webp::encode_rgba8(width, height, &all.collect::<Vec<_>>(), &options);
    }
    oxideav_webp::encode_rgb8(width, height, &of.flat_map(color).collect::<Vec<_>>(), &options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texture::pixels::Samples;

    #[test]
    fn what_is_longer_than_vp8_goes_is_lossless_and_says_why() {
        let samples: Vec<u8> = (0..16_384 * 2).map(|at| (at * at % 251) as u8).collect();
        let pixels = Pixels { width: 16_384, height: 2, channels: 1, data: Samples::U8(samples.clone()) };
        let mut options = TextureOptions::default();
        options.kind = TextureKind::Color;
        let file = encoded(&pixels, &options).unwrap();
        assert!(file.is_lossless);
        assert!(file.refused.unwrap().to_string().contains("16383"));
        let read = oxideav_webp::decode_rgb8(&file.bytes).unwrap();
        assert_eq!((read.width, read.height), (16_384, 2));
        assert!(read.data.chunks_exact(3).zip(&samples).all(|(read, sample)| *read == [*sample; 3]));
    }
}
