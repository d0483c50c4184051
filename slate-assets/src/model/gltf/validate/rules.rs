//! Rules of objects that a table can't tell.

use super::schema::{Check, shown, whole};
use crate::model::{
    gltf::resolve::{self, UriForm},
    values::{Component, Shape},
};
use serde_json::{Map, Value};

pub(super) fn planes(camera: &Map<String, Value>, check: &mut Check<'_>) {
    let [far, near] = ["zfar", "znear"].map(|name| camera.get(name).and_then(Value::as_f64));
    // What is out of range is an issue of its own.
    if let (Some(far), Some(near)) = (far.filter(|far| *far > 0.0), near.filter(|near| *near >= 0.0))
        && far <= near
    {
        check.found.add("CAMERA_ZFAR_LEQUAL_ZNEAR", "the far plane is no farther than the near one");
    }
}

pub(super) fn is_image(media_type: &str, check: &Check<'_>) -> bool {
    let is_webp = media_type == "image/webp" && check.used.contains("EXT_texture_webp");
    is_webp || matches!(media_type, "image/jpeg" | "image/png")
}

pub(super) fn accessor(accessor: &Map<String, Value>, check: &mut Check<'_>) {
    let offset = accessor.get("byteOffset");
    if accessor.get("bufferView").and_then(whole).is_some_and(|view| view >= 0) {
        match offset.map(whole) {
            None | Some(Some(0..)) => {}
            Some(Some(_)) => check.found.add_at("byteOffset", "VALUE_NOT_IN_RANGE", "an offset is 0 or more"),
            Some(None) => check.mismatch("byteOffset", "integer"),
        }
    } else if offset.is_some() {
        check.found.add_at("byteOffset", "UNSATISFIED_DEPENDENCY", "bufferView has to be there");
    }
    let component = accessor.get("componentType").and_then(Value::as_u64).and_then(Component::of_code);
    let shape = accessor.get("type").and_then(Value::as_str).and_then(Shape::of_name);
    if let (Some(component), Some(shape)) = (component, shape) {
        for name in ["min", "max"] {
            bounds(accessor, name, component, shape, check);
        }
    }
    let is_normalized = accessor.get("normalized").and_then(Value::as_bool) == Some(true);
    if is_normalized && matches!(component, Some(Component::F32 | Component::U32)) {
        check.found.add_at("normalized", "ACCESSOR_NORMALIZED_INVALID", "integers of 8 and 16 bits can be normalized");
    }
    let is_matrix = matches!(shape, Some(Shape::Mat2 | Shape::Mat3 | Shape::Mat4));
    let has_view = accessor.get("bufferView").and_then(whole).is_some();
    if is_matrix && has_view && offset.and_then(whole).is_some_and(|offset| offset >= 0 && offset % 4 != 0) {
        check.found.add_at("byteOffset", "ACCESSOR_MATRIX_ALIGNMENT", "matrices begin at multiples of 4 bytes");
    }
}

fn bounds(accessor: &Map<String, Value>, name: &str, component: Component, shape: Shape, check: &mut Check<'_>) {
    let list = match accessor.get(name) {
        None => return,
        Some(Value::Array(list)) => list,
        Some(_) => return check.mismatch(name, "array"),
    };
    if list.is_empty() && component == Component::F32 {
        return check.found.add_at(name, "EMPTY_ENTITY", "it has to hold something");
    }
    if list.len() != shape.width() {
        let message = format!("{} numbers, where {} belong", list.len(), shape.width());
        return check.found.add_at(name, "ARRAY_LENGTH_NOT_IN_LIST", message);
    }
    for entry in list.iter().filter(|entry| !is_of(entry, component)) {
        if whole(entry).is_some() {
            let message = format!("{} is beyond the accessor's type", shown(entry));
            check.found.add_at(name, "INVALID_GL_VALUE", message);
        } else {
            check.found.add_at(name, "ARRAY_TYPE_MISMATCH", "an entry is no number of the accessor's type");
        }
    }
}

/// Whether an accessor of this type can hold the number.
pub(super) fn is_of(number: &Value, component: Component) -> bool {
    match component.whole_numbers() {
        Some((least, most)) => whole(number).is_some_and(|number| (least..=most).contains(&number)),
        None => number.is_number(),
    }
}

/// Looks at `uri`; gives the media type of a data URI.
pub(super) fn uri(object: &Map<String, Value>, check: &mut Check<'_>) -> Option<String> {
    let text = object.get("uri")?.as_str()?;
    if let Some(data) = text.strip_prefix("data:") {
        if check.is_glb {
            check.found.add_at("uri", "DATA_URI_GLB", "a binary file holds its data better as bytes");
        }
        match resolve::data_uri(data) {
            Some((media_type, _)) => return Some(media_type.to_owned()),
            None => check.found.add_at("uri", "INVALID_URI", "this is no data URI"),
        }
        return None;
    }
    match resolve::uri_form(text) {
        Some(UriForm::Relative) => {}
        Some(UriForm::Absolute) => {
            check.found.add_at("uri", "NON_RELATIVE_URI", "only files beside the document are found everywhere");
        }
        None => check.found.add_at("uri", "INVALID_URI", "this is no URI"),
    }
    None
}

pub(super) fn is_version(text: &str) -> bool {
    parts_of_version(text).is_some()
}

pub(super) fn parts_of_version(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once('.')?;
    let number = |part: &str| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().unwrap_or(u64::MAX))
    };
    Some((number(major)?, number(minor)?))
}
