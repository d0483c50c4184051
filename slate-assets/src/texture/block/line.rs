//! Lines through points of up to four values: what every block format's endpoints start from.

use super::wide::Wide;

/// A point and a direction of length 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    mean: [f32; 4],
    axis: [f32; 4],
    /// The sum of squared distances of the points to the mean.
    pub(super) spread: f32,
    /// How much of `spread` lies along the axis.
    pub(super) along: f32,
}

/// The line that is nearest to all points: through their mean, along their largest spread.
#[inline(always)]
pub(super) fn through(points: &[[f32; 4]]) -> Line {
    let mut mean = [0.0f32; 4];
    for point in points {
        for channel in 0..4 {
            mean[channel] += point[channel];
        }
    }
    let share = 1.0 / points.len().max(1) as f32;
    mean.iter_mut().for_each(|value| *value *= share);
    let mut matrix = [[0.0f32; 4]; 4];
    for point in points {
        let d: [f32; 4] = std::array::from_fn(|channel| point[channel] - mean[channel]);
        for row in 0..4 {
            for column in 0..4 {
                matrix[row][column] += d[row] * d[column];
            }
        }
    }
    let (axis, along) = principal(&matrix);
    let spread = matrix[0][0] + matrix[1][1] + matrix[2][2] + matrix[3][3];
    Line { mean, axis, spread, along }
}

/// The longest axis of a covariance matrix, of length 1, and the share of the spread along it: by power iteration.
#[inline(always)]
fn principal(matrix: &[[f32; 4]; 4]) -> ([f32; 4], f32) {
    let trace = matrix[0][0] + matrix[1][1] + matrix[2][2] + matrix[3][3];
    if trace < 1e-12 {
        return ([0.5; 4], 0.0);
    }
    // Its greatest eigenvalue is then from a quarter to one, so that no power of it leaves what floats hold.
    let scale = 1.0 / trace;
    let matrix = matrix.map(|row| row.map(|value| value * scale));
    // The row of the widest channel is never at a right angle to the axis.
    let widest = (1..4).fold(0, |best, at| if matrix[at][at] > matrix[best][best] { at } else { best });
    let mut axis = matrix[widest];
    let mut last = axis;
    for _ in 0..6 {
        last = axis;
        // The matrix is its own mirror: its rows are its columns.
        axis = std::array::from_fn(|at| {
            (matrix[0][at] * last[0] + matrix[1][at] * last[1]) + (matrix[2][at] * last[2] + matrix[3][at] * last[3])
        });
    }
    let square = |v: [f32; 4]| (v[0] * v[0] + v[1] * v[1]) + (v[2] * v[2] + v[3] * v[3]);
    let (norm, before) = (square(axis).sqrt(), square(last).sqrt());
    if norm < 1e-18 { ([0.5; 4], 0.0) } else { (axis.map(|value| value / norm), norm / before * trace) }
}

/// Side by side the longest axes of covariance matrices, of length 1 or, where there is none, 0: by power iteration.
#[inline(always)]
pub(super) fn axes<const C: usize>(matrix: &[[Wide; C]; C]) -> [Wide; C] {
    let mut trace = Wide::default();
    for at in 0..C {
        trace = trace + matrix[at][at];
    }
    // The greatest eigenvalue is then from a quarter to one, so that no power of it leaves what floats hold.
    let scale = Wide::splat(1.0).over(trace);
    let mut matrix = *matrix;
    for row in 0..C {
        for column in 0..C {
            matrix[row][column] = matrix[row][column] * scale;
        }
    }
    // The row of the widest channel is never at a right angle to the axis.
    let (mut vector, mut widest) = (matrix[0], matrix[0][0]);
    for row in 1..C {
        let this = matrix[row][row];
        for c in 0..C {
            vector[c] = widest.less(this, matrix[row][c], vector[c]);
        }
        widest = widest.max(this);
    }
    let mut squared = matrix;
    for row in 0..C {
        squared[row] = times(&matrix[row], &matrix);
    }
    for _ in 0..3 {
        vector = times(&vector, &squared);
    }
    let mut square = Wide::default();
    for value in vector {
        square = square + value * value;
    }
    let share = Wide::splat(1.0).over(square.sqrt());
    for c in 0..C {
        vector[c] = vector[c] * share;
    }
    vector
}

#[inline(always)]
fn times<const C: usize>(vector: &[Wide; C], matrix: &[[Wide; C]; C]) -> [Wide; C] {
    let mut out = [Wide::default(); C];
    for column in 0..C {
        for row in 0..C {
            out[column] = out[column] + matrix[row][column] * vector[row];
        }
    }
    out
}

impl Line {
    /// Where along the line a point is, from the mean.
    #[inline(always)]
    pub(super) fn share(&self, point: &[f32; 4]) -> f32 {
        let d = |channel: usize| (point[channel] - self.mean[channel]) * self.axis[channel];
        d(0) + d(1) + d(2) + d(3)
    }

    /// The least and the greatest share.
    #[inline(always)]
    pub(super) fn span(&self, points: &[[f32; 4]]) -> (f32, f32) {
        points
            .iter()
            .map(|point| self.share(point))
            .fold((f32::MAX, f32::MIN), |(low, high), share| (low.min(share), high.max(share)))
    }

    /// The point at a share.
    #[inline(always)]
    pub(super) fn at(&self, share: f32) -> [f32; 4] {
        std::array::from_fn(|channel| self.mean[channel] + self.axis[channel] * share)
    }

    /// Both ends of what the points span.
    #[inline(always)]
    pub(super) fn ends(&self, points: &[[f32; 4]]) -> [[f32; 4]; 2] {
        let (low, high) = self.span(points);
        [self.at(low), self.at(high)]
    }
}

/// Least squares for two ends: each point is a known share of the way from the first to the second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Squares {
    near_near: f32,
    near_far: f32,
    far_far: f32,
    near: [f32; 4],
    far: [f32; 4],
}

impl Squares {
    /// From sums over all points: of the products of the shares, and of the points by each share.
    #[inline(always)]
    pub(super) fn of([near_near, near_far, far_far]: [f32; 3], near: [f32; 4], far: [f32; 4]) -> Self {
        Self { near_near, near_far, far_far, near, far }
    }

    #[inline(always)]
    pub(super) fn add(&mut self, point: [f32; 4], share: f32) {
        let rest = 1.0 - share;
        self.near_near += rest * rest;
        self.near_far += rest * share;
        self.far_far += share * share;
        for channel in 0..4 {
            self.near[channel] += rest * point[channel];
            self.far[channel] += share * point[channel];
        }
    }

    /// The ends, where the shares tell them apart.
    #[inline(always)]
    pub(super) fn solve(&self) -> Option<[[f32; 4]; 2]> {
        let determinant = self.near_near * self.far_far - self.near_far * self.near_far;
        if determinant < 1e-4 {
            return None;
        }
        let scale = 1.0 / determinant;
        Some([
            std::array::from_fn(|at| (self.near[at] * self.far_far - self.far[at] * self.near_far) * scale),
            std::array::from_fn(|at| (self.far[at] * self.near_near - self.near[at] * self.near_far) * scale),
        ])
    }
}
