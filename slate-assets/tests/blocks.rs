//! Block formats: our decoders beside those of others on random blocks of every mode, and our encoders by what they keep.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use slate_assets::texture::block::{BlockFormat, Effort, Footprint, Surface, Values, decode, economize, encode};
use support::Random;

/// The texels of one block by our decoder, in rows.
fn ours(block: &[u8], format: BlockFormat) -> Vec<[u8; 4]> {
    let (width, height) = format.block_size();
    match decode(block, width, height, format, &|| Ok(())).unwrap().values {
        Values::Rgba8(values) => values.chunks_exact(4).map(|texel| texel.try_into().unwrap()).collect(),
        Values::Rg16(values) => {
            let narrow = |value: u16| (value >> 8) as u8;
            values.chunks_exact(2).map(|texel| [narrow(texel[0]), narrow(texel[1]), 0, 255]).collect()
        }
        _ => panic!("{format} has no bytes"),
    }
}

/// The texels of one block by crate `bcdec_rs`.
fn bcdec(block: &[u8], format: BlockFormat) -> Vec<[u8; 4]> {
    let mut rgba = [0; 64];
    let mut values = [0; 32];
    match format {
        BlockFormat::Bc1 | BlockFormat::Bc1Alpha => bcdec_rs::bc1(block, &mut rgba, 16),
        BlockFormat::Bc3 => bcdec_rs::bc3(block, &mut rgba, 16),
        BlockFormat::Bc7 => bcdec_rs::bc7(block, &mut rgba, 16),
        BlockFormat::Bc4 => bcdec_rs::bc4(block, &mut values[..16], 4, false),
        BlockFormat::Bc5 => bcdec_rs::bc5(block, &mut values, 8, false),
        _ => panic!("{format} isn't its"),
    }
    match format {
        BlockFormat::Bc4 => values[..16].iter().map(|&red| [red, 0, 0, 255]).collect(),
        BlockFormat::Bc5 => values.chunks_exact(2).map(|pair| [pair[0], pair[1], 0, 255]).collect(),
        _ => rgba.chunks_exact(4).map(|texel| texel.try_into().unwrap()).collect(),
    }
}

/// The texels of one block by crate `texture2ddecoder`.
fn t2d(block: &[u8], format: BlockFormat) -> Vec<[u8; 4]> {
    let (width, height) = format.block_size();
    let (width, height) = (width as usize, height as usize);
    let mut out = vec![0u32; width * height];
    match format {
        BlockFormat::Etc2Rgb => texture2ddecoder::decode_etc2_rgb(block, width, height, &mut out),
        BlockFormat::Etc2Rgba1 => texture2ddecoder::decode_etc2_rgba1(block, width, height, &mut out),
        BlockFormat::Etc2Rgba => texture2ddecoder::decode_etc2_rgba8(block, width, height, &mut out),
        BlockFormat::EacR11 => texture2ddecoder::decode_eacr(block, width, height, &mut out),
        BlockFormat::EacRg11 => texture2ddecoder::decode_eacrg(block, width, height, &mut out),
        BlockFormat::Bc7 => texture2ddecoder::decode_bc7(block, width, height, &mut out),
        BlockFormat::Astc(_) => texture2ddecoder::decode_astc(block, width, height, width, height, &mut out),
        _ => panic!("{format} isn't its"),
    }
    .unwrap();
    let rgba = |texel: u32| [texel >> 16, texel >> 8, texel, texel >> 24].map(|value| value as u8);
    out.into_iter().map(rgba).collect()
}

/// The largest difference in a channel that both hold; what is transparent has no colour.
fn worst(a: &[[u8; 4]], b: &[[u8; 4]], channels: usize) -> u8 {
    let off = |(a, b): (&[u8; 4], &[u8; 4])| {
        if channels == 4 && a[3] == 0 && b[3] == 0 {
            return 0;
        }
        (0..channels).map(|at| a[at].abs_diff(b[at])).max().unwrap_or(0)
    };
    a.iter().zip(b).map(off).max().unwrap_or(0)
}

