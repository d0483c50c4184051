//! Colour profiles of images, after ICC.1:2022: what is in another space of colours is brought to sRGB.
//!
//! Those that give primaries and curves are followed, by our own sums in a fixed order: the bytes don't depend on the machine.

use super::{
    math::powf,
    pixels::{Pixels, Samples},
    transfer::{LINEAR_8, to_srgb_8, to_srgb_16},
};
use rayon::prelude::*;

/// From light relative to D50, as profiles have it, to linear sRGB: the inverse of the primaries of sRGB, brought to D50 by
/// Bradford's method.
const TO_SRGB: [[f64; 3]; 3] =
    [[3.134_112, -1.617_392, -0.490_633], [-0.978_787, 1.916_279, 0.033_455], [0.071_983, -0.228_986, 1.405_385]];

/// What became of an image's profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is that of sRGB, or as near as makes no difference.
    Srgb,
    /// The colours were brought to sRGB.
    Converted,
    /// The colours are as they were, for this reason.
    Ignored(&'static str),
}

impl Outcome {
    /// As the report says it.
    pub(super) fn told(self) -> String {
        match self {
            Self::Srgb => "srgb".to_owned(),
            Self::Converted => "converted".to_owned(),
            Self::Ignored(why) => format!("ignored: {why}"),
        }
    }
}

/// Brings colours to sRGB. A profile that is damaged, that has tables only, or that is of other colours than the image is left
/// aside: the picture is worth more than its last shade.
pub(super) fn to_srgb(pixels: &mut Pixels, profile: &[u8]) -> Outcome {
    if matches!(pixels.data, Samples::F32(_)) {
        return Outcome::Ignored("the image is linear light");
    }
    let profile = match Profile::parse(profile) {
        Ok(profile) => profile,
        Err(why) => return Outcome::Ignored(why),
    };
    match (profile.matrix, pixels.channels) {
        (None, 1 | 2) | (Some(_), 3 | 4) => {}
        _ => return Outcome::Ignored("the profile is of other channels than the image"),
    }
    if profile.is_srgb() {
        return Outcome::Srgb;
    }
    let channels = usize::from(pixels.channels);
    match &mut pixels.data {
        Samples::U8(samples) => {
            convert(samples, channels, &profile.tables(255), profile.matrix, usize::from, to_srgb_8);
        }
        Samples::U16(samples) => {
            convert(samples, channels, &profile.tables(65_535), profile.matrix, usize::from, to_srgb_16);
        }
        Samples::F32(_) => {}
    }
    Outcome::Converted
}

fn convert<T: Copy + Send>(
    samples: &mut [T],
    channels: usize,
    curves: &[Vec<f32>],
    matrix: Option<[[f32; 3]; 3]>,
    index: impl Fn(T) -> usize + Sync,
    code: impl Fn(f32) -> T + Sync,
) {
    samples.par_chunks_mut(channels * 4096).for_each(|samples| {
        for pixel in samples.chunks_exact_mut(channels) {
            let Some(matrix) = &matrix else {
                pixel[0] = code(curves[0][index(pixel[0])]);
                continue;
            };
            let light: [f32; 3] = std::array::from_fn(|at| curves[at][index(pixel[at])]);
            for (value, row) in pixel.iter_mut().zip(matrix) {
                *value = code(row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
            }
        }
    });
}

/// A profile by its curves: three with primaries, one of grey without.
struct Profile {
    curves: Vec<Curve>,
    /// From its own light to linear sRGB.
    matrix: Option<[[f32; 3]; 3]>,
}

enum Curve {
    /// Function type and its parameters g, a, b, c, d, e and f.
    Parametric(u16, [f64; 7]),
    /// Light at equal steps.
    Sampled(Vec<u16>),
}

const DAMAGED: &str = "the profile is damaged";

impl Profile {
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.get(36..40) != Some(b"acsp") {
            return Err(DAMAGED);
        }
        match bytes.get(16..20) {
            Some(b"RGB ") => {}
            Some(b"GRAY") => {
                let curve = Curve::parse(tag(bytes, *b"kTRC").ok_or("the profile has no curve")?)?;
                return Ok(Self { curves: vec![curve], matrix: None });
            }
            Some(b"CMYK") => return Err("the profile is of printing inks"),
            _ => return Err("the profile is of colours that are neither red, green and blue nor grey"),
        }
        let columns = [*b"rXYZ", *b"gXYZ", *b"bXYZ"].map(|name| tag(bytes, name));
        let curves = [*b"rTRC", *b"gTRC", *b"bTRC"].map(|name| tag(bytes, name));
        let ([Some(r), Some(g), Some(b)], [Some(rc), Some(gc), Some(bc)]) = (columns, curves) else {
            return Err("the profile has tables in the place of primaries and curves");
        };
        let columns = [xyz(r)?, xyz(g)?, xyz(b)?];
        let matrix = std::array::from_fn(|row| {
            std::array::from_fn(|column| (0..3).map(|at| TO_SRGB[row][at] * columns[column][at]).sum::<f64>() as f32)
        });
        Ok(Self { curves: vec![Curve::parse(rc)?, Curve::parse(gc)?, Curve::parse(bc)?], matrix: Some(matrix) })
    }

    /// Whether no 8-bit value would change but by rounding.
    fn is_srgb(&self) -> bool {
        let same = |matrix: &[[f32; 3]; 3]| {
            let unit = |row: usize, column: usize| if row == column { 1.0 } else { 0.0 };
            (0..9).all(|at| (matrix[at / 3][at % 3] - unit(at / 3, at % 3)).abs() < 0.004)
        };
        // A fifth of a step of 8 bits: that of sRGB is kept in tables and formulas of several precisions.
        let near = |curve: &Curve| {
            (0..=255usize).all(|code| {
                let next = LINEAR_8[(code + 1).min(255)] - LINEAR_8[code.min(254)];
                (curve.at(code as f64 / 255.0) as f32 - LINEAR_8[code]).abs() <= 0.2 * next
            })
        };
        self.matrix.as_ref().is_none_or(same) && self.curves.iter().all(near)
    }

    /// Light of each code from 0 to `most`.
    fn tables(&self, most: u32) -> Vec<Vec<f32>> {
        let of = |curve: &Curve| (0..=most).map(|code| curve.at(f64::from(code) / f64::from(most)) as f32).collect();
        self.curves.iter().map(of).collect()
    }
}

