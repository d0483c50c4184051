//! What is in an exported pack (`.pck`), and whether it holds all that its scenes need.

use crate::ConfigFile;
use slate_core::{Error, Result};
use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom},
};

const MAGIC: &[u8; 4] = b"GDPC";
/// Most files of a pack.
const MAX_FILES: u32 = 1_000_000;
/// Longest path of a file in bytes.
const MAX_PATH: u32 = 4096;
/// Most bytes of a scene or import record that is read.
const MAX_TEXT: u64 = 4 << 20;

/// The table of contents of a resource pack, of Godot 3 (format 1) or Godot 4 (format 2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pack {
    /// The version of Godot that made it: major, minor, patch.
    pub godot: (u32, u32, u32),
    /// Its files by path, `res://…`.
    pub files: BTreeMap<String, Packed>,
}

/// Where a file lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packed {
    /// Its first byte, from the pack's beginning.
    pub offset: u64,
    /// Its length in bytes.
    pub size: u64,
}

impl Pack {
    /// Reads the table of contents.
    ///
    /// # Errors
    /// `Invalid` for what is no pack, or one that is cut off; `Unsupported` for an encrypted table or another format;
    /// `LimitExceeded`; those of reading.
    pub fn read(pack: &mut (impl Read + Seek + ?Sized)) -> Result<Self> {
        let length = pack.seek(SeekFrom::End(0)).map_err(failed)?;
        pack.seek(SeekFrom::Start(0)).map_err(failed)?;
        if &bytes::<4>(pack)? != MAGIC {
            return Err(Error::invalid("this is no pack: it doesn't begin with GDPC"));
        }
        let format = word(pack)?;
        let godot = (word(pack)?, word(pack)?, word(pack)?);
        let base = match format {
            1 => 0,
            2 => {
                let flags = word(pack)?;
                if flags & 1 != 0 {
                    return Err(Error::unsupported("the pack's table of contents is encrypted"));
                }
                // Bit 1: offsets count from the files' beginning rather than the pack's. Either way this is what is added.
                long(pack)?
            }
            _ => return Err(Error::unsupported("only packs of format 1 and 2 are known").with("format", format)),
        };
        for _ in 0..16 {
            word(pack)?;
        }
        let count = word(pack)?;
        if count > MAX_FILES {
            return Err(Error::limit_exceeded("the pack has too many files").with("count", count));
        }
        let mut files = BTreeMap::new();
        for _ in 0..count {
            let path_length = word(pack)?;
            if path_length > MAX_PATH {
                return Err(Error::invalid("a path in the pack is too long").with("bytes", path_length));
            }
            let mut path = vec![0; path_length as usize];
            pack.read_exact(&mut path).map_err(failed)?;
            let path = String::from_utf8_lossy(&path).trim_end_matches('\0').to_owned();
            let path = if path.starts_with("res://") { path } else { format!("res://{path}") };
            let (offset, size) = (long(pack)?.saturating_add(base), long(pack)?);
            bytes::<16>(pack)?;
            if format == 2 {
                word(pack)?;
            }
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(Error::invalid("the pack is cut off: a file's end lies beyond its own").with("file", path));
            }
            files.insert(path, Packed { offset, size });
        }
        Ok(Self { godot, files })
    }

    /// Whether a resource of this path can be loaded: it is there itself, or a note says where it is.
    fn holds(&self, path: &str) -> bool {
        self.files.contains_key(path)
            || ["remap", "import"].iter().any(|note| self.files.contains_key(&format!("{path}.{note}")))
    }

    fn text(&self, pack: &mut (impl Read + Seek + ?Sized), path: &str) -> Result<Option<String>> {
        let Some(packed) = self.files.get(path).filter(|packed| packed.size <= MAX_TEXT) else { return Ok(None) };
        pack.seek(SeekFrom::Start(packed.offset)).map_err(failed)?;
        let mut text = vec![0; packed.size as usize];
        pack.read_exact(&mut text).map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// What is wrong with a pack whose game begins with this scene.
pub(crate) fn examine(pack: &mut (impl Read + Seek + ?Sized), main_scene: &str) -> Result<Vec<String>> {
    let contents = match Pack::read(pack) {
        Ok(contents) => contents,
        // Whole or not, what is in it can't be seen from outside.
        Err(error) if error.kind() == slate_core::ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) if error.retry() == slate_core::Retry::No => return Ok(vec![error.to_string()]),
        Err(error) => return Err(error),
    };
    let mut problems = Vec::new();
    // Godot 4 may name it by its `uid://`, which only its own table resolves.
    if main_scene.starts_with("res://") && !contents.holds(main_scene) {
        problems.push(format!("the main scene {main_scene} is not in it"));
    }
    for settings in ["res://project.binary", "res://project.godot"] {
        if contents.files.contains_key(settings) {
            break;
        }
        if settings == "res://project.godot" {
            problems.push("the project's settings are not in it".into());
        }
    }
    for path in contents.files.keys() {
        let wanted = match path.rsplit_once('.') {
            Some((_, "tscn" | "tres")) => contents.text(pack, path)?.map(|text| needed_by_scene(&text)),
            Some((_, "import" | "remap")) => contents.text(pack, path)?.map(|text| needed_by_note(&text)),
            _ => None,
        };
        for needed in wanted.into_iter().flatten() {
            match needed {
                Needed::Resource(needed) if !contents.holds(&needed) => {
                    problems.push(format!("{path} needs {needed}, which is not in it"));
                }
                Needed::Unimported => problems.push(format!("{path} says that its import failed")),
                Needed::Resource(_) => {}
            }
        }
    }
    Ok(problems)
}

#[derive(Debug, PartialEq, Eq)]
enum Needed {
    Resource(String),
    Unimported,
}

