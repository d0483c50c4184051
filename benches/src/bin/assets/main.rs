//! Textures and sounds, beside crate `image`, plain loops and crate `rubato`.

mod audio;
mod mips;
mod pipeline;

use slate_benches::Result;

fn main() -> Result<()> {
    pipeline::run()?;
    mips::run()?;
    audio::run()
}
