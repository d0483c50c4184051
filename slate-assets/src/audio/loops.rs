//! Where a sound goes round: `smpl` and `cue ` of WAV, `LOOPSTART` and `LOOPLENGTH` (or `LOOPEND`) of tags.

use super::wav;
use slate_core::asset::AssetInput;

/// From `start` up to `end`, without it, in frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Loop {
    /// The same loop at another rate.
    pub(super) fn at_rate(self, from: u32, to: u32) -> Self {
        let moved = |frame: u64| {
            let product = u128::from(frame) * u128::from(to) + u128::from(from) / 2;
            u64::try_from(product / u128::from(from)).unwrap_or(u64::MAX)
        };
        Self { start: moved(self.start), end: moved(self.end) }
    }

    /// The part of it that is within the frames from `first` to `end`, counted from `first`.
    pub(super) fn within(self, first: u64, end: u64) -> Option<Self> {
        let start = self.start.max(first) - first;
        let end = self.end.min(end).checked_sub(first)?;
        (start < end).then_some(Self { start, end })
    }

    /// The loop that tags tell of.
    pub(super) fn of_tags(tags: &[(String, String)]) -> Option<Self> {
        let value = |name: &str| {
            let (_, value) = tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
            value.trim().parse::<u64>().ok()
        };
        let start = value("LOOPSTART")?;
        let end = match value("LOOPLENGTH") {
            Some(length) => start.checked_add(length)?,
            None => value("LOOPEND").unwrap_or(u64::MAX),
        };
        (start < end).then_some(Self { start, end })
    }

    /// As tags.
    pub(super) fn tags(self) -> [(String, String); 2] {
        [("LOOPSTART".into(), self.start.to_string()), ("LOOPLENGTH".into(), (self.end - self.start).to_string())]
    }

    /// A `smpl` chunk with one loop, forwards, for ever.
    pub(super) fn chunk(self, rate: u32) -> Vec<u8> {
        let clamped = |frame: u64| u32::try_from(frame).unwrap_or(u32::MAX);
        let period = 1_000_000_000 / rate.max(1);
        // Middle C, as nobody told otherwise.
        let head = [0, 0, period, 60, 0, 0, 0, 1, 0];
        let one = [0, 0, clamped(self.start), clamped(self.end - 1), 0, 0];
        let mut chunk = b"smpl\x3C\0\0\0".to_vec();
        head.iter().chain(&one).for_each(|word: &u32| chunk.extend(word.to_le_bytes()));
        chunk
    }
}

/// The loop of a WAV file's chunks. What is damaged has none: the samples are what matters.
pub(super) fn of_wav(input: &AssetInput) -> Option<Loop> {
    if let Some(chunk) = wav::chunk(input, b"smpl", 60)
        && word(&chunk, 28).is_some_and(|loops| loops > 0)
        && let (Some(start), Some(last)) = (word(&chunk, 44), word(&chunk, 48))
        && start <= last
    {
        return Some(Loop { start: start.into(), end: u64::from(last) + 1 });
    }
    // Two points are enough: where it begins, and where it goes back.
    let chunk = wav::chunk(input, b"cue ", 4 + 2 * 24)?;
    let count = word(&chunk, 0).unwrap_or(0).min(2) as usize;
    let mut cues: Vec<_> = (0..count).filter_map(|cue| word(&chunk, 4 + cue * 24 + 20)).map(u64::from).collect();
    cues.sort_unstable();
    match cues[..] {
        [start] => Some(Loop { start, end: u64::MAX }),
        [start, end] if start < end => Some(Loop { start, end }),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_move_with_the_rate_and_the_beginning() {
        let looped = Loop { start: 44_100, end: 88_200 };
        assert_eq!(looped.at_rate(44_100, 48_000), Loop { start: 48_000, end: 96_000 });
        assert_eq!(looped.within(100, 60_000), Some(Loop { start: 44_000, end: 59_900 }));
        assert_eq!(looped.within(90_000, 100_000), None);
        assert_eq!(Loop { start: 1, end: u64::MAX }.at_rate(1_000, 384_000).end, u64::MAX);
    }

    #[test]
    fn tags_and_chunks_tell_the_same() {
        let looped = Loop { start: 10, end: 50 };
        assert_eq!(Loop::of_tags(&looped.tags()), Some(looped));
        let mut wav = b"RIFF\0\0\0\0WAVEodd \x01\0\0\0xx".to_vec();
        wav.extend(looped.chunk(48_000));
        assert_eq!(of_wav(&AssetInput::from_bytes("a.wav", wav.clone())), Some(looped));
        for cut in 0..wav.len() {
            of_wav(&AssetInput::from_bytes("a.wav", wav[..cut].to_vec()));
        }
        let tag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let tags = [tag("LoopStart", " 5"), tag("LOOPEND", "9")];
        assert_eq!(Loop::of_tags(&tags), Some(Loop { start: 5, end: 9 }));
        assert_eq!(Loop::of_tags(&[tag("LOOPSTART", "9"), tag("LOOPLENGTH", "0")]), None);
    }
}
