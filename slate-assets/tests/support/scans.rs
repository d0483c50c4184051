//! Surfaces that were scanned, as `dev/models` fetches them: OBJ of places and triangles.

use super::{corpus, shapes::Shape};

/// Each with its name; none, said aloud, where they aren't there.
pub(crate) fn all() -> Option<Vec<(String, Shape)>> {
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (name, shape(&std::fs::read_to_string(path).unwrap()))
    };
    Some(corpus::files("scans", &["obj"])?.into_iter().map(read).collect())
}

fn shape(text: &str) -> Shape {
    let mut shape = Shape::default();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => shape.positions.push([0; 3].map(|_| words.next().unwrap().parse().unwrap())),
            // A corner is its place, and others after a slash.
            Some("f") => shape.indices.extend(words.map(|word| {
                let place: u32 = word.split('/').next().unwrap().parse().unwrap();
                place - 1
            })),
            _ => {}
        }
    }
    shape
}
