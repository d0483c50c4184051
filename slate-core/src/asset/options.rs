use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};

wire_enum! {
    /// What an asset is. Textures, models and sounds have processors; the others are kept and named.
    AssetKind {
        /// An image for a surface, a sprite or the sky.
        Texture = "texture",
        /// Geometry with its materials, skeleton and animations.
        Model = "model",
        /// A sound effect, voice or music.
        Audio = "audio",
        /// Source code of the game.
        Script = "script",
        /// A level or prefab.
        Scene = "scene",
        /// A surface description.
        Material = "material",
        /// A moving picture.
        Video = "video",
        /// A typeface.
        Font = "font",
        /// A program for the graphics processor.
        Shader = "shader",
        /// Anything else.
        Other = "other",
    }
}

impl AssetKind {
    /// The kind that a file's extension suggests, whatever its case; [`Other`](Self::Other) where none does.
    pub fn of_path(path: &str) -> Self {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
        match extension.as_str() {
            "png" | "jpg" | "jpeg" | "webp" | "tga" | "bmp" | "gif" | "tif" | "tiff" | "hdr" | "exr" | "qoi"
            | "psd" | "dds" | "ktx2" => Self::Texture,
            "gltf" | "glb" | "obj" | "fbx" => Self::Model,
            "wav" | "mp3" | "ogg" | "flac" | "opus" | "aif" | "aiff" | "m4a" | "aac" => Self::Audio,
            "gd" | "cs" | "lua" | "js" | "ts" | "py" | "cpp" | "h" | "rs" => Self::Script,
            "tscn" | "scn" | "unity" | "prefab" | "umap" => Self::Scene,
            "mat" | "tres" | "mtl" | "material" => Self::Material,
            "mp4" | "webm" | "mov" | "ogv" => Self::Video,
            "ttf" | "otf" | "woff2" => Self::Font,
            "shader" | "gdshader" | "hlsl" | "glsl" | "wgsl" => Self::Shader,
            _ => Self::Other,
        }
    }
}

/// The options of one asset job: its type picks the processor.
///
/// In JSON `{"type": "texture", "options": {"format": "webp"}}`; options left out take their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "options", rename_all = "lowercase")]
#[non_exhaustive]
pub enum AssetOptions {
    /// Process as a texture.
    Texture(TextureOptions),
    /// Process as a model.
    Model(ModelOptions),
    /// Process as a sound.
    Audio(AudioOptions),
}

impl AssetOptions {
    /// The kind of asset that these options are for.
    pub const fn kind(&self) -> AssetKind {
        match self {
            Self::Texture(_) => AssetKind::Texture,
            Self::Model(_) => AssetKind::Model,
            Self::Audio(_) => AssetKind::Audio,
        }
    }

    /// The default options for `kind`; `None` where it has no processor.
    pub fn default_for(kind: AssetKind) -> Option<Self> {
        match kind {
            AssetKind::Texture => Some(Self::Texture(TextureOptions::default())),
            AssetKind::Model => Some(Self::Model(ModelOptions::default())),
            AssetKind::Audio => Some(Self::Audio(AudioOptions::default())),
            _ => None,
        }
    }

    /// Checks every range and that the options go together.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Texture(options) => options.validate(),
            Self::Model(options) => options.validate(),
            Self::Audio(options) => options.validate(),
        }
    }
}

wire_enum! {
    /// The container that a texture is written in.
    TextureFormat {
        /// PNG: lossless, one level.
        Png = "png",
        /// JPEG: lossy, opaque, one level.
        Jpeg = "jpg",
        /// WebP: one level.
        Webp = "webp",
        /// DirectDraw Surface: block formats and mipmaps.
        Dds = "dds",
        /// Khronos Texture 2: block formats, mipmaps, supercompression.
        Ktx2 = "ktx2",
    }
}