#[test]
fn random_blocks_decode_as_others_decode_them() {
    let mut random = Random(11);
    let cases = [
        (BlockFormat::Bc1, 0),
        (BlockFormat::Bc1Alpha, 0),
        // The other rounds a seventh and a fifth down by its own rule; the specification has exact fractions.
        (BlockFormat::Bc3, 1),
        (BlockFormat::Bc4, 1),
        (BlockFormat::Bc5, 1),
        (BlockFormat::Bc7, 0),
    ];
    for (format, allowed) in cases {
        for round in 0..4_000 {
            let mut block = random.bytes(format.block_bytes());
            if format == BlockFormat::Bc7 {
                // Every mode as often, the reserved one among them.
                let mode = round % 9;
                block[0] = ((u16::from(block[0]) << (mode + 1) | 1 << mode) & 0xFF) as u8;
            }
            let channels = if format == BlockFormat::Bc1 { 3 } else { 4 };
            let off = worst(&ours(&block, format), &bcdec(&block, format), channels);
            assert!(off <= allowed, "{format} {block:02X?}: {off}");
        }
    }
    for format in [BlockFormat::Etc2Rgb, BlockFormat::Etc2Rgba1, BlockFormat::Etc2Rgba, BlockFormat::Bc7] {
        for _ in 0..4_000 {
            let block = random.bytes(format.block_bytes());
            let channels = usize::from(format.channels());
            let off = worst(&ours(&block, format), &t2d(&block, format), channels);
            assert_eq!(off, 0, "{format} {block:02X?}");
        }
    }
}

/// Eleven bits by the words of the specification: the other crate reads the indices of R11 backwards.
#[test]
fn random_eleven_bit_blocks_decode_by_the_book() {
    let mut random = Random(13);
    for _ in 0..2_000 {
        let block = random.bytes(8);
        let indices = u64::from_be_bytes(block[..].try_into().unwrap()) & 0xFFFF_FFFF_FFFF;
        // The same steps through the other's eight-bit alpha: multiplier 1 on a base in the middle.
        let mut alpha = vec![100, 0x10 | block[1] & 15];
        alpha.extend_from_slice(&block[2..]);
        alpha.extend([0; 8]);
        let steps = t2d(&alpha, BlockFormat::Etc2Rgba).into_iter().map(|texel| i32::from(texel[3]) - 100);
        let Values::Rg16(ours) = decode(&block, 4, 4, BlockFormat::EacR11, &|| Ok(())).unwrap().values else {
            panic!("no 16 bits");
        };
        for (at, step) in steps.enumerate() {
            let reach = match i32::from(block[1] >> 4) {
                0 => step,
                multiplier => step * multiplier * 8,
            };
            let value = (i32::from(block[0]) * 8 + 4 + reach).clamp(0, 2047) as u16;
            assert_eq!(ours[at * 2], value << 5 | value >> 6, "{block:02X?} {at} {indices}");
        }
    }
}

#[test]
fn random_legal_astc_blocks_decode_as_others_decode_them() {
    let mut random = Random(14);
    for footprint in Footprint::ALL {
        let format = BlockFormat::Astc(footprint);
        let (mut compared, mut kinds) = (0, [0u32; 16]);
        for _ in 0..60_000 {
            let mut block = random.bytes(16);
            if random.below(3) == 0 {
                // One subset of an LDR kind, which random bits seldom are.
                let kind = [0, 1, 4, 5, 6, 8, 9, 10, 12, 13][random.below(10)];
                let head = u32::from(block[1]) & 7 | kind << 5;
                block[1] = head as u8;
                block[2] = block[2] & 0xFE | (kind >> 3) as u8;
            }
            let texels = ours(&block, format);
            // The other panics on blocks that aren't legal, which are magenta.
            if texels.iter().all(|texel| *texel == [255, 0, 255, 255]) || block[0] == 0xFC && block[1] & 1 == 1 {
                continue;
            }
            compared += 1;
            if block[1] >> 3 & 3 == 0 {
                kinds[usize::from(block[1] >> 5 | (block[2] & 1) << 3)] += 1;
            }
            let off = worst(&texels, &t2d(&block, format), 4);
            assert!(off <= 1, "{format} {block:02X?}: {off}");
        }
        assert!(compared > 2_000, "{format}: {compared}");
        for kind in [0, 1, 4, 5, 6, 8, 9, 10, 12, 13] {
            assert!(kinds[kind] > 20, "{format}: endpoint mode {kind} {kinds:?}");
        }
    }
}

