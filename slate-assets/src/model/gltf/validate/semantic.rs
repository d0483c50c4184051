use super::storage::Format;
use crate::model::values::{Component, Shape};

/// What the numbers of an attribute stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Semantic {
    Position,
    Normal,
    Tangent,
    Coordinates(u64),
    Color(u64),
    Joints(u64),
    Weights(u64),
    /// An application's own.
    Own,
}

impl Semantic {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "POSITION" => return Some(Self::Position),
            "NORMAL" => return Some(Self::Normal),
            "TANGENT" => return Some(Self::Tangent),
            _ if name.starts_with('_') => return Some(Self::Own),
            _ => {}
        }
        let (kind, set) = name.split_once('_')?;
        let is_number = set == "0" || !set.starts_with('0') && set.bytes().all(|byte| byte.is_ascii_digit());
        let set = set.parse().ok().filter(|_| is_number)?;
        Some(match kind {
            "TEXCOORD" => Self::Coordinates(set),
            "COLOR" => Self::Color(set),
            "JOINTS" => Self::Joints(set),
            "WEIGHTS" => Self::Weights(set),
            _ => return None,
        })
    }

    /// Whether the specification, or `KHR_mesh_quantization` where it is used, allows these elements.
    pub(super) fn allows(self, format: Format, is_morph: bool, quantized: bool) -> bool {
        use Component::{F32, I8, I16, U8, U16};
        let Format { shape, component, normalized } = format;
        let is_float = component == F32 && !normalized;
        let is_unsigned = matches!(component, U8 | U16);
        let is_signed = matches!(component, I8 | I16);
        let is_small = is_unsigned || is_signed;
        match self {
            Self::Position => shape == Shape::Vec3 && (is_float || quantized && (is_signed || is_small && !is_morph)),
            Self::Normal => shape == Shape::Vec3 && (is_float || quantized && is_signed && normalized),
            Self::Tangent => {
                let own = if is_morph { Shape::Vec3 } else { Shape::Vec4 };
                shape == own && (is_float || quantized && is_signed && normalized)
            }
            Self::Coordinates(_) => {
                let plain = is_float || normalized && (is_unsigned || is_morph && is_signed);
                shape == Shape::Vec2 && (plain || quantized && is_small)
            }
            Self::Color(_) => {
                let plain = is_float || normalized && (is_unsigned || is_morph && is_signed);
                matches!(shape, Shape::Vec3 | Shape::Vec4) && plain
            }
            Self::Joints(_) => shape == Shape::Vec4 && is_unsigned && !normalized,
            Self::Weights(_) => shape == Shape::Vec4 && (is_float || is_unsigned && normalized),
            Self::Own => component != Component::U32,
        }
    }
}

/// Whether a morph target may move an attribute of this name.
pub(super) fn is_morph_target(name: &str) -> bool {
    !matches!(Semantic::of(name), None | Some(Semantic::Joints(_) | Semantic::Weights(_)))
}
