mod audio;
mod model;
mod texture;

pub use audio::{AudioFormat, AudioOptions, AudioPreset, Dither, Normalize, Resampling};
pub use model::{ImageFormat, LodOutput, MeshCompression, ModelFormat, ModelImages, ModelOptions, ModelSteps, UpAxis};
pub use texture::{
    AlphaMode, Compression, MipFilter, Resize, Sizing, Supercompression, TextureFormat, TextureKind, TextureOptions,
    TexturePreset,
};

use crate::{Result, wire::wire_enum};
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
            AssetOptions::Texture(TextureOptions { rate_distortion: f32::NAN, ..Default::default() }),
            AssetOptions::Texture(TextureOptions { rate_distortion: 1.0, ..Default::default() }),
            AssetOptions::Texture(TextureOptions { slices: Some(0), ..Default::default() }),
            AssetOptions::Texture(TextureOptions {
                slices: Some(4),
                compression: Compression::Astc,
                ..Default::default()
            }),
            AssetOptions::Model(ModelOptions { scale: f32::NAN, ..Default::default() }),
            AssetOptions::Model(ModelOptions { lod_levels: vec![0.5, 0.75], ..Default::default() }),
            AssetOptions::Model(ModelOptions {
                images: ModelImages { max_size: Some(0), ..Default::default() },
                ..Default::default()
            }),
            AssetOptions::Model(ModelOptions {
                format: ModelFormat::Fbx,
                images: ModelImages { format: ImageFormat::Webp, ..Default::default() },
                ..Default::default()
            }),
            AssetOptions::Audio(AudioOptions { channels: 9, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { sample_rate: 1, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { bitrate: 0, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { bit_depth: 20, ..Default::default() }),
            AssetOptions::Audio(AudioOptions { quality: Some(f32::NAN), ..Default::default() }),
            AssetOptions::Audio(AudioOptions { fade_out: -1.0, ..Default::default() }),
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