#[test]
fn random_half_float_blocks_decode_as_others_decode_them() {
    let mut random = Random(12);
    let codes = [0, 1, 2, 6, 10, 14, 18, 22, 26, 30, 3, 7, 11, 15, 19, 23, 27, 31];
    for round in 0..9_000 {
        let mut block = random.bytes(16);
        let code = codes[round % codes.len()];
        let mask = if code < 2 { 3 } else { 31 };
        block[0] = block[0] & !mask | code;
        let mut theirs = [0u16; 48];
        bcdec_rs::bc6h_half(&block, &mut theirs, 12, false);
        let Values::Rgb16F(ours) = decode(&block, 4, 4, BlockFormat::Bc6h, &|| Ok(())).unwrap().values else {
            panic!("no half floats");
        };
        assert_eq!(ours, theirs, "mode {code}: {block:02X?}");
    }
}

/// A picture with what pictures have: slopes, edges, lines, a texture of several colours, noise, and alpha.
fn picture(side: usize, alpha: bool) -> Vec<u8> {
    let mut random = Random(5);
    let mut out = Vec::with_capacity(side * side * 4);
    for y in 0..side {
        for x in 0..side {
            let (fx, fy) = (x as f32 / side as f32, y as f32 / side as f32);
            let wave = ((fx * 23.0).sin() + (fy * 17.0 + fx * 5.0).cos()) * 30.0;
            let disc = ((fx - 0.6).powi(2) + (fy - 0.4).powi(2)).sqrt() < 0.22;
            let stripe = (x / 3 + y / 5) % 7 == 0;
            let noise = (random.next() % 9) as f32;
            let [r, g, b] = match (disc, stripe) {
                (true, _) => [210.0 - wave, 90.0 + wave * 0.5, 40.0 + fy * 60.0],
                (_, true) => [40.0, 60.0 + 90.0 * fy, 120.0 + 50.0 * fx],
                _ => [90.0 + fx * 120.0 + wave, 120.0 + wave, 60.0 + fy * 150.0],
            };
            let a = if alpha { (255.0 - fx * 200.0 + wave).clamp(0.0, 255.0) } else { 255.0 };
            out.extend([r + noise, g + noise, b + noise, a].map(|value| value.clamp(0.0, 255.0) as u8));
        }
    }
    out
}

fn psnr(a: &[u8], b: &[u8], channels: usize) -> f64 {
    let mut squares = 0.0;
    let mut count = 0.0;
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for channel in 0..channels {
            squares += (f64::from(a[channel]) - f64::from(b[channel])).powi(2);
            count += 1.0;
        }
    }
    if squares == 0.0 { 99.0 } else { 10.0 * (255.0 * 255.0 * count / squares).log10() }
}

fn by_foreign(blocks: &[u8], side: usize, format: BlockFormat) -> Vec<u8> {
    let (width, height) = format.block_size();
    let (width, height) = (width as usize, height as usize);
    let across = side.div_ceil(width);
    let mut out = vec![0; side * side * 4];
    for (at, block) in blocks.chunks_exact(format.block_bytes()).enumerate() {
        let texels = match format {
            BlockFormat::Astc(_) | BlockFormat::Etc2Rgb | BlockFormat::Etc2Rgba1 | BlockFormat::Etc2Rgba => {
                t2d(block, format)
            }
            BlockFormat::EacR11 | BlockFormat::EacRg11 => ours(block, format),
            _ => bcdec(block, format),
        };
        for (texel, value) in texels.iter().enumerate() {
            let (x, y) = (at % across * width + texel % width, at / across * height + texel / width);
            if x < side && y < side {
                out[(y * side + x) * 4..][..4].copy_from_slice(value);
            }
        }
    }
    out
}

