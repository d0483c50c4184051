use super::ProcessorInfo;
use crate::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt;

/// Names the result of one processor on one input with one set of options.
///
/// SHA-256 over a format number, the processor's name and version, the options as JSON with sorted keys, the input's
/// extension (formats without a signature are told by it) and the SHA-256 of the input's bytes. Whoever has the same
/// key has the same outputs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// The key for these.
    ///
    /// # Errors
    /// `Invalid` where the options are no JSON.
    pub fn new(processor: &ProcessorInfo, options: &impl Serialize, extension: &str, input: &[u8; 32]) -> Result<Self> {
        let options =
            serde_json::to_value(options).map_err(|error| Error::invalid("the options are no JSON").because(error))?;
        let mut text = String::new();
        canonical(&options, &mut text);
        let mut hash = Sha256::new();
        hash.update(b"slate-asset-1\0");
        for part in [processor.name.as_bytes(), &processor.version.to_le_bytes(), text.as_bytes(), extension.as_bytes()]
        {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.update(input);
        Ok(Self(hash.finalize().into()))
    }
}

/// JSON with sorted keys. Whether a `Value`'s own text is sorted depends on a feature that any crate of a build may turn on.
fn canonical(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in fields {
                text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
                text.push(',');
            }
            text.push('}');
        }
        serde_json::Value::Array(items) => {
            text.push('[');
            for item in items {
                canonical(item, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AssetKind, TextureOptions};
    use super::*;

    const INFO: ProcessorInfo =
        ProcessorInfo { name: "texture", version: 1, kind: AssetKind::Texture, reads: &["png"], writes: &["png"] };

    #[test]
    fn every_part_matters() {
        let base = CacheKey::new(&INFO, &TextureOptions::default(), "png", &[0; 32]).unwrap();
        let newer = ProcessorInfo { version: 2, ..INFO };
        let smaller = TextureOptions { quality: 10, ..Default::default() };
        assert_eq!(base, CacheKey::new(&INFO, &TextureOptions::default(), "png", &[0; 32]).unwrap());
        assert_ne!(base, CacheKey::new(&newer, &TextureOptions::default(), "png", &[0; 32]).unwrap());
        assert_ne!(base, CacheKey::new(&INFO, &smaller, "png", &[0; 32]).unwrap());
        assert_ne!(base, CacheKey::new(&INFO, &TextureOptions::default(), "tga", &[0; 32]).unwrap());
        assert_ne!(base, CacheKey::new(&INFO, &TextureOptions::default(), "png", &[1; 32]).unwrap());
        assert_eq!(base.to_string().len(), 64);
    }

    #[test]
    fn the_order_of_options_does_not_matter() {
        let mut text = String::new();
        let value: serde_json::Value = serde_json::from_str(r#"{"b":[1,{"d":"\"","c":null}],"a":1.5}"#).unwrap();
        canonical(&value, &mut text);
        assert_eq!(text, r#"{"a":1.5,"b":[1,{"c":null,"d":"\"",},],}"#);
    }
}
