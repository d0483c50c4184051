use super::{
    super::{
        ir::{Mesh, Model, Node, Primitive, Rest, SceneRoots},
        polygon,
        values::{Shape, Values},
    },
    mtl::{self, Library},
};
use serde_json::{Value, json};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, Report, Work},
};
use std::collections::HashMap;

/// Corners of one polygon.
const CORNERS: u64 = 4096;
/// MTL files of one model.
const LIBRARIES: u64 = 64;
/// Bytes of one line.
const LINE: usize = 1 << 20;

/// The MTL files and textures beside the model; those that aren't there are left out.
pub(in crate::model) fn references(input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
    let bytes = input.bytes(limits)?;
    let mut names = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(name) = text(line).strip_prefix("mtllib ") {
            AssetLimits::check("the model's number of MTL files", names.len() as u64 + 1, LIBRARIES)?;
            names.push(name.trim().to_owned());
        }
    }
    names.retain(|name| input.sibling(name).is_ok());
    let mut all = names.clone();
    for name in &names {
        let library = Library::read(&input.sibling(name)?.bytes(limits)?)?;
        all.extend(library.textures().map(str::to_owned).filter(|name| input.sibling(name).is_ok()));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

/// Reads a model: a node for each object, and in its mesh a primitive for each material.
pub(in crate::model) fn read(work: &Work<'_>, report: &mut Report) -> Result<Model> {
    let bytes = work.input.bytes(work.limits)?;
    let mut reader = Reader::new(work.limits, work.cancel);
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if number % 65_536 == 0 {
            work.cancel.check()?;
        }
        reader.line(line).map_err(|error| error.with("line", number + 1))?;
    }
    reader.end_object();
    let mut model = Model {
        scenes: vec![SceneRoots { nodes: (0..reader.nodes.len()).collect(), ..SceneRoots::default() }],
        scene: Some(0),
        nodes: reader.nodes,
        meshes: reader.meshes,
        rest: Rest::from_iter([("asset".to_owned(), json!({"version": "2.0", "generator": "SLATE"}))]),
        ..Model::default()
    };
    mtl::materials(&mut model, &reader.libraries, &reader.material_names, work, report)?;
    if reader.skipped > 0 {
        report.insert("skippedElements".into(), reader.skipped.into());
    }
    Ok(model)
}

/// A line without its end, its comment and blanks around it.
fn text(line: &[u8]) -> std::borrow::Cow<'_, str> {
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(line)
}

struct Reader<'a> {
    limits: &'a AssetLimits,
    cancel: &'a Cancel,
    positions: Vec<[f32; 3]>,
    colors: Vec<[f32; 3]>,
    coordinates: Vec<[f32; 2]>,
    normals: Vec<[f32; 3]>,
    libraries: Vec<String>,
    material_names: Vec<String>,
    material: Option<usize>,
    object: String,
    parts: Vec<Part>,
    corners: u64,
    nodes: Vec<Node>,
    meshes: Vec<Mesh>,
    /// Lines, points, curves.
    skipped: u64,
}