impl Curve {
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let short = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or(DAMAGED);
        match bytes.get(..4) {
            Some(b"curv") => {
                let count = fixed(bytes, 8).ok_or(DAMAGED)? as u32;
                match count {
                    0 => Ok(Self::Parametric(0, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
                    1 => Self::Parametric(0, [f64::from(short(12)?) / 256.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).sound(),
                    _ => {
                        let values =
                            bytes.get(12..).and_then(|values| values.get(..(count as usize).saturating_mul(2)));
                        let values = values.ok_or(DAMAGED)?;
                        let values = values.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                        Ok(Self::Sampled(values.collect()))
                    }
                }
            }
            Some(b"para") => {
                let kind = short(8)?;
                // Where the parameters of the file go, by the function's number.
                let places: &[usize] = match kind {
                    0 => &[0],
                    1 => &[0, 1, 2],
                    2 => &[0, 1, 2, 3],
                    3 => &[0, 1, 2, 3, 4],
                    4 => &[0, 1, 2, 3, 4, 5, 6],
                    _ => return Err("the profile has a curve that isn't known"),
                };
                let mut parameters = [0.0; 7];
                for (at, &place) in places.iter().enumerate() {
                    parameters[place] = f64::from(fixed(bytes, 12 + at * 4).ok_or(DAMAGED)?) / 65_536.0;
                }
                Self::Parametric(kind, parameters).sound()
            }
            _ => Err(DAMAGED),
        }
    }

    /// Refuses what gives no light at all.
    fn sound(self) -> Result<Self, &'static str> {
        let whole = [0.0, 0.25, 0.5, 0.75, 1.0].map(|x| self.at(x));
        if whole.iter().all(|value| value.is_finite()) && whole[4] > 0.01 { Ok(self) } else { Err(DAMAGED) }
    }

    /// Light of a value, both from 0 to 1.
    fn at(&self, x: f64) -> f64 {
        match self {
            Self::Sampled(values) => {
                let place = x * (values.len() - 1) as f64;
                let low = (place as usize).min(values.len() - 2);
                let (a, b) = (f64::from(values[low]), f64::from(values[low + 1]));
                (a + (b - a) * (place - low as f64)) / 65_535.0
            }
            Self::Parametric(kind, [g, a, b, c, d, e, f]) => {
                let power = |base: f64| if base > 0.0 { powf(base, *g) } else { 0.0 };
                match kind {
                    0 => power(x),
                    1 if x * a + b >= 0.0 => power(a * x + b),
                    1 => 0.0,
                    2 if x * a + b >= 0.0 => power(a * x + b) + c,
                    2 => *c,
                    3 if x >= *d => power(a * x + b),
                    3 => c * x,
                    _ if x >= *d => power(a * x + b) + e,
                    _ => c * x + f,
                }
            }
        }
    }
}

/// The bytes of a tag.
fn tag(profile: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    let count = fixed(profile, 128)? as u32 as usize;
    // There are some twenty in the largest.
    let entry = profile.get(132..)?.chunks_exact(12).take(count.min(256)).find(|entry| entry[..4] == name)?;
    let (place, size) = (fixed(entry, 4)? as u32 as usize, fixed(entry, 8)? as u32 as usize);
    profile.get(place..place.checked_add(size)?)
}

fn xyz(bytes: &[u8]) -> Result<[f64; 3], &'static str> {
    if bytes.get(..4) != Some(b"XYZ ") {
        return Err(DAMAGED);
    }
    let of = |at: usize| fixed(bytes, 8 + at * 4).map(|value| f64::from(value) / 65_536.0).ok_or(DAMAGED);
    Ok([of(0)?, of(1)?, of(2)?])
}

/// Four bytes: a whole number, or with 16 bits behind the point.
fn fixed(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}
