//! The contract of [`Cache`], sentence by sentence.

use crate::{Version, cache::Cache};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

type Subject = Arc<dyn Cache>;

const LONG: Duration = Duration::from_secs(60);

/// `get` returns the value last put, or nothing.
pub async fn what_was_put_last_is_returned(cache: Subject) {
    assert_eq!(cache.get("a").await.unwrap(), None);
    cache.put("a", "1".into(), LONG).await.unwrap();
    cache.put("a", "2".into(), LONG).await.unwrap();
    cache.put("empty", Bytes::new(), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some("2".into()));
    assert_eq!(cache.get("empty").await.unwrap(), Some(Bytes::new()));
}

/// A value whose time has passed is never returned.
pub async fn a_value_is_forgotten_when_its_time_has_passed(cache: Subject) {
    cache.put("short", "1".into(), Duration::from_millis(60)).await.unwrap();
    cache.put("long", "1".into(), LONG).await.unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(cache.get("short").await.unwrap(), None);
    assert_eq!(cache.get("long").await.unwrap(), Some("1".into()));
}

/// Putting again gives the value its new time.
pub async fn putting_again_sets_the_time_anew(cache: Subject) {
    cache.put("a", "1".into(), Duration::from_millis(60)).await.unwrap();
    cache.put("a", "2".into(), LONG).await.unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert_eq!(cache.get("a").await.unwrap(), Some("2".into()));
}

/// A time of zero stores nothing and removes what was there.
pub async fn a_time_of_zero_removes(cache: Subject) {
    cache.put("a", "1".into(), LONG).await.unwrap();
    cache.put("a", "2".into(), Duration::ZERO).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
}

/// What is removed is not returned afterwards, and removing what isn't there is no error.
pub async fn what_is_removed_is_gone(cache: Subject) {
    cache.put("a", "1".into(), LONG).await.unwrap();
    cache.put("b", "1".into(), LONG).await.unwrap();
    cache.remove("a").await.unwrap();
    cache.remove("never").await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert_eq!(cache.get("b").await.unwrap(), Some("1".into()));
}

/// Removing a prefix removes just the keys that start with it, and later values stay.
pub async fn a_prefix_is_removed_as_a_whole(cache: Subject) {
    for key in ["session:1", "session:2", "sessions", "build:1"] {
        cache.put(key, "1".into(), LONG).await.unwrap();
    }
    cache.remove_prefix("session:").await.unwrap();
    assert_eq!(cache.get("session:1").await.unwrap(), None);
    assert_eq!(cache.get("session:2").await.unwrap(), None);
    assert!(cache.get("sessions").await.unwrap().is_some() && cache.get("build:1").await.unwrap().is_some());
    cache.remove_prefix("none:").await.unwrap();
    // A cache may tell what is older than a removal by its clock: a later value is a tick later.
    tokio::time::sleep(Duration::from_millis(5)).await;
    cache.put("session:1", "2".into(), LONG).await.unwrap();
    assert_eq!(cache.get("session:1").await.unwrap(), Some("2".into()));
}

/// Values never appear under another key, whatever the keys hold.
pub async fn keys_are_told_apart(cache: Subject) {
    let keys = ["a", "A", "a ", "a:b", "a*", "a?", "[a]", "ä", "a\n"];
    for (index, key) in keys.iter().enumerate() {
        cache.put(key, index.to_string().into(), LONG).await.unwrap();
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(cache.get(key).await.unwrap(), Some(index.to_string().into()), "{key:?}");
    }
    cache.remove_prefix("a*").await.unwrap();
    assert!(cache.get("a:b").await.unwrap().is_some(), "a prefix is no pattern");
}

/// A value never goes over one of a higher version, whoever comes first and however many come at a time.
pub async fn a_newer_value_stays(cache: Subject) {
    assert!(cache.put_newer("a", "2".into(), Version(2), LONG).await.unwrap());
    assert!(!cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap());
    assert_eq!(cache.get("a").await.unwrap(), Some("2".into()));
    assert!(cache.put_newer("a", "2, again".into(), Version(2), LONG).await.unwrap());
    assert!(cache.put_newer("a", "3".into(), Version(3), LONG).await.unwrap());
    assert_eq!(cache.get("a").await.unwrap(), Some("3".into()));
    cache.put("plain", "0".into(), LONG).await.unwrap();
    assert!(cache.put_newer("plain", "1".into(), Version(1), LONG).await.unwrap());
    let all = (1..=50_u64).map(|version| {
        let cache = Arc::clone(&cache);
        // Neither upwards nor downwards.
        let version = version * 7 % 51;
        tokio::spawn(async move { cache.put_newer("many", version.to_string().into(), Version(version), LONG).await })
    });
    for put in all.collect::<Vec<_>>() {
        put.await.unwrap().unwrap();
    }
    assert_eq!(cache.get("many").await.unwrap(), Some("50".into()));
}

/// What was said to be outdated is forgotten, and stays out for the time that was said.
pub async fn what_is_outdated_stays_out(cache: Subject) {
    cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap();
    cache.outdate("a", Version(2), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), None);
    assert!(
        !cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap(),
        "read before the change, filled after it"
    );
    cache.outdate("a", Version(1), LONG).await.unwrap();
    cache.remove("a").await.unwrap();
    assert!(!cache.put_newer("a", "1".into(), Version(1), LONG).await.unwrap(), "neither takes back what was told");
    assert!(cache.put_newer("a", "2".into(), Version(2), LONG).await.unwrap());
    cache.outdate("a", Version(2), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some("2".into()), "it is as new");
    cache.put("plain", "0".into(), LONG).await.unwrap();
    cache.outdate("plain", Version(1), LONG).await.unwrap();
    assert_eq!(cache.get("plain").await.unwrap(), None, "nobody knows how old it is");
    cache.outdate("short", Version(2), Duration::from_millis(60)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(cache.put_newer("short", "1".into(), Version(1), LONG).await.unwrap());
}

/// Makes one test for each sentence of the contract of [`Cache`]; `$make` is a future of a fresh `Arc<dyn Cache>`, or of an
/// `Option` of it where the server may be missing.
#[macro_export]
macro_rules! cache_conformance {
    ($make:expr) => {
        $crate::conformance_tests!(
            cache,
            $make,
            [
                what_was_put_last_is_returned,
                a_value_is_forgotten_when_its_time_has_passed,
                putting_again_sets_the_time_anew,
                a_time_of_zero_removes,
                what_is_removed_is_gone,
                a_prefix_is_removed_as_a_whole,
                keys_are_told_apart,
                a_newer_value_stays,
                what_is_outdated_stays_out,
            ]
        );
    };
}
