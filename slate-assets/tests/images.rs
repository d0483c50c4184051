//! Images of models: to a size, to another format, by what the materials use them for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    reason = "a test fails by panicking; options are open-ended"
)]

mod support;

use image::ExtendedColorType::{L8, Rgb8};
use serde_json::{Value, json};
use slate_assets::{
    model::ModelProcessor,
    texture::{TextureProcessor, ktx2::check},
};
use slate_core::{
    ErrorKind,
    asset::{
        AssetInput, AssetLimits, ImageFormat, ModelFormat, ModelOptions, Processor, Report, TextureFormat, TextureKind,
        TextureOptions,
    },
};
use std::{fs, process::Command};
use support::Files;

const SIDE: u32 = 64;

/// A picture in which columns of these two colours take turns.
fn stripes(one: [u8; 3], other: [u8; 3]) -> Vec<u8> {
    let pixels = (0..SIDE * SIDE).flat_map(|at| if at % 2 == 0 { one } else { other });
    support::png(SIDE, SIDE, Rgb8, &pixels.collect::<Vec<_>>())
}

/// A triangle whose material has these images in its slots; the same image twice is one image.
fn model(slots: &[(&str, &str, &[u8])]) -> Value {
    let numbers: Vec<u8> =
        [0f32, 0., 0., 1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 0., 1.].iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut images: Vec<(&str, &[u8])> = Vec::new();
    let mut material = json!({"pbrMetallicRoughness": {}});
    for &(slot, media_type, bytes) in slots {
        let at = images.iter().position(|image| image.1 == bytes).unwrap_or_else(|| {
            images.push((media_type, bytes));
            images.len() - 1
        });
        let (outer, name) = slot.rsplit_once('.').unwrap_or(("", slot));
        let object = if outer.is_empty() { &mut material } else { &mut material[outer] };
        object[name] = json!({"index": at});
    }
    let textures = images.iter().enumerate().map(|(at, (media_type, _))| match *media_type {
        "image/ktx2" => json!({"extensions": {"KHR_texture_basisu": {"source": at}}}),
        "image/webp" => json!({"extensions": {"EXT_texture_webp": {"source": at}}}),
        _ => json!({"source": at}),
    });
    let mut json = json!({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "type": "VEC3", "count": 3,
            "min": [0, 0, 0], "max": [1, 1, 0]},
            {"bufferView": 1, "componentType": 5126, "type": "VEC2", "count": 3}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 24}],
        "buffers": [{"byteLength": numbers.len(), "uri": support::data_uri(&numbers)}],
        "materials": [material],
        "textures": textures.collect::<Vec<_>>(),
        "images": images.iter().map(|(media_type, bytes)| {
            json!({"uri": support::data_uri(bytes).replace("application/octet-stream", media_type)})
        }).collect::<Vec<_>>(),
    });
    for (named, extension) in [("image/webp", "EXT_texture_webp"), ("image/ktx2", "KHR_texture_basisu")] {
        if images.iter().any(|(media_type, _)| *media_type == named) {
            json["extensionsUsed"] = json!([extension]);
            json["extensionsRequired"] = json!([extension]);
        }
    }
    json
}

fn options(format: ImageFormat, max_size: Option<u32>) -> ModelOptions {
    let mut options = ModelOptions::default();
    (options.images.format, options.images.max_size) = (format, max_size);
    options
}

fn run(model: &Value, options: &ModelOptions) -> (Report, Files) {
    let input = AssetInput::from_bytes("m.gltf", model.to_string());
    support::run(&ModelProcessor, &input, options, &AssetLimits::default()).unwrap()
}