/// What an encoder kept of the picture when this was written, less a little.
fn floor(format: BlockFormat, effort: Effort) -> f64 {
    let floors = match format {
        BlockFormat::Bc1 => [35.5, 35.5, 35.6, 35.7, 35.7],
        BlockFormat::Bc1Alpha => [36.7, 36.7, 36.9, 37.0, 37.0],
        BlockFormat::Bc3 => [36.6, 36.7, 36.8, 36.8, 36.8],
        BlockFormat::Bc4 => [38.8, 40.4, 41.0, 41.4, 41.4],
        BlockFormat::Bc5 => [40.6, 42.1, 42.8, 43.1, 43.1],
        BlockFormat::Bc7 => [38.0, 40.1, 40.2, 40.2, 40.3],
        BlockFormat::Etc2Rgb => [25.4, 25.4, 35.1, 35.2, 35.8],
        BlockFormat::Etc2Rgba1 => [26.0, 26.2, 36.4, 36.4, 37.0],
        BlockFormat::Etc2Rgba => [26.6, 26.6, 36.3, 36.4, 36.9],
        BlockFormat::EacR11 => [41.2, 42.6, 43.2, 43.2, 43.5],
        BlockFormat::EacRg11 => [42.5, 43.8, 44.5, 44.5, 44.7],
        BlockFormat::Astc(footprint) => match (footprint.width(), footprint.height()) {
            (4, 4) => [39.3, 39.8, 40.0, 40.4, 40.5],
            (5, 5) => [38.4, 38.8, 39.0, 39.2, 39.3],
            (6, 6) => [33.5, 33.9, 34.3, 34.7, 35.0],
            (8, 8) => [28.4, 28.7, 28.9, 29.2, 29.5],
            (12, 12) => [24.4, 24.8, 25.1, 25.4, 25.6],
            _ => [26.0, 26.6, 27.0, 27.5, 27.8],
        },
        _ => [0.0; 5],
    };
    let place =
        [Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::HIGH, Effort::BEST].iter().position(|e| *e == effort);
    floors[place.unwrap()]
}

/// Half floats of a scene with a bright spot, by our decoder: crate `bcdec_rs` agrees with it on every mode.
#[test]
fn half_floats_keep_their_brightness() {
    let side = 61;
    let mut values = Vec::new();
    for y in 0..side {
        for x in 0..side {
            let far = ((x as f32 - 40.0).powi(2) + (y as f32 - 20.0).powi(2)) / 90.0;
            let light = 0.05 + 900.0 * (-far).exp();
            values.extend(
                [light, light * 0.6 + x as f32 * 0.01, 0.2 + y as f32 * 0.02].map(|v| half::f16::from_f32(v).to_bits()),
            );
        }
    }
    let surface = Surface::new(side, side, Values::Rgb16F(values.clone())).unwrap();
    let mut last = f64::MAX;
    for (effort, most) in [(Effort::FASTEST, 0.09), (Effort::FAST, 0.06), (Effort::NORMAL, 0.05), (Effort::BEST, 0.045)]
    {
        let blocks = encode(&surface, BlockFormat::Bc6h, effort, &|| Ok(())).unwrap();
        let Values::Rgb16F(found) = decode(&blocks, side, side, BlockFormat::Bc6h, &|| Ok(())).unwrap().values else {
            panic!("no half floats");
        };
        // The root of the mean squared error in stops.
        let stops = |bits: u16| f64::from(half::f16::from_bits(bits).to_f32() + 0.01).log2();
        let squares: f64 = found.iter().zip(&values).map(|(a, b)| (stops(*a) - stops(*b)).powi(2)).sum();
        let error = (squares / values.len() as f64).sqrt();
        println!("{effort:?}: {error:.4} stops");
        assert!(error <= most && error <= last * 1.01, "{effort:?}: {error} stops after {last}");
        last = error;
    }
}

