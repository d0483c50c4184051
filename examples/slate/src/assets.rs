use crate::{
    cli::AssetOptions as Wanted,
    config::Config,
    output::{Output, bytes},
    pieces::Opened,
    serve::interrupted,
};
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use slate_core::{
    Cancel, Error, Result,
    asset::{
        AssetInput, AssetKind, AssetOptions, AssetOutput, AssetPipeline, AssetTask, AudioOptions, ModelOptions,
        Progress, TextureOptions,
    },
    blob::write_file,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Assets that are handed to the pipeline at a time; how many it works on is its own choice.
const AT_A_TIME: usize = 32;

/// Processes files and folders into a folder.
pub(crate) async fn run(config: &Config, output: &Output, wanted: Wanted) -> Result<bool> {
    let options = options(&wanted)?;
    let opened = Opened::open(config).await?;
    let mut files = Vec::new();
    for path in &wanted.paths {
        collect(path, &options, &mut files)?;
    }
    if files.is_empty() {
        return Err(Error::not_found("there are no textures, models or sounds below these paths"));
    }
    let cancel = Cancel::new();
    let mut bar = output.bar("assets", files.len() as u64);
    let pipeline = &*opened.pieces.assets;
    let total = files.len();
    let mut results = stream::iter(files)
        .map(|file| process(pipeline, file, &wanted.output, cancel.clone()))
        .buffer_unordered(AT_A_TIME);
    let mut done = Vec::with_capacity(total);
    loop {
        tokio::select! {
            result = results.next() => match result {
                Some(result) => {
                    bar.step(done.len() as u64 + 1, &result.0);
                    done.push(result);
                }
                None => break,
            },
            signal = interrupted(), if !cancel.is_canceled() => {
                signal?;
                cancel.cancel();
            }
        }
    }
    drop(results);
    bar.finish();
    cancel.check()?;
    let sound = tell(output, done)?;
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

/// An asset, and the folder below the output that its results go to.
struct File {
    path: PathBuf,
    folder: PathBuf,
    options: AssetOptions,
}

fn collect(root: &Path, options: &[AssetOptions], files: &mut Vec<File>) -> Result<()> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| Error::io("read the assets", error).with("path", path)
    };
    if root.is_file() {
        let kind = AssetKind::of_path(&root.to_string_lossy());
        let options = options.iter().find(|options| options.kind() == kind).ok_or_else(|| {
            Error::unsupported("neither a texture nor a model nor a sound, by its extension")
                .with("path", root.display())
        })?;
        files.push(File { path: root.to_owned(), folder: PathBuf::new(), options: options.clone() });
        return Ok(());
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(&folder).map_err(failed(&folder))?.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let kind = entry.file_type().map_err(failed(&folder))?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let kind = AssetKind::of_path(&path.to_string_lossy());
                if let Some(options) = options.iter().find(|options| options.kind() == kind) {
                    let folder = folder.strip_prefix(root).unwrap_or(Path::new("")).to_owned();
                    files.push(File { path, folder, options: options.clone() });
                }
            }
        }
    }
    Ok(())
}

/// The files of one kind at or below a path, each with its folder below it.
pub(crate) fn files_below(root: &Path, kind: AssetKind) -> Result<Vec<(PathBuf, PathBuf)>> {
    let options = AssetOptions::default_for(kind).ok_or_else(|| Error::unsupported("this kind isn't processed"))?;
    let mut files = Vec::new();
    collect(root, &[options], &mut files)?;
    if files.is_empty() {
        return Err(Error::not_found("there is nothing of this kind below the path").with("path", root.display()));
    }
    Ok(files.into_iter().map(|file| (file.path, file.folder)).collect())
}

async fn process(
    pipeline: &dyn AssetPipeline,
    file: File,
    output: &Path,
    cancel: Cancel,
) -> (String, Result<AssetOutput>) {
    let name = file.path.display().to_string();
    let result = async {
        let task = AssetTask::new(AssetInput::from_file(&file.path)?, file.options).with_cancel(cancel);
        let made = pipeline.process(task, Progress::ignored()).await?;
        for result in &made.files {
            write_file(output.join(&file.folder).join(&result.name), pipeline.read(&result.blob)).await?;
        }
        Ok(made)
    };
    (name, result.await)
}

/// Tells what came of each asset; whether all are sound.
fn tell(output: &Output, mut done: Vec<(String, Result<AssetOutput>)>) -> Result<bool> {
    done.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (mut before, mut after, mut cached, mut failed) = (0, 0, 0, 0);
    let mut document = BTreeMap::new();
    for (name, result) in &done {
        match result {
            Ok(made) => {
                before += made.input_bytes;
                after += made.output_bytes();
                cached += usize::from(made.cached);
                let note = if made.cached { "  (from the cache)" } else { "" };
                let files: Vec<_> = made.files.iter().map(|file| file.name.as_str()).collect();
                let (was, is) = (bytes(made.input_bytes), bytes(made.output_bytes()));
                output.line(format!("{name}: {was} -> {is}  {}{note}", files.join(", ")));
                document.insert(name, serde_json::json!(made));
            }
            Err(error) => {
                failed += 1;
                output.line(format!("{name}: FAILED: {error}"));
                document.insert(name, serde_json::json!({ "error": error.to_string(), "kind": error.kind().as_str() }));
            }
        }
    }
    let (was, is) = (bytes(before), bytes(after));
    output.line(format!("{} assets: {was} -> {is}, {cached} from the cache, {failed} failed", done.len()));
    output.document(&document)?;
    Ok(failed == 0)
}
