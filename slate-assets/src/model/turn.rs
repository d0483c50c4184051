//! Rotations: as quaternions x y z w, and as FBX has them, as angles about x, then y, then z, in degrees.

use super::space::{self, Matrix};

/// The angles of a unit quaternion.
pub(in crate::model) fn angles([x, y, z, w]: [f64; 4]) -> [f64; 3] {
    let (a, b) = (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + z * w));
    let down = 2.0 * (x * z - y * w);
    let across = (a * a + b * b).sqrt();
    let about_y = libm::atan2(-down, across);
    let (about_x, about_z) = if across > 1e-9 {
        (libm::atan2(2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)), libm::atan2(b, a))
    } else {
        // Straight up or down, both turn about the same line.
        (libm::atan2(-2.0 * (y * z - x * w), 1.0 - 2.0 * (x * x + z * z)), 0.0)
    };
    [about_x, about_y, about_z].map(f64::to_degrees)
}

/// The quaternion of angles.
pub(in crate::model) fn quaternion(angles: [f64; 3]) -> [f64; 4] {
    let half = angles.map(|angle| angle.to_radians() / 2.0);
    let [(sx, cx), (sy, cy), (sz, cz)] = half.map(|angle| (libm::sin(angle), libm::cos(angle)));
    [sx * cy * cz - cx * sy * sz, cx * sy * cz + sx * cy * sz, cx * cy * sz - sx * sy * cz, cx * cy * cz + sx * sy * sz]
}

/// The same turn in the angles that are nearest to `last`, so that curves through both don't spin.
pub(in crate::model) fn nearest(angles: [f64; 3], last: [f64; 3]) -> [f64; 3] {
    let near = |angles: [f64; 3]| -> [f64; 3] {
        std::array::from_fn(|at| angles[at] + ((last[at] - angles[at]) / 360.0).round() * 360.0)
    };
    let far = |angles: &[f64; 3]| -> f64 { angles.iter().zip(last).map(|(one, other)| (one - other).abs()).sum() };
    let [x, y, z] = angles;
    let (one, other) = (near(angles), near([x + 180.0, 180.0 - y, z + 180.0]));
    if far(&other) < far(&one) { other } else { one }
}

/// A quaternion of length 1; none turned where it has no length.
pub(in crate::model) fn unit(q: [f64; 4]) -> [f64; 4] {
    let length = q.iter().map(|number| number * number).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() { q.map(|number| number / length) } else { [0.0, 0.0, 0.0, 1.0] }
}

/// The angle between two turns, in radians.
pub(in crate::model) fn between(a: [f64; 4], b: [f64; 4]) -> f64 {
    let dot = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>().abs();
    let apart: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2).min((a + b).powi(2))).sum();
    // The cosine tells nothing of small angles.
    if dot > 0.999 { 2.0 * apart.sqrt() } else { 2.0 * libm::acos(dot.min(1.0)) }
}

/// Between two turns, as glTF does it.
pub(in crate::model) fn slerp(a: [f64; 4], b: [f64; 4], share: f64) -> [f64; 4] {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
    let side = if dot < 0.0 { -1.0 } else { 1.0 };
    let angle = libm::acos((dot * side).min(1.0));
    let (from, to) = if angle < 1e-6 {
        (1.0 - share, share)
    } else {
        (libm::sin((1.0 - share) * angle) / libm::sin(angle), libm::sin(share * angle) / libm::sin(angle))
    };
    unit(std::array::from_fn(|at| a[at] * from + b[at] * to * side))
}

/// A matrix as translation, rotation and scale, and whether it is more than that, which is left out.
pub(in crate::model) fn parts(matrix: &Matrix) -> ([f64; 3], [f64; 4], [f64; 3], bool) {
    let m = matrix.map(f64::from);
    let column = |at: usize| [m[at * 4], m[at * 4 + 1], m[at * 4 + 2]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let mut columns = [column(0), column(1), column(2)];
    let mut scale = columns.map(|column| dot(column, column).sqrt());
    if space::volume(matrix) < 0.0 {
        scale[0] = -scale[0];
    }
    for (column, scale) in columns.iter_mut().zip(scale) {
        *column = column.map(|number| if scale == 0.0 { 0.0 } else { number / scale });
    }
    let [a, b, c] = columns;
    let sheared = [dot(a, b), dot(b, c), dot(a, c)].into_iter().any(|cosine| cosine.abs() > 1e-4);
    (column(3), of_columns([a, b, c]), scale, sheared)
}

fn of_columns([a, b, c]: [[f64; 3]; 3]) -> [f64; 4] {
    let trace = a[0] + b[1] + c[2];
    let q = if trace > 0.0 {
        [b[2] - c[1], c[0] - a[2], a[1] - b[0], 1.0 + trace]
    } else if a[0] >= b[1] && a[0] >= c[2] {
        [1.0 + a[0] - b[1] - c[2], b[0] + a[1], c[0] + a[2], b[2] - c[1]]
    } else if b[1] >= c[2] {
        [b[0] + a[1], 1.0 + b[1] - a[0] - c[2], c[1] + b[2], c[0] - a[2]]
    } else {
        [c[0] + a[2], c[1] + b[2], 1.0 + c[2] - a[0] - b[1], a[1] - b[0]]
    };
    unit(q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_turn_like_their_quaternion() {
        let mut seed = 1u32;
        let mut number = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 24) * 2.0 - 1.0
        };
        let mut last = [0.0; 3];
        for _ in 0..1000 {
            let q = unit([number(), number(), number(), number()]);
            let near = nearest(angles(q), last);
            assert!(between(q, quaternion(angles(q))) < 1e-9, "{q:?}");
            assert!(between(q, quaternion(near)) < 1e-9, "{q:?}");
            last = near;
        }
        let up = unit([0.0, 1.0, 0.0, 1.0]);
        assert!(between(up, quaternion(angles(up))) < 1e-7, "{:?}", angles(up));
        let half = slerp([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], 0.5);
        assert!((angles(half)[2] - 90.0).abs() < 1e-9);
    }

    #[test]
    fn matrices_come_apart() {
        let q = unit([0.3, -0.5, 0.7, 0.2]);
        let transform = super::super::ir::Transform::Parts {
            translation: [1.0, 2.0, 3.0],
            rotation: q.map(|number| number as f32),
            scale: [-2.0, 3.0, 0.5],
        };
        let (translation, rotation, scale, sheared) = parts(&transform.matrix());
        assert!(!sheared && translation == [1.0, 2.0, 3.0] && between(rotation, q) < 1e-6, "{rotation:?}");
        assert!(scale.iter().zip([-2.0, 3.0, 0.5]).all(|(one, other)| (one - other).abs() < 1e-5), "{scale:?}");
        let mut shear = transform.matrix();
        shear[4] += 1.0;
        assert!(parts(&shear).3);
    }
}
