//! Where nodes are in the world. Matrices are column by column, as in glTF.

use super::ir::Model;

pub(super) type Matrix = [f32; 16];

pub(super) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|at| (0..4).map(|k| a[k * 4 + at % 4] * b[at / 4 * 4 + k]).sum())
}

pub(super) fn place(matrix: &Matrix, [x, y, z]: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|row| matrix[row] * x + matrix[4 + row] * y + matrix[8 + row] * z + matrix[12 + row])
}

/// The volume that a unit cube takes; negative where the matrix mirrors.
pub(super) fn volume(m: &Matrix) -> f32 {
    m[0] * (m[5] * m[10] - m[6] * m[9]) - m[4] * (m[1] * m[10] - m[2] * m[9]) + m[8] * (m[1] * m[6] - m[2] * m[5])
}

/// A normal, upright on what it was upright on before.
pub(super) fn normal(m: &Matrix, [x, y, z]: [f32; 3]) -> [f32; 3] {
    // The cofactors are the inverse's transposed, but for the volume.
    let side = volume(m).signum();
    let cofactor = |a: usize, b: usize, row: usize| {
        let (next, last) = ((row + 1) % 3, (row + 2) % 3);
        m[a * 4 + next] * m[b * 4 + last] - m[a * 4 + last] * m[b * 4 + next]
    };
    let turned: [f32; 3] =
        std::array::from_fn(|row| side * (cofactor(1, 2, row) * x + cofactor(2, 0, row) * y + cofactor(0, 1, row) * z));
    unit(turned)
}

/// A vector of length 1; up where there is none.
pub(super) fn unit([x, y, z]: [f32; 3]) -> [f32; 3] {
    let length = (x * x + y * y + z * z).sqrt();
    if length > 0.0 && length.is_finite() { [x / length, y / length, z / length] } else { [0.0, 1.0, 0.0] }
}

/// The nodes that a scene shows, parents before children, each with its matrix in the world. Readers made sure that
/// nodes are trees.
pub(super) fn shown(model: &Model) -> Vec<(usize, Matrix)> {
    let scene = model.scenes.get(model.scene.unwrap_or(0)).or(model.scenes.first());
    let roots = scene.map(|scene| scene.nodes.clone()).unwrap_or_default();
    let identity = super::ir::Transform::IDENTITY.matrix();
    let mut open: Vec<(usize, Matrix)> = roots.into_iter().rev().map(|root| (root, identity)).collect();
    let mut all = Vec::new();
    while let Some((at, above)) = open.pop() {
        let Some(node) = model.nodes.get(at) else { continue };
        let world = product(&above, &node.transform.matrix());
        open.extend(node.children.iter().rev().map(|&child| (child, world)));
        all.push((at, world));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ir::Transform;

    #[test]
    fn normals_stay_upright_when_squeezed() {
        let squeezed =
            Transform::Parts { translation: [1.0; 3], rotation: [0.0, 0.0, 0.0, 1.0], scale: [2.0, 1.0, -1.0] };
        let matrix = squeezed.matrix();
        assert_eq!(place(&matrix, [1.0, 2.0, 3.0]), [3.0, 3.0, -2.0]);
        let [x, y, _] = normal(&matrix, unit([1.0, 1.0, 0.0]));
        assert!((y / x - 2.0).abs() < 1e-6, "{x} {y}");
        assert_eq!(normal(&matrix, [0.0, 0.0, 1.0]), [0.0, 0.0, -1.0]);
        assert_eq!(volume(&matrix), -2.0);
    }
}
