//! The contract of [`Blobs`], sentence by sentence.
//!
//! Each case takes an empty `Arc<dyn Blobs>` of its own.

use crate::{
    BoxStream, Error, ErrorKind, Result,
    blob::{BlobKey, Blobs, BlobsExt},
    model::Sha256Hex,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{ops::Range, sync::Arc, time::Duration};

/// Makes one test for each sentence of the contract of [`Blobs`](crate::blob::Blobs).
///
/// Takes an expression that is a future of `Option<Arc<dyn Blobs>>`: empty blobs, new for each case.
#[macro_export]
macro_rules! blobs_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            blobs,
            $make,
            [
                put_tells_size_and_hash,
                put_replaces_what_was_there,
                a_failed_put_leaves_the_old_bytes,
                a_dropped_put_leaves_the_old_bytes,
                a_reader_sees_old_or_new_bytes_never_a_part,
                get_yields_the_range_asked_for,
                a_range_beyond_the_end_yields_what_there_is,
                get_and_head_of_a_missing_key_give_not_found,
                delete_of_a_missing_key_is_ok,
                what_is_deleted_is_gone,
                list_yields_the_keys_under_the_prefix_ascending,
                empty_and_large_blobs_come_back_whole,
                ping_is_ok,
            ]
        );
    };
}

type Subject = Arc<dyn Blobs>;

fn key(text: &str) -> BlobKey {
    BlobKey::new(text).unwrap()
}

async fn get(blobs: &Subject, text: &str, range: Option<Range<u64>>) -> Result<Vec<u8>> {
    blobs.get(&key(text), range).try_fold(Vec::new(), |all, chunk| async move { Ok([&all[..], &chunk].concat()) }).await
}

