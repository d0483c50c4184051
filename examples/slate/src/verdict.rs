//! `slate model IN --check`: what is wrong with models.

use crate::{
    convert::{self, Job},
    output::Output,
};
use serde_json::{Value, json};
use slate_assets::model::{Verdict, validate};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, AssetOptions, ModelOptions},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Looks at one model or all below a folder; whether no error was found.
pub(crate) async fn run(output: &Output, input: &Path) -> Result<bool> {
    let mut models = vec![input.to_owned()];
    if input.is_dir() {
        let jobs = Job::all_below(input, Path::new(""), &[AssetOptions::Model(ModelOptions::default())])?;
        let is_gltf = |path: &PathBuf| {
            path.extension().is_some_and(|own| own.eq_ignore_ascii_case("glb") || own.eq_ignore_ascii_case("gltf"))
        };
        models = jobs.iter().map(|job| job.source().to_owned()).filter(is_gltf).collect();
        models.sort();
    }
    let (mut document, mut sound) = (BTreeMap::new(), true);
    for path in models {
        let name = path.display().to_string();
        let told = match look(path).await {
            Ok(verdict) => {
                sound &= verdict.is_valid();
                output.line(format!("{name}:"));
                let verdict = json!(verdict);
                table(output, "wrong with it", &verdict);
                verdict
            }
            Err(error) => {
                sound = false;
                convert::tell_failure(output, &name, &error)
            }
        };
        document.insert(name, told);
    }
    output.document(&document)?;
    Ok(sound)
}

async fn look(path: PathBuf) -> Result<Verdict> {
    let looked = tokio::task::spawn_blocking(move || {
        validate(&AssetInput::from_file(&path)?, &AssetLimits::default(), &Cancel::new())
    });
    looked.await.map_err(|error| Error::internal("looking at a model broke off").because(error))?
}

/// A verdict as lines: the counts, and the issues that matter.
pub(crate) fn table(output: &Output, what: &str, verdict: &Value) {
    let count = |name: &str| verdict[name].as_u64().unwrap_or_default();
    let counts = ["errors", "warnings", "information", "hints"].map(|name| (count(name), name));
    let counts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    output.line(format!("  {what:<32}{counts:>12}"));
    for issue in verdict["issues"].as_array().into_iter().flatten() {
        if matches!(issue["severity"].as_str(), Some("error" | "warning")) {
            let text = |name: &str| issue[name].as_str().unwrap_or_default();
            output.line(format!(
                "    {} {}: {} ({})",
                text("severity"),
                text("pointer"),
                text("message"),
                text("code")
            ));
        }
    }
}
