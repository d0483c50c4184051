//! Which speaker each channel is for.

use super::wav;
use slate_core::{Error, Result, asset::AssetInput};
use symphonia::core::audio::{Channels, Position};

/// The most channels of a sound.
const CHANNELS: usize = 8;
/// The layouts that Vorbis, Opus and FLAC have for 1 to 8 channels, as the bits of WAVE's `dwChannelMask`: Vorbis I,
/// section 4.3.9, and RFC 9639, section 9.1.3. A frame's channels are in the order of the bits.
pub(super) const USUAL: [u32; CHANNELS] = [0x4, 0x3, 0x7, 0x33, 0x37, 0x3F, 0x70F, 0x63F];

/// The usual speakers for a number of channels from 1 to 8, in a frame's order.
pub(super) fn usual(channels: usize) -> Vec<Position> {
    let mask = Position::from_wave_channel_mask(USUAL[channels - 1]);
    mask.iter().flat_map(Position::iter).collect()
}

/// The speakers that a file tells, in its order, or the usual ones where it tells none.
pub(super) fn told(channels: &Channels, format: &str, input: &AssetInput) -> Result<Vec<Position>> {
    let count = channels.count();
    if count == 0 || count > CHANNELS {
        return Err(Error::unsupported("sounds are read with 1 to 8 channels").with("channels", count));
    }
    let Channels::Positioned(mask) = channels else { return Ok(usual(count)) };
    let first = Position::from_count(count as u32) == Some(*mask);
    let unknown = match count {
        // Half a pair, or the wide 7.1 that Windows gave up: the masks of programs that set a bit for each channel.
        5 | 7 | 8 => first,
        // A front with its subwoofer, if the file says so; but a header without speakers is read as the same.
        4 => first && format == "wav" && !has_speakers(input),
        _ => false,
    };
    Ok(if unknown { usual(count) } else { mask.iter().collect() })
}

/// Whether a WAV file's header is the extensible one, with a mask of speakers.
fn has_speakers(input: &AssetInput) -> bool {
    let header = wav::chunk(input, b"fmt ", 24).unwrap_or_default();
    header.starts_with(&[0xFE, 0xFF]) && header.get(20..24).is_some_and(|mask| mask != [0; 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_that_tell_nothing_are_the_usual_layout() {
        let input = AssetInput::from_bytes("s.wav", &b""[..]);
        let told = |mask: u32, format: &str| {
            let mask = Position::from_wave_channel_mask(mask).unwrap();
            told(&Channels::Positioned(mask), format, &input).unwrap()
        };
        for (channels, mask) in [(4, 0xF), (5, 0x1F), (7, 0x7F), (8, 0xFF)] {
            assert_eq!(told(mask, "wav"), usual(channels), "{channels}");
        }
        let rear: Vec<_> = told(0x13F, "wav");
        assert_eq!(rear[4..], [Position::REAR_LEFT, Position::REAR_RIGHT, Position::REAR_CENTER]);
        assert_ne!(told(0xF, "flac"), usual(4), "a front with its subwoofer");
        assert_eq!(usual(7)[4..], [Position::REAR_CENTER, Position::SIDE_LEFT, Position::SIDE_RIGHT]);
        assert!(super::told(&Channels::Discrete(9), "wav", &input).is_err());
    }
}