/// Blocks of one colour, of two colours and of random colours, with alpha and without: none may panic, and what can be
/// exact is near.
#[test]
fn odd_blocks_are_encoded_too() {
    let mut random = Random(21);
    for format in BlockFormat::all().filter(|&format| format != BlockFormat::Bc6h) {
        let (width, height) = format.block_size();
        for round in 0..60 {
            let colors: Vec<[u8; 4]> = (0..1 + round % 3)
                .map(|_| {
                    [0, 255, random.next() as u8, 128]
                        .map(|v| if random.below(2) == 0 { v } else { random.next() as u8 })
                })
                .collect();
            let values: Vec<u8> = (0..width * height)
                .flat_map(|_| {
                    if round > 50 {
                        [0; 4].map(|_: u8| random.next() as u8)
                    } else {
                        colors[random.below(colors.len())]
                    }
                })
                .collect();
            let surface = Surface::new(width, height, Values::Rgba8(values.clone())).unwrap();
            for effort in [Effort::INSTANT, Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::BEST] {
                let block = encode(&surface, format, effort, &|| Ok(())).unwrap();
                if colors.len() == 1
                    && round <= 50
                    && format.channels() == 4
                    && !matches!(format, BlockFormat::Bc1Alpha | BlockFormat::Etc2Rgba1)
                {
                    let found = ours(&block, format);
                    let wanted: Vec<[u8; 4]> = values.chunks_exact(4).map(|t| t.try_into().unwrap()).collect();
                    assert!(worst(&found, &wanted, 4) <= 8, "{format} {effort:?}: {:?} for {:?}", found[0], wanted[0]);
                }
            }
        }
    }
}

#[test]
fn encoders_keep_what_their_effort_promises() {
    let side = 94;
    // Those of UASTC are held against a reference in `uastc.rs`.
    for format in BlockFormat::all().filter(|format| !matches!(format, BlockFormat::Bc6h | BlockFormat::Uastc(_))) {
        let channels = usize::from(format.channels());
        let source = picture(side, channels == 4 && !matches!(format, BlockFormat::Bc1Alpha | BlockFormat::Etc2Rgba1));
        let surface = Surface::new(side as u32, side as u32, Values::Rgba8(source.clone())).unwrap();
        let blocks = |effort| encode(&surface, format, effort, &|| Ok(())).unwrap();
        let less = match format {
            BlockFormat::Bc1 | BlockFormat::Bc1Alpha | BlockFormat::Bc3 => Some(3.5),
            BlockFormat::Bc7 => Some(0.0),
            _ => None,
        };
        if let Some(less) = less {
            let found = psnr(&source, &by_foreign(&blocks(Effort::INSTANT), side, format), channels);
            assert!(found >= floor(format, Effort::FASTEST) - less, "{format} instantly: {found}");
        } else {
            assert!(blocks(Effort::INSTANT) == blocks(Effort::FASTEST), "{format}");
        }
        let mut last = 0.0;
        for effort in [Effort::FASTEST, Effort::FAST, Effort::NORMAL, Effort::HIGH, Effort::BEST] {
            let found = psnr(&source, &by_foreign(&blocks(effort), side, format), channels);
            println!("{format} {effort:?}: {found:.2} dB");
            let floor = floor(format, effort);
            assert!(found >= floor, "{format} {effort:?}: {found} is below {floor}");
            assert!(found >= last - 0.05, "{format} {effort:?}: {found} after {last}");
            last = found;
        }
    }
}

#[test]
fn economized_astc_blocks_are_legal_and_others_read_them_alike() {
    let side = 240;
    for (width, height) in [(4, 4), (5, 5), (6, 6), (8, 8), (12, 10)] {
        let format = BlockFormat::Astc(Footprint::new(width, height).unwrap());
        for alpha in [false, true] {
            let source = picture(side, alpha);
            let surface = Surface::new(side as u32, side as u32, Values::Rgba8(source.clone())).unwrap();
            let plain = encode(&surface, format, Effort::FAST, &|| Ok(())).unwrap();
            let mut blocks = plain.clone();
            economize(&mut blocks, &surface, format, 30.0, &|| Ok(())).unwrap();
            let moved = plain.chunks(16).zip(blocks.chunks(16)).filter(|(a, b)| a != b).count();
            assert!(moved * 20 > plain.len() / 16, "{format}: {moved} of {}", plain.len() / 16);
            for block in blocks.chunks(16) {
                let texels = ours(block, format);
                assert!(texels.iter().any(|texel| *texel != [255, 0, 255, 255]), "{format} {block:02X?}");
                let off = worst(&texels, &t2d(block, format), 4);
                assert!(off <= 1, "{format} {block:02X?}: {off}");
            }
            let (before, after) = (
                psnr(&source, &by_foreign(&plain, side, format), 4),
                psnr(&source, &by_foreign(&blocks, side, format), 4),
            );
            assert!(after > before - 8.0, "{format}: {after} after {before}");
        }
    }
}
