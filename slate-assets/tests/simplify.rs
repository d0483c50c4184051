//! The simplifier: what it reaches, how near it stays, and what it leaves alone. `meshoptimizer-rs`, whose output is that
//! of meshoptimizer 1.3, is what it is measured against.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use meshoptimizer_rs::{
    Attributes, Positions, SimplifyOptions, SimplifySettings, Workspace, simplify, simplify_sloppy_generic,
    simplify_with_attributes,
};
use slate_assets::model::simplify::{COORDINATE_WEIGHT, Level, NORMAL_WEIGHT, Simplifier, Surface, deviation};
use slate_core::Cancel;
use std::{collections::BTreeSet, path::Path, time::Instant};
use support::{
    corpus, scans,
    shapes::{self, Shape},
};

fn reduce(shape: &Shape, ratio: f64) -> Level {
    let surface = Surface {
        positions: &shape.positions,
        indices: &shape.indices,
        attributes: &shape.attributes,
        weights: &shape.weights,
        ..Surface::default()
    };
    let target = (shape.indices.len() as f64 / 3.0 * ratio) as usize;
    Simplifier::new(&surface).unwrap().reduce(target, &Cancel::new()).unwrap()
}

#[test]
fn every_ratio_is_reached() {
    for (name, shape) in shapes::all() {
        let before = shape.indices.len() / 3;
        for ratio in [0.75, 0.5, 0.25, 0.1, 0.02] {
            let after = reduce(&shape, ratio).indices.len() / 3;
            let asked = before as f64 * ratio;
            // A collapse takes two triangles.
            let missed = (after as f64 - asked).abs();
            assert!(missed < (asked * 0.01).max(2.0), "{name} at {ratio}: {after} of {before}");
        }
    }
}

#[test]
fn the_surface_stays_nearer_than_by_meshoptimizer() {
    let mut worst = 0.0f64;
    for (name, shape) in shapes::all() {
        let bare = Shape { attributes: Vec::new(), weights: Vec::new(), ..shape };
        for (ratio, most) in [(0.5, 0.7), (0.25, 0.7)] {
            let begun = Instant::now();
            let ours = reduce(&bare, ratio);
            let our_time = begun.elapsed();
            let begun = Instant::now();
            let theirs = meshoptimizer(&bare, ratio);
            let their_time = begun.elapsed();
            if theirs.len() > ours.indices.len() * 101 / 100 {
                println!(
                    "{name} {ratio}: meshoptimizer stops at {} of {} triangles",
                    theirs.len() / 3,
                    bare.indices.len() / 3
                );
                continue;
            }
            let whole = (&bare.positions[..], &bare.indices[..]);
            let own = deviation(whole, (&ours.positions, &ours.indices), 50_000);
            let other = deviation(whole, (&bare.positions, &theirs), 50_000);
            println!(
                "{name} {ratio}: rms {:.3} max {:.3} of meshoptimizer's, {:.2} of its speed",
                own.rms / other.rms,
                own.max / other.max,
                their_time.as_secs_f64() / our_time.as_secs_f64()
            );
            worst = worst.max(own.rms / other.rms / most);
        }
    }
    assert!(worst <= 1.0, "{worst} of the deviation that is allowed");
}

/// What was aimed at for surfaces like these is 0.65 of meshoptimizer's; MeshLab's simplifier, which takes thirty times as long, is
/// at 0.73 for the bunny whose edges are all about as long.
#[test]
fn scanned_surfaces_stay_nearer_than_by_meshoptimizer() {
    let Some(scans) = scans::all() else { return };
    let mut found = Vec::new();
    for (name, shape) in scans {
        for ratio in [0.5, 0.25] {
            let (ours, theirs) = (reduce(&shape, ratio), meshoptimizer(&shape, ratio));
            let asked = (shape.indices.len() as f64 / 3.0 * ratio) as usize;
            assert!(asked.abs_diff(ours.indices.len() / 3) <= 4, "{name} at {ratio}: {}", ours.indices.len() / 3);
            let whole = (&shape.positions[..], &shape.indices[..]);
            let own = deviation(whole, (&ours.positions, &ours.indices), 50_000);
            let other = deviation(whole, (&shape.positions, &theirs), 50_000);
            println!(
                "{name} {ratio}: rms {:.3} max {:.3} of meshoptimizer's",
                own.rms / other.rms,
                own.max / other.max
            );
            found.push(own.rms / other.rms);
        }
    }
    found.sort_by(f64::total_cmp);
    assert!(found[found.len() - 1] < 0.75 && found[found.len() / 2] < 0.65, "{found:?}");
}

