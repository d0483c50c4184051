use super::{
    accessor,
    document::Document,
    list,
    path::{corrupt, number},
};
use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use serde_json::Value;
use slate_core::{
    Cancel, Error, ErrorKind, Result,
    asset::{AssetInput, AssetLimits, Work},
};

/// Padding may be left out, as some exporters do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An image's bytes and media type.
pub(super) struct Image {
    pub(super) bytes: Bytes,
    pub(super) media_type: String,
}

/// The files that buffers and images name, without repeats.
pub(super) fn references(document: &Document) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for kind in ["buffers", "images"] {
        for uri in list(&document.json, kind).iter().filter_map(|entry| entry.get("uri").and_then(Value::as_str)) {
            if !uri.starts_with("data:") {
                names.push(file_name(uri)?);
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The bytes of each buffer, as long as its `byteLength`; none for buffers that name none, which are refused where something
/// is read from them: those that only stand in for compressed ones, and those that nothing uses.
pub(super) fn buffers(document: &Document, work: &Work<'_>) -> Result<Vec<Bytes>> {
    let mut room = work.limits.decoded_bytes;
    let mut all = Vec::new();
    for (at, buffer) in list(&document.json, "buffers").iter().enumerate() {
        work.cancel.check()?;
        let place = format!("buffers[{at}]");
        let len = number(buffer, "byteLength", 0, &place)?;
        let bytes = match buffer.get("uri") {
            Some(uri) => load(uri, work.input, work.limits, &mut room, &format!("{place}.uri"))?.0,
            None => match &document.binary {
                Some(binary) if at == 0 && !is_fallback(buffer) => binary.clone(),
                _ => {
                    all.push(Bytes::new());
                    continue;
                }
            },
        };
        if (bytes.len() as u64) < len {
            let error = corrupt("the buffer has fewer bytes than its byteLength", &place);
            return Err(error.with("bytes", bytes.len()).with("byteLength", len));
        }
        all.push(bytes.slice(..len as usize));
    }
    Ok(all)
}

/// What a document's files hold, as far as they can be read.
#[derive(Default)]
pub(super) struct Present {
    /// The bytes of each buffer, however many they are; none of those that can't be read.
    pub(super) buffers: Vec<Option<Bytes>>,
    /// By JSON pointer, the files that can't be read, with the reason.
    pub(super) missing: Vec<(String, String)>,
}

/// Reads what is there of a document's files.
pub(super) fn present(
    document: &Document,
    input: &AssetInput,
    limits: &AssetLimits,
    cancel: &Cancel,
) -> Result<Present> {
    let (mut room, mut missing) = (limits.decoded_bytes, Vec::new());
    let mut read = |kind: &str, at: usize, uri: &Value| {
        cancel.check()?;
        let text = uri.as_str().unwrap_or_default();
        match load(uri, input, limits, &mut room, &format!("{kind}[{at}].uri")) {
            Ok((bytes, _)) => return Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::LimitExceeded => return Err(error),
            // What is wrong with the text itself is seen there.
            Err(_) if text.starts_with("data:") || uri_form(text).is_none() => {}
            Err(error) => missing.push((format!("/{kind}/{at}/uri"), error.to_string())),
        }
        Ok(None)
    };
    let mut buffers = Vec::new();
    for (at, buffer) in list(&document.json, "buffers").iter().enumerate() {
        buffers.push(match buffer.get("uri") {
            Some(uri) => read("buffers", at, uri)?,
            None if at == 0 && !is_fallback(buffer) => document.binary.clone(),
            None => None,
        });
    }
    for (at, image) in list(&document.json, "images").iter().enumerate() {
        if let Some(uri) = image.get("uri").filter(|uri| uri.as_str().is_some_and(|uri| !uri.starts_with("data:"))) {
            read("images", at, uri)?;
        }
    }
    Ok(Present { buffers, missing })
}

/// Where a URI that holds no data leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UriForm {
    /// To a file beside the document.
    Relative,
    /// Anywhere.
    Absolute,
}

/// Where a text leads to as a URI, by RFC 3986; none where it is no URI.
pub(super) fn uri_form(text: &str) -> Option<UriForm> {
    let is_escape = |part: &str| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.'))
    };
    let scheme = text.split(['/', '?', '#']).next().and_then(|first| first.split_once(':'));
    match scheme {
        Some((scheme, _)) => is_scheme(scheme).then_some(UriForm::Absolute),
        None if text.starts_with('/') || text.contains(['?', '#']) => Some(UriForm::Absolute),
        None => text.split('%').skip(1).all(is_escape).then_some(UriForm::Relative),
    }
}

/// The media type of a data URI in base64, without its `data:`, and how its first bytes are got.
pub(super) fn data_uri(data: &str) -> Option<(&str, impl Fn(usize) -> Vec<u8> + '_)> {
    let (head, text) = data.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let letters = text.trim_end_matches('=');
    // Whole bytes, of four letters each three.
    let is_right = letters.bytes().all(is_letter) && letters.len() % 4 != 1 && text.len().is_multiple_of(4);
    let first = move |count: usize| {
        let some = &letters[..letters.len().min(count.div_ceil(3) * 4)];
        BASE64.decode(some).unwrap_or_default()
    };
    (is_right && !media_type.contains(";;") && !media_type.ends_with(';')).then_some((media_type, first))
}

/// `EXT_meshopt_compression` and `KHR_meshopt_compression` mark buffers that need not be there.
fn is_fallback(buffer: &Value) -> bool {
    let extensions = ["EXT_meshopt_compression", "KHR_meshopt_compression"];
    extensions.iter().any(|name| buffer["extensions"][name]["fallback"] == true)
}

/// The images, in the document's order. Views were checked to be there.
pub(super) fn images(document: &Document, buffers: &[Bytes], work: &Work<'_>) -> Result<Vec<Image>> {
    let mut room = work.limits.decoded_bytes;
    let mut all = Vec::new();
    for (at, image) in list(&document.json, "images").iter().enumerate() {
        work.cancel.check()?;
        let place = format!("images[{at}]");
        let (bytes, told) = match (image.get("uri"), image.get("bufferView")) {
            (Some(uri), _) => load(uri, work.input, work.limits, &mut room, &format!("{place}.uri"))?,
            (None, Some(view)) => (accessor::view(&document.json, buffers, view, &place)?, None),
            (None, None) => return Err(corrupt("an image has a uri or a bufferView", &place)),
        };
        let named = image.get("mimeType").and_then(Value::as_str).map(str::to_owned);
        let found = media_type(&bytes).map(str::to_owned).or(named).or(told);
        let media_type =
            found.ok_or_else(|| corrupt("the image's format is not known: png or jpg is expected", &place))?;
        all.push(Image { bytes, media_type });
    }
    Ok(all)
}

fn load(
    uri: &Value,
    input: &AssetInput,
    limits: &AssetLimits,
    room: &mut u64,
    at: &str,
) -> Result<(Bytes, Option<String>)> {
    const NAME: &str = "the size of all buffers or images";
    let uri = uri.as_str().ok_or_else(|| corrupt("a text is expected here", at))?;
    let mut take = |size: u64| {
        AssetLimits::check(NAME, size, *room).map(|()| *room -= size).map_err(|error| error.with("path", at))
    };
    if let Some(data) = uri.strip_prefix("data:") {
        let (head, text) = data.split_once(',').ok_or_else(|| corrupt("a data URI has a comma", at))?;
        let media_type = head
            .strip_suffix(";base64")
            .ok_or_else(|| Error::unsupported("data URIs are read in base64 only").with("path", at))?;
        take(text.len() as u64 / 4 * 3)?;
        let bytes = BASE64.decode(text).map_err(|error| corrupt("the data URI is no base64", at).because(error))?;
        let media_type = media_type.split(';').next().filter(|media_type| media_type.starts_with("image/"));
        return Ok((bytes.into(), media_type.map(str::to_owned)));
    }
    let file = input.sibling(&file_name(uri)?).map_err(|error| error.with("path", at))?;
    take(file.len())?;
    Ok((file.bytes(limits)?, None))
}

/// A relative URI as a file's name, percent escapes resolved. Schemes and the like are left to be refused.
fn file_name(uri: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).map_err(|error| Error::corrupt("a URI of the model is no text").because(error))
}

/// An image's media type, by its first bytes.
pub(in crate::model) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [0xAB, b'K', b'T', b'X', b' ', b'2', b'0', ..] => Some("image/ktx2"),
        _ => None,
    }
}
