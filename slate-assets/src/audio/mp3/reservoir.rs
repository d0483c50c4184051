//! Frames of equal length, of which one can use what others before it left over.

use rusty_mp3::{
    encode::bitstream::{region_capacity, serialize_side_info},
    frame::SideInfo,
    header::{FrameHeader, MpegVersion},
};
use std::collections::VecDeque;

/// What decoders hold back, in bytes: a frame and what is left over before it.
const HELD: usize = 1440;

/// Puts the data of frames into their rooms.
#[derive(Default)]
pub(super) struct Reservoir {
    /// Bytes of rooms before the next frame that nothing is in.
    left: usize,
    /// Beginnings of frames whose rooms aren't full, and how large these are.
    begun: VecDeque<(Vec<u8>, usize)>,
    /// What is to be put in them.
    data: VecDeque<u8>,
}

impl Reservoir {
    /// How many bits a frame should have at least, lest they be lost, and can have at most.
    pub(super) fn room(&self, header: &FrameHeader) -> (usize, usize) {
        let room = region_capacity(header) + self.left;
        (8 * room.saturating_sub(most(header)), 8 * room)
    }

    /// How full it is, from 0 to 1.
    pub(super) fn fill(&self, header: &FrameHeader) -> f32 {
        self.left as f32 / most(header).max(1) as f32
    }

    /// Takes a frame's data, no more than there is room for, and gives the frames that are full to `out`.
    pub(super) fn add(&mut self, header: &FrameHeader, mut side: SideInfo, data: &[u8], out: &mut impl FnMut(Vec<u8>)) {
        let room = region_capacity(header);
        side.main_data_begin = self.left as u16;
        let mut frame = header.to_bytes().to_vec();
        frame.extend(serialize_side_info(header, &side));
        self.begun.push_back((frame, room));
        self.data.extend(data);
        self.left = (self.left + room).saturating_sub(data.len());
        let lost = self.left.saturating_sub(most(header));
        self.data.extend(std::iter::repeat_n(0, lost));
        self.left -= lost;
        self.give(out);
    }

    /// Fills what is left.
    pub(super) fn finish(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        self.data.extend(std::iter::repeat_n(0, self.left));
        self.left = 0;
        self.give(out);
    }

    fn give(&mut self, out: &mut impl FnMut(Vec<u8>)) {
        while let Some((mut frame, room)) = self.begun.pop_front_if(|(_, room)| *room <= self.data.len()) {
            frame.extend(self.data.drain(..room));
            out(frame);
        }
    }
}

/// Bytes that a frame can reach back.
fn most(header: &FrameHeader) -> usize {
    let told = if header.version == MpegVersion::V1 { 511 } else { 255 };
    told.min(HELD.saturating_sub(header.frame_size()))
}