/// meshoptimizer's default stops early at seams; prune drops what is small, permissive ignores seams, sloppy ignores all.
#[test]
fn textured_surfaces_stay_nearer_than_by_any_of_meshoptimizer_s_modes() {
    let Some(files) = corpus::files("webxr", &["glb"]) else { return };
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for shape in files.iter().flat_map(|file| textured(file)) {
        // Many controllers have the same parts.
        if !seen.insert(shape.positions.as_flattened().iter().map(|n| n.to_bits()).collect::<Vec<_>>()) {
            continue;
        }
        for ratio in [0.5, 0.25] {
            let asked = (shape.indices.len() as f64 / 3.0 * ratio) as usize;
            let far = |indices: &[u32], positions: &[[f32; 3]]| {
                deviation((&shape.positions, &shape.indices), (positions, indices), 5_000).rms
            };
            let level = reduce(&shape, ratio);
            assert!(
                asked.abs_diff(level.indices.len() / 3) <= 2.max(asked / 100),
                "{asked}: {}",
                level.indices.len() / 3
            );
            // Of what reaches the ratio, and leaves anything.
            let modes = modes(&shape, ratio);
            let reached = modes.iter().filter(|left| !left.is_empty() && left.len() / 3 <= asked + asked / 100);
            let best = reached.map(|left| far(left, &shape.positions)).fold(f64::MAX, f64::min);
            found.push(far(&level.indices, &level.positions) / best);
        }
    }
    found.sort_by(f64::total_cmp);
    let nearer = found.partition_point(|ratio| *ratio <= 1.0);
    println!("TAIL {:.3?}", &found[found.len() - 14..]);
    println!(
        "{nearer} of {} are nearer; half of them have {:.2} of the best's or less",
        found.len(),
        found[found.len() / 2]
    );
    assert!(nearer == found.len() && found[nearer / 2] < 0.62, "{nearer} of {}: {found:?}", found.len());
}

/// The larger triangle lists of a GLB that have normals and coordinates.
fn textured(file: &Path) -> Vec<Shape> {
    let Ok(gltf::Gltf { document, blob }) = gltf::Gltf::open(file) else { return Vec::new() };
    let primitives = document.meshes().flat_map(|mesh| mesh.primitives().collect::<Vec<_>>());
    let shape = |primitive: gltf::Primitive<'_>| {
        let reader = primitive.reader(|_| blob.as_deref());
        let indices: Vec<u32> = reader.read_indices()?.into_u32().collect();
        let (normals, coordinates) = (reader.read_normals()?, reader.read_tex_coords(0)?.into_f32());
        let weights = vec![NORMAL_WEIGHT, NORMAL_WEIGHT, NORMAL_WEIGHT, COORDINATE_WEIGHT, COORDINATE_WEIGHT];
        let attributes = normals.zip(coordinates).flat_map(|([x, y, z], [u, v])| [x, y, z, u, v]).collect();
        let is_large = primitive.mode() == gltf::mesh::Mode::Triangles && indices.len() >= 3000;
        is_large.then_some(Shape { positions: reader.read_positions()?.collect(), indices, attributes, weights })
    };
    primitives.filter_map(shape).collect()
}

