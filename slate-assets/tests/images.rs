//! Images of models: to a size, to another format, by what the materials use them for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::ExtendedColorType::Rgb8;
use serde_json::{Value, json};
use slate_assets::model::ModelProcessor;
use slate_core::{
    ErrorKind,
    asset::{AssetInput, AssetLimits, ImageFormat, ModelFormat, Processor},
};
use std::{fs, process::Command};
use support::pictured::{SIDE, decoded, model, opened, options, run, stripes};

fn webp(png: &[u8]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::load_from_memory(png).unwrap().write_to(&mut bytes, image::ImageFormat::WebP).unwrap();
    bytes.into_inner()
}

#[test]
fn images_are_filtered_by_what_they_are_used_for() {
    let color = stripes([0; 3], [255; 3]);
    let mask = stripes([0, 0, 1], [255, 255, 1]);
    let normal = stripes([255, 128, 128], [128, 128, 255]);
    let source = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("pbrMetallicRoughness.metallicRoughnessTexture", "image/png", &mask),
        ("normalTexture", "image/png", &normal),
    ]);
    let (report, files) = run(&source, &options(ImageFormat::Keep, Some(16)));
    assert_eq!(report["imagesProcessed"]["changed"], json!(3));
    assert!(!report.contains_key("imagesOfTwoKinds"));
    let (_, images) = opened(&files["m.glb"]);
    let middle = |at: usize| -> [u8; 4] {
        assert_eq!(images[at].0, "image/png");
        let image = decoded(&images[at].1);
        assert_eq!(image.dimensions(), (16, 16));
        image.get_pixel(8, 8).0
    };
    let near = |found: u8, wanted: u8| found.abs_diff(wanted) <= 2;
    assert!(near(middle(0)[0], 188), "half the light is 188 in sRGB: {:?}", middle(0));
    assert!(near(middle(1)[0], 128), "numbers are numbers: {:?}", middle(1));
    let [x, y, z] = [0, 1, 2].map(|at| f32::from(middle(2)[at]) / 127.5 - 1.0);
    assert!(((x * x + y * y + z * z).sqrt() - 1.0).abs() < 0.02, "normals stay as long: {:?}", middle(2));
}

#[test]
fn proportions_stay_and_small_images_do_too() {
    let wide = support::png(64, 3, Rgb8, &[9; 64 * 3 * 3]);
    let source = model(&[("emissiveTexture", "image/png", &wide)]);
    let (_, files) = run(&source, &options(ImageFormat::Keep, Some(16)));
    assert_eq!(decoded(&opened(&files["m.glb"]).1[0].1).dimensions(), (16, 1));
    let (report, files) = run(&source, &options(ImageFormat::Keep, Some(64)));
    assert_eq!((&report["imagesProcessed"]["changed"], &opened(&files["m.glb"]).1[0].1), (&json!(0), &wide));
}

#[test]
fn an_image_of_two_kinds_is_told() {
    let color = stripes([0; 3], [255; 3]);
    let both = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("occlusionTexture", "image/png", &color),
    ]);
    let (report, files) = run(&both, &options(ImageFormat::Keep, Some(16)));
    assert_eq!(report["imagesOfTwoKinds"], json!(["images[0]"]));
    let middle = decoded(&opened(&files["m.glb"]).1[0].1).get_pixel(8, 8).0[0];
    assert!(middle.abs_diff(128) <= 2, "{middle}");
}

