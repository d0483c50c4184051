use super::{BlockFormat, Effort, Texels, astc, bc1, bc4, bc6h, bc7, eac, etc, narrow::Row, uastc};
use rayon::prelude::*;
use slate_core::{Error, Result};

/// Texels in rows from the top, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Surface {
    /// Texels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The texels.
    pub values: Values,
}

/// The values of a surface, by what its format holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// Red, green, blue and alpha of 8 bits; single channels are in red, or red and green.
    Rgba8(Vec<u8>),
    /// Two channels of 16 bits: for EAC.
    Rg16(Vec<u16>),
    /// Red, green and blue as the bits of half floats, none negative: for BC6H.
    Rgb16F(Vec<u16>),
}

impl Values {
    fn per_texel(&self) -> usize {
        match self {
            Self::Rgba8(_) => 4,
            Self::Rg16(_) => 2,
            Self::Rgb16F(_) => 3,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Rgba8(values) => values.len(),
            Self::Rg16(values) | Self::Rgb16F(values) => values.len(),
        }
    }
}

impl Surface {
    /// A surface of these values.
    ///
    /// # Errors
    /// `Invalid` where there are not as many values as texels.
    pub fn new(width: u32, height: u32, values: Values) -> Result<Self> {
        let texels = (width as usize).checked_mul(height as usize);
        if texels.and_then(|texels| texels.checked_mul(values.per_texel())) != Some(values.len()) || values.len() == 0 {
            return Err(Error::invalid("a surface has a value for each channel of each texel"));
        }
        Ok(Self { width, height, values })
    }
}