wire_enum! {
    /// A block compression that graphics processors read directly.
    Compression {
        /// Plain pixels.
        None = "none",
        /// BC1: RGB, 4 bits a pixel.
        Bc1 = "bc1",
        /// BC3: RGBA, 8 bits a pixel.
        Bc3 = "bc3",
        /// BC4: one channel, 4 bits a pixel.
        Bc4 = "bc4",
        /// BC5: two channels, 8 bits a pixel.
        Bc5 = "bc5",
        /// BC6H: RGB half floats, 8 bits a pixel.
        Bc6h = "bc6h",
        /// BC7: RGBA, 8 bits a pixel.
        Bc7 = "bc7",
        /// ETC2: RGB in 4 bits a pixel, RGBA in 8.
        Etc2 = "etc2",
        /// EAC: one channel of 11 bits, 4 bits a pixel.
        EacR11 = "eac-r11",
        /// EAC: two channels of 11 bits, 8 bits a pixel.
        EacRg11 = "eac-rg11",
        /// ASTC 4×4, 8 bits a pixel.
        Astc = "astc",
        /// ASTC 5×4, 6.4 bits a pixel.
        Astc5x4 = "astc-5x4",
        /// ASTC 5×5, 5.12 bits a pixel.
        Astc5x5 = "astc-5x5",
        /// ASTC 6×5, 4.27 bits a pixel.
        Astc6x5 = "astc-6x5",
        /// ASTC 6×6, 3.56 bits a pixel.
        Astc6x6 = "astc-6x6",
        /// ASTC 8×5, 3.2 bits a pixel.
        Astc8x5 = "astc-8x5",
        /// ASTC 8×6, 2.67 bits a pixel.
        Astc8x6 = "astc-8x6",
        /// ASTC 8×8, 2 bits a pixel.
        Astc8x8 = "astc-8x8",
        /// ASTC 10×5, 2.56 bits a pixel.
        Astc10x5 = "astc-10x5",
        /// ASTC 10×6, 2.13 bits a pixel.
        Astc10x6 = "astc-10x6",
        /// ASTC 10×8, 1.6 bits a pixel.
        Astc10x8 = "astc-10x8",
        /// ASTC 10×10, 1.28 bits a pixel.
        Astc10x10 = "astc-10x10",
        /// ASTC 12×10, 1.07 bits a pixel.
        Astc12x10 = "astc-12x10",
        /// ASTC 12×12, 0.89 bits a pixel.
        Astc12x12 = "astc-12x12",
    }
}

wire_enum! {
    /// How the levels of a KTX2 file are compressed once more, without loss.
    Supercompression {
        /// Not at all: graphics processors read the levels as they are.
        None = "none",
        /// Zstandard: smaller files, for loaders that know it.
        Zstd = "zstd",
    }
}

wire_enum! {
    /// What a texture's values mean; it decides how it is filtered and encoded.
    TextureKind {
        /// As the source says: HDR for an image of linear light beyond 1.0, colour for every other.
        Auto = "auto",
        /// Colours in sRGB.
        Color = "color",
        /// Tangent-space normals.
        Normal = "normal",
        /// Linear data: roughness, masks, heights.
        Mask = "mask",
        /// Linear light beyond 1.0.
        Hdr = "hdr",
    }
}

wire_enum! {
    /// The container that a model is written in.
    ModelFormat {
        /// glTF 2.0 in one binary file.
        Glb = "glb",
        /// glTF 2.0 as JSON with a separate buffer.
        Gltf = "gltf",
        /// Autodesk FBX.
        Fbx = "fbx",
        /// Wavefront OBJ.
        Obj = "obj",
    }
}

wire_enum! {
    /// The container and codec that a sound is written in.
    AudioFormat {
        /// RIFF WAVE, uncompressed.
        Wav = "wav",
        /// Ogg Vorbis.
        Ogg = "ogg",
        /// MPEG layer 3.
        Mp3 = "mp3",
        /// Ogg Opus.
        Opus = "opus",
        /// Free Lossless Audio Codec.
        Flac = "flac",
    }
}

/// A size to fit a texture to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Width in pixels, 1 to 16384.
    pub width: u32,
    /// Height in pixels, 1 to 16384.
    pub height: u32,
}

/// How a texture is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TextureOptions {
    /// Container to write; default KTX2.
    pub format: TextureFormat,
    /// Block compression; default none. Only KTX2 and DDS can hold one.
    pub compression: Compression,
    /// How levels are compressed once more; default none. Only KTX2 has it.
    pub supercompression: Supercompression,
    /// Whether to write the whole mip chain; default `true`. Only KTX2 and DDS can hold one.
    pub generate_mipmaps: bool,
    /// Effort or loss, 0 (quick) to 100 (best); default 90. Of block compression below 20 the least effort, below 50
    /// little, below 80 some, below 95 much, then all there is.
    pub quality: u8,
    /// Exact size to resample to; default: the source's own.
    pub resize: Option<Resize>,
    /// What the values mean; default: as the source says.
    pub kind: TextureKind,
}

