//! Images of models in KTX2, as `KHR_texture_basisu` wants them.
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
use slate_core::asset::{AssetInput, AssetLimits, ImageFormat, TextureFormat, TextureKind, TextureOptions};
use support::pictured::{decoded, model, opened, options, run, stripes};

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
    assert_eq!(report["validationAfter"]["errors"], 0, "{:#}", report["validationAfter"]);
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
fn ktx2_that_is_not_read_stays_and_is_told() {
    let made = model(&[("emissiveTexture", "image/png", &slopes(16, 16, 3))]);
    let mut ktx2 = opened(&run(&made, &options(ImageFormat::Ktx2, None)).1["m.glb"]).1.remove(0).1;
    // As if it were ETC1S.
    let descriptor = u32::from_le_bytes(ktx2[48..52].try_into().unwrap()) as usize;
    ktx2[descriptor + 12] = 163;
    let source = model(&[("emissiveTexture", "image/ktx2", &ktx2)]);
    for (format, size) in [(ImageFormat::Png, None), (ImageFormat::Keep, Some(8))] {
        let (report, files) = run(&source, &options(format, size));
        let (json, images) = opened(&files["m.glb"]);
        assert_eq!(report["imagesNotRead"], json!(["images[0]"]));
        assert_eq!(images, [("image/ktx2".to_owned(), ktx2.clone())]);
        assert_eq!(json["textures"], json!([{"extensions": {"KHR_texture_basisu": {"source": 0}}}]));
        assert_eq!(json["extensionsRequired"], json!(["KHR_texture_basisu"]));
    }
}