/// The JSON of a GLB, and its images.
fn opened(glb: &[u8]) -> (Value, Vec<(String, Vec<u8>)>) {
    let (json, binary) = support::glb(glb);
    let images = json["images"].as_array().cloned().unwrap_or_default().into_iter().map(|image| {
        let view = &json["bufferViews"][image["bufferView"].as_u64().unwrap() as usize];
        let number = |name: &str| view[name].as_u64().unwrap_or_default() as usize;
        let bytes = binary[number("byteOffset")..number("byteOffset") + number("byteLength")].to_vec();
        (image["mimeType"].as_str().unwrap().to_owned(), bytes)
    });
    let images = images.collect();
    (json, images)
}

fn decoded(image: &[u8]) -> image::RgbaImage {
    image::load_from_memory(image).unwrap().to_rgba8()
}

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

/// A KTX2 file: its size, levels and scheme, and the colour model, primaries, transfer function and channels.
fn described(file: &[u8]) -> ([u32; 4], [u8; 4]) {
    assert_eq!(check(file), Vec::<String>::new());
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let descriptor = &file[word(48) as usize..];
    ([20, 24, 40, 44].map(word), [12, 13, 14, 31].map(|at: usize| descriptor[at]))
}

/// What a KTX2 file shows, by the texture processor.
fn shown(file: &[u8], kind: TextureKind) -> image::RgbaImage {
    let mut options = TextureOptions::default();
    (options.format, options.generate_mipmaps, options.kind) = (TextureFormat::Png, false, kind);
    let input = AssetInput::from_bytes("a.ktx2", file.to_vec());
    let (_, files) = support::run(&TextureProcessor, &input, &options, &AssetLimits::default()).unwrap();
    decoded(&files["a.png"])
}

/// A picture of slopes, in some colour.
fn slopes(width: u32, height: u32, blue: u8) -> Vec<u8> {
    let pixels = (0..width * height).flat_map(|at| [(at % width * 3) as u8, (at / width * 3) as u8, blue]);
    support::png(width, height, Rgb8, &pixels.collect::<Vec<_>>())
}

#[test]
fn images_become_ktx2_as_basis_universal_readers_want_them() {
    let (color, normal) = (slopes(61, 34, 7), slopes(64, 64, 200));
    let grey = support::png(16, 16, L8, &(0..=255).collect::<Vec<u8>>());
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image::load_from_memory(&slopes(20, 20, 90)).unwrap().write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let source = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("normalTexture", "image/png", &normal),
        ("occlusionTexture", "image/png", &grey),
        ("emissiveTexture", "image/jpeg", jpeg.get_ref()),
    ]);
    let (report, files) = run(&source, &options(ImageFormat::Ktx2, None));
    assert_eq!(report["imagesProcessed"]["changed"], json!(4));
    let (json, images) = opened(&files["m.glb"]);
    let textures: Vec<Value> = (0..4).map(|at| json!({"extensions": {"KHR_texture_basisu": {"source": at}}})).collect();
    assert_eq!(json["textures"], json!(textures));
    assert_eq!(json["extensionsUsed"], json!(["KHR_texture_basisu"]));
    assert_eq!(json["extensionsRequired"], json!(["KHR_texture_basisu"]));
    assert!(images.iter().all(|(media_type, _)| media_type == "image/ktx2"));
    // UASTC with all levels and zstd, sides of multiples of four; colours in sRGB with their primaries, numbers linear
    // without any; RGB, even of what is grey.
    let told: Vec<_> = images.iter().map(|(_, file)| described(file)).collect();
    assert_eq!(told[0], ([64, 36, 7, 2], [166, 1, 2, 0]));
    assert_eq!(told[1], ([64, 64, 7, 2], [166, 0, 1, 0]));
    assert_eq!(told[2], ([16, 16, 5, 2], [166, 0, 1, 0]));
    assert_eq!(told[3], ([20, 20, 5, 2], [166, 1, 2, 0]));
    let off = |at: usize, kind: TextureKind, wanted: &[u8]| {
        let (found, wanted) = (shown(&images[at].1, kind), decoded(wanted));
        assert_eq!(found.dimensions(), wanted.dimensions());
        found.iter().zip(wanted.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    };
    assert!(off(1, TextureKind::Normal, &normal) <= 6);
    assert!(off(2, TextureKind::Mask, &grey) <= 4);
}

