//! Runs one hardened container on the engine that `DOCKER_HOST` names, and prints its lines.
//!
//! The image is made here, of the machine's static BusyBox (Debian's `busybox-static`): no registry is asked.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use slate_core::{
    Error, Result,
    runtime::{ImageRef, Images, LogOptions, MemorySize, RuntimeBackend, RuntimeBackendExt, RuntimeSpec},
};
use slate_docker::{DockerBackend, DockerOptions, PullPolicy};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = DockerOptions::default().with_realm("slate-example").with_pull(PullPolicy::Never);
    let backend = DockerBackend::open(options).await?;
    let image: ImageRef = "slate-example/busybox:1".parse()?;
    if !backend.exists(&image).await? {
        backend.import_image(&image, stream::iter([busybox()?])).await?;
    }

    let script = "echo \"I am user $(id -u)\"; touch /here || echo 'and may not write here'; exit 3";
    let name = format!("session-{}", std::process::id());
    let spec = RuntimeSpec::new(name, ["/bin/busybox", "sh", "-c", script])
        .with_image(image)
        .with_memory(MemorySize::from_mib(64));
    let id = backend.run(&spec).await?;
    let mut lines = backend.logs(&id, LogOptions::default().with_follow(true));
    while let Some(line) = lines.next().await {
        let line = line?;
        println!("{} {}", line.stream, line.text());
    }
    let exit = backend.wait_for_exit(&id, Duration::from_secs(10)).await?;
    println!("end    {}", exit.describe());
    backend.remove_if_there(&id).await
}

/// An image's files as an archive: one program, which finds its own parts by name.
fn busybox() -> Result<Bytes> {
    let packed = || {
        let content = std::fs::read("/bin/busybox")?;
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, "bin/busybox", &content[..])?;
        archive.into_inner()
    };
    Ok(packed().map_err(|error| Error::io("pack /bin/busybox: is busybox-static installed?", error))?.into())
}