/// What each of meshoptimizer's modes leaves: default, prune, permissive, sloppy.
fn modes(shape: &Shape, ratio: f64) -> [Vec<u32>; 4] {
    let (count, width) = (shape.positions.len(), shape.weights.len());
    let mut workspace = Workspace::default();
    let target = (shape.indices.len() as f64 / 3.0 * ratio) as usize * 3;
    let positions = || Positions::from_packed(&shape.positions);
    let mut with = |options: SimplifyOptions| {
        let attributes = Attributes::from_interleaved(&shape.attributes, count, width, width, 0).unwrap();
        let settings = SimplifySettings { target_index_count: target, target_error: f32::MAX, options };
        let (indices, weights) = (&shape.indices, &shape.weights);
        simplify_with_attributes(indices, positions(), attributes, weights, None, settings, &mut workspace)
            .unwrap()
            .indices
    };
    let [default, prune, permissive] =
        [SimplifyOptions::EMPTY, SimplifyOptions::PRUNE, SimplifyOptions::PERMISSIVE].map(&mut with);
    let sloppy =
        simplify_sloppy_generic(&shape.indices, positions(), None, target, f32::MAX, &mut workspace).unwrap().indices;
    [default, prune, permissive, sloppy]
}

#[test]
fn a_chain_is_as_good_as_its_last_level() {
    let (_, shape) = shapes::all().swap_remove(0);
    let surface = Surface { positions: &shape.positions, indices: &shape.indices, ..Surface::default() };
    let triangles = shape.indices.len() / 3;
    let mut chain = Simplifier::new(&surface).unwrap();
    chain.reduce(triangles / 2, &Cancel::new()).unwrap();
    let last = chain.reduce(triangles / 4, &Cancel::new()).unwrap();
    let alone = Simplifier::new(&surface).unwrap().reduce(triangles / 4, &Cancel::new()).unwrap();
    assert_eq!(last, alone);
}

/// Surfaces that are large enough to be cut into pieces.
fn large() -> Vec<(&'static str, Shape)> {
    vec![("sphere", shapes::sphere(100)), ("terrain", shapes::terrain(170)), ("seams", shapes::seams(168))]
}

#[test]
fn large_surfaces_have_equal_bytes_on_any_number_of_threads() {
    for (name, shape) in large() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| [0.5, 0.1].map(|ratio| reduce(&shape, ratio)))
        };
        let one = on(1);
        for threads in [1, 2, 3, 8] {
            assert!(on(threads) == one, "{name}: {threads} threads make another surface");
        }
    }
}

#[test]
fn large_surfaces_reach_every_ratio_in_a_chain() {
    for (name, shape) in large() {
        let surface = Surface {
            positions: &shape.positions,
            indices: &shape.indices,
            attributes: &shape.attributes,
            weights: &shape.weights,
            ..Surface::default()
        };
        let mut simplifier = Simplifier::new(&surface).unwrap();
        let all = shape.indices.len() / 3;
        for ratio in [1.0, 0.75, 0.5, 0.25, 0.3, 0.1, 0.02, 0.005] {
            let level = simplifier.reduce((all as f64 * ratio) as usize, &Cancel::new()).unwrap();
            let asked = all as f64 * if ratio == 0.3 { 0.25 } else { ratio };
            let missed = (level.indices.len() as f64 / 3.0 - asked).abs();
            assert!(missed < (asked * 0.01).max(2.0), "{name} at {ratio}: {} of {all}", level.indices.len() / 3);
            assert_eq!(level.triangles.len(), simplifier.triangles(), "{name} at {ratio}");
            assert!(level.triangles.is_sorted_by(|one, other| one < other), "{name} at {ratio}");
        }
    }
}

/// A ball has no border: were the pieces not joined where they were cut, it had some.
#[test]
fn large_surfaces_stay_closed_where_they_were_cut() {
    let (_, shape) = large().swap_remove(0);
    for ratio in [0.5, 0.05] {
        let level = reduce(&Shape { attributes: Vec::new(), weights: Vec::new(), ..shape.clone() }, ratio);
        assert_eq!(open_edges(&level).len(), 0, "at {ratio}");
    }
}

/// The triangles near the cuts are as large as the others: none were left out there.
#[test]
fn cuts_of_large_surfaces_are_not_seen() {
    let (_, shape) = large().swap_remove(1);
    let bare = Shape { attributes: Vec::new(), weights: Vec::new(), ..shape };
    let level = reduce(&bare, 0.1);
    // Columns across the terrain: strips as fine as they came would make some of them far richer.
    let mut columns = [0usize; 50];
    level.positions.iter().for_each(|position| columns[((position[0] * 50.0) as usize).min(49)] += 1);
    let mean = level.positions.len() / 50;
    assert!(columns.iter().all(|&count| count < mean * 2), "{columns:?}");
}

