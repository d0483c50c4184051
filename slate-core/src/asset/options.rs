mod audio;
mod texture;

pub use audio::{AudioFormat, AudioOptions, AudioPreset, Dither, Normalize};
pub use texture::{
    AlphaMode, Compression, MipFilter, Resize, Sizing, Supercompression, TextureFormat, TextureKind, TextureOptions,
    TexturePreset,
};

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
    /// How a model's numbers are stored. Engines differ in what they read.
    MeshCompression {
        /// As floats: every engine reads them.
        None = "none",
        /// As small integers (`KHR_mesh_quantization`): half the size, read by most engines.
        Quantize = "quantize",
        /// Quantized and compressed by `EXT_meshopt_compression`: a fifth of the size; Blender refuses it.
        Meshopt = "meshopt",
        /// Quantized and compressed by `KHR_meshopt_compression`, its newer and smaller form.
        KhrMeshopt = "khr-meshopt",
    }
}

wire_enum! {
    /// Where a model's levels of detail are written.
    LodOutput {
        /// In the same file, by `MSFT_lod` with screen coverages; readers that don't know it show the finest level. In FBX
        /// as nodes.
        Msft = "msft",
        /// In the same file, as nodes `NAME_LOD0`, `NAME_LOD1` … below the node `NAME`, as game engines import them.
        Nodes = "nodes",
        /// In files of their own, `NAME_LOD1.glb` and so on beside the whole model.
        Files = "files",
    }
}

wire_enum! {
    /// Which way is up in a model that is read.
    UpAxis {
        /// Y, as in glTF and most OBJ files.
        Y = "y",
        /// Z, as in CAD programs: the model is turned, so that Y is up in what is written.
        Z = "z",
    }
}

/// How a model is processed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelOptions {
    /// Container to write; default GLB.
    pub format: ModelFormat,
    /// Factor on every position, for example 0.01 where the file is in centimetres; default 1. FBX files tell their unit,
    /// and are read in metres.
    pub scale: f32,
    /// The axis that points up in the file; default Y. Leave it at Y for FBX, which tells it, and for glTF, where it is Y.
    pub up: UpAxis,
    /// Whether to optimise meshes and materials; default `true`.
    pub optimize: bool,
    /// Whether to write levels of detail; default `true`.
    #[serde(rename = "generateLODs")]
    pub generate_lods: bool,
    /// The share of triangles each level keeps, falling, each between 0 and 1; default 0.75, 0.5, 0.25.
    pub lod_levels: Vec<f32>,
    /// Whether to bake ambient occlusion and direct light; default `false`.
    pub bake_lighting: bool,
    /// Where the levels of detail go; default MSFT_lod.
    pub lod_output: LodOutput,
    /// How numbers are stored; default as floats. Only GLB and glTF can hold others.
    pub compress: MeshCompression,
    /// The steps of `optimize`.
    pub steps: ModelSteps,
}

/// What is done to a model that is optimised. None of it changes what a viewer shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelSteps {
    /// Equal meshes, materials, textures and images become one; default `true`.
    pub dedupe: bool,
    /// Equal vertices become one; default `true`.
    pub weld: bool,
    /// What no scene shows is dropped: meshes, materials, textures, vertices; default `true`. Nodes stay.
    pub prune: bool,
    /// Triangles and vertices are put in the order that graphics processors like; default `true`.
    pub reorder: bool,
    /// Keys of animations that the ones beside them imply are dropped; default `true`.
    pub resample: bool,
    /// Nodes that nothing moves on their own, and that aren't above joints, become roots of the scene, and empty ones are
    /// dropped; default `false`, because what belongs together is told by nodes.
    pub flatten: bool,
    /// Meshes that nothing moves on their own become one for each material; default `false`, because the names of nodes
    /// are lost. Those with morph targets, skins, extensions, extras or blended materials stay.
    pub join: bool,
    /// Nodes that show the same mesh below the same parent become one by `EXT_mesh_gpu_instancing`; default `false`, because
    /// readers that don't know it show one of them.
    pub instance: bool,
    /// Tangents by MikkTSpace for normal-mapped meshes that have none; default `false`, because viewers make the same ones.
    pub tangents: bool,
}

impl Default for ModelSteps {
    fn default() -> Self {
        let (on, off) = (true, false);
        Self {
            dedupe: on,
            weld: on,
            prune: on,
            reorder: on,
            resample: on,
            flatten: off,
            join: off,
            instance: off,
            tangents: off,
        }
    }
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self {
            format: ModelFormat::Glb,
            scale: 1.0,
            up: UpAxis::Y,
            optimize: true,
            generate_lods: true,
            lod_levels: vec![0.75, 0.5, 0.25],
            bake_lighting: false,
            lod_output: LodOutput::Msft,
            compress: MeshCompression::None,
            steps: ModelSteps::default(),
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
        let holds_small = matches!(self.format, ModelFormat::Glb | ModelFormat::Gltf);
        if !holds_small && self.compress != MeshCompression::None {
            return Err(Error::invalid("this format holds plain numbers: choose glb or gltf, or compress none")
                .with("format", self.format)
                .with("compress", self.compress));
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
