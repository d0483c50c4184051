//! Pictures that travel with a sound, as FLAC, Ogg and ID3 have them.

use base64::{Engine, prelude::BASE64_STANDARD};
use symphonia::core::meta::{StandardVisualKey, Visual};

/// The largest picture that is kept, in bytes: FLAC's blocks end at 16 MiB.
const MOST: usize = 8 << 20;
/// Pictures that are kept of a sound.
const COUNT: usize = 4;
/// ID3's kinds, which FLAC has too: RFC 9639, table 13.
const KINDS: [StandardVisualKey; 19] = [
    StandardVisualKey::OtherIcon,
    StandardVisualKey::FrontCover,
    StandardVisualKey::BackCover,
    StandardVisualKey::Leaflet,
    StandardVisualKey::Media,
    StandardVisualKey::LeadArtistPerformerSoloist,
    StandardVisualKey::ArtistPerformer,
    StandardVisualKey::Conductor,
    StandardVisualKey::BandOrchestra,
    StandardVisualKey::Composer,
    StandardVisualKey::Lyricist,
    StandardVisualKey::RecordingLocation,
    StandardVisualKey::RecordingSession,
    StandardVisualKey::Performance,
    StandardVisualKey::ScreenCapture,
    // A bright coloured fish has no name there.
    StandardVisualKey::Other,
    StandardVisualKey::Illustration,
    StandardVisualKey::BandArtistLogo,
    StandardVisualKey::PublisherStudioLogo,
];

/// One picture, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    kind: u8,
    /// Its type, for example `image/png`: told by its first bytes, not by what the file says of it.
    media: &'static str,
    /// Width and height in pixels, where they are easily told; else 0, which means unknown.
    size: (u32, u32),
    data: Vec<u8>,
}

/// Those that can be kept, and how many can't: of no known type, too large or too many.
pub(super) fn pictures(visuals: &[Visual]) -> (Vec<Picture>, usize) {
    let kept: Vec<Picture> = visuals.iter().filter_map(Picture::of).take(COUNT).collect();
    let dropped = visuals.len() - kept.len();
    (kept, dropped)
}

impl Picture {
    fn of(visual: &Visual) -> Option<Self> {
        let data = &*visual.data;
        let (media, size) = match data {
            [0x89, b'P', b'N', b'G', ..] => ("image/png", png_size(data)),
            [0xFF, 0xD8, 0xFF, ..] => ("image/jpeg", None),
            [b'G', b'I', b'F', b'8', ..] => ("image/gif", None),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("image/webp", None),
            _ => return None,
        };
        let place = |key| KINDS.iter().position(|kind| *kind == key);
        // The small icon has rules of its own, which nobody has checked: it is an icon among others.
        let kind = match visual.usage {
            Some(StandardVisualKey::Other) | None => 0,
            Some(StandardVisualKey::FileIcon) => 2,
            Some(key) => place(key).map_or(0, |place| place + 2),
        };
        let size = size.unwrap_or((0, 0));
        (data.len() <= MOST).then(|| Self { kind: kind as u8, media, size, data: data.to_vec() })
    }

    /// A picture block without its header: RFC 9639, section 8.8.
    pub(super) fn block(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.data.len() + 64);
        block.extend(u32::from(self.kind).to_be_bytes());
        block.extend((self.media.len() as u32).to_be_bytes());
        block.extend(self.media.as_bytes());
        // No description, then width, height, bits of a pixel and colours of a palette.
        for word in [0, self.size.0, self.size.1, 0, 0, self.data.len() as u32] {
            block.extend(word.to_be_bytes());
        }
        block.extend(&self.data);
        block
    }

    /// As a comment of Ogg's codecs.
    pub(super) fn comment(&self) -> (String, String) {
        ("METADATA_BLOCK_PICTURE".into(), BASE64_STANDARD.encode(self.block()))
    }

    /// The body of an `APIC` frame: ID3v2.3, section 4.15.
    pub(super) fn apic(&self) -> Vec<u8> {
        let mut body = vec![0];
        body.extend(self.media.as_bytes());
        // The type's end, the kind, and a description of nothing.
        body.extend([0, self.kind, 0]);
        body.extend(&self.data);
        body
    }
}

/// From the first chunk, which is always the header.
fn png_size(data: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| data.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    Some((word(16)?, word(20)?))
}
