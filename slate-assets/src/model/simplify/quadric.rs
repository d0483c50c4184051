//! Quadrics: sums of squared distances to planes, as functions of a point. Garland and Heckbert 1997; with attributes
//! after Hoppe 1999, where a plane's place is taken by an attribute's linear field over a triangle.

pub(super) type Point = [f64; 3];

pub(super) fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// `p·A·p + 2 b·p + c`, with A symmetric.
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

    /// `weight · |p − point|²`.
    pub(super) fn point(point: Point, weight: f64) -> Self {
        Self {
            xx: weight,
            yy: weight,
            zz: weight,
            b: point.map(|number| -number * weight),
            c: weight * dot(point, point),
            ..Self::default()
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

    /// `A·p + b`.
    fn slope(&self, p: Point) -> Point {
        [
            self.xx * p[0] + self.xy * p[1] + self.xz * p[2] + self.b[0],
            self.xy * p[0] + self.yy * p[1] + self.yz * p[2] + self.b[1],
            self.xz * p[0] + self.yz * p[1] + self.zz * p[2] + self.b[2],
        ]
    }

    /// The value at a point; rounding doesn't make it negative.
    pub(super) fn at(&self, p: Point) -> f64 {
        (dot(self.slope(p), p) + dot(self.b, p) + self.c).max(0.0)
    }

    /// The point of the least value, and that value. Where the quadric says little, the point stays near `middle`;
    /// none where it would be further from there than `reach`.
    pub(super) fn least(&self, middle: Point, reach: f64) -> Option<(Point, f64)> {
        const FIRM: f64 = 1e-5;
        let pull = (self.xx + self.yy + self.zz) * FIRM;
        let (xx, yy, zz) = (self.xx + pull, self.yy + pull, self.zz + pull);
        let slope = self.slope(middle);
        // Cofactors of A + pull·I.
        let (cxx, cxy, cxz) =
            (yy * zz - self.yz * self.yz, self.xz * self.yz - self.xy * zz, self.xy * self.yz - self.xz * yy);
        let det = xx * cxx + self.xy * cxy + self.xz * cxz;
        if det <= 0.0 || !det.is_normal() {
            return None;
        }
        let (cyy, cyz, czz) =
            (xx * zz - self.xz * self.xz, self.xy * self.xz - xx * self.yz, xx * yy - self.xy * self.xy);
        let scale = -1.0 / det;
        let step = [
            (cxx * slope[0] + cxy * slope[1] + cxz * slope[2]) * scale,
            (cxy * slope[0] + cyy * slope[1] + cyz * slope[2]) * scale,
            (cxz * slope[0] + cyz * slope[1] + czz * slope[2]) * scale,
        ];
        let far = dot(step, step) > reach * reach;
        let point = [middle[0] + step[0], middle[1] + step[1], middle[2] + step[2]];
        // Negated, so that what is no number is refused too.
        (!far && point.iter().all(|number| number.is_finite())).then(|| (point, self.at(point)))
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
        let mut quadric = Quadric::plane([1.0, 0.0, 0.0], -1.0, 2.0);
        quadric.add(&Quadric::plane([0.0, 1.0, 0.0], -2.0, 1.0));
        quadric.add(&Quadric::plane([0.0, 0.0, 1.0], -3.0, 1.0));
        let (point, error) = quadric.least([0.9, 2.1, 3.0], 1.0).unwrap();
        assert!(sub(point, [1.0, 2.0, 3.0]).iter().all(|number| number.abs() < 1e-4), "{point:?}");
        assert!(error < 1e-6);
        assert!(quadric.least([5.0, 2.0, 3.0], 1.0).is_none(), "too far away");
        assert!((quadric.at([2.0, 2.0, 3.0]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_field_over_one_triangle_misses_nothing() {
        let corners = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]];
        let field = Frame::new(corners).field([1.0, 3.0, 5.0]);
        assert_eq!((field.slope, field.offset), ([2.0, 2.0, 0.0], 1.0));
        let squares = Quadric::plane(field.slope, field.offset, 3.0);
        let sums = [[field.slope[0] * 3.0, field.slope[1] * 3.0, 0.0, field.offset * 3.0]];
        let fields = Fields { weight: 3.0, squares: &squares, sums: &sums };
        assert!(fields.misfit(None).at([7.0, -3.0, 9.0]) < 1e-9);
    }
}
