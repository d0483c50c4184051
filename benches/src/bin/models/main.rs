//! Simplified surfaces: how quick, and how near to the whole ones. With feature `peers`, beside meshoptimizer in C++ and its
//! port to Rust.

#[path = "../../../../slate-assets/tests/support/corpus.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "it is the tests'")]
mod corpus;
#[cfg(feature = "peers")]
mod peers;
#[path = "../../../../slate-assets/tests/support/scans.rs"]
#[allow(clippy::unwrap_used, reason = "it is the tests'")]
mod scans;
#[path = "../../../../slate-assets/tests/support/shapes.rs"]
#[allow(dead_code, reason = "the tests use more")]
mod shapes;

use rayon::{ThreadPool, ThreadPoolBuilder};
use shapes::Shape;
use slate_assets::model::simplify::{Simplifier, Surface, deviation};
use slate_benches::{Contest, Result, Sample, Watch};
use slate_core::Cancel;
use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Points on each surface at which distances are measured.
const SAMPLES: u32 = 100_000;

fn main() -> Result<()> {
    let all = [
        ("noisy ball", shapes::sphere(130)),
        ("hills", shapes::terrain(300)),
        ("hills with seams", shapes::seams(304)),
    ];
    for (name, shape) in &all {
        for ratio in [0.5, 0.25] {
            shape_only(name, shape, ratio)?;
        }
    }
    for (name, shape) in scans::all().into_iter().flatten() {
        for ratio in [0.5, 0.25] {
            shape_only(&name, &shape, ratio)?;
        }
    }
    for (name, shape) in &all[1..] {
        with_attributes(name, shape, 0.25)?;
    }
    Ok(())
}

/// What is left of a surface: places and triangles.
type Left = (Vec<[f32; 3]>, Vec<u32>);

fn shape_only(name: &str, shape: &Shape, ratio: f64) -> Result<()> {
    let triangles = shape.indices.len() / 3;
    let bare = Shape { attributes: Vec::new(), weights: Vec::new(), ..shape.clone() };
    let contest = Contest::new(format!("{name}, {triangles} triangles to {ratio}, shape only"), "triangle");
    contend(
        contest,
        &bare,
        ratio,
        &[
            #[cfg(feature = "peers")]
            ("meshopt 0.7, C++ 1.3 (peer)", peers::cpp),
            #[cfg(feature = "peers")]
            ("meshoptimizer-rs", peers::port),
            #[cfg(feature = "peers")]
            ("meshoptimizer-rs, positions updated", peers::port_updated),
            ("SLATE, 1 thread", on_one_thread),
            ("SLATE, 2 threads", on_two_threads),
        ],
    )
}

fn with_attributes(name: &str, shape: &Shape, ratio: f64) -> Result<()> {
    let triangles = shape.indices.len() / 3;
    let contest =
        Contest::new(format!("{name}, {triangles} triangles to {ratio}, with normals and coordinates"), "triangle");
    contend(
        contest,
        shape,
        ratio,
        &[
            #[cfg(feature = "peers")]
            ("meshoptimizer-rs (peer)", peers::port_attributes),
            #[cfg(feature = "peers")]
            ("meshoptimizer-rs, permissive", peers::port_permissive),
            ("SLATE, 1 thread", on_one_thread),
            ("SLATE, 2 threads", on_two_threads),
        ],
    )
}

type Simplify = fn(&Shape, f64) -> Result<Left>;

fn contend<'a>(mut contest: Contest<'a>, shape: &'a Shape, ratio: f64, contenders: &[(&str, Simplify)]) -> Result<()> {
    let triangles = shape.indices.len() / 3;
    let mut first = None;
    for &(name, simplify) in contenders {
        let left = simplify(shape, ratio)?;
        let found = deviation((&shape.positions, &shape.indices), (&left.0, &left.1), SAMPLES);
        let (rms, max) = *first.get_or_insert((found.rms, found.max));
        let note = format!(
            "{:.1} %; RMS {:.2}, max {:.2} of the first's",
            left.1.len() as f64 / 3.0 / triangles as f64 * 100.0,
            found.rms / rms,
            found.max / max
        );
        contest = contest.noted(name, note, move || {
            wake();
            timed(triangles, || simplify(shape, ratio))
        });
    }
    contest.run()
}

fn timed(triangles: usize, work: impl FnOnce() -> Result<Left>) -> Result<Sample> {
    let mut watch = Watch::new();
    watch.time(triangles, work)?;
    Ok(watch.sample())
}

fn on_one_thread(shape: &Shape, ratio: f64) -> Result<Left> {
    static POOL: LazyLock<ThreadPool> = LazyLock::new(|| threads(1));
    POOL.install(|| ours(shape, ratio))
}

static TWO: LazyLock<ThreadPool> = LazyLock::new(|| threads(2));

fn on_two_threads(shape: &Shape, ratio: f64) -> Result<Left> {
    TWO.install(|| ours(shape, ratio))
}

/// Keeps both cores busy for a moment: a virtual machine takes 2 to 4 ms to wake one that idled while another contender had its turn,
/// a third of what is measured here.
fn wake() {
    TWO.broadcast(|_| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
    });
}

fn threads(count: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(count).build().expect("threads start")
}

fn ours(shape: &Shape, ratio: f64) -> Result<Left> {
    let surface = Surface {
        positions: &shape.positions,
        indices: &shape.indices,
        attributes: &shape.attributes,
        weights: &shape.weights,
        ..Surface::default()
    };
    let target = (shape.indices.len() as f64 / 3.0 * ratio) as usize;
    let level = Simplifier::new(&surface)?.reduce(target, &Cancel::new())?;
    Ok((level.positions, level.indices))
}
