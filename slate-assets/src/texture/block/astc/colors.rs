//! The endpoint modes of the LDR profile. Section 23.13.

/// Whether the mode is of the LDR profile.
pub(super) fn is_ldr(mode: u32) -> bool {
    matches!(mode, 0 | 1 | 4 | 5 | 6 | 8 | 9 | 10 | 12 | 13)
}

/// How many values a mode has.
pub(super) fn count(mode: u32) -> usize {
    2 * (mode as usize / 4 + 1)
}

/// Both endpoints of a mode, from values of 8 bits.
pub(super) fn ends(mode: u32, values: &[u8]) -> [[i32; 4]; 2] {
    let v = |at: usize| i32::from(values[at]);
    let grey = |value: i32, alpha: i32| [value, value, value, alpha];
    let scaled = |at: usize| (v(at) * v(3)) >> 8;
    match mode {
        0 => [grey(v(0), 255), grey(v(1), 255)],
        1 => {
            let low = v(0) >> 2 | v(1) & 0xC0;
            [grey(low, 255), grey((low + (v(1) & 0x3F)).min(255), 255)]
        }
        4 => [grey(v(0), v(2)), grey(v(1), v(3))],
        5 => {
            let ((l, dl), (a, da)) = (offset(v(0), v(1)), offset(v(2), v(3)));
            [grey(l, a), grey(l + dl, a + da)].map(clamped)
        }
        6 => [[scaled(0), scaled(1), scaled(2), 255], [v(0), v(1), v(2), 255]],
        10 => [[scaled(0), scaled(1), scaled(2), v(4)], [v(0), v(1), v(2), v(5)]],
        8 | 12 => {
            let alpha = if mode == 12 { (v(6), v(7)) } else { (255, 255) };
            let (low, high) = ([v(0), v(2), v(4), alpha.0], [v(1), v(3), v(5), alpha.1]);
            if high[0] + high[1] + high[2] >= low[0] + low[1] + low[2] {
                [low, high]
            } else {
                [contracted(high), contracted(low)]
            }
        }
        _ => {
            let ((r, dr), (g, dg), (b, db)) = (offset(v(0), v(1)), offset(v(2), v(3)), offset(v(4), v(5)));
            let (a, da) = if mode == 13 { offset(v(6), v(7)) } else { (255, 0) };
            let (low, high) = ([r, g, b, a], [r + dr, g + dg, b + db, a + da]);
            if dr + dg + db >= 0 { [low, high] } else { [contracted(high), contracted(low)] }.map(clamped)
        }
    }
}

/// A base of 8 bits, the highest of which is in the second value, and a signed difference of 6.
fn offset(first: i32, second: i32) -> (i32, i32) {
    let base = first >> 1 | second & 0x80;
    let delta = second >> 1 & 0x3F;
    (base, if delta & 0x20 != 0 { delta - 0x40 } else { delta })
}

/// Red and green drawn halfway to blue.
fn contracted([r, g, b, a]: [i32; 4]) -> [i32; 4] {
    [(r + b) >> 1, (g + b) >> 1, b, a]
}

fn clamped(end: [i32; 4]) -> [i32; 4] {
    end.map(|value| value.clamp(0, 255))
}