impl Default for TextureOptions {
    fn default() -> Self {
        Self {
            format: TextureFormat::Ktx2,
            compression: Compression::None,
            supercompression: Supercompression::None,
            generate_mipmaps: true,
            quality: 90,
            resize: None,
            kind: TextureKind::Auto,
        }
    }
}

impl TextureOptions {
    /// The largest width and height that may be asked for, in pixels.
    pub const MAX_SIDE: u32 = 16_384;

    /// Checks every range and that format, compression and mipmaps go together.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        if self.quality > 100 {
            return Err(Error::invalid("quality goes from 0 to 100").with("quality", self.quality));
        }
        if let Some(Resize { width, height }) = self.resize {
            let fits = |side| (1..=Self::MAX_SIDE).contains(&side);
            if !fits(width) || !fits(height) {
                return Err(Error::invalid("resize takes a width and a height from 1 to 16384")
                    .with("width", width)
                    .with("height", height));
            }
        }
        let holds_blocks = matches!(self.format, TextureFormat::Ktx2 | TextureFormat::Dds);
        let (format, compression) = (self.format, self.compression);
        if !holds_blocks && compression != Compression::None {
            return Err(Error::invalid(format!(
                "{format} can't hold {compression}: choose ktx2 or dds for it, or compression none"
            )));
        }
        if format == TextureFormat::Dds && compression.is_for_mobile() {
            return Err(Error::invalid(format!("dds can't hold {compression}: choose ktx2")));
        }
        if format != TextureFormat::Ktx2 && self.supercompression != Supercompression::None {
            return Err(Error::invalid(format!(
                "{format} can't be supercompressed: choose ktx2, or supercompression none"
            )));
        }
        self.kind_fits()?;
        if !holds_blocks && self.generate_mipmaps {
            return Err(Error::invalid(
                "this format holds one level: choose ktx2 or dds, or set generateMipmaps to false",
            )
            .with("format", self.format));
        }
        Ok(())
    }

    /// Whether the compression can hold what the values mean; it is asked again once the source has said it.
    fn kind_fits(&self) -> Result<()> {
        use {Compression as C, TextureKind as K};
        let compression = self.compression;
        let wanted = match (self.kind, compression) {
            (K::Auto, _) | (_, C::None) | (K::Hdr, C::Bc6h) => return Ok(()),
            (K::Hdr, _) => "holds no light beyond 1.0: choose bc6h or none",
            (_, C::Bc6h) => "holds linear light: choose bc7 or astc, or kind hdr",
            (K::Mask, _) => return Ok(()),
            (_, C::Bc4 | C::EacR11) => "holds one linear channel: choose bc7 or astc, or kind mask",
            (K::Color, C::Bc5 | C::EacRg11) => "holds two linear channels: choose bc7 or astc, or kind normal or mask",
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("{compression} {wanted}")).with("kind", self.kind))
    }
}

impl Compression {
    /// Whether graphics processors of phones read it, and DDS files have no number for it.
    const fn is_for_mobile(self) -> bool {
        !matches!(self, Self::None | Self::Bc1 | Self::Bc3 | Self::Bc4 | Self::Bc5 | Self::Bc6h | Self::Bc7)
    }
}

/// How a model is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Container to write; default GLB.
    pub format: ModelFormat,
    /// Factor on every position; default 1.
    pub scale: f32,
    /// Whether to optimise meshes and materials; default `true`.
    pub optimize: bool,
    /// Whether to write levels of detail; default `true`.
    #[serde(rename = "generateLODs")]
    pub generate_lods: bool,
    /// The share of triangles each level keeps, falling, each between 0 and 1; default 0.75, 0.5, 0.25.
    pub lod_levels: Vec<f32>,
    /// Whether to bake ambient occlusion and direct light; default `false`.
    pub bake_lighting: bool,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            format: ModelFormat::Glb,
            scale: 1.0,
            optimize: true,
            generate_lods: true,
            lod_levels: vec![0.75, 0.5, 0.25],
            bake_lighting: false,
        }
    }
}

impl ModelOptions {
    /// The most levels of detail that may be asked for.
    pub const MAX_LODS: usize = 8;