/// The triangles of one material of an object.
#[derive(Default)]
struct Part {
    material: Option<usize>,
    /// Place, coordinate and normal of each vertex; `u32::MAX` where there is none.
    vertices: Vec<[u32; 3]>,
    known: HashMap<[u32; 3], u32>,
    indices: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<'a> Reader<'a> {
    fn new(limits: &'a AssetLimits, cancel: &'a Cancel) -> Self {
        Self {
            limits,
            cancel,
            positions: Vec::new(),
            colors: Vec::new(),
            coordinates: Vec::new(),
            normals: Vec::new(),
            libraries: Vec::new(),
            material_names: Vec::new(),
            material: None,
            object: String::new(),
            parts: Vec::new(),
            corners: 0,
            nodes: Vec::new(),
            meshes: Vec::new(),
            skipped: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<()> {
        if line.len() > LINE {
            return Err(Error::limit_exceeded("a line of the model is too long").with("limit", LINE));
        }
        let line = text(line);
        let (word, rest) = line.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((&line, ""));
        match word {
            "v" => {
                let numbers = numbers(rest)?;
                let [x, y, z] = first(&numbers)?;
                AssetLimits::check(
                    "the model's number of vertices",
                    self.positions.len() as u64 + 1,
                    self.limits.vertices,
                )?;
                self.positions.push([x, y, z]);
                // Seven numbers are a place with its weight and colour, six one with its colour.
                if let [.., r, g, b] = numbers[..]
                    && numbers.len() >= 6
                {
                    self.colors.resize(self.positions.len() - 1, [1.0; 3]);
                    self.colors.push([r, g, b]);
                }
            }
            "vt" => {
                let numbers = numbers(rest)?;
                let (u, v) = (numbers.first().copied().unwrap_or(0.0), numbers.get(1).copied().unwrap_or(0.0));
                AssetLimits::check(
                    "the model's number of vertices",
                    self.coordinates.len() as u64 + 1,
                    self.limits.vertices,
                )?;
                // glTF's textures begin at the top.
                self.coordinates.push([u, 1.0 - v]);
            }
            "vn" => {
                let [x, y, z] = first(&numbers(rest)?)?;
                AssetLimits::check(
                    "the model's number of vertices",
                    self.normals.len() as u64 + 1,
                    self.limits.vertices,
                )?;
                let length = (x * x + y * y + z * z).sqrt();
                let unit = if length > 0.0 { [x / length, y / length, z / length] } else { [0.0, 0.0, 1.0] };
                self.normals.push(unit);
            }
            "f" => self.face(rest)?,
            "o" | "g" => {
                self.end_object();
                rest.trim().clone_into(&mut self.object);
            }
            "usemtl" => {
                let name = rest.trim();
                let found = self.material_names.iter().position(|other| other == name);
                self.material = Some(found.unwrap_or_else(|| {
                    self.material_names.push(name.to_owned());
                    self.material_names.len() - 1
                }));
                AssetLimits::check("the model's number of materials", self.material_names.len() as u64, 65_536)?;
            }
            "mtllib" => {
                AssetLimits::check("the model's number of MTL files", self.libraries.len() as u64 + 1, LIBRARIES)?;
                self.libraries.push(rest.trim().to_owned());
            }
            "l" | "p" | "curv" | "curv2" | "surf" => self.skipped += 1,
            _ => {}
        }
        Ok(())
    }

    fn face(&mut self, rest: &str) -> Result<()> {
        let mut corners = Vec::new();
        for corner in rest.split_ascii_whitespace() {
            AssetLimits::check("the number of a polygon's corners", corners.len() as u64 + 1, CORNERS)?;
            let mut parts = corner.split('/');
            let position = place(parts.next().unwrap_or_default(), self.positions.len())?;
            let mut optional = |count: usize| match parts.next() {
                None | Some("") => Ok(NONE),
                Some(part) => place(part, count),
            };
            let coordinate = optional(self.coordinates.len())?;
            corners.push([position, coordinate, optional(self.normals.len())?]);
        }
        if corners.len() < 3 {
            self.skipped += 1;
            return Ok(());
        }
        self.corners += (corners.len() as u64 - 2) * 3;
        AssetLimits::check("the model's number of indices", self.corners, self.limits.indices)?;
        let at = match self.parts.iter().position(|part| part.material == self.material) {
            Some(at) => at,
            None => {
                self.parts.push(Part { material: self.material, ..Part::default() });
                self.parts.len() - 1
            }
        };
        let part = &mut self.parts[at];
        let vertices: Vec<u32> = corners
            .iter()
            .map(|corner| {
                *part.known.entry(*corner).or_insert_with(|| {
                    part.vertices.push(*corner);
                    part.vertices.len() as u32 - 1
                })
            })
            .collect();
        let outline: Vec<[f32; 3]> = corners.iter().map(|corner| self.positions[corner[0] as usize]).collect();
        polygon::triangulate(&outline, &mut |triangle| part.indices.extend(triangle.map(|at| vertices[at])));
        Ok(())
    }

    /// Makes a node of the parts that were read since the last one.
    fn end_object(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        if parts.is_empty() || self.cancel.is_canceled() {
            return;
        }
        let primitives: Vec<Primitive> = parts.into_iter().map(|part| self.primitive(part)).collect();
        let name = if self.object.is_empty() { "object" } else { &self.object };
        let rest = Rest::from_iter([("name".to_owned(), Value::from(name))]);
        self.nodes.push(Node { mesh: Some(self.meshes.len()), ..Node::named(name) });
        self.meshes.push(Mesh { primitives, rest, ..Mesh::default() });
    }

    fn primitive(&self, part: Part) -> Primitive {
        let column = |at: usize| part.vertices.iter().map(move |vertex| vertex[at]);
        let whole = |at: usize| column(at).all(|place| place != NONE);
        let mut attributes = Vec::new();
        if !self.colors.is_empty() {
            let colors = column(0).flat_map(|at| self.colors.get(at as usize).copied().unwrap_or([1.0; 3]));
            attributes.push(("COLOR_0".to_owned(), Values::floats(Shape::Vec3, &colors.collect::<Vec<_>>())));
        }
        if whole(2) {
            let normals: Vec<f32> = column(2).flat_map(|at| self.normals[at as usize]).collect();
            attributes.push(("NORMAL".to_owned(), Values::floats(Shape::Vec3, &normals)));
        }
        let positions: Vec<f32> = column(0).flat_map(|at| self.positions[at as usize]).collect();
        attributes.push(("POSITION".to_owned(), Values::floats(Shape::Vec3, &positions)));
        if whole(1) {
            let coordinates: Vec<f32> = column(1).flat_map(|at| self.coordinates[at as usize]).collect();
            attributes.push(("TEXCOORD_0".to_owned(), Values::floats(Shape::Vec2, &coordinates)));
        }
        Primitive {
            attributes,
            indices: Some(part.indices),
            mode: Primitive::TRIANGLES,
            material: part.material,
            targets: Vec::new(),
            rest: Rest::new(),
        }
    }
}

fn numbers(rest: &str) -> Result<Vec<f32>> {
    let number = |word: &str| word.parse::<f32>().ok().filter(|number| number.is_finite());
    let numbers = rest.split_ascii_whitespace().take(8).map(number).collect::<Option<Vec<f32>>>();
    numbers.ok_or_else(|| Error::corrupt("finite numbers are expected here"))
}

fn first(numbers: &[f32]) -> Result<[f32; 3]> {
    numbers.first_chunk().copied().ok_or_else(|| Error::corrupt("three numbers are expected here"))
}

/// A place in a list of `count`: counted from one, or from the end where it is negative.
fn place(word: &str, count: usize) -> Result<u32> {
    let number: i64 = word.parse().map_err(|error| Error::corrupt("a whole number is expected here").because(error))?;
    let at = if number < 0 { count as i64 + number } else { number - 1 };
    let fits = (0..count as i64).contains(&at) && at < i64::from(NONE);
    if fits { Ok(at as u32) } else { Err(Error::corrupt("an index is beyond what was listed").with("index", number)) }
}