#[test]
fn triangles_without_any_order_are_simplified() {
    let mut state = 7u32;
    let mut number = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    };
    // Corners among few vertices, some of which share a place: edges of many triangles, fins, the same triangle again.
    for (triangles, vertices) in [(30usize, 9u32), (300, 40), (3000, 700), (60_000, 9000)] {
        let mut positions: Vec<[f32; 3]> = (0..vertices).map(|_| [0; 3].map(|_| number() as f32 / 1e7)).collect();
        (0..vertices as usize / 8).for_each(|at| positions[at * 2] = positions[at * 3]);
        let indices: Vec<u32> = (0..triangles)
            .flat_map(|_| {
                let first = number() % vertices;
                [first, (first + 1 + number() % 5) % vertices, (first + 6 + number() % 5) % vertices]
            })
            .collect();
        let attributes: Vec<f32> = (0..vertices).map(|_| number() as f32 / 1e7).collect();
        let surface = Surface {
            positions: &positions,
            indices: &indices,
            attributes: &attributes,
            weights: &[COORDINATE_WEIGHT],
            ..Surface::default()
        };
        let mut simplifier = Simplifier::new(&surface).unwrap();
        for ratio in [0.9, 0.5, 0.2, 0.05, 0.0] {
            let target = (triangles as f64 * ratio) as usize;
            let level = simplifier.reduce(target, &Cancel::new()).unwrap();
            assert!(level.indices.len() / 3 <= target, "{} of {triangles} at {ratio}", level.indices.len() / 3);
            assert!(level.indices.iter().all(|at| (*at as usize) < level.positions.len()));
            assert!(level.positions.as_flattened().iter().chain(&level.attributes).all(|number| number.is_finite()));
        }
    }
}

#[test]
fn locked_vertices_of_large_surfaces_stay() {
    let (_, shape) = large().swap_remove(1);
    stays_where_locked(&shape);
}

#[test]
fn locked_vertices_stay() {
    let (_, shape) = shapes::all().swap_remove(1);
    stays_where_locked(&shape);
}

fn stays_where_locked(shape: &Shape) {
    let locked: Vec<bool> = (0..shape.positions.len()).map(|at| at % 7 == 0).collect();
    let surface =
        Surface { positions: &shape.positions, indices: &shape.indices, locked: &locked, ..Surface::default() };
    let level = Simplifier::new(&surface).unwrap().reduce(shape.indices.len() / 12, &Cancel::new()).unwrap();
    let bits = |position: &[f32; 3]| position.map(f32::to_bits);
    let there: BTreeSet<_> = level.positions.iter().map(bits).collect();
    for (position, _) in shape.positions.iter().zip(&locked).filter(|(_, locked)| **locked) {
        assert!(there.contains(&bits(position)), "{position:?}");
    }
}

/// Two halves of a terrain, each with vertices of its own along the middle, as two materials have them.
#[test]
fn no_crack_opens_between_parts() {
    let (_, shape) = shapes::all().swap_remove(1);
    let half = shape.indices.len() / 6 * 3;
    let count = shape.positions.len() as u32;
    let positions = [&shape.positions[..], &shape.positions[..]].concat();
    let indices: Vec<u32> =
        shape.indices.iter().enumerate().map(|(at, index)| if at < half { *index } else { index + count }).collect();
    let surface = Surface { positions: &positions, indices: &indices, ..Surface::default() };
    let level = Simplifier::new(&surface).unwrap().reduce(indices.len() / 30, &Cancel::new()).unwrap();
    let open = open_edges(&level);
    // The terrain's own border is open, and nothing else.
    assert!(open.len() > 4);
    for (from, to) in open {
        let [from, to] = [from, to].map(|place| place.map(f32::from_bits));
        assert!(shapes::on_rim(&from) && shapes::on_rim(&to), "open from {from:?} to {to:?}");
    }
}

