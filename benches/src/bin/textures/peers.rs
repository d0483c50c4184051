//! The native encoders that others use, by the crates `ctt-*`: C++ and ISPC with AVX2, each on one thread.

use super::{Encoder, pixels};
use ctt_astcenc as astcenc;
use ctt_bc7enc_rdo as bc7e;
use ctt_bc7f::bindings as bc7f;
use ctt_intel_texture_compressor as ispc;
use slate_assets::texture::block::{BlockFormat, Surface, Values};
use slate_benches::Result;

/// A picture in the layouts that the peers take; what sticks out of whole blocks is cut off before.
struct Prepared {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
    bgra: Vec<u8>,
    /// Sixteen texels of each block after the other.
    blocks: Vec<u8>,
    /// The same as numbers.
    words: Vec<u32>,
}

/// The peers of a format; none where there are none.
pub(super) fn of(pictures: &[Surface], format: BlockFormat) -> Result<Vec<Encoder<'static>>> {
    let prepare = || pictures.iter().map(Prepared::of).collect::<Result<Vec<_>>>();
    let all = |name: &str, one: fn(&Prepared) -> Vec<u8>| -> Result<Encoder<'static>> {
        let prepared = prepare()?;
        Ok(Encoder::new(name, move || Ok(prepared.iter().map(one).collect())))
    };
    Ok(match format {
        BlockFormat::Bc1 => vec![
            all("etcpak", |picture| ctt_etcpak::bc1::compress_blocks(&picture.etcpak(&picture.rgba)))?,
            all("ISPC", |picture| ispc::bc1::compress_blocks(&picture.ispc()))?,
        ],
        BlockFormat::Bc3 => vec![
            all("etcpak", |picture| ctt_etcpak::bc3::compress_blocks(&picture.etcpak(&picture.rgba)))?,
            all("ISPC", |picture| ispc::bc3::compress_blocks(&picture.ispc()))?,
        ],
        BlockFormat::Bc5 => {
            vec![all("etcpak", |picture| ctt_etcpak::bc5::compress_blocks(&picture.etcpak(&picture.rgba)))?]
        }
        BlockFormat::Etc2Rgb => vec![
            all("etcpak", |picture| ctt_etcpak::etc2_rgb::compress_blocks(&picture.etcpak(&picture.bgra), true))?,
            all("ISPC etc1 slow", |picture| {
                ispc::etc1::compress_blocks(&ispc::etc1::slow_settings(), &picture.ispc())
            })?,
        ],
        BlockFormat::Etc2Rgba => {
            vec![all("etcpak", |picture| ctt_etcpak::etc2_rgba::compress_blocks(&picture.etcpak(&picture.bgra), true))?]
        }
        BlockFormat::Bc7 => {
            let mut encoders = Vec::new();
            for (name, flags) in [
                ("bc7f fastest", bc7f::cPackBC7FlagDefaultFastest),
                ("bc7f fast", bc7f::cPackBC7FlagDefaultFast),
                ("bc7f default", bc7f::cPackBC7FlagDefault),
                ("bc7f partly analytical", bc7f::cPackBC7FlagDefaultPartiallyAnalytical),
                ("bc7f not analytical", bc7f::cPackBC7FlagDefaultNonAnalytical),
            ] {
                let prepared = prepare()?;
                encoders.push(Encoder::new(name, move || {
                    Ok(prepared.iter().map(|picture| ctt_bc7f::compress_blocks(&picture.blocks, flags)).collect())
                }));
            }
            for (name, settings) in [
                ("bc7e ultrafast", bc7e::params_init_ultrafast as fn(bool) -> _),
                ("bc7e veryfast", bc7e::params_init_veryfast),
                ("bc7e fast", bc7e::params_init_fast),
                ("bc7e slow", bc7e::params_init_slow),
                ("bc7e veryslow", bc7e::params_init_veryslow),
            ] {
                let prepared = prepare()?;
                encoders.push(Encoder::new(name, move || {
                    let settings = settings(false);
                    let one = |picture: &Prepared| -> Vec<u8> {
                        let words = bc7e::compress_blocks_alloc(picture.words.len() / 16, &picture.words, &settings);
                        words.iter().flat_map(|word| word.to_le_bytes()).collect()
                    };
                    Ok(prepared.iter().map(one).collect())
                }));
            }
            encoders
        }
        BlockFormat::Astc(footprint) => {
            let mut encoders = Vec::new();
            for (name, preset) in [
                ("astcenc fastest", astcenc::Preset::Fastest),
                ("astcenc fast", astcenc::Preset::Fast),
                ("astcenc medium", astcenc::Preset::Medium),
                ("astcenc thorough", astcenc::Preset::Thorough),
            ] {
                let prepared = prepare()?;
                let size = [footprint.width() as u32, footprint.height() as u32];
                encoders.push(Encoder::new(name, move || astc(&prepared, size, preset)));
            }
            encoders
        }
        _ => Vec::new(),
    })
}

/// One context for all pictures, as for one large one.
fn astc(pictures: &[Prepared], [across, down]: [u32; 2], preset: astcenc::Preset) -> Result<Vec<Vec<u8>>> {
    let flags = astcenc::Flags::empty();
    let config = astcenc::config_init(astcenc::Profile::Ldr, across, down, 1, preset, flags)?;
    let mut context = astcenc::Context::new(&config)?;
    let mut out = Vec::new();
    for picture in pictures {
        let mut rgba = picture.rgba.clone();
        let mut slice = rgba.as_mut_ptr().cast();
        let mut image = astcenc::bindings::astcenc_image {
            dim_x: picture.width,
            dim_y: picture.height,
            dim_z: 1,
            data_type: astcenc::bindings::astcenc_type_ASTCENC_TYPE_U8,
            data: &raw mut slice,
        };
        let blocks = picture.width.div_ceil(across) as usize * picture.height.div_ceil(down) as usize;
        let mut bytes = vec![0; blocks * 16];
        context.compress(&mut image, astcenc::Swizzle::IDENTITY, &mut bytes)?;
        context.compress_reset()?;
        out.push(bytes);
    }
    Ok(out)
}

impl Prepared {
    fn of(picture: &Surface) -> Result<Self> {
        let Values::Rgba8(values) = &picture.values else { return Err("peers take 8 bits".into()) };
        if picture.width % 4 + picture.height % 4 != 0 {
            return Err("peers take whole blocks".into());
        }
        let rgba = values.clone();
        let bgra = rgba.chunks_exact(4).flat_map(|texel| [texel[2], texel[1], texel[0], texel[3]]).collect();
        let (width, height) = (picture.width as usize, picture.height as usize);
        let mut blocks = Vec::with_capacity(pixels(picture) * 4);
        for (top, left) in (0..height).step_by(4).flat_map(|top| (0..width).step_by(4).map(move |left| (top, left))) {
            for row in top..top + 4 {
                blocks.extend_from_slice(&rgba[(row * width + left) * 4..][..16]);
            }
        }
        let words = blocks.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Self { width: picture.width, height: picture.height, rgba, bgra, blocks, words })
    }

    fn etcpak<'a>(&self, data: &'a [u8]) -> ctt_etcpak::Surface<'a> {
        ctt_etcpak::Surface::new(data, self.width, self.height)
    }

    fn ispc(&self) -> ispc::RgbaSurface<'_> {
        ispc::RgbaSurface::new(&self.rgba, self.width, self.height, self.width * 4)
    }
}
