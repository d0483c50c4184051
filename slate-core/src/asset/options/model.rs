use super::TextureOptions;
use crate::{Error, Result, wire::wire_enum};
use serde::{Deserialize, Serialize};

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

wire_enum! {
    /// What the images of a model are written as.
    ImageFormat {
        /// As they came.
        Keep = "keep",
        /// WebP becomes PNG; PNG is written anew where that is smaller; JPEG stays: every viewer reads both.
        Png = "png",
        /// PNG becomes WebP (`EXT_texture_webp`) where that is smaller, lossy for colours below a quality of 100; JPEG stays.
        /// Most viewers read it.
        Webp = "webp",
        /// KTX2 in UASTC (`KHR_texture_basisu`), with mip chains and zstd: viewers turn it into what the graphics processor has,
        /// where it stays at 8 bits a pixel. Sides become multiples of four. What holds colours and numbers at once stays.
        Ktx2 = "ktx2",
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
    /// What is done to images; default nothing.
    pub images: ModelImages,
}

/// What is done to the images of a model. What an image means, colours, normals or numbers, follows from the materials
/// that show it, and decides how it is filtered. Images that no material shows stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelImages {
    /// What they are written as; default as they came. Only GLB and glTF can hold WebP and KTX2.
    pub format: ImageFormat,
    /// The longest side in pixels, 1 to 16384: larger images are filtered down to it; default: any.
    pub max_size: Option<u32>,
    /// Effort of PNG and KTX2, loss of JPEG and of WebP's colours, 0 to 100 (best); default 90. A JPEG is written anew only where it is made smaller.
    pub quality: u8,
}

impl Default for ModelImages {
    fn default() -> Self {
        Self { format: ImageFormat::Keep, max_size: None, quality: 90 }
    }
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
    /// Triangles and vertices are put in the order that graphics processors like, or, where they are compressed by meshopt,
    /// in the one that is smallest; default `true`.
    pub reorder: bool,
    /// Keys of animations that the ones beside them imply are dropped, and tracks that leave a node as it stands, where no
    /// animation moves it so; default `true`.
    pub resample: bool,
    /// Tracks that leave a node as it stands are dropped from each animation by itself, though another one moves the node; default
    /// `false`, because players that let one animation follow the other, without going back to where nodes stand, need them.
    pub drop_rest: bool,
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
            drop_rest: off,
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
            images: ModelImages::default(),
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
        let ModelImages { format, max_size, quality } = self.images;
        if quality > 100 {
            return Err(Error::invalid("images.quality goes from 0 to 100").with("quality", quality));
        }
        if let Some(side) = max_size.filter(|side| !(1..=TextureOptions::MAX_SIDE).contains(side)) {
            return Err(Error::invalid("images.maxSize is a number of pixels from 1 to 16384").with("maxSize", side));
        }
        if !holds_small && matches!(format, ImageFormat::Webp | ImageFormat::Ktx2) {
            let held = if format == ImageFormat::Webp { "WebP" } else { "KTX2" };
            return Err(Error::invalid(format!(
                "this format holds no {held}: choose glb or gltf, or images.format keep"
            ))
            .with("format", self.format));
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
