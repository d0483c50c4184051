//! What meshopt's filters bring back: directions told by two numbers in the place of three, rotations by three in the place
//! of four.

use super::super::values::{Component, Shape, Values};
use meshoptimizer_rs::{
    Workspace,
    codec::{decode_filter_oct, decode_filter_quat, encode_filter_oct, encode_filter_quat},
};

/// Bytes of a filtered direction, and bits of each of its numbers.
const STRIDE: usize = 4;
const BITS: u32 = 8;

/// Unit vectors of three floats, and tangents of four, in 8 bits, as the filter brings them back; none where one has no
/// direction. [`filtered`] then loses nothing.
pub(in crate::model) fn directions(values: &Values) -> Option<Values> {
    let vectors = values.to_vectors::<4>();
    let unit = |[x, y, z, w]: &[f32; 4]| (0.25..4.0).contains(&(x * x + y * y + z * z)) && w.abs() <= 1.0;
    if !matches!(values.shape, Shape::Vec3 | Shape::Vec4) || !vectors.iter().all(unit) {
        return None;
    }
    let mut bytes = encoded(vectors.as_flattened())?;
    decode(&mut bytes)?;
    let bytes = bytes.chunks_exact(STRIDE).flat_map(|four| four[..values.shape.width()].iter().copied()).collect();
    Some(Values { component: Component::I8, shape: values.shape, normalized: true, bytes })
}

/// Bytes of a filtered rotation, and bits of each of its numbers: a turn is right to a twentieth of a degree.
const TURN: usize = 8;
const TURN_BITS: u32 = 12;

/// Rotations of length 1 in 16 bits, as the filter brings them back; none where that changes them again each time.
/// [`filtered_rotations`] then loses nothing.
pub(in crate::model) fn rotations(values: &Values) -> Option<Values> {
    // What is nearly as large as the largest number may change places with it once or twice.
    const TRIES: usize = 4;
    let mut bytes = turned_back(&turns(values.to_vectors::<4>().as_flattened())?)?;
    for _ in 0..TRIES {
        let again = turned_back(&turns(&shares(&bytes))?)?;
        if again == bytes {
            return Some(Values {
                component: Component::I16,
                shape: Shape::Vec4,
                normalized: true,
                bytes: bytes.into(),
            });
        }
        bytes = again;
    }
    None
}

/// What the filter makes exactly these rotations of; none where there is no such thing.
pub(super) fn filtered_rotations(plain: &[u8]) -> Option<Vec<u8>> {
    let turns = turns(&shares(plain))?;
    (turned_back(&turns)? == plain).then_some(turns)
}

fn shares(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<2>().0.iter().map(|bytes| (f32::from(i16::from_le_bytes(*bytes)) / 32767.0).max(-1.0)).collect()
}

fn turns(numbers: &[f32]) -> Option<Vec<u8>> {
    encode_filter_quat(numbers.len() / 4, TURN, TURN_BITS, numbers, &mut Workspace::default()).ok()
}

fn turned_back(turns: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = turns.to_vec();
    decode_filter_quat(&mut bytes, turns.len() / TURN, TURN, &mut Workspace::default()).ok()?;
    Some(bytes)
}

/// What the filter makes exactly these directions of, four bytes each; none where there is no such thing.
pub(super) fn filtered(plain: &[u8]) -> Option<Vec<u8>> {
    let vectors: Vec<f32> = plain.iter().map(|&byte| (f32::from(byte as i8) / 127.0).max(-1.0)).collect();
    let guess = encoded(&vectors)?;
    let mut found = guess.clone();
    let mut open: Vec<usize> = (0..plain.len() / STRIDE).collect();
    // A direction of 8 bits is a step or none from the filtered one that it came from.
    const STEPS: [i8; 3] = [0, 1, -1];
    for (x, y) in STEPS.into_iter().flat_map(|x| STEPS.map(|y| (x, y))) {
        let stepped = |byte: u8, step: i8| (byte as i8).saturating_add(step).max(-127) as u8;
        let of = |at: &usize| {
            let four = &guess[at * STRIDE..][..STRIDE];
            [stepped(four[0], x), stepped(four[1], y), four[2], four[3]]
        };
        let tried: Vec<[u8; STRIDE]> = open.iter().map(of).collect();
        let mut back = tried.as_flattened().to_vec();
        decode(&mut back)?;
        let mut left = Vec::new();
        for ((at, tried), back) in open.into_iter().zip(&tried).zip(back.chunks_exact(STRIDE)) {
            let own = at * STRIDE..(at + 1) * STRIDE;
            if back == &plain[own.clone()] {
                found[own].copy_from_slice(tried);
            } else {
                left.push(at);
            }
        }
        open = left;
    }
    open.is_empty().then_some(found)
}

fn encoded(vectors: &[f32]) -> Option<Vec<u8>> {
    encode_filter_oct(vectors.len() / 4, STRIDE, BITS, vectors, &mut Workspace::default()).ok()
}

fn decode(bytes: &mut [u8]) -> Option<()> {
    let count = bytes.len() / STRIDE;
    decode_filter_oct(bytes, count, STRIDE, &mut Workspace::default()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_filtered_without_loss() {
        let vectors: Vec<f32> = (0..2000u32)
            .flat_map(|at| {
                let (z, turn) = ((at as f32 - 999.5) / 1000.0, at as f32 * 2.4);
                let wide = (1.0 - z * z).sqrt();
                [wide * libm::cosf(turn), wide * libm::sinf(turn), z]
            })
            .collect();
        let small = directions(&Values::floats(Shape::Vec3, &vectors)).unwrap();
        for (own, back) in vectors.chunks_exact(3).zip(small.to_vectors::<3>()) {
            let along: f32 = own.iter().zip(back).map(|(a, b)| a * b).sum();
            let length = back.iter().map(|number| number * number).sum::<f32>().sqrt();
            // Less than a degree.
            assert!(along / length > 0.9998 && (length - 1.0).abs() < 0.02, "{own:?} {back:?}");
        }
        let mut padded: Vec<u8> =
            small.bytes.chunks_exact(3).flat_map(|three| [three[0], three[1], three[2], 0]).collect();
        let mut back = filtered(&padded).unwrap();
        decode(&mut back).unwrap();
        assert_eq!(back, padded);
        // Nothing comes back as a direction that is half as long.
        padded[..4].copy_from_slice(&[60, 0, 0, 0]);
        assert_eq!(filtered(&padded), None);
        assert!(directions(&Values::floats(Shape::Vec3, &[0.0; 3])).is_none(), "no direction");
    }
}
