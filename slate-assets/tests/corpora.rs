//! Models of other hands: each is read, or refused with a reason; none makes the processor panic.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use serde_json::Value;
use slate_assets::model::{ModelProcessor, Severity, validate};
use slate_core::{
    Cancel, Error, ErrorKind,
    asset::{AssetInput, AssetLimits, ModelOptions},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use support::{corpus, world::Shape};

fn plain() -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.generate_lods, options.optimize) = (false, false);
    options
}

/// The GLB made of a file.
fn made(path: &Path, options: &ModelOptions) -> Result<Vec<u8>, Error> {
    let input = AssetInput::from_file(path).unwrap();
    let (_, files) = support::run(&ModelProcessor, &input, options, &AssetLimits::default())?;
    Ok(files.into_values().next().unwrap().to_vec())
}

/// Files that are damaged, and are to be refused.
const DAMAGED: [&str; 3] = [
    // Every zero byte is a blank.
    "assimp/FBX/transparentTest.fbx",
    // `3.1+e2` is no number.
    "assimp/OBJ/number_formats.obj",
    // Faces name vertices that aren't there.
    "assimp/invalid/malformed.obj",
];

/// Reads all of them but damaged ones, which are to be refused; gives those that were refused, with the reason. An internal error fails.
fn refused(paths: &[PathBuf]) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    for path in paths {
        let made = made(path, &plain());
        if DAMAGED.iter().any(|name| path.ends_with(name)) {
            assert_eq!(made.unwrap_err().kind(), ErrorKind::Corrupt, "{}", path.display());
            continue;
        }
        if let Err(error) = made {
            assert_ne!(error.kind(), ErrorKind::Internal, "{}: {error:?}", path.display());
            let context: Vec<String> = error.context().iter().map(|(name, value)| format!("{name} {value}")).collect();
            refused.push((path.display().to_string(), format!("{error} {}", context.join(" "))));
        }
    }
    println!("{} of {} read, or refused as damaged", paths.len() - refused.len(), paths.len());
    refused.iter().for_each(|(path, why)| println!("refused: {path}: {why}"));
    refused
}

/// At most one in twenty, or one where there are fewer.
fn few(refused: &[(String, String)], all: usize) {
    assert!(refused.len() <= (all / 20).max(1), "{} of {all} are refused", refused.len());
}

#[test]
fn fbx_files_are_read() {
    for name in ["ufbx", "assimp"] {
        if let Some(paths) = corpus::files(name, &["fbx"]) {
            let refused = refused(&paths);
            few(&refused, paths.len());
        }
    }
}

#[test]
fn obj_files_are_read() {
    for name in ["ufbx", "assimp"] {
        if let Some(paths) = corpus::files(name, &["obj"]) {
            let refused = refused(&paths);
            few(&refused, paths.len());
        }
    }
}

/// Files whose verdict is not that of the validator's package.
const OTHERWISE: [&str; 1] = [
    // The package is older than the file, and does not know the extension: that it has no place there is an error by now.
    "KHR_node_visibility/data/node/unexpected_extension.gltf",
];

/// Files that are valid, and are refused: an application is to bring the bytes that their indices are in, and what they
/// draw can't be known before.
const WITHOUT_BYTES: [&str; 2] = ["named_objects.gltf", "unused_objects.gltf"];

