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
    /// The squared distance to the plane of this unit normal through the own place, times `weight`.
    pub(super) fn plane([x, y, z]: Vector, weight: f32) -> Self {
        let [wx, wy, wz] = [x * weight, y * weight, z * weight];
        Self { xx: wx * x, yy: wy * y, zz: wz * z, xy: wx * y, xz: wx * z, yz: wy * z, b: [0.0; 3], c: 0.0 }
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

    /// The value at a point; rounding doesn't make it negative.
    pub(super) fn at(&self, p: Vector) -> f32 {
        (product(plus(plus(self.b, self.b), self.turned(p)), p) + self.c).max(0.0)
    }

    /// The point of the least value, and that value. Where the quadric says little, the point stays near `middle`;
    /// none where it would be further from there than `reach`.
    pub(super) fn least(&self, middle: Vector, reach: f32) -> Option<(Vector, f32)> {
        const FIRM: f64 = 1e-5;
        // The cofactors of flat surfaces are differences of nearly equal products.
        let [xx, yy, zz, xy, xz, yz] = [self.xx, self.yy, self.zz, self.xy, self.xz, self.yz].map(f64::from);
        let slope = plus(self.turned(middle), self.b).map(f64::from);
        let pull = (xx + yy + zz) * FIRM;
        let (xx, yy, zz) = (xx + pull, yy + pull, zz + pull);
        let (cxx, cxy, cxz) = (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy);
        let det = xx * cxx + xy * cxy + xz * cxz;
        if det <= 0.0 || !det.is_normal() {
            return None;
        }
        let (cyy, cyz, czz) = (xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy);
        let scale = -1.0 / det;
        let step = [
            (cxx * slope[0] + cxy * slope[1] + cxz * slope[2]) * scale,
            (cxy * slope[0] + cyy * slope[1] + cyz * slope[2]) * scale,
            (cxz * slope[0] + cyz * slope[1] + czz * slope[2]) * scale,
        ]
        .map(|number| number as f32);
        // So asked, what is no number is too far as well.
        let near = product(step, step) <= reach * reach;
        near.then(|| {
            let point = plus(middle, step);
            (point, self.at(point))
        })
    }
}

/// `p·A·p + 2 b·p + c`, with A symmetric, in double precision: what attributes miss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quadric {
    xx: f64,
    yy: f64,
    zz: f64,
    xy: f64,
    xz: f64,
    yz: f64,
    b: Point,
    c: f64,
}

impl Quadric {
    /// `weight · (normal·p + offset)²`.
    pub(super) fn plane(normal: Point, offset: f64, weight: f64) -> Self {
        let [x, y, z] = normal;
        let n = [x * weight, y * weight, z * weight];
        Self {
            xx: n[0] * x,
            yy: n[1] * y,
            zz: n[2] * z,
            xy: n[0] * y,
            xz: n[0] * z,
            yz: n[1] * z,
            b: [n[0] * offset, n[1] * offset, n[2] * offset],
            c: weight * offset * offset,
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.xx += other.xx;
        self.yy += other.yy;
        self.zz += other.zz;
        self.xy += other.xy;
        self.xz += other.xz;
        self.yz += other.yz;
        self.b[0] += other.b[0];
        self.b[1] += other.b[1];
        self.b[2] += other.b[2];
        self.c += other.c;
    }

    /// The same quadric, told from a place.
    pub(super) fn near(&self, place: Vector) -> Near {
        let p = place.map(f64::from);
        let turned = [
            self.xx * p[0] + self.xy * p[1] + self.xz * p[2],
            self.xy * p[0] + self.yy * p[1] + self.yz * p[2],
            self.xz * p[0] + self.yz * p[1] + self.zz * p[2],
        ];
        let value = dot(turned, p) + 2.0 * dot(self.b, p) + self.c;
        Near {
            xx: self.xx as f32,
            yy: self.yy as f32,
            zz: self.zz as f32,
            xy: self.xy as f32,
            xz: self.xz as f32,
            yz: self.yz as f32,
            b: std::array::from_fn(|at| (turned[at] + self.b[at]) as f32),
            c: value.max(0.0) as f32,
        }
    }
}
/// A linear field over a triangle: `slope·p + offset`.
pub(super) struct Field {
    pub(super) slope: Point,
    pub(super) offset: f64,
}

/// The linear fields of attributes over the triangle with these corners; constant where it is too thin to tell.
pub(super) struct Frame {
    origin: Point,
    /// Directions whose products with the differences along both edges give the slope.
    along: Option<[Point; 2]>,
}

impl Frame {
    pub(super) fn new([p, q, r]: [Point; 3]) -> Self {
        let (u, v) = (sub(q, p), sub(r, p));
        let (uu, uv, vv) = (dot(u, u), dot(u, v), dot(v, v));
        let det = uu * vv - uv * uv;
        // A height below a hundredth of the longest edge makes slopes that nobody sees.
        let along = (det > 1e-4 * uu.max(vv) * uu.max(vv)).then(|| {
            let of = |a: f64, b: f64| std::array::from_fn(|at| (a * u[at] + b * v[at]) / det);
            [of(vv, -uv), of(-uv, uu)]
        });
        Self { origin: p, along }
    }

