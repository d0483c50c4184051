use super::{
    list,
    path::{corrupt, index, number},
    resolve::Image,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use slate_core::{Error, Result};

/// A stretch of a buffer that is kept, and where it comes to lie.
struct Stretch {
    buffer: usize,
    from: u64,
    to: u64,
    place: u64,
}

/// Merges the buffers into one, embeds the images, and rewrites what names them; gives the one buffer's bytes.
///
/// With `tight` only what a view covers is kept; shared bytes stay shared. Every stretch keeps its alignment to four.
pub(super) fn pack(json: &mut Value, buffers: &[Bytes], images: Vec<Image>, tight: bool) -> Result<Vec<u8>> {
    let mut stretches = if tight { covered(json, buffers)? } else { whole(buffers) };
    let mut binary = Vec::new();
    for stretch in &mut stretches {
        binary.resize(binary.len().next_multiple_of(4), 0);
        stretch.place = binary.len() as u64;
        binary.extend_from_slice(&buffers[stretch.buffer][stretch.from as usize..stretch.to as usize]);
    }
    for (at, view) in json.get_mut("bufferViews").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let place = format!("bufferViews[{at}]");
        let (buffer, from) = (view.get("buffer").and_then(index), number(view, "byteOffset", 0, &place)?);
        let before =
            stretches.partition_point(|stretch| Some((stretch.buffer, stretch.from)) <= buffer.map(|at| (at, from)));
        let stretch = before.checked_sub(1).and_then(|at| stretches.get(at));
        let stretch = stretch.ok_or_else(|| corrupt("the bufferView is in no buffer", &place))?;
        view["buffer"] = 0.into();
        view["byteOffset"] = (from - stretch.from + stretch.place).into();
    }
    for image in images {
        binary.resize(binary.len().next_multiple_of(4), 0);
        let view = json!({"buffer": 0, "byteOffset": binary.len(), "byteLength": image.bytes.len()});
        binary.extend_from_slice(&image.bytes);
        let views = entries(json, "bufferViews")?;
        let place = views.len();
        views.push(view);
        if let Some(entry) = entries(json, "images")?.get_mut(image.at).and_then(Value::as_object_mut) {
            entry.remove("uri");
            entry.insert("bufferView".into(), place.into());
            entry.insert("mimeType".into(), image.media_type.into());
        }
    }
    merge(json, binary.len())?;
    Ok(binary)
}

/// One entry in the list of buffers; names and extras of the others are kept in its extras.
fn merge(json: &mut Value, len: usize) -> Result<()> {
    let old: Vec<Value> = list(json, "buffers").to_vec();
    if len == 0 {
        json.as_object_mut().map(|object| object.remove("buffers"));
        return Ok(());
    }
    let mut kept = old.iter().map(|buffer| {
        let mut buffer = buffer.as_object().cloned().unwrap_or_default();
        buffer.remove("uri");
        buffer.remove("byteLength");
        buffer
    });
    let mut one = kept.next().unwrap_or_default();
    let others: Vec<Map<String, Value>> = kept.filter(|buffer| !buffer.is_empty()).collect();
    if !others.is_empty() {
        let own = one.remove("extras").unwrap_or_else(|| json!({}));
        one.insert("extras".into(), json!({"own": own, "mergedBuffers": others}));
    }
    one.insert("byteLength".into(), len.into());
    *entries(json, "buffers")? = vec![Value::Object(one)];
    Ok(())
}

fn whole(buffers: &[Bytes]) -> Vec<Stretch> {
    let stretch = |(buffer, bytes): (usize, &Bytes)| Stretch { buffer, from: 0, to: bytes.len() as u64, place: 0 };
    buffers.iter().enumerate().map(stretch).collect()
}

/// What the views cover, each stretch beginning at a multiple of four, sorted and without overlaps.
fn covered(json: &Value, buffers: &[Bytes]) -> Result<Vec<Stretch>> {
    let mut parts = Vec::new();
    for (at, view) in list(json, "bufferViews").iter().enumerate() {
        let place = format!("bufferViews[{at}]");
        let (from, len) = (number(view, "byteOffset", 0, &place)?, number(view, "byteLength", 0, &place)?);
        let buffer = view.get("buffer").and_then(index).filter(|&at| at < buffers.len());
        let buffer = buffer.ok_or_else(|| corrupt("no entry of buffers has this index", &place))?;
        parts.push((buffer, from / 4 * 4, from + len));
    }
    parts.sort_unstable();
    let mut stretches: Vec<Stretch> = Vec::new();
    for (buffer, from, to) in parts {
        match stretches.last_mut() {
            Some(last) if last.buffer == buffer && from <= last.to => last.to = last.to.max(to),
            _ => stretches.push(Stretch { buffer, from, to, place: 0 }),
        }
    }
    Ok(stretches)
}

/// The list of this name, made where it isn't there.
fn entries<'a>(json: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>> {
    let object = json.as_object_mut().ok_or_else(|| Error::corrupt("the model's JSON is no object"))?;
    let list = object.entry(name).or_insert_with(|| json!([]));
    list.as_array_mut().ok_or_else(|| corrupt("a list is expected here", name))
}
