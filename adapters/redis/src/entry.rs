//! What lies under a key: a mark, a version, and the value.

use bytes::Bytes;
use slate_core::Version;

/// Bytes before the value: the mark, and the version with its highest byte first.
pub(crate) const HEAD: usize = 9;
/// A value without a version.
const PLAIN: u8 = 0;
/// A value with a version.
const VERSIONED: u8 = 1;
/// No value; older versions are outdated.
const OUTDATED: u8 = 2;

/// Keeps a value (ARGV 1, until ARGV 3 ms) unless one of a version over ARGV 2 is known of.
pub(crate) const PUT_NEWER: &str = r"
local head = redis.call('GETRANGE', KEYS[1], 0, 8)
if #head == 9 and string.byte(head, 1) > 0 and struct.unpack('>I8', string.sub(head, 2)) > tonumber(ARGV[2]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
";

/// Puts the mark of outdated versions (ARGV 1, until ARGV 3 ms) unless what is there is of version ARGV 2 or newer.
pub(crate) const OUTDATE: &str = r"
local head = redis.call('GETRANGE', KEYS[1], 0, 8)
if #head == 9 and string.byte(head, 1) > 0 and struct.unpack('>I8', string.sub(head, 2)) >= tonumber(ARGV[2]) then
  return 0
end
if tonumber(ARGV[3]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
";

/// Removes a value, but leaves the mark of outdated versions.
pub(crate) const REMOVE: &str = r"
if redis.call('GETRANGE', KEYS[1], 0, 0) ~= '\2' then
  redis.call('DEL', KEYS[1])
end
return 1
";

pub(crate) fn plain(value: &[u8]) -> Vec<u8> {
    encode(PLAIN, 0, value)
}

pub(crate) fn versioned(value: &[u8], version: Version) -> Vec<u8> {
    encode(VERSIONED, version.0, value)
}

pub(crate) fn outdated(version: Version) -> Vec<u8> {
    encode(OUTDATED, version.0, &[])
}

/// The value in what was read; `None` where there is none, or where it isn't from SLATE.
pub(crate) fn value(read: Vec<u8>) -> Option<Bytes> {
    match read.first() {
        Some(&(PLAIN | VERSIONED)) if read.len() >= HEAD => Some(Bytes::from(read).slice(HEAD..)),
        _ => None,
    }
}

fn encode(mark: u8, version: u64, value: &[u8]) -> Vec<u8> {
    let mut entry = Vec::with_capacity(HEAD + value.len());
    entry.push(mark);
    entry.extend(version.to_be_bytes());
    entry.extend(value);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_and_nothing_else_is() {
        assert_eq!(value(plain(b"x")), Some("x".into()));
        assert_eq!(value(versioned(b"", Version(7))), Some(Bytes::new()));
        assert_eq!(value(outdated(Version(7))), None);
        for foreign in [&b""[..], b"\0", b"{\"a\":1}......"] {
            assert_eq!(value(foreign.to_vec()), None);
        }
    }
}
