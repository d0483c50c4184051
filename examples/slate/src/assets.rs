//! `slate assets PATH… -o OUT`: whatever is processed, into a folder.

use crate::{
    cli::AssetOptions as Wanted,
    config::Config,
    convert::{self, Done, Job},
    output::{Output, bytes},
    pieces::Opened,
};
use serde::de::DeserializeOwned;
use slate_core::{
    Error, Result,
    asset::{AssetOptions, AudioOptions, ModelOptions, TextureOptions},
};
use std::{collections::BTreeMap, path::Path};

/// Processes files and folders into a folder.
pub(crate) async fn run(config: &Config, output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    let mut jobs = Vec::new();
    for path in &wanted.paths {
        if path.is_file() {
            jobs.push(Job::into_folder(path, &wanted.output, one(path, &options)?.clone()));
        } else {
            jobs.extend(Job::all_below(path, &wanted.output, &options)?);
        }
    }
    let opened = Opened::open(config).await?;
    let done = convert::run(&*opened.pieces.assets, output, "assets", jobs).await?;
    let sound = tell(output, &done)?;
    opened.close().await;
    Ok(sound)
}

/// The options of each kind: what is written now where nothing else is asked.
pub(crate) fn defaults() -> [AssetOptions; 3] {
    [
        AssetOptions::Texture(TextureOptions::default()),
        AssetOptions::Model(ModelOptions::default()),
        AssetOptions::Audio(AudioOptions::default()),
    ]
}

fn options(wanted: &Wanted) -> Result<[AssetOptions; 3]> {
    fn read<T: DeserializeOwned>(flag: &str, text: Option<&String>) -> Result<Option<T>> {
        text.map(|text| serde_json::from_str(text))
            .transpose()
            .map_err(|error| Error::invalid(format!("--{flag} is no sound JSON: {error}")).because(error))
    }
    let [texture, model, audio] = defaults();
    let options = [
        read("texture", wanted.texture.as_ref())?.map_or(texture, AssetOptions::Texture),
        read("model", wanted.model.as_ref())?.map_or(model, AssetOptions::Model),
        read("audio", wanted.audio.as_ref())?.map_or(audio, AssetOptions::Audio),
    ];
    options.iter().try_for_each(AssetOptions::validate)?;
    Ok(options)
}

fn one<'a>(path: &Path, options: &'a [AssetOptions]) -> Result<&'a AssetOptions> {
    convert::options_for(path, options).ok_or_else(|| {
        Error::unsupported("neither a texture nor a model nor a sound, by its extension").with("path", path.display())
    })
}

/// Tells what came of each asset; whether all are sound.
fn tell(output: &Output, done: &Done) -> Result<bool> {
    let (mut before, mut after, mut cached, mut failed) = (0, 0, 0, 0);
    let mut document = BTreeMap::new();
    for (name, result) in done {
        let told = match result {
            Ok(made) => {
                let made = &made.output;
                before += made.input_bytes;
                after += made.output_bytes();
                cached += usize::from(made.cached);
                let note = if made.cached { "  (from the cache)" } else { "" };
                let files: Vec<_> = made.files.iter().map(|file| file.name.as_str()).collect();
                let (was, is) = (bytes(made.input_bytes), bytes(made.output_bytes()));
                output.line(format!("{name}: {was} -> {is}  {}{note}", files.join(", ")));
                serde_json::json!(made)
            }
            Err(error) => {
                failed += 1;
                convert::tell_failure(output, name, error)
            }
        };
        document.insert(name, told);
    }
    let (was, is) = (bytes(before), bytes(after));
    output.line(format!("{} assets: {was} -> {is}, {cached} from the cache, {failed} failed", done.len()));
    output.document(&document)?;
    Ok(failed == 0)
}
