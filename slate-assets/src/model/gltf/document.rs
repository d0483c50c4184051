use super::glb;
use bytes::Bytes;
use serde_json::Value;
use slate_core::{
    Error, Result,
    asset::{AssetInput, AssetLimits},
};

/// Bytes that a JSON value takes in memory at most, beside its text.
const VALUE_BYTES: u64 = 96;

/// A glTF file as it was read.
pub(super) struct Document {
    /// An object, whose `asset.version` is 2.
    pub(super) json: Value,
    /// The binary chunk of a GLB.
    pub(super) binary: Option<Bytes>,
    pub(super) form: Form,
}

/// How a document is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// With a byte order mark, which the specification forbids.
    MarkedJson,
    Glb,
    /// With bytes after its end.
    LongGlb,
}

impl Document {
    pub(super) fn read(input: &AssetInput, limits: &AssetLimits) -> Result<Self> {
        let bytes = input.bytes(limits)?;
        let extension = input.extension();
        let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        let is_json = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let (text, binary) = if bytes.starts_with(b"glTF") {
            glb::read(&bytes)?
        } else if is_json {
            (bytes.slice(bytes.len() - text.len()..), None)
        } else if matches!(extension.as_str(), "glb" | "gltf") {
            return Err(Error::corrupt(format!("this is no {extension} model: its first bytes are others")));
        } else {
            return Err(Error::unsupported("this model format is not read; export it as glb or gltf"));
        };
        let form = match bytes.first_chunk::<12>() {
            Some([b'g', b'l', b'T', b'F', ..]) if bytes[8..12] != (bytes.len() as u32).to_le_bytes() => Form::LongGlb,
            Some([b'g', b'l', b'T', b'F', ..]) => Form::Glb,
            _ if bytes.starts_with(b"\xEF\xBB\xBF") => Form::MarkedJson,
            _ => Form::Json,
        };
        let room = values(&text).saturating_mul(VALUE_BYTES).saturating_add(text.len() as u64);
        AssetLimits::check("the size of the model's JSON in memory", room, limits.decoded_bytes)?;
        let json: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::corrupt(format!("the model's JSON is damaged: {error}")).because(error))?;
        let version = json.pointer("/asset/version").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("2.") {
            return Err(Error::unsupported("only glTF 2 is read").with("path", "asset.version"));
        }
        Ok(Self { json, binary, form })
    }
}

/// Whether a file of these first bytes and this extension is glTF.
pub(in crate::model) fn is_gltf(bytes: &[u8], extension: &str) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let is_json = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    bytes.starts_with(b"glTF") || is_json || matches!(extension, "glb" | "gltf")
}

/// How many values a JSON text has at most: each but the first follows one of these, outside of a string.
fn values(text: &[u8]) -> u64 {
    let (mut count, mut quoted, mut escaped) = (1u64, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b':' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}
