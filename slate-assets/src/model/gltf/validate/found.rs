use serde::Serialize;
use std::{borrow::Cow, fmt::Display};

/// Issues that are told one by one; further ones are counted.
const TOLD: usize = 100;

/// How much an issue matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// The specification forbids it.
    Error,
    /// It is allowed, and likely not what was meant.
    Warning,
    /// Something has no effect, or isn't looked at.
    Information,
    /// Viewers would fare better otherwise.
    Hint,
}

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// The Khronos validator's name for it, for example `UNRESOLVED_REFERENCE`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// It in words.
    pub message: Cow<'static, str>,
    /// Where in the document: a JSON pointer, for example `/meshes/0/primitives/1/indices`.
    pub pointer: String,
}

/// What is wrong with a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// How many errors there are; 0 for a valid document.
    pub errors: u64,
    /// How many warnings there are.
    pub warnings: u64,
    /// How many pieces of information there are.
    pub information: u64,
    /// How many hints there are.
    pub hints: u64,
    /// The issues, errors first, 100 at most.
    pub issues: Vec<Issue>,
}

impl Verdict {
    /// Whether there is no error.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.errors == 0
    }
}

/// What was found so far, and the place that is looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    issues: Vec<Issue>,
    counts: [u64; 4],
    pointer: String,
}

impl Found {
    /// Adds an issue of the place that is looked at.
    pub(super) fn add(&mut self, code: &'static str, message: impl Into<Cow<'static, str>>) {
        let severity = severity(code);
        let count = &mut self.counts[severity as usize];
        *count += 1;
        // As many of each severity, so that errors have room whatever was found before.
        if *count <= TOLD as u64 {
            let pointer = self.pointer.clone();
            self.issues.push(Issue { code, severity, message: message.into(), pointer });
        }
    }

    /// Adds an issue of what is below the place that is looked at.
    pub(super) fn add_at(&mut self, name: impl Display, code: &'static str, message: impl Into<Cow<'static, str>>) {
        self.below(name, |found| found.add(code, message));
    }

    /// Adds an issue of another place.
    pub(super) fn add_to(&mut self, pointer: &str, code: &'static str, message: impl Into<Cow<'static, str>>) {
        let own = std::mem::replace(&mut self.pointer, pointer.to_owned());
        self.add(code, message);
        self.pointer = own;
    }

    /// Looks at what is below.
    pub(super) fn below<R>(&mut self, name: impl Display, act: impl FnOnce(&mut Self) -> R) -> R {
        let len = self.enter(name);
        let result = act(self);
        self.leave(len);
        result
    }

    /// Goes to what is below; gives what [`Self::leave`] is to be given.
    pub(super) fn enter(&mut self, name: impl Display) -> usize {
        let len = self.pointer.len();
        let name = name.to_string();
        self.pointer.push('/');
        // RFC 6901; a name may be as long as the document.
        for letter in name.chars().take(200) {
            match letter {
                '~' => self.pointer.push_str("~0"),
                '/' => self.pointer.push_str("~1"),
                _ => self.pointer.push(letter),
            }
        }
        len
    }

    /// Goes along a whole pointer, which is one already; gives what [`Self::leave`] is to be given.
    pub(super) fn enter_along(&mut self, pointer: &str) -> usize {
        let len = self.pointer.len();
        self.pointer.push_str(pointer);
        len
    }

    pub(super) fn leave(&mut self, len: usize) {
        self.pointer.truncate(len);
    }

    /// The place that is looked at.
    pub(super) fn place(&self) -> String {
        self.pointer.clone()
    }

    pub(super) fn into_verdict(mut self) -> Verdict {
        self.issues.sort_by_key(|issue| issue.severity);
        self.issues.truncate(TOLD);
        let [errors, warnings, information, hints] = self.counts;
        Verdict { errors, warnings, information, hints, issues: self.issues }
    }
}

fn severity(code: &str) -> Severity {
    match code {
        "ACCESSOR_JOINTS_USED_ZERO_WEIGHT"
        | "ANIMATION_CHANNEL_TARGET_NODE_SKIN"
        | "BUFFER_GLB_CHUNK_TOO_BIG"
        | "CAMERA_XMAG_YMAG_NEGATIVE"
        | "CAMERA_YFOV_GEQUAL_PI"
        | "DATA_URI_GLB"
        | "IMAGE_UNRECOGNIZED_FORMAT"
        | "INVALID_EXTENSION_NAME_FORMAT"
        | "KHR_MATERIALS_ANISOTROPY_ANISOTROPY_TEXTURE_TEXCOORD"
        | "KHR_MATERIALS_CLEARCOAT_CLEARCOAT_NORMAL_TEXTURE_TEXCOORD"
        | "KHR_MATERIALS_DISPERSION_NO_VOLUME"
        | "KHR_MATERIALS_EMISSIVE_STRENGTH_ZERO_FACTOR"
        | "KHR_MATERIALS_VOLUME_DOUBLE_SIDED"
        | "KHR_MATERIALS_VOLUME_NO_TRANSMISSION"
        | "MATERIAL_ALPHA_CUTOFF_INVALID_MODE"
        | "MESH_PRIMITIVE_GENERATED_TANGENT_SPACE"
        | "MESH_PRIMITIVE_INCOMPATIBLE_MODE"
        | "MESH_PRIMITIVE_NO_POSITION"
        | "MESH_PRIMITIVE_TANGENT_WITHOUT_NORMAL"
        | "MULTIPLE_EXTENSIONS"
        | "NODE_SKINNED_MESH_LOCAL_TRANSFORMS"
        | "NODE_SKINNED_MESH_NON_ROOT"
        | "NODE_SKINNED_MESH_WITHOUT_SKIN"
        | "NON_RELATIVE_URI"
        | "UNEXPECTED_PROPERTY"
        | "UNKNOWN_ASSET_MINOR_VERSION"
        | "VALUE_NOT_IN_LIST" => Severity::Warning,
        "ACCESSOR_INDEX_TRIANGLE_DEGENERATE"
        | "EXTRA_PROPERTY"
        | "INCOMPLETE_EXTENSION_SUPPORT"
        | "KHR_MATERIALS_IRIDESCENCE_THICKNESS_RANGE_WITHOUT_TEXTURE"
        | "KHR_MATERIALS_IRIDESCENCE_THICKNESS_TEXTURE_UNUSED"
        | "NODE_EMPTY"
        | "NODE_MATRIX_DEFAULT"
        | "NON_OBJECT_EXTRAS"
        | "UNSUPPORTED_EXTENSION"
        | "UNUSED_MESH_TANGENT"
        | "UNUSED_MESH_WEIGHTS"
        | "UNUSED_OBJECT" => Severity::Information,
        "BUFFER_VIEW_TARGET_MISSING" => Severity::Hint,
        _ => Severity::Error,
    }
}