pub async fn put_tells_size_and_hash(blobs: Subject) {
    let info = blobs.put_bytes(&key("a/b.bin"), Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!((info.key, info.size), (key("a/b.bin"), 5));
    if let Some(hash) = info.sha256 {
        assert_eq!(hash, Sha256Hex::of(b"hello"));
    }
    assert_eq!(blobs.head(&key("a/b.bin")).await.unwrap().size, 5);
    assert_eq!(get(&blobs, "a/b.bin", None).await.unwrap(), b"hello");
}

pub async fn put_replaces_what_was_there(blobs: Subject) {
    blobs.put_bytes(&key("a"), Bytes::from_static(b"a longer first value")).await.unwrap();
    blobs.put_bytes(&key("a"), Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(get(&blobs, "a", None).await.unwrap(), b"second");
}

pub async fn a_failed_put_leaves_the_old_bytes(blobs: Subject) {
    blobs.put_bytes(&key("a"), Bytes::from_static(b"old")).await.unwrap();
    for name in ["a", "never-there"] {
        let body = stream::iter([Ok(Bytes::from_static(b"new")), Err(Error::corrupt("the source broke"))]).boxed();
        assert_eq!(blobs.put(&key(name), body).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(get(&blobs, "a", None).await.unwrap(), b"old");
    assert_eq!(blobs.head(&key("never-there")).await.unwrap_err().kind(), ErrorKind::NotFound);
}

pub async fn a_dropped_put_leaves_the_old_bytes(blobs: Subject) {
    blobs.put_bytes(&key("a"), Bytes::from_static(b"old")).await.unwrap();
    let endless: BoxStream<Result<Bytes>> =
        stream::iter([Ok(Bytes::from_static(b"new"))]).chain(stream::pending()).boxed();
    let key = key("a");
    let put = blobs.put(&key, endless);
    assert!(tokio::time::timeout(Duration::from_millis(100), put).await.is_err());
    assert_eq!(get(&blobs, "a", None).await.unwrap(), b"old");
    assert_eq!(blobs.list("").try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

pub async fn a_reader_sees_old_or_new_bytes_never_a_part(blobs: Subject) {
    const SIZE: usize = 700_000;
    let value = |round: u8| Bytes::from(vec![round; SIZE]);
    blobs.put_bytes(&key("a"), value(0)).await.unwrap();
    let writer = {
        let blobs = Arc::clone(&blobs);
        tokio::spawn(async move {
            for round in 1..20 {
                blobs.put_bytes(&key("a"), value(round)).await.unwrap();
            }
        })
    };
    while !writer.is_finished() {
        let seen = get(&blobs, "a", None).await.unwrap();
        assert_eq!(seen.len(), SIZE);
        assert!(seen.iter().all(|&byte| byte == seen[0]), "bytes of two writes in one read");
    }
    writer.await.unwrap();
}

pub async fn get_yields_the_range_asked_for(blobs: Subject) {
    let bytes: Vec<u8> = (0..100_000u32).map(|index| (index % 251) as u8).collect();
    blobs.put_bytes(&key("a"), bytes.clone().into()).await.unwrap();
    assert_eq!(get(&blobs, "a", Some(500..70_500)).await.unwrap(), &bytes[500..70_500]);
    assert_eq!(get(&blobs, "a", Some(0..1)).await.unwrap(), &bytes[..1]);
    assert_eq!(get(&blobs, "a", Some(7..7)).await.unwrap(), b"");
}

pub async fn a_range_beyond_the_end_yields_what_there_is(blobs: Subject) {
    blobs.put_bytes(&key("a"), Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(get(&blobs, "a", Some(3..100)).await.unwrap(), b"lo");
    assert_eq!(get(&blobs, "a", Some(5..6)).await.unwrap(), b"");
    assert_eq!(get(&blobs, "a", Some(100..200)).await.unwrap(), b"");
}

pub async fn get_and_head_of_a_missing_key_give_not_found(blobs: Subject) {
    blobs.put_bytes(&key("a/b"), Bytes::from_static(b"x")).await.unwrap();
    // `a` is a part of a key, and none itself.
    for missing in ["none", "a", "a/b/c"] {
        let head = blobs.head(&key(missing)).await.unwrap_err();
        assert_eq!(head.kind(), ErrorKind::NotFound, "{missing}");
        assert_eq!(get(&blobs, missing, None).await.unwrap_err().kind(), ErrorKind::NotFound, "{missing}");
    }
}

pub async fn delete_of_a_missing_key_is_ok(blobs: Subject) {
    blobs.delete(&key("none")).await.unwrap();
    blobs.put_bytes(&key("a"), Bytes::from_static(b"x")).await.unwrap();
    blobs.delete(&key("a/none")).await.unwrap();
    assert_eq!(get(&blobs, "a", None).await.unwrap(), b"x");
}

pub async fn what_is_deleted_is_gone(blobs: Subject) {
    blobs.put_bytes(&key("a/b"), Bytes::from_static(b"x")).await.unwrap();
    blobs.delete(&key("a/b")).await.unwrap();
    assert_eq!(blobs.head(&key("a/b")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
}

pub async fn list_yields_the_keys_under_the_prefix_ascending(blobs: Subject) {
    for name in ["b/2", "a-c", "b/10", "a", "b/sub/1", "bb/1", "c/1"] {
        blobs.put_bytes(&key(name), Bytes::from(name)).await.unwrap();
    }
    let cases: [(&str, &[&str]); 6] = [
        ("", &["a", "a-c", "b/10", "b/2", "b/sub/1", "bb/1", "c/1"]),
        ("b/", &["b/10", "b/2", "b/sub/1"]),
        ("b", &["b/10", "b/2", "b/sub/1", "bb/1"]),
        ("b/s", &["b/sub/1"]),
        ("a", &["a", "a-c"]),
        ("none/", &[]),
    ];
    for (prefix, expected) in cases {
        let listed: Vec<_> = blobs.list(prefix).try_collect().await.unwrap();
        let names: Vec<_> = listed.iter().map(|info| info.key.as_str()).collect();
        assert_eq!(names, expected, "prefix {prefix:?}");
        assert!(listed.iter().all(|info| info.size == info.key.as_str().len() as u64));
    }
}

pub async fn empty_and_large_blobs_come_back_whole(blobs: Subject) {
    blobs.put_bytes(&key("empty"), Bytes::new()).await.unwrap();
    assert_eq!(get(&blobs, "empty", None).await.unwrap(), b"");
    let chunks: Vec<Bytes> = (0..40u8).map(|round| Bytes::from(vec![round; 99_999])).collect();
    let body = stream::iter(chunks.clone().into_iter().map(Ok)).boxed();
    assert_eq!(blobs.put(&key("large"), body).await.unwrap().size, 40 * 99_999);
    assert!(get(&blobs, "large", None).await.unwrap() == chunks.concat(), "other bytes than were put");
}

pub async fn ping_is_ok(blobs: Subject) {
    blobs.ping().await.unwrap();
    assert!(blobs.list("").try_collect::<Vec<_>>().await.unwrap().is_empty(), "a ping changes nothing");
}
