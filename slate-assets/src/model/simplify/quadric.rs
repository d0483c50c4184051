//! Quadrics: sums of squared distances to planes, as functions of a point. Garland and Heckbert 1997; with attributes
//! after Hoppe 1999, where a plane's place is taken by an attribute's linear field over a triangle.

pub(super) type Vector = [f32; 3];
pub(super) type Point = [f64; 3];

pub(super) fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn plus(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn product(a: Vector, b: Vector) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn across(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `p·A·p + 2 b·p + c`, with A symmetric, for points told from a place of its own: that of the vertex that has it.
///
/// Far from that place single precision would lose the small distances that matter; near it, it holds them all, in half
/// of the memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Near {
    xx: f32,
    yy: f32,
    zz: f32,
    xy: f32,
    xz: f32,
    yz: f32,
    b: Vector,
    c: f32,
}

impl Near {
    /// How many numbers it is made of.
    pub(super) const NUMBERS: usize = 10;

    /// The numbers it is made of: `A` (xx, yy, zz, xy, xz, yz), `b` and `c`.
    pub(super) fn numbers(&self) -> [f32; Self::NUMBERS] {
        let [x, y, z] = self.b;
        [self.xx, self.yy, self.zz, self.xy, self.xz, self.yz, x, y, z, self.c]
    }

    /// The squared distance to the plane of this unit normal through the own place, times `weight`.
    pub(super) fn plane([x, y, z]: Vector, weight: f32) -> Self {
        let [wx, wy, wz] = [x * weight, y * weight, z * weight];
        Self { xx: wx * x, yy: wy * y, zz: wz * z, xy: wx * y, xz: wx * z, yz: wy * z, b: [0.0; 3], c: 0.0 }
    }

    /// Adds `weight · (slope·p + value)²`.
    pub(super) fn add_field(&mut self, [x, y, z]: Vector, value: f32, weight: f32) {
        let [wx, wy, wz] = [x * weight, y * weight, z * weight];
        self.xx += wx * x;
        self.yy += wy * y;
        self.zz += wz * z;
        self.xy += wx * y;
        self.xz += wx * z;
        self.yz += wy * z;
        self.b = plus(self.b, [wx * value, wy * value, wz * value]);
        self.c += weight * value * value;
    }

    /// The squared distance to the own place, times `weight`.
    pub(super) fn place(weight: f32) -> Self {
        Self { xx: weight, yy: weight, zz: weight, ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.xx += other.xx;
        self.yy += other.yy;
        self.zz += other.zz;
        self.xy += other.xy;
        self.xz += other.xz;
        self.yz += other.yz;
        self.b = plus(self.b, other.b);
        self.c += other.c;
    }

    fn turned(&self, [x, y, z]: Vector) -> Vector {
        [
            self.xx * x + self.xy * y + self.xz * z,
            self.xy * x + self.yy * y + self.yz * z,
            self.xz * x + self.yz * y + self.zz * z,
        ]
    }

    /// The same quadric, told from the place that is `step` away.
    pub(super) fn from(&self, step: Vector) -> Self {
        let turned = self.turned(step);
        let c = self.c + product(plus(plus(self.b, self.b), turned), step);
        Self { b: plus(self.b, turned), c: c.max(0.0), ..*self }
    }
}

/// Slopes of linear fields over a triangle.
pub(super) struct Frame {
    /// Directions whose products with the differences along both edges give the slope.
    along: [Vector; 2],
}

impl Frame {
    /// The frame of the triangle with these corners, and its area; none where it is too thin to tell slopes.
    pub(super) fn new([p, q, r]: [Vector; 3]) -> Option<(Self, f32)> {
        let (u, v) = (minus(q, p), minus(r, p));
        let (uu, uv, vv) = (product(u, u), product(u, v), product(v, v));
        let det = uu * vv - uv * uv;
        // A height below a hundredth of the longest edge makes slopes that nobody sees.
        (det > 1e-4 * uu.max(vv) * uu.max(vv)).then(|| {
            let of = |a: f32, b: f32| std::array::from_fn(|at| (a * u[at] + b * v[at]) / det);
            (Self { along: [of(vv, -uv), of(-uv, uu)] }, det.sqrt() / 2.0)
        })
    }

    /// The slope of the field with these values at the corners.
    pub(super) fn slope(&self, [p, q, r]: [f32; 3]) -> Vector {
        let [u, v] = &self.along;
        std::array::from_fn(|at| u[at] * (q - p) + v[at] * (r - p))
    }
}

/// The fields of the attributes around each wedge: slope and value of their mean, told from the wedge's own place.
///
/// What the fields of a wedge miss of their mean is in the quadric of its place. Where two wedges become one, only what
/// their means miss of each other is new; kept so, no small difference of large squares is ever taken.
pub(super) struct Fields {
    /// The area that each wedge's mean stands for.
    pub(super) weights: Vec<f32>,
    /// `width` for each wedge.
    pub(super) means: Vec<[f32; 4]>,
    pub(super) width: usize,
}

impl Fields {
    pub(super) fn row(&self, wedge: u32) -> &[[f32; 4]] {
        &self.means[wedge as usize * self.width..][..self.width]
    }

    /// Whether nobody sees how the values of two wedges of one place differ.
    pub(super) fn are_alike(&self, one: u32, other: u32) -> bool {
        /// Weighted: a hundredth of a normal, a thousandth of a texture's width.
        const ALIKE: f32 = 1e-4;
        self.row(one).iter().zip(self.row(other)).all(|(one, other)| (one[3] - other[3]).abs() <= ALIKE)
    }

    /// What the means of two wedges miss of each other, told from the first one's place; the second one's is `step` away.
    pub(super) fn misfit(&self, one: u32, other: u32, step: Vector) -> Near {
        let (a, b) = (self.weights[one as usize], self.weights[other as usize]);
        if a + b <= 0.0 {
            return Near::default();
        }
        let weight = a * b / (a + b);
        let mut quadric = Near::default();
        for (a, b) in self.row(one).iter().zip(self.row(other)) {
            quadric.add_field(minus([a[0], a[1], a[2]], [b[0], b[1], b[2]]), a[3] - told_from(*b, step), weight);
        }
        quadric
    }

    /// Tells a wedge's means from the place that is `step` away.
    pub(super) fn tell_from(&mut self, wedge: u32, step: Vector) {
        let first = wedge as usize * self.width;
        for mean in &mut self.means[first..first + self.width] {
            mean[3] += mean[0] * step[0] + mean[1] * step[1] + mean[2] * step[2];
        }
    }

    /// Adds one wedge to another, both told from the same place.
    pub(super) fn merge(&mut self, from: u32, to: u32) {
        let (a, b) = (self.weights[from as usize], self.weights[to as usize]);
        if a <= 0.0 {
            return;
        }
        let share = a / (a + b);
        self.weights[to as usize] = a + b;
        for at in 0..self.width {
            let mean = self.means[from as usize * self.width + at];
            let own = &mut self.means[to as usize * self.width + at];
            own.iter_mut().zip(mean).for_each(|(own, other)| *own += (other - *own) * share);
        }
    }
}

/// The value of a field at the place from which its own is `step` away.
fn told_from(field: [f32; 4], step: Vector) -> f32 {
    field[3] - (field[0] * step[0] + field[1] * step[1] + field[2] * step[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told from a point, a quadric's last number is its value there.
    fn value(quadric: &Near, point: Vector) -> f32 {
        quadric.from(point).numbers()[Near::NUMBERS - 1]
    }

    #[test]
    fn a_quadric_is_the_same_from_everywhere() {
        // Two planes through (1, 2, 3), told from there, and then from a place nearby.
        let mut quadric = Near::plane([1.0, 0.0, 0.0], 2.0);
        quadric.add(&Near::plane([0.0, 1.0, 0.0], 1.0));
        assert_eq!(value(&quadric, [1.0, 0.0, 7.0]), 2.0);
        let told = quadric.from([0.5, -0.25, 0.0]);
        assert!((value(&told, [0.5, 0.25, 0.0]) - 2.0).abs() < 1e-5);
        assert_eq!(value(&told, [-0.5, 0.25, 0.0]), 0.0);
    }

    #[test]
    fn equal_fields_miss_nothing_of_each_other() {
        let (frame, area) = Frame::new([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]).unwrap();
        let slope = frame.slope([1.0, 3.0, 5.0]);
        assert_eq!((slope, area), ([2.0, 2.0, 0.0], 1.0));
        // The same field, told from two places, and one that is higher by 3.
        let means = vec![[2.0, 2.0, 0.0, 1.0], [2.0, 2.0, 0.0, 3.0], [2.0, 2.0, 0.0, 6.0]];
        let mut fields = Fields { weights: vec![1.0, 3.0, 3.0], means, width: 1 };
        assert!(value(&fields.misfit(0, 1, [1.0, 0.0, 0.0]), [7.0, -3.0, 9.0]) < 1e-6);
        assert_eq!(value(&fields.misfit(0, 2, [1.0, 0.0, 0.0]), [5.0; 3]), 0.75 * 9.0);
        fields.tell_from(2, [-1.0, 0.0, 0.0]);
        fields.merge(0, 2);
        assert_eq!((fields.weights[2], fields.means[2]), (4.0, [2.0, 2.0, 0.0, 3.25]));
    }
}
