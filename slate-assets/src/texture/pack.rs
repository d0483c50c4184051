//! Channels of several images packed into one: occlusion, roughness and metalness, or a mask with its own alpha.

use super::{
    at_size, encode,
    packed::wide,
    pixels::{Pixels, Samples},
    read,
};
use slate_core::{
    Cancel, Error, Result,
    asset::{AssetInput, AssetLimits, MemoryOutput, Progress, TextureKind, TextureOptions, Work},
};
use std::str::FromStr;

/// A channel of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Red, or the grey of a grey image.
    Red,
    /// Green, or the grey of a grey image.
    Green,
    /// Blue, or the grey of a grey image.
    Blue,
    /// Alpha, which is 1 where the image has none.
    Alpha,
}

impl FromStr for Channel {
    type Err = Error;

    /// Its first letter, in lower case.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "r" => Ok(Self::Red),
            "g" => Ok(Self::Green),
            "b" => Ok(Self::Blue),
            "a" => Ok(Self::Alpha),
            _ => Err(Error::invalid("a channel is r, g, b or a").with("channel", text.escape_debug())),
        }
    }
}

/// Where a channel's values come from.
#[derive(Clone, Debug)]
pub struct Plane {
    /// The image; of KTX2 and DDS files the first one.
    pub input: AssetInput,
    /// Which of its channels.
    pub channel: Channel,
    /// Whether 0 becomes 1 and 1 becomes 0: smoothness is roughness the other way round.
    pub invert: bool,
}

/// Up to four planes that become one image. What isn't given is 0; without a plane for alpha there is none.
///
/// ```
/// use slate_assets::texture::{Channel, Packing, Plane};
/// use slate_core::{Cancel, asset::{AssetInput, AssetLimits}};
///
/// # fn main() -> slate_core::Result<()> {
/// # let tga = |grey: u8| [&[0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 8, 0x20][..], &[grey]].concat();
/// let occlusion = AssetInput::from_bytes("ao.tga", tga(200));
/// let smoothness = AssetInput::from_bytes("smooth.tga", tga(55));
/// let packing = Packing::default()
///     .with(Channel::Red, Plane { input: occlusion, channel: Channel::Red, invert: false })
///     .with(Channel::Green, Plane { input: smoothness, channel: Channel::Red, invert: true });
/// // One texel: 200, 200 and 0.
/// let packed = packing.pack("orm", &AssetLimits::default(), &Cancel::new())?;
/// assert_eq!(packed.name(), "orm.png");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Packing {
    planes: [Option<Plane>; 4],
}

impl Packing {
    /// Fills the channel `to`; what was there before is forgotten.
    #[must_use]
    pub fn with(mut self, to: Channel, plane: Plane) -> Self {
        self.planes[to as usize] = Some(plane);
        self
    }

    /// Packs the planes into a PNG called `stem`, for any pipeline: it is kept by its content. Smaller images are brought to the
    /// width and the height of the largest; values are taken as they are, whatever the transfer function; there are 16 bits
    /// where an image has them.
    ///
    /// # Errors
    /// `Invalid` without a plane; those of reading the images, with the image's name; `LimitExceeded` and `Canceled`.
    pub fn pack(&self, stem: &str, limits: &AssetLimits, cancel: &Cancel) -> Result<AssetInput> {
        let read = |plane: &Plane| {
            plane.read(limits, cancel).map_err(|error| error.with("asset", plane.input.name())).map(Some)
        };
        let planes =
            self.planes.iter().map(|plane| plane.as_ref().map_or(Ok(None), read)).collect::<Result<Vec<_>>>()?;
        let size = |side: fn(&Pixels) -> u32| planes.iter().flatten().map(side).max().unwrap_or(0);
        let (width, height) = (size(|plane| plane.width), size(|plane| plane.height));
        if width == 0 {
            return Err(Error::invalid("nothing is packed: name an image for a channel at least"));
        }
        let is_deep = planes.iter().flatten().any(|plane| plane.bits() == 16);
        let channels = if planes[3].is_some() { 4 } else { 3 };
        let area = u64::from(width) * u64::from(height);
        // The planes, what is packed of them, and its bytes.
        AssetLimits::check("the packed image's size in bytes", area.saturating_mul(24), limits.decoded_bytes)?;
        let mut samples = vec![0u16; area as usize * channels];
        for (at, plane) in planes.into_iter().enumerate().filter_map(|(at, plane)| Some((at, plane?))) {
            let plane = if (plane.width, plane.height) == (width, height) {
                plane
            } else {
                at_size(limits, cancel, plane, (width, height), TextureKind::Mask)?.to_pixels(TextureKind::Mask, 16)
            };
            let out = samples.iter_mut().skip(at).step_by(channels);
            match &plane.data {
                Samples::U8(values) => out.zip(values).for_each(|(out, &value)| *out = wide(value)),
                Samples::U16(values) => out.zip(values).for_each(|(out, &value)| *out = value),
                Samples::F32(_) => return Err(Error::internal("floats can't be packed")),
            }
        }
        let data =
            if is_deep { Samples::U16(samples) } else { Samples::U8(samples.into_iter().map(encode::to_8).collect()) };
        let mut png = Vec::new();
        encode::png(&mut png, &Pixels { width, height, channels: channels as u8, data }, 0)?;
        Ok(AssetInput::from_bytes(format!("{stem}.png"), png))
    }
}

impl Plane {
    /// The one channel.
    fn read(&self, limits: &AssetLimits, cancel: &Cancel) -> Result<Pixels> {
        let (mut output, progress) = (MemoryOutput::new(0), Progress::ignored());
        let work = Work { input: &self.input, output: &mut output, limits, cancel, progress: &progress };
        let mut options = TextureOptions::default();
        options.kind = TextureKind::Mask;
        let image = read::read(&work, &options)?.images.into_iter().next();
        let image = image.ok_or_else(|| Error::internal("a texture without an image"))?;
        let channels = usize::from(image.channels);
        let place = match self.channel {
            Channel::Alpha if image.has_alpha() => Some(channels - 1),
            Channel::Alpha => None,
            color if channels > 2 => Some(color as usize),
            _ => Some(0),
        };
        fn plane<T: Copy>(
            samples: &[T],
            channels: usize,
            place: Option<usize>,
            most: T,
            invert: Option<fn(T) -> T>,
        ) -> Vec<T> {
            let of = |pixel: &[T]| place.map_or(most, |place| pixel[place]);
            let values = samples.chunks_exact(channels).map(of);
            match invert {
                Some(invert) => values.map(invert).collect(),
                None => values.collect(),
            }
        }
        let data = match &image.data {
            Samples::U8(all) => {
                Samples::U8(plane(all, channels, place, u8::MAX, self.invert.then_some(|value| !value)))
            }
            Samples::U16(all) => {
                Samples::U16(plane(all, channels, place, u16::MAX, self.invert.then_some(|value| !value)))
            }
            Samples::F32(_) => return Err(Error::unsupported("light beyond 1.0 can't be packed")),
        };
        Ok(Pixels { width: image.width, height: image.height, channels: 1, data })
    }
}
