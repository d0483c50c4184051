//! What is encoded: crops of a folder's PNGs, or generated pictures and one of Lantern's.

use slate_assets::texture::block::{Surface, Values};
use slate_benches::{Result, inputs};
use std::path::Path;

pub(super) const SIDE: usize = 256;

/// The middle of each PNG in a folder, up to `most` texels a side.
pub(super) fn of(folder: &Path, most: u32) -> Result<Vec<Surface>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "png")) {
        let image = image::open(path)?.to_rgba8();
        let side = |whole: u32| (whole.saturating_sub(most) / 2, whole.min(most));
        let ((left, width), (top, height)) = (side(image.width()), side(image.height()));
        let crop = image::imageops::crop_imm(&image, left, top, width, height).to_image();
        out.push(Surface::new(width, height, Values::Rgba8(crop.into_raw()))?);
    }
    if out.is_empty() { Err("there are no PNGs in this folder".into()) } else { Ok(out) }
}

/// Clouds of several octaves in three colours, rocks with hard edges, a normal map, leaves with alpha, a drawing, and
/// Lantern's cobbles.
pub(super) fn generated() -> Result<Vec<Surface>> {
    let clouds = picture(|x, y| {
        let (a, b) = (fractal(x, y, 1, 6), fractal(x, y, 2, 6));
        [60.0 + 170.0 * a, 80.0 + 100.0 * a + 60.0 * b, 120.0 + 110.0 * b, 255.0]
    });
    let rocks = picture(|x, y| {
        let (tone, grain) = ((fractal(x, y, 3, 4) * 7.0).floor() / 7.0, fractal(x * 4.0, y * 4.0, 4, 4));
        let base = 40.0 + 150.0 * tone + 60.0 * (grain - 0.5);
        [base * 1.05, base * 0.95, base * 0.8 + 20.0 * grain, 255.0]
    });
    let normals = picture(|x, y| {
        let height = |x: f64, y: f64| fractal(x, y, 5, 5) * 40.0;
        let (dx, dy) = (height(x + 1.0, y) - height(x - 1.0, y), height(x, y + 1.0) - height(x, y - 1.0));
        let length = (dx * dx + dy * dy + 1.0).sqrt();
        [-dx / length, -dy / length, 1.0 / length, 1.0].map(|value| value * 127.5 + 127.5)
    });
    let leaves = picture(|x, y| {
        let (shape, vein) = (fractal(x, y, 6, 3), fractal(x * 3.0, y * 3.0, 7, 4));
        let alpha = ((shape - 0.47) * 4000.0).clamp(0.0, 255.0);
        [40.0 + 60.0 * vein, 90.0 + 110.0 * vein, 30.0 + 30.0 * shape, alpha]
    });
    let drawing = picture(|x, y| {
        let cell = ((x / 37.0).floor() * 3.0 + (y / 29.0).floor() * 5.0).rem_euclid(7.0);
        let line = x.rem_euclid(37.0) < 2.0 || (x - y).rem_euclid(41.0) < 2.0;
        if line { [20.0, 20.0, 30.0, 255.0] } else { [30.0 * cell, 255.0 - 25.0 * cell, 90.0 + 20.0 * cell, 255.0] }
    });
    let cobbles = image::open(inputs::lantern("textures")?.join("cobbles.png"))?.to_rgba8();
    let cobbles = Surface::new(cobbles.width(), cobbles.height(), Values::Rgba8(cobbles.into_raw()))?;
    [clouds, rocks, normals, leaves, drawing].into_iter().chain([Ok(cobbles)]).collect()
}

fn picture(color: impl Fn(f64, f64) -> [f64; 4]) -> Result<Surface> {
    let values = (0..SIDE * SIDE).flat_map(|at| {
        color((at % SIDE) as f64, (at / SIDE) as f64).map(|value| (value + 0.5).clamp(0.0, 255.0) as u8)
    });
    Ok(Surface::new(SIDE as u32, SIDE as u32, Values::Rgba8(values.collect()))?)
}

/// Sums of ever finer noise, 0 to 1.
fn fractal(x: f64, y: f64, seed: u64, octaves: u32) -> f64 {
    let (mut sum, mut whole, mut share, mut scale) = (0.0, 0.0, 1.0, 1.0 / 64.0);
    for octave in 0..octaves {
        sum += share * noise(x * scale, y * scale, seed * 31 + u64::from(octave));
        whole += share;
        (share, scale) = (share * 0.55, scale * 2.0);
    }
    sum / whole
}

/// Numbers at whole places, with smooth ways between them.
fn noise(x: f64, y: f64, seed: u64) -> f64 {
    let at = |column: f64, row: f64| {
        let place = (column as i64 as u64).wrapping_mul(0x9E37_79B9) ^ (row as i64 as u64).wrapping_mul(0x85EB_CA6B);
        inputs::Numbers::new(place.wrapping_add(seed << 40)).share()
    };
    let smooth = |value: f64| value * value * (3.0 - 2.0 * value);
    let (left, top) = (x.floor(), y.floor());
    let (sx, sy) = (smooth(x - left), smooth(y - top));
    let line = |row: f64| at(left, row) + (at(left + 1.0, row) - at(left, row)) * sx;
    line(top) + (line(top + 1.0) - line(top)) * sy
}