/// Encodes a surface; blocks that stick out repeat its last column and row.
///
/// `row` is asked before each row of blocks, on the thread that does it: it may cancel by an error, and count.
///
/// # Errors
/// `Invalid` where the format doesn't take the surface's values; whatever `row` gives.
pub fn encode(
    surface: &Surface,
    format: BlockFormat,
    effort: Effort,
    row: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<u8>> {
    let fits = match surface.values {
        Values::Rgba8(_) => format != BlockFormat::Bc6h,
        Values::Rg16(_) => matches!(format, BlockFormat::EacR11 | BlockFormat::EacRg11),
        Values::Rgb16F(_) => format == BlockFormat::Bc6h,
    };
    if !fits {
        return Err(Error::invalid("this block format doesn't take these values").with("format", format));
    }
    let (across, down) = format.blocks(surface.width, surface.height);
    let line = across as usize * format.block_bytes();
    let mut out = vec![0; line * down as usize];
    if let (Values::Rgba8(values), BlockFormat::Astc(footprint)) = (&surface.values, format) {
        let size = (footprint.width(), footprint.height());
        let rows = (astc::TOGETHER / across as usize).max(1);
        out.par_chunks_mut(line * rows).enumerate().try_for_each(|(at, lines)| {
            let mut texels = Vec::with_capacity(lines.len() / format.block_bytes() * size.0 * size.1);
            for y in at * rows..at * rows + lines.len() / line {
                row()?;
                (0..across as usize).for_each(|x| push_block(values, surface, (x, y), size, &mut texels));
            }
            astc::encode(&texels, footprint, effort, lines);
            Ok::<_, Error>(())
        })?;
        return Ok(out);
    }
    out.par_chunks_mut(line).enumerate().try_for_each(|(y, line)| {
        row()?;
        if let Values::Rgba8(values) = &surface.values {
            let lines = lines(values, surface, y);
            if format == BlockFormat::Bc1 && bc1::is_quick(effort) {
                bc1::encode_quickly(lines, effort, line.as_chunks_mut().0);
            } else if format == BlockFormat::Bc7 {
                bc7::encode(lines, effort, line.as_chunks_mut().0);
            } else {
                encode_row(&small_blocks(lines, across as usize), lines, format, effort, line);
            }
            return Ok(());
        }
        for (x, block) in line.chunks_exact_mut(format.block_bytes()).enumerate() {
            encode_block(surface, effort, (x, y), block);
        }
        Ok::<_, Error>(())
    })?;
    Ok(out)
}

/// Encodes a row of blocks of 4×4 texels of 8 bits.
fn encode_row(texels: &[Texels], lines: [Row<'_>; 4], format: BlockFormat, effort: Effort, line: &mut [u8]) {
    use BlockFormat as F;
    let size = format.block_bytes();
    let mut put = |at: usize, from: usize, half: [u8; 8]| line[at * size + from..][..8].copy_from_slice(&half);
    let channel = |at: usize, channel: usize| texels[at].map(|texel| texel[channel]);
    let eleven = |at, of| channel(at, of).map(|value| ((u32::from(value) * 2047 + 127) / 255) as u16);
    // Channels, from the place in the block on where each goes.
    let channels: &[(usize, usize)] = match format {
        F::Bc4 | F::EacR11 => &[(0, 0)],
        F::Bc5 | F::EacRg11 => &[(0, 0), (1, 8)],
        F::Bc3 | F::Etc2Rgba => &[(3, 0)],
        _ => &[],
    };
    for &(of, from) in channels {
        for at in 0..texels.len() {
            put(
                at,
                from,
                match format {
                    F::EacR11 | F::EacRg11 => eac::encode(&eleven(at, of), eac::Depth::Eleven, effort),
                    F::Etc2Rgba => eac::encode(&channel(at, of).map(u16::from), eac::Depth::Eight, effort),
                    _ => bc4::encode(&channel(at, of), effort),
                },
            );
        }
    }
    match format {
        F::Bc1 => bc1::encode(texels, lines, bc1::Alpha::None, effort, |at, block| put(at, 0, block)),
        F::Bc1Alpha => bc1::encode(texels, lines, bc1::Alpha::Punched, effort, |at, block| put(at, 0, block)),
        F::Bc3 => bc1::encode(texels, lines, bc1::Alpha::Elsewhere, effort, |at, block| put(at, 8, block)),
        F::Etc2Rgb => etc::encode(texels, etc::Alpha::None, effort, |at, block| put(at, 0, block)),
        F::Etc2Rgba1 => etc::encode(texels, etc::Alpha::Punched, effort, |at, block| put(at, 0, block)),
        F::Etc2Rgba => etc::encode(texels, etc::Alpha::None, effort, |at, block| put(at, 8, block)),
        F::Uastc(channels) => {
            let placed: Vec<Texels> = texels.iter().map(|block| block.map(|texel| channels.in_block(texel))).collect();
            uastc::encode(&placed, effort, line);
        }
        // Of channels alone, or encoded in other ways.
        F::Bc4 | F::Bc5 | F::EacR11 | F::EacRg11 | F::Bc6h | F::Bc7 | F::Astc(_) => {}
    }
}

/// The four lines of a row of blocks; those beyond the surface are its last one.
fn lines<'a>(values: &'a [u8], surface: &Surface, y: usize) -> [Row<'a>; 4] {
    let (width, height) = (surface.width as usize, surface.height as usize);
    [0, 1, 2, 3].map(|row| values[(y * 4 + row).min(height - 1) * width * 4..][..width * 4].as_chunks().0)
}

/// The texels of a row of blocks of 4×4; those beyond the surface are its last ones.
fn small_blocks(lines: [Row<'_>; 4], across: usize) -> Vec<Texels> {
    let mut blocks = vec![[[0; 4]; 16]; across];
    for (row, line) in lines.into_iter().enumerate() {
        let (inside, rest) = line.as_chunks::<4>();
        for (block, texels) in blocks.iter_mut().zip(inside) {
            block[row * 4..][..4].copy_from_slice(texels);
        }
        if let Some(block) = blocks.get_mut(inside.len()) {
            for column in 0..4 {
                block[row * 4 + column] = *rest.get(column).unwrap_or(&line[line.len() - 1]);
            }
        }
    }
    blocks
}

/// Adds the texels of a block of any size; those beyond the surface are its last ones.
pub(super) fn push_block(
    values: &[u8],
    surface: &Surface,
    (x, y): (usize, usize),
    size: (usize, usize),
    out: &mut Vec<[u8; 4]>,
) {
    let (width, height) = (surface.width as usize, surface.height as usize);
    for row in y * size.1..(y + 1) * size.1 {
        let line = &values[row.min(height - 1) * width * 4..][..width * 4];
        out.extend((x * size.0..(x + 1) * size.0).map(|column| {
            let at = column.min(width - 1) * 4;
            [line[at], line[at + 1], line[at + 2], line[at + 3]]
        }));
    }
}

fn encode_block(surface: &Surface, effort: Effort, (x, y): (usize, usize), out: &mut [u8]) {
    let (width, height) = (surface.width as usize, surface.height as usize);
    // The place of a texel of this block, held inside the surface.
    let small = |at: usize| (y * 4 + at / 4).min(height - 1) * width + (x * 4 + at % 4).min(width - 1);
    match &surface.values {
        // Whole rows of these are encoded together.
        Values::Rgba8(_) => {}
        Values::Rg16(values) => {
            for (channel, out) in out.chunks_exact_mut(8).enumerate() {
                let values: [u16; 16] = std::array::from_fn(|at| {
                    let value = u32::from(values[small(at) * 2 + channel]);
                    ((value * 2047 + 32_767) / 65_535) as u16
                });
                out.copy_from_slice(&eac::encode(&values, eac::Depth::Eleven, effort));
            }
        }
        Values::Rgb16F(values) => {
            let texels: [[u16; 3]; 16] = std::array::from_fn(|at| {
                let at = small(at) * 3;
                [values[at], values[at + 1], values[at + 2]]
            });
            out.copy_from_slice(&bc6h::encode(&texels, effort));
        }
    }
}

/// Decodes a surface of this size; what blocks hold beyond it is dropped.
///
/// # Errors
/// `Corrupt` where there are not as many bytes as blocks, or a block of UASTC has no mode that there is; whatever `row`
/// gives, which is asked as by [`encode`].
pub fn decode(
    blocks: &[u8],
    width: u32,
    height: u32,
    format: BlockFormat,
    row: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Surface> {
    if blocks.len() as u64 != format.bytes(width, height) || blocks.is_empty() {
        return Err(Error::corrupt("there are not as many bytes as blocks").with("format", format));
    }
    if matches!(format, BlockFormat::Uastc(_))
        && let Some(at) = blocks.chunks_exact(16).position(|block| !uastc::is_legal(whole(block)))
    {
        return Err(Error::corrupt("this block has no mode that there is").with("format", format).with("block", at));
    }
    let texels = width as usize * height as usize;
    let values = match format {
        BlockFormat::Bc6h => Values::Rgb16F(by_block(blocks, width, format, vec![0; texels * 3], row, |block| {
            bc6h::decode(whole(block))
        })?),
        BlockFormat::EacR11 | BlockFormat::EacRg11 => {
            // Eleven bits to sixteen, by repeating the highest.
            let widen = |value: u16| value << 5 | value >> 6;
            let of = |block: &[u8]| eac::decode(half(block), eac::Depth::Eleven).map(widen);
            Values::Rg16(by_block(blocks, width, format, vec![0; texels * 2], row, |block| {
                let red = of(&block[..8]);
                let green = if block.len() == 16 { of(&block[8..]) } else { [0; 16] };
                std::array::from_fn::<_, 16, _>(|at| [red[at], green[at]])
            })?)
        }
        BlockFormat::Astc(footprint) => {
            Values::Rgba8(by_block(blocks, width, format, vec![0; texels * 4], row, |block| {
                astc::decode(whole(block), footprint)
            })?)
        }
        _ => Values::Rgba8(by_block(blocks, width, format, vec![0; texels * 4], row, |block| {
            decode_small(block, format)
        })?),
    };
    Ok(Surface { width, height, values })
}

fn decode_small(block: &[u8], format: BlockFormat) -> Texels {
    let with_alpha = |mut texels: Texels, alpha: [u8; 16]| {
        texels.iter_mut().zip(alpha).for_each(|(texel, alpha)| texel[3] = alpha);
        texels
    };
    let opaque = |texels: Texels| with_alpha(texels, [255; 16]);
    match format {
        BlockFormat::Bc1 => opaque(bc1::decode(half(block), false)),
        BlockFormat::Bc1Alpha => bc1::decode(half(block), false),
        BlockFormat::Bc3 => with_alpha(bc1::decode(half(&block[8..]), true), bc4::decode(half(block))),
        BlockFormat::Bc4 => bc4::decode(half(block)).map(|red| [red, 0, 0, 255]),
        BlockFormat::Bc5 => {
            let (red, green) = (bc4::decode(half(block)), bc4::decode(half(&block[8..])));
            std::array::from_fn(|at| [red[at], green[at], 0, 255])
        }
        BlockFormat::Bc7 => bc7::decode(whole(block)),
        BlockFormat::Uastc(channels) => uastc::decode(whole(block)).map(|texel| channels.on_surface(texel)),
        BlockFormat::Etc2Rgb => etc::decode(half(block), etc::Alpha::None),
        BlockFormat::Etc2Rgba1 => etc::decode(half(block), etc::Alpha::Punched),
        BlockFormat::Etc2Rgba => {
            let alpha = eac::decode(half(block), eac::Depth::Eight).map(|value| value as u8);
            with_alpha(etc::decode(half(&block[8..]), etc::Alpha::None), alpha)
        }
        BlockFormat::Bc6h | BlockFormat::EacR11 | BlockFormat::EacRg11 | BlockFormat::Astc(_) => [[0; 4]; 16],
    }
}

fn half(block: &[u8]) -> [u8; 8] {
    std::array::from_fn(|at| block[at])
}

fn whole(block: &[u8]) -> [u8; 16] {
    std::array::from_fn(|at| block[at])
}

/// Puts the texels of each block, which has as many as its format says, in their places in the rows of `out`.
fn by_block<T: Copy + Send, const C: usize, B: AsRef<[[T; C]]>>(
    blocks: &[u8],
    width: u32,
    format: BlockFormat,
    mut out: Vec<T>,
    row: &(dyn Fn() -> Result<()> + Sync),
    decode: impl Fn(&[u8]) -> B + Sync,
) -> Result<Vec<T>> {
    let (block_width, block_height) = format.block_size();
    let (block_width, block_height, width) = (block_width as usize, block_height as usize, width as usize);
    let line = width.div_ceil(block_width) * format.block_bytes();
    out.par_chunks_mut(width * C * block_height).zip(blocks.par_chunks(line)).try_for_each(|(rows, line)| {
        row()?;
        for (x, block) in line.chunks_exact(format.block_bytes()).enumerate() {
            let texels = decode(block);
            let left = x * block_width;
            let count = block_width.min(width - left);
            for (y, row) in rows.chunks_exact_mut(width * C).enumerate() {
                let texels = &texels.as_ref()[y * block_width..][..count];
                for (out, texel) in row[left * C..].chunks_exact_mut(C).zip(texels) {
                    out.copy_from_slice(texel);
                }
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(out)
}
