use slate_core::{
    Result,
    asset::{
        AssetInput, AssetKind, AssetLimits, AssetOptions, AudioOptions, CacheKey, ModelOptions, Processor,
        ProcessorInfo, Report, TextureOptions, Work,
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// The options that an [`AssetOptions`] carries for one kind of asset: those of a processor that a pipeline can have.
pub trait TaskOptions: Sized {
    /// The kind of asset.
    const KIND: AssetKind;

    /// These options, where the task is of this kind.
    fn of(options: &AssetOptions) -> Option<&Self>;
}

macro_rules! task_options {
    ($($options:ty, $variant:ident;)*) => {$(
        impl TaskOptions for $options {
            const KIND: AssetKind = AssetKind::$variant;

            fn of(options: &AssetOptions) -> Option<&Self> {
                if let AssetOptions::$variant(options) = options { Some(options) } else { None }
            }
        }
    )*};
}

task_options! {
    TextureOptions, Texture;
    ModelOptions, Model;
    AudioOptions, Audio;
}

/// The processors of a pipeline, one for each kind of asset.
#[derive(Clone, Default)]
pub(super) struct Registry(BTreeMap<AssetKind, Arc<dyn Served>>);

impl Registry {
    pub(super) fn insert<P>(&mut self, processor: P)
    where
        P: Processor,
        P::Options: TaskOptions,
    {
        self.0.insert(<P::Options as TaskOptions>::KIND, Arc::new(Serves(processor)));
    }

    pub(super) fn get(&self, options: &AssetOptions) -> Result<Arc<dyn Served>> {
        let kind = options.kind();
        self.0.get(&kind).cloned().ok_or_else(|| {
            let served: Vec<_> = self.0.keys().map(|kind| kind.as_str()).collect();
            slate_core::Error::unsupported(format!("this pipeline has no processor for {kind}"))
                .with("served", served.join(", "))
        })
    }

    pub(super) fn infos(&self) -> Vec<ProcessorInfo> {
        self.0.values().map(|served| served.info()).collect()
    }
}

/// A processor whose options are told apart at run time.
pub(super) trait Served: Send + Sync {
    fn info(&self) -> ProcessorInfo;
    fn check(&self, options: &AssetOptions) -> Result<()>;
    fn references(&self, input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>>;
    fn key(&self, options: &AssetOptions, extension: &str, input: &[u8; 32]) -> Result<CacheKey>;
    fn process(&self, work: &mut Work<'_>, options: &AssetOptions) -> Result<Report>;
}

struct Serves<P>(P);

impl<P> Serves<P>
where
    P: Processor,
    P::Options: TaskOptions,
{
    fn options<'a>(&self, options: &'a AssetOptions) -> Result<&'a P::Options> {
        P::Options::of(options).ok_or_else(|| slate_core::Error::internal("a task went to another kind's processor"))
    }
}

impl<P> Served for Serves<P>
where
    P: Processor,
    P::Options: TaskOptions,
{
    fn info(&self) -> ProcessorInfo {
        P::INFO
    }

    fn check(&self, options: &AssetOptions) -> Result<()> {
        self.0.check(self.options(options)?)
    }

    fn references(&self, input: &AssetInput, limits: &AssetLimits) -> Result<Vec<String>> {
        self.0.references(input, limits)
    }

    fn key(&self, options: &AssetOptions, extension: &str, input: &[u8; 32]) -> Result<CacheKey> {
        CacheKey::new(&P::INFO, self.options(options)?, extension, input)
    }

    fn process(&self, work: &mut Work<'_>, options: &AssetOptions) -> Result<Report> {
        self.0.process(work, self.options(options)?)
    }
}