#[test]
fn png_becomes_webp_where_that_is_smaller() {
    let gradient: Vec<u8> = (0..SIDE * SIDE).flat_map(|at| [(at % SIDE) as u8, (at / SIDE) as u8, 7]).collect();
    let color = support::png(SIDE, SIDE, Rgb8, &gradient);
    let source = model(&[("pbrMetallicRoughness.baseColorTexture", "image/png", &color)]);
    let mut to_webp = options(ImageFormat::Webp, None);
    to_webp.images.quality = 100;
    let (report, files) = run(&source, &to_webp);
    let (json, images) = opened(&files["m.glb"]);
    assert_eq!(images[0].0, "image/webp");
    assert!(images[0].1.len() < color.len());
    assert_eq!(decoded(&images[0].1), decoded(&color));
    assert_eq!(json["textures"], json!([{"extensions": {"EXT_texture_webp": {"source": 0}}}]));
    assert_eq!(json["extensionsUsed"], json!(["EXT_texture_webp"]));
    assert_eq!(json["extensionsRequired"], json!(["EXT_texture_webp"]));
    assert_eq!(report["imagesProcessed"]["bytesAfter"], json!(images[0].1.len()));

    // And back, for viewers that read no WebP.
    let input = AssetInput::from_bytes("m.glb", files["m.glb"].clone());
    let back = options(ImageFormat::Png, None);
    let (_, files) = support::run(&ModelProcessor, &input, &back, &AssetLimits::default()).unwrap();
    let (json, images) = opened(&files["m.glb"]);
    assert_eq!((images[0].0.as_str(), decoded(&images[0].1)), ("image/png", decoded(&color)));
    assert_eq!(json["textures"], json!([{"source": 0}]));
    assert_eq!((&json["extensionsUsed"], &json["extensionsRequired"]), (&Value::Null, &Value::Null));
}

#[test]
fn webp_takes_from_colours_and_leaves_normals_alone() {
    let noise = support::Random(7).bytes((SIDE * SIDE * 3) as usize);
    let soft: Vec<u8> = noise.iter().enumerate().map(|(at, noise)| (at / 150 % 200) as u8 + noise % 9).collect();
    let color = support::png(SIDE, SIDE, Rgb8, &soft);
    let normal = support::png(SIDE, SIDE, Rgb8, &soft.iter().rev().copied().collect::<Vec<_>>());
    let source = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("normalTexture", "image/png", &normal),
    ]);
    let (_, files) = run(&source, &options(ImageFormat::Webp, None));
    let (_, images) = opened(&files["m.glb"]);
    assert!(images.iter().all(|(media_type, _)| media_type == "image/webp"));
    assert!(images[0].1.len() < images[1].1.len(), "{} and {}", images[0].1.len(), images[1].1.len());
    let worst = decoded(&images[0].1).iter().zip(decoded(&color).iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!((1..50).contains(&worst.unwrap()), "{worst:?}");
    assert_eq!(decoded(&images[1].1), decoded(&normal));
}

#[test]
fn of_two_images_for_one_texture_the_one_asked_for_stays() {
    let png = stripes([1, 2, 3], [4, 5, 6]);
    let mut source = model(&[("emissiveTexture", "image/png", &png)]);
    let offered = support::data_uri(&webp(&png)).replace("application/octet-stream", "image/webp");
    source["images"].as_array_mut().unwrap().push(json!({ "uri": offered }));
    source["textures"][0]["extensions"] = json!({"EXT_texture_webp": {"source": 1}});
    source["extensionsUsed"] = json!(["EXT_texture_webp"]);
    for (format, media_type) in [(ImageFormat::Png, "image/png"), (ImageFormat::Webp, "image/webp")] {
        let (json, images) = opened(&run(&source, &options(format, None)).1["m.glb"]);
        assert_eq!((images.len(), images[0].0.as_str()), (1, media_type));
        let is_webp = format == ImageFormat::Webp;
        assert_eq!(json["textures"][0].get("source").is_none(), is_webp);
        assert_eq!(json.get("extensionsRequired").is_some(), is_webp);
    }
    let (_, images) = opened(&run(&source, &options(ImageFormat::Keep, Some(16))).1["m.glb"]);
    assert_eq!(images.iter().map(|image| decoded(&image.1).width()).collect::<Vec<_>>(), [16, 16]);
}