    /// Checks every range.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        if !self.scale.is_finite() || self.scale <= 0.0 {
            return Err(Error::invalid("scale is a positive number").with("scale", self.scale));
        }
        if self.generate_lods {
            let falling = self.lod_levels.windows(2).all(|pair| pair[0] > pair[1]);
            let inside = self.lod_levels.iter().all(|&level| level > 0.0 && level < 1.0);
            if !falling || !inside || self.lod_levels.is_empty() || self.lod_levels.len() > Self::MAX_LODS {
                return Err(Error::invalid("lodLevels takes 1 to 8 falling numbers between 0 and 1"));
            }
        }
        Ok(())
    }
}

/// How a sound is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AudioOptions {
    /// Container and codec to write; default Ogg Vorbis.
    pub format: AudioFormat,
    /// Bitrate in kbit/s for lossy codecs, 8 to 512; default 192.
    pub bitrate: u32,
    /// Samples a second, 8000 to 192000; default 48000.
    pub sample_rate: u32,
    /// Number of channels, 1 to 8; default 2.
    pub channels: u16,
    /// Whether to bring the sound to a common loudness; default `true`.
    pub normalize: bool,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self { format: AudioFormat::Ogg, bitrate: 192, sample_rate: 48_000, channels: 2, normalize: true }
    }
}

impl AudioOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// `Invalid`, naming the option and what it may be.
    pub fn validate(&self) -> Result<()> {
        if !(8..=512).contains(&self.bitrate) {
            return Err(Error::invalid("bitrate goes from 8 to 512 kbit/s").with("bitrate", self.bitrate));
        }
        if !(8_000..=192_000).contains(&self.sample_rate) {
            return Err(Error::invalid("sampleRate goes from 8000 to 192000").with("sampleRate", self.sample_rate));
        }
        if !(1..=8).contains(&self.channels) {
            return Err(Error::invalid("channels goes from 1 to 8").with("channels", self.channels));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_options_parse_as_written() {
        let texture: TextureOptions = serde_json::from_str(
            r#"{"format":"webp","compression":"bc7","generateMipmaps":true,"quality":90,"resize":{"width":2048,"height":2048}}"#,
        )
        .unwrap();
        let error = texture.validate().unwrap_err();
        assert!(error.message().contains("choose ktx2 or dds"), "{error}");

        let model: ModelOptions = serde_json::from_str(
            r#"{"format":"glb","scale":1.0,"optimize":true,"generateLODs":true,"lodLevels":[0.75,0.5,0.25],"bakeLighting":false}"#,
        )
        .unwrap();
        assert_eq!(model, ModelOptions::default());

        let audio: AudioOptions =
            serde_json::from_str(r#"{"format":"ogg","bitrate":192,"sampleRate":48000,"channels":2,"normalize":true}"#)
                .unwrap();
        assert_eq!(audio, AudioOptions::default());
    }

    #[test]
    fn job_options_carry_their_type() {
        let options: AssetOptions = serde_json::from_str(r#"{"type":"audio","options":{"format":"wav"}}"#).unwrap();
        assert_eq!(options.kind(), AssetKind::Audio);
        assert!(serde_json::from_str::<AssetOptions>(r#"{"type":"audio","options":{"colour":1}}"#).is_err());
    }

    #[test]
    fn out_of_range_options_are_named() {
        let cases = [
            AssetOptions::Texture(TextureOptions { quality: 101, ..Default::default() }),
            AssetOptions::Texture(TextureOptions {
                resize: Some(Resize { width: 0, height: 1 }),
                ..Default::default()
            }),
            AssetOptions::Model(ModelOptions { scale: f32::NAN, ..Default::default() }),
            AssetOptions::Model(ModelOptions { lod_levels: vec![0.5, 0.75], ..Default::default() }),
            AssetOptions::Audio(AudioOptions { channels: 9, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { sample_rate: 1, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { bitrate: 0, ..Default::default() }),
        ];
        for case in cases {
            assert_eq!(case.validate().unwrap_err().kind(), crate::ErrorKind::Invalid, "{case:?}");
        }
    }

    #[test]
    fn kinds_follow_extensions() {
        assert_eq!(AssetKind::of_path("art/Hero.PNG"), AssetKind::Texture);
        assert_eq!(AssetKind::of_path("a.b/c"), AssetKind::Other);
        assert_eq!("model".parse::<AssetKind>().unwrap(), AssetKind::Model);
    }
}
