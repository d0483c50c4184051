//! Records that were parsed from the cache's bytes, so that a cache in this process, which hands out the same bytes again and
//! again, has them parsed once.

use super::flight::slot;
use crate::store::RecordId;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
};

/// A record of whatever kind; `None` where there is no such record.
pub(super) type Landed = Option<Arc<dyn Any + Send + Sync>>;

/// Records of which the parsed form is kept, each in the slot of its id: what comes to a slot takes its place.
const SLOTS: usize = 512;

pub(super) struct Parsed([Mutex<Option<Entry>>; SLOTS]);

struct Entry {
    /// Held, so that no other bytes can come to lie where they are.
    bytes: Bytes,
    record: Arc<dyn Any + Send + Sync>,
}

impl Default for Parsed {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Parsed {
    /// The record that these bytes of the cache say, or `None` where they don't say one of this type.
    pub(super) fn read<R>(&self, id: RecordId, bytes: &Bytes) -> Option<Landed>
    where
        R: DeserializeOwned + Send + Sync + 'static,
    {
        let mut entry = self.0[slot(id, SLOTS)].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &*entry
            && (entry.bytes.as_ptr(), entry.bytes.len()) == (bytes.as_ptr(), bytes.len())
            && entry.record.is::<R>()
        {
            return Some(Some(Arc::clone(&entry.record)));
        }
        let Some(record) = serde_json::from_slice::<Option<R>>(bytes).ok()? else { return Some(None) };
        let record: Arc<dyn Any + Send + Sync> = Arc::new(record);
        *entry = Some(Entry { bytes: bytes.clone(), record: Arc::clone(&record) });
        Some(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProjectId;

    fn read(parsed: &Parsed, id: RecordId, bytes: &Bytes) -> Option<Option<u32>> {
        let landed = parsed.read::<u32>(id, bytes)?;
        Some(landed.map(|record| *record.downcast_ref::<u32>().unwrap()))
    }

    #[test]
    fn the_same_bytes_are_parsed_once_and_others_anew() {
        let (parsed, id) = (Parsed::default(), RecordId::Project(ProjectId::new()));
        let one = Bytes::from(b"1".to_vec());
        let first = parsed.read::<u32>(id, &one).unwrap().unwrap();
        let again = parsed.read::<u32>(id, &one.clone()).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(read(&parsed, id, &Bytes::from(b"2".to_vec())), Some(Some(2)));
        assert_eq!(read(&parsed, id, &one), Some(Some(1)));
        assert_eq!(read(&parsed, id, &Bytes::from_static(b"null")), Some(None));
        assert_eq!(read(&parsed, id, &Bytes::from_static(b"[]")), None);
        assert_eq!(parsed.read::<i64>(id, &one).unwrap().unwrap().downcast_ref::<i64>(), Some(&1), "of another type");
    }
}