#[test]
fn jpeg_stays_jpeg() {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::load_from_memory(&stripes([10; 3], [20; 3])).unwrap().write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    let source = model(&[("pbrMetallicRoughness.baseColorTexture", "image/jpeg", &jpeg)]);
    for format in [ImageFormat::Keep, ImageFormat::Png, ImageFormat::Webp] {
        let (_, images) = opened(&run(&source, &options(format, None)).1["m.glb"]);
        assert_eq!(images[0], ("image/jpeg".to_owned(), jpeg.clone()));
        let (_, images) = opened(&run(&source, &options(format, Some(32))).1["m.glb"]);
        assert_eq!((images[0].0.as_str(), decoded(&images[0].1).dimensions()), ("image/jpeg", (32, 32)));
    }
}

#[test]
fn a_damaged_image_stays_and_is_told() {
    let mut damaged = stripes([0; 3], [255; 3]);
    damaged.truncate(60);
    let whole = stripes([1; 3], [255; 3]);
    let source = model(&[("emissiveTexture", "image/png", &damaged), ("normalTexture", "image/png", &whole)]);
    let (report, files) = run(&source, &options(ImageFormat::Keep, Some(16)));
    assert_eq!((&report["imagesNotRead"], &report["imagesProcessed"]["changed"]), (&json!(["images[0]"]), &json!(1)));
    assert_eq!(opened(&files["m.glb"]).1[0].1, damaged);
}

#[test]
fn images_over_the_limit_of_pixels_are_refused() {
    let source = model(&[("emissiveTexture", "image/png", &stripes([0; 3], [255; 3]))]);
    let input = AssetInput::from_bytes("m.gltf", source.to_string());
    let mut limits = AssetLimits::default();
    limits.pixels = 100;
    let error = support::run(&ModelProcessor, &input, &options(ImageFormat::Keep, Some(16)), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
}

#[test]
fn what_a_model_cannot_hold_is_refused_by_name() {
    for (format, name) in [(ImageFormat::Ktx2, "KTX2"), (ImageFormat::Webp, "WebP")] {
        let mut options = options(format, None);
        options.format = ModelFormat::Fbx;
        let error = ModelProcessor.check(&options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.message().contains(name), "{error}");
    }
}

#[test]
fn other_formats_of_models_take_smaller_images_too() {
    let source = model(&[("pbrMetallicRoughness.baseColorTexture", "image/png", &stripes([0; 3], [255; 3]))]);
    for format in [ModelFormat::Fbx, ModelFormat::Obj] {
        let mut options = options(ImageFormat::Keep, Some(16));
        (options.format, options.generate_lods) = (format, false);
        let (report, _) = run(&source, &options);
        assert_eq!(report["imagesProcessed"]["changed"], json!(1));
    }
}

#[test]
fn the_khronos_validator_reads_what_became_of_images() {
    let Some(validator) = support::node::validator() else { return };
    let folder = tempfile::tempdir().unwrap();
    let color = support::png(SIDE, SIDE, Rgb8, &(0..SIDE * SIDE * 3).map(|at| (at / 3) as u8).collect::<Vec<_>>());
    let source = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("normalTexture", "image/png", &stripes([255, 128, 128], [128, 128, 255])),
    ]);
    for (name, format, size) in [
        ("keep", ImageFormat::Keep, Some(16)),
        ("webp", ImageFormat::Webp, None),
        ("small", ImageFormat::Webp, Some(32)),
        ("png", ImageFormat::Png, None),
        ("ktx2", ImageFormat::Ktx2, None),
    ] {
        fs::write(folder.path().join(format!("{name}.glb")), &run(&source, &options(format, size)).1["m.glb"]).unwrap();
    }
    let output = Command::new("node").arg(support::node::SCRIPT).arg(&validator).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let verdicts: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdicts, json!({"keep.glb": [], "webp.glb": [], "small.glb": [], "png.glb": [], "ktx2.glb": []}));
}