/// Two halves of a flat square: where nothing is said of parts, the line between them is nothing to keep.
#[test]
fn the_line_between_parts_stays() {
    for side in [32, 170] {
        let mut shape = shapes::terrain(side);
        shape.positions.iter_mut().for_each(|position| position[2] = 0.0);
        let (triangles, count) = (shape.indices.len() / 3, shape.positions.len());
        let second = shape.indices.split_off(triangles / 2 * 3);
        shape.indices.extend(second.into_iter().map(|index| index + count as u32));
        shape.positions.extend_from_within(..);
        let owners: Vec<u32> = [0, 1].into_iter().flat_map(|part| std::iter::repeat_n(part, count)).collect();
        let farthest = |parts: &[u32]| {
            let surface = Surface { positions: &shape.positions, indices: &shape.indices, parts, ..Surface::default() };
            let level = Simplifier::new(&surface).unwrap().reduce(triangles / 64, &Cancel::new()).unwrap();
            let corners = level.indices.iter().enumerate().map(|(at, &vertex)| {
                let beyond = level.positions[vertex as usize][1] - 0.5;
                if (level.triangles[at / 3] as usize) < triangles / 2 { beyond } else { -beyond }
            });
            corners.fold(0.0, f32::max)
        };
        assert!(farthest(&owners) < 1e-4, "{}", farthest(&owners));
        assert!(farthest(&[]) > 1e-2, "{}", farthest(&[]));
    }
}

/// Squares of a terrain whose normals differ by less than anybody sees.
#[test]
fn what_nobody_sees_is_no_seam() {
    let seamless = shapes::terrain(96);
    let mut cut = shapes::seams(96);
    for (at, (values, position)) in cut.attributes.chunks_exact_mut(5).zip(&cut.positions).enumerate() {
        let off = (at / 81 % 2) as f32 * 1e-4;
        values.copy_from_slice(&[off, 0.0, 1.0, position[0], position[1]]);
    }
    let rms = |shape: &Shape| {
        let level = reduce(shape, 0.25);
        deviation((&shape.positions, &shape.indices), (&level.positions, &level.indices), 50_000).rms
    };
    let (cut, whole) = (rms(&cut), rms(&seamless));
    assert!(cut < 1.02 * whole, "{cut} {whole}");
}

type Bits = [u32; 3];

/// The edges that one triangle alone is at.
fn open_edges(level: &Level) -> BTreeSet<(Bits, Bits)> {
    let bits = |index: u32| level.positions[index as usize].map(f32::to_bits);
    let mut open = BTreeSet::new();
    for corners in level.indices.chunks_exact(3) {
        for (from, to) in [(0, 1), (1, 2), (2, 0)] {
            let (from, to) = (bits(corners[from]), bits(corners[to]));
            if !open.remove(&(to, from)) {
                open.insert((from, to));
            }
        }
    }
    open
}

#[test]
fn coordinates_stay_on_their_texture() {
    let (name, shape) = shapes::all().swap_remove(2);
    let level = reduce(&shape, 0.25);
    // The grid's coordinates are its place, cut into squares; normals and coordinates are the attributes.
    let width = shape.weights.len();
    let (mut sum, mut worst) = (0.0f32, 0.0f32);
    for (position, values) in level.positions.iter().zip(level.attributes.chunks_exact(width)) {
        let off = shapes::off_texture(position, [values[3], values[4]]);
        sum += off;
        worst = worst.max(off);
    }
    let mean = sum / level.positions.len() as f32;
    assert!(mean < 0.002 && worst < 0.05, "{name}: coordinates are off by {mean} on average, {worst} at most");
}

/// The indices that meshoptimizer leaves.
fn meshoptimizer(shape: &Shape, ratio: f64) -> Vec<u32> {
    let target = (shape.indices.len() as f64 / 3.0 * ratio) as usize * 3;
    let positions = Positions::from_packed(&shape.positions);
    let mut workspace = Workspace::default();
    let settings =
        SimplifySettings { target_index_count: target, target_error: f32::MAX, options: SimplifyOptions::EMPTY };
    simplify(&shape.indices, positions, settings, &mut workspace).unwrap().indices
}