    pub(super) fn field(&self, [p, q, r]: [f64; 3]) -> Field {
        let Some([along_u, along_v]) = self.along else {
            return Field { slope: [0.0; 3], offset: (p + q + r) / 3.0 };
        };
        let slope = std::array::from_fn(|at| along_u[at] * (q - p) + along_v[at] * (r - p));
        Field { slope, offset: p - dot(slope, self.origin) }
    }
}

/// The fields of `n` attributes around a wedge, each summed by area: for a point they tell the values that fit best and
/// what these miss.
pub(super) struct Fields<'a> {
    /// Area; 0 where nothing is known.
    pub(super) weight: f64,
    /// The sum of the squared fields.
    pub(super) squares: &'a Quadric,
    /// Slope and offset of each attribute, times area.
    pub(super) sums: &'a [[f64; 4]],
}

impl Fields<'_> {
    /// What the best values miss, as a quadric: the variance of the fields.
    pub(super) fn misfit(&self, other: Option<&Self>) -> Quadric {
        let mut quadric = *self.squares;
        let mut weight = self.weight;
        if let Some(other) = other {
            quadric.add(other.squares);
            weight += other.weight;
        }
        if weight <= 0.0 {
            return quadric;
        }
        let inverse = -1.0 / weight;
        for (at, sum) in self.sums.iter().enumerate() {
            let other = other.and_then(|other| other.sums.get(at)).copied().unwrap_or_default();
            let [x, y, z, offset]: [f64; 4] = std::array::from_fn(|at| sum[at] + other[at]);
            quadric.add(&Quadric::plane([x, y, z], offset, inverse));
        }
        quadric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_planes_meet_in_their_point() {
        // Through (1, 2, 3), told from there, and then from a place nearby.
        let mut quadric = Near::plane([1.0, 0.0, 0.0], 2.0);
        quadric.add(&Near::plane([0.0, 1.0, 0.0], 1.0));
        quadric.add(&Near::plane([0.0, 0.0, 1.0], 1.0));
        assert_eq!(quadric.at([1.0, 0.0, 0.0]), 2.0);
        let told = quadric.from([0.5, -0.25, 0.0]);
        let (point, error) = told.least([0.1, 0.1, 0.0], 1.0).unwrap();
        assert!(minus(point, [-0.5, 0.25, 0.0]).iter().all(|number| number.abs() < 1e-3), "{point:?}");
        assert!(error < 1e-6);
        assert!((told.at([0.5, 0.25, 0.0]) - 2.0).abs() < 1e-5);
        assert!(told.least([5.0, 2.0, 3.0], 1.0).is_none(), "too far away");
    }

    #[test]
    fn a_field_over_one_triangle_misses_nothing() {
        let corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]];
        let field = Frame::new(corners).field([1.0, 3.0, 5.0]);
        assert_eq!((field.slope, field.offset), ([2.0, 2.0, 0.0], 1.0));
        let squares = Quadric::plane(field.slope, field.offset, 3.0);
        let sums = [[field.slope[0] * 3.0, field.slope[1] * 3.0, 0.0, field.offset * 3.0]];
        let fields = Fields { weight: 3.0, squares: &squares, sums: &sums };
        assert!(fields.misfit(None).near([7.0, -3.0, 9.0]).at([0.0; 3]) < 1e-4);
        assert!(fields.misfit(None).near([0.0; 3]).at([0.5, 0.5, 0.0]) < 1e-6);
    }
}