/// What a scene or resource in text form refers to.
fn needed_by_scene(text: &str) -> Vec<Needed> {
    let headers = text.lines().filter(|line| line.starts_with("[ext_resource "));
    headers.filter_map(|header| quoted(header, " path=")).map(|path| Needed::Resource(path.to_owned())).collect()
}

/// What the note of an import, or of a file under another name, leads to.
fn needed_by_note(text: &str) -> Vec<Needed> {
    let Ok(note) = ConfigFile::parse(text) else { return vec![Needed::Unimported] };
    if note.raw("remap", "valid") == Some("false") {
        return vec![Needed::Unimported];
    }
    // A texture may lie there in several forms, each under a key of its own: `path.s3tc`, `path.etc2`.
    note.text("remap", "path").map(|path| Needed::Resource(path.to_owned())).into_iter().collect()
}

fn quoted<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    header.split_once(key)?.1.strip_prefix('"')?.split('"').next()
}

fn bytes<const N: usize>(pack: &mut (impl Read + ?Sized)) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    pack.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn word(pack: &mut (impl Read + ?Sized)) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes(pack)?))
}

fn long(pack: &mut (impl Read + ?Sized)) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes(pack)?))
}

fn failed(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Error::invalid("the pack is cut off");
    }
    Error::io("read a pack", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use slate_core::ErrorKind;
    use std::io::Cursor;

    const MAIN: &str = "res://main.tscn";

    /// A pack as Godot of this format writes it.
    fn pack(format: u32, files: &[(&str, &str)]) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        let godot = if format == 1 { [3_u32, 2, 3] } else { [4, 2, 0] };
        let words = [format].into_iter().chain(godot);
        words.for_each(|word| head.extend(word.to_le_bytes()));
        if format == 2 {
            head.extend(2_u32.to_le_bytes());
        }
        let entry = |path: &str| 4 + path.len().next_multiple_of(4) + 32 + if format == 2 { 4 } else { 0 };
        let table: usize = files.iter().map(|(path, _)| entry(path)).sum();
        let start = (head.len() + if format == 2 { 8 } else { 0 } + 64 + 4 + table) as u64;
        if format == 2 {
            head.extend(start.to_le_bytes());
        }
        head.extend([0; 64]);
        head.extend((files.len() as u32).to_le_bytes());
        let mut offset = if format == 2 { 0 } else { start };
        for (path, text) in files {
            let padded = path.len().next_multiple_of(4);
            head.extend((padded as u32).to_le_bytes());
            head.extend(path.as_bytes());
            head.extend(vec![0; padded - path.len()]);
            head.extend(offset.to_le_bytes());
            head.extend((text.len() as u64).to_le_bytes());
            head.extend([0; 16]);
            if format == 2 {
                head.extend([0; 4]);
            }
            offset += text.len() as u64;
        }
        files.iter().for_each(|(_, text)| head.extend(text.as_bytes()));
        head
    }

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let both = [1, 2].map(|format| examine(&mut Cursor::new(pack(format, files)), MAIN).unwrap());
        assert_eq!(both[0], both[1]);
        both[0].clone()
    }

    const SCENE: &str =
        "[gd_scene load_steps=2 format=2]\n[ext_resource path=\"res://hero.png\" type=\"Texture\" id=1]\n";
    const IMPORT: &str = "[remap]\n\nimporter=\"texture\"\npath=\"res://.import/hero.stex\"\n";
    const SOUND: [(&str, &str); 4] = [
        (MAIN, SCENE),
        ("res://hero.png.import", IMPORT),
        ("res://.import/hero.stex", "GDST"),
        ("res://project.binary", "ECFG"),
    ];

    #[test]
    fn a_whole_pack_is_sound() {
        assert_eq!(problems(&SOUND), [""; 0]);
        let contents = Pack::read(&mut Cursor::new(pack(1, &SOUND))).unwrap();
        assert_eq!((contents.godot, contents.files.len()), ((3, 2, 3), 4));
    }

    #[test]
    fn each_missing_file_is_named() {
        for (index, said) in [
            (0, "the main scene res://main.tscn is not in it"),
            (1, "res://main.tscn needs res://hero.png, which is not in it"),
            (2, "res://hero.png.import needs res://.import/hero.stex, which is not in it"),
            (3, "the project's settings are not in it"),
        ] {
            let mut files = SOUND.to_vec();
            files.remove(index);
            assert_eq!(problems(&files), [said]);
        }
    }

    #[test]
    fn a_failed_import_is_told() {
        let mut files = SOUND;
        files[1].1 = "[remap]\nimporter=\"texture\"\nvalid=false\n";
        assert_eq!(problems(&files), ["res://hero.png.import says that its import failed"]);
    }

    #[test]
    fn no_cut_of_a_pack_passes_and_none_panics() {
        let whole = pack(1, &SOUND);
        for length in 0..whole.len() {
            let told = examine(&mut Cursor::new(&whole[..length]), MAIN).unwrap();
            assert!(!told.is_empty(), "cut at {length}");
        }
        for index in 0..whole.len() {
            let mut bent = whole.clone();
            bent[index] ^= 0xff;
            let _ = examine(&mut Cursor::new(bent), MAIN);
        }
    }

    #[test]
    fn what_is_not_understood_is_not_judged() {
        let mut next = pack(2, &SOUND);
        next[4] = 9;
        assert_eq!(Pack::read(&mut Cursor::new(&next)).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(examine(&mut Cursor::new(next), MAIN).unwrap(), [""; 0]);
        assert!(!examine(&mut Cursor::new(b"PK\x03\x04 not a pack"), MAIN).unwrap().is_empty());
    }
}
