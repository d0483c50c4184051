//! `slate texture`, as a person runs it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/json.rs"]
mod json;

use json::slate;

fn textures() -> String {
    format!("{}/../projects/lantern/assets/textures", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_texture_is_compressed_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}/cobbles.png", textures());
    let (sound, told) = slate(
        folder.path(),
        &["texture", &source, "out/cobbles.dds", "--compression", "bc7", "--quality", "60", "--sheet", "s.png"],
    );
    assert!(sound, "{told}");
    let made = &told[&source];
    assert!(made["psnr"].as_f64().unwrap() > 35.0 && made["ssim"].as_f64().unwrap() > 0.95, "{made}");
    assert_eq!(made["bytes"].as_u64().unwrap(), folder.path().join("out/cobbles.dds").metadata().unwrap().len());
    assert!(std::fs::read(folder.path().join("s.png")).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn a_folder_is_compressed_with_a_preset() {
    let folder = tempfile::tempdir().unwrap();
    let (sound, told) = slate(folder.path(), &["texture", &textures(), "out", "--preset", "mobile", "--quality", "10"]);
    // Each by itself: light beyond 1.0 has no room in ASTC of the LDR profile.
    let failed: Vec<_> = told.as_object().unwrap().iter().filter(|(_, made)| made.get("error").is_some()).collect();
    assert!(!sound && failed.len() == 1 && failed[0].0.ends_with("sky.hdr"), "{told}");
    assert!(folder.path().join("out/planks.ktx2").is_file());
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let source = format!("{}/cobbles.png", textures());
    let (sound, told) = slate(folder.path(), &["texture", &source, "a.webp", "--compression", "bc7"]);
    assert!(!sound && told.to_string().contains("choose ktx2 or dds"), "{told}");
}

#[test]
fn channels_are_packed_and_the_new_options_reach_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [source, rough] = ["cobbles", "cobbles_roughness"].map(|name| format!("{}/{name}.png", textures()));
    let pack = format!("g=-{rough}:r");
    let options = ["--kind", "mask", "--compression", "bc7", "--rate-distortion", "4", "--mip-filter", "kaiser"];
    let packed = [&["texture", &source, "orm.ktx2", "--pack", &pack, "--quality", "20"][..], &options[..]].concat();
    let (sound, told) = slate(folder.path(), &packed);
    assert!(sound && folder.path().join("orm.ktx2").is_file(), "{told}");
    let (sound, told) = slate(folder.path(), &["texture", &source, "lut.dds", "--slices", "16"]);
    let made = &told[&source]["report"];
    assert!(sound && made["depth"] == 16 && made["height"] == 16, "{told}");
    let (sound, told) = slate(folder.path(), &["texture", &source, "a.ktx2", "--pack", "x=1.png"]);
    assert!(!sound && told.to_string().contains("a channel is r, g, b or a"), "{told}");
}
