//! Polygons as triangles.

/// Calls `act` with the corners of each triangle of a polygon, counted from its first: `corners − 2` of them.
///
/// Corners that point inwards are cut around, as far as the polygon is nearly flat and doesn't cross itself; polygons
/// of more than 64 corners are taken for round.
pub(super) fn triangulate(outline: &[[f32; 3]], act: &mut dyn FnMut([usize; 3])) {
    // The search for a corner to cut takes the cube of their number at worst.
    const SEARCHED: usize = 64;
    if outline.len() == 3 || outline.len() > SEARCHED {
        return (2..outline.len()).for_each(|at| act([0, at - 1, at]));
    }
    let flat = flattened(outline);
    let mut left: Vec<usize> = (0..outline.len()).collect();
    while left.len() > 3 {
        let ear = (0..left.len()).find(|&at| is_ear(&flat, &left, at)).unwrap_or(1 % left.len());
        let [before, after] = [left.len() - 1, 1].map(|step| left[(ear + step) % left.len()]);
        act([before, left[ear], after]);
        left.remove(ear);
    }
    if let [a, b, c] = left[..] {
        act([a, b, c]);
    }
}

/// The outline along the axis that it faces most, anticlockwise.
fn flattened(outline: &[[f32; 3]]) -> Vec<[f64; 2]> {
    let mut normal = [0.0f64; 3];
    for (at, from) in outline.iter().enumerate() {
        let to = outline[(at + 1) % outline.len()];
        let (from, to) = (from.map(f64::from), to.map(f64::from));
        for (axis, sum) in normal.iter_mut().enumerate() {
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            *sum += (from[u] - to[u]) * (from[v] + to[v]);
        }
    }
    let axis = (0..3).fold(0, |most, axis| if normal[axis].abs() > normal[most].abs() { axis } else { most });
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    let (u, v) = if normal[axis] < 0.0 { (v, u) } else { (u, v) };
    outline.iter().map(|point| [f64::from(point[u]), f64::from(point[v])]).collect()
}

fn turn([a, b, c]: [[f64; 2]; 3]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Whether the corner can be cut off: it points outwards, and no other corner is in its triangle.
fn is_ear(flat: &[[f64; 2]], left: &[usize], at: usize) -> bool {
    let [before, after] = [left.len() - 1, 1].map(|step| left[(at + step) % left.len()]);
    let triangle = [before, left[at], after].map(|at| flat[at]);
    if turn(triangle) <= 0.0 {
        return false;
    }
    let [a, b, c] = triangle;
    left.iter().filter(|&&other| other != before && other != left[at] && other != after).all(|&other| {
        let point = flat[other];
        // A corner at the place of one of these is the same corner.
        let inside = [[a, b, point], [b, c, point], [c, a, point]].into_iter().all(|side| turn(side) >= 0.0);
        !inside || [a, b, c].contains(&point)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(outline: &[[f32; 3]]) -> f64 {
        let mut sum = 0.0;
        triangulate(outline, &mut |corners| {
            let flat = corners.map(|at| [f64::from(outline[at][0]), f64::from(outline[at][1])]);
            assert!(turn(flat) >= 0.0, "{corners:?} is turned");
            sum += turn(flat) / 2.0;
        });
        sum
    }

    #[test]
    fn an_arrow_is_cut_inside() {
        let arrow = [[0.0, 0.0, 5.0], [2.0, 1.0, 5.0], [0.0, 2.0, 5.0], [1.0, 1.0, 5.0]];
        assert_eq!(area(&arrow), 1.0);
        let turned: Vec<_> = (0..4).map(|at| arrow[(at + 3) % 4]).collect();
        assert_eq!(area(&turned), 1.0);
    }

    #[test]
    fn a_comb_is_cut_inside() {
        let mut comb = vec![[20.0, 5.0, 0.0], [0.0, 5.0, 0.0]];
        for at in 0..10 {
            comb.push([at as f32 * 2.0, 0.0, 0.0]);
            comb.push([at as f32 * 2.0 + 1.0, 4.0, 0.0]);
        }
        comb.push([20.0, 0.0, 0.0]);
        let mut twice = 0.0;
        for (at, a) in comb.iter().enumerate() {
            let b = comb[(at + 1) % comb.len()];
            twice += f64::from(a[0] * b[1] - a[1] * b[0]);
        }
        assert!((area(&comb) - twice / 2.0).abs() < 1e-9);
    }

    #[test]
    fn what_crosses_itself_still_ends() {
        let mut count = 0;
        triangulate(&[[0.0; 3], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0; 3]], &mut |_| count += 1);
        assert_eq!(count, 3);
    }
}