#[test]
fn ktx2_in_a_model_is_made_smaller_and_turned_into_others() {
    let color = slopes(64, 64, 7);
    let source = model(&[("pbrMetallicRoughness.baseColorTexture", "image/png", &color)]);
    let glb = run(&source, &options(ImageFormat::Ktx2, None)).1["m.glb"].clone();
    let again = |format: ImageFormat, size: Option<u32>| {
        let input = AssetInput::from_bytes("m.glb", glb.clone());
        let (report, files) =
            support::run(&ModelProcessor, &input, &options(format, size), &AssetLimits::default()).unwrap();
        let (json, images) = opened(&files["m.glb"]);
        (report, json, images)
    };
    let whole = opened(&glb).1;
    for format in [ImageFormat::Keep, ImageFormat::Ktx2] {
        assert!(again(format, None).2 == whole, "what is KTX2 already stays");
    }
    // Over the longest side no block is added.
    let (_, json, images) = again(ImageFormat::Keep, Some(30));
    assert_eq!(described(&images[0].1).0, [28, 28, 5, 2]);
    assert_eq!(json["textures"][0]["extensions"]["KHR_texture_basisu"]["source"], json!(0));
    for (format, media_type) in [(ImageFormat::Png, "image/png"), (ImageFormat::Webp, "image/webp")] {
        let (_, json, images) = again(format, None);
        assert_eq!(images[0].0, media_type);
        let worst = decoded(&images[0].1).iter().zip(decoded(&color).iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst.unwrap() < 24, "{worst:?}");
        assert_eq!(json["textures"][0].get("source").is_some(), format == ImageFormat::Png);
        assert!(!json["extensionsUsed"].to_string().contains("basisu"), "{json}");
    }
}

#[test]
fn a_ktx2_beside_another_image_is_chosen_or_left() {
    let color = slopes(32, 32, 9);
    let ktx2 = {
        let source = model(&[("emissiveTexture", "image/png", &color)]);
        opened(&run(&source, &options(ImageFormat::Ktx2, None)).1["m.glb"]).1.remove(0).1
    };
    let mut source = model(&[("emissiveTexture", "image/png", &color)]);
    let offered = support::data_uri(&ktx2).replace("application/octet-stream", "image/ktx2");
    source["images"].as_array_mut().unwrap().push(json!({ "uri": offered }));
    source["textures"][0]["extensions"] = json!({"KHR_texture_basisu": {"source": 1}});
    source["extensionsUsed"] = json!(["KHR_texture_basisu"]);
    for (format, media_type) in [(ImageFormat::Png, "image/png"), (ImageFormat::Ktx2, "image/ktx2")] {
        let (json, images) = opened(&run(&source, &options(format, None)).1["m.glb"]);
        assert_eq!((images.len(), images[0].0.as_str()), (1, media_type));
        assert_eq!(json.get("extensionsRequired").is_some(), format == ImageFormat::Ktx2);
    }
    let (json, images) = opened(&run(&source, &options(ImageFormat::Keep, Some(16))).1["m.glb"]);
    assert_eq!((json.get("extensionsRequired"), described(&images[1].1).0), (None, [16, 16, 5, 2]));
}

#[test]
fn colours_and_numbers_in_one_image_stay_out_of_ktx2() {
    let color = stripes([0; 3], [255; 3]);
    let both = model(&[
        ("pbrMetallicRoughness.baseColorTexture", "image/png", &color),
        ("occlusionTexture", "image/png", &color),
    ]);
    let (report, files) = run(&both, &options(ImageFormat::Ktx2, None));
    assert_eq!(
        (&report["imagesOfTwoSpaces"], &report["imagesProcessed"]["changed"]),
        (&json!(["images[0]"]), &json!(0))
    );
    assert_eq!(opened(&files["m.glb"]).1[0], ("image/png".to_owned(), color));
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