/// Of each file the same is said as by the validator; what it finds no error in is read, and what has errors is refused, or
/// told in the report.
#[test]
fn the_khronos_validators_own_files_are_judged_like_it_does() {
    let Some(paths) = corpus::files("khronos", &["gltf", "glb"]) else { return };
    let (mut valid, mut apart, mut refused, mut silent) = ([0usize; 2], Vec::new(), Vec::new(), Vec::new());
    for path in &paths {
        let mut report = path.clone().into_os_string();
        report.push(".report.json");
        let Ok(report) = fs::read(report) else { continue };
        let report: Value = serde_json::from_slice(&report).unwrap();
        let told: BTreeSet<(String, String)> = report["issues"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|issue| issue["severity"] == 0)
            .map(|issue| {
                [&issue["code"], &issue["pointer"]].map(|text| text.as_str().unwrap_or_default().to_owned()).into()
            })
            .collect();
        valid[usize::from(!told.is_empty())] += 1;
        let input = AssetInput::from_file(path).unwrap();
        match validate(&input, &AssetLimits::default(), &Cancel::new()) {
            Ok(verdict) => {
                let errors = verdict.issues.iter().filter(|issue| issue.severity == Severity::Error);
                let found: BTreeSet<_> = errors.map(|issue| (issue.code.to_owned(), issue.pointer.clone())).collect();
                if found != told && !OTHERWISE.iter().any(|name| path.ends_with(name)) {
                    apart.push(format!("{}: {:?} {:?}", path.display(), &found - &told, &told - &found));
                }
            }
            Err(error) if told.is_empty() => apart.push(format!("{}: {error}", path.display())),
            Err(_) => {}
        }
        match support::run(&ModelProcessor, &input, &plain(), &AssetLimits::default()) {
            Err(error) if error.kind() == ErrorKind::Internal => panic!("{}: {error:?}", path.display()),
            Err(error) if told.is_empty() && !WITHOUT_BYTES.iter().any(|name| path.ends_with(name)) => {
                refused.push(format!("{}: {error}", path.display()));
            }
            Err(_) => {}
            Ok((report, _)) => {
                if !told.is_empty() && report["validationBefore"]["errors"] == 0 {
                    silent.push(path.display().to_string());
                }
            }
        }
    }
    println!("{} valid, {} invalid; refused though valid: {refused:#?}", valid[0], valid[1]);
    assert!(apart.is_empty() && silent.is_empty(), "judged otherwise: {apart:#?}, not told: {silent:#?}");
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Props that an artist exported three times show the same.
#[test]
fn props_are_equal_from_glb_obj_and_fbx() {
    let Some(paths) = corpus::files("props", &["glb", "gltf", "obj", "fbx"]) else { return };
    let mut props: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        let (stem, extension) = (name.split('.').next().unwrap(), name.rsplit('.').next().unwrap());
        let kind = if extension == "gltf" { "glb" } else { extension };
        props.entry(stem.to_owned()).or_default().entry(kind.to_owned()).or_insert(path);
    }
    props.retain(|_, files| files.len() == 3);
    let mut apart = Vec::new();
    for (name, files) in &props {
        let [fbx, glb, obj] = ["fbx", "glb", "obj"].map(|kind| Shape::of(&made(&files[kind], &plain()).unwrap()));
        let most = glb.distance(&obj).max(glb.distance(&fbx));
        if most > 1e-3 {
            apart.push(format!("{name}: {most} {glb:?} {obj:?} {fbx:?}"));
        }
    }
    println!("{} props, of which differ: {apart:#?}", props.len());
    assert!(!props.is_empty() && apart.is_empty());
}

/// What is made of whole models, with levels of detail, has no error by the validator of the Khronos Group that the model
/// didn't come with.
#[test]
fn what_is_made_of_them_is_valid() {
    let Some(module) = support::node::validator() else { return };
    for name in ["webxr", "assimp"] {
        let (Some(paths), Some(folder)) = (corpus::files(name, &["glb", "gltf", "obj", "fbx"]), corpus::folder(name))
        else {
            continue;
        };
        let (out, mut refused) = (tempfile::tempdir().unwrap(), 0);
        for (at, path) in paths.iter().enumerate() {
            match made(path, &ModelOptions::default()) {
                Ok(glb) => fs::write(out.path().join(format!("{at}.glb")), glb).unwrap(),
                Err(error) => {
                    assert_ne!(error.kind(), ErrorKind::Internal, "{}: {error:?}", path.display());
                    println!("refused: {}: {error}", path.display());
                    refused += 1;
                }
            }
        }
        println!("{name}: {} models, {refused} refused", paths.len());
        let (were, are) = (verdicts(&module, &folder), verdicts(&module, out.path()));
        assert_eq!(are.len() + refused, paths.len());
        for (file, errors) in &are {
            let path = &paths[file.trim_end_matches(".glb").parse::<usize>().unwrap()];
            let own = were.get(&path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned());
            let code = |error: &str| error.split(' ').next().unwrap_or_default().to_owned();
            let own: Vec<String> = own.into_iter().flatten().map(|error| code(error)).collect();
            let new: Vec<_> = errors.iter().filter(|error| !own.contains(&code(error))).collect();
            assert!(new.is_empty(), "{}: {new:#?}", path.display());
            if !errors.is_empty() {
                println!("wrong from the beginning: {}: {own:?}", path.display());
            }
        }
    }
}

/// The errors of each glTF file below a folder.
fn verdicts(module: &Path, folder: &Path) -> BTreeMap<String, Vec<String>> {
    let found = Command::new("node").arg(support::node::SCRIPT).arg(module).arg(folder).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    serde_json::from_slice(&found.stdout).unwrap()
}
