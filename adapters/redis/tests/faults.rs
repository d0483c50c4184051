//! A server that dies, hangs or vanishes: readers go on without values, at once, and the cache comes back by itself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use slate_core::{Component, ErrorKind, Version, cache::Cache};
use slate_harness::{Proxy, Redis, Sentinels, require};
use slate_redis::{RedisCache, RedisOptions, RedisServers};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(600);

async fn connect(options: RedisOptions) -> RedisCache {
    RedisCache::connect(options.with_pause(Duration::from_millis(50)), SOON).await.unwrap()
}

async fn comes_back(cache: &RedisCache) {
    let mut states = cache.states();
    tokio::time::timeout(SOON, states.wait_for(|connected| *connected)).await.expect("connected in time").unwrap();
}

async fn degrades(cache: &RedisCache) {
    let before = cache.failures();
    assert_eq!(cache.get("a").await.unwrap(), None, "a reader gets no error");
    cache.put("b", "1".into(), LONG).await.unwrap();
    assert!(cache.put_newer("b", "1".into(), Version(1), LONG).await.is_err());
    for told in [cache.remove("a").await, cache.remove_prefix("").await, cache.outdate("a", Version(1), LONG).await] {
        let kind = told.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut), "{kind}");
    }
    assert!(cache.failures() >= before + 6, "each is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_a_miss_until_it_is_back() {
    let Some(mut server) = require(Redis::start()) else { return };
    let cache = connect(RedisOptions::new(server.url())).await;
    cache.put("a", "1".into(), LONG).await.unwrap();
    server.kill9().unwrap();
    degrades(&cache).await;
    server.restart().unwrap();
    comes_back(&cache).await;
    cache.ping().await.unwrap();
    cache.put("a", "2".into(), LONG).await.unwrap();
    assert_eq!(cache.get("a").await.unwrap(), Some("2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_a_miss() {
    let Some(server) = require(Redis::start()) else { return };
    let cache = connect(RedisOptions::new(server.url()).with_timeout(Duration::from_millis(50))).await;
    server.stop().unwrap();
    degrades(&cache).await;
    server.cont().unwrap();
    comes_back(&cache).await;
    let put_and_got = async {
        loop {
            cache.put("a", "1".into(), LONG).await.unwrap();
            if cache.get("a").await.unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, put_and_got).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_link_is_made_anew() {
    let Some(server) = require(Redis::start()) else { return };
    let proxy = Proxy::start(server.port()).unwrap();
    let options = RedisOptions::new(format!("redis://127.0.0.1:{}", proxy.port()));
    let cache = connect(options.with_timeout(Duration::from_millis(50))).await;
    cache.put("a", "1".into(), LONG).await.unwrap();
    proxy.half_open();
    let got = async {
        while cache.get("a").await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, got).await.unwrap();
    assert!(cache.failures() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_never_there_harms_nobody() {
    let Some(mut server) = require(Redis::start()) else { return };
    server.kill9().unwrap();
    let cache = RedisCache::open(RedisOptions::new(server.url()).with_pause(Duration::from_millis(50))).unwrap();
    degrades(&cache).await;
    assert!(cache.ping().await.is_err());
    server.restart().unwrap();
    comes_back(&cache).await;
    cache.ping().await.unwrap();
    assert!(RedisCache::open(RedisOptions::new("http://nowhere")).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_follows_the_primary_that_sentinels_choose() {
    let Some(mut group) = require(Sentinels::start()) else { return };
    let servers = RedisServers::sentinel(group.urls(), Sentinels::NAME);
    let cache = connect(RedisOptions::at(servers)).await;
    cache.put("a", "1".into(), LONG).await.unwrap();
    let primary = group.primary().unwrap();
    let old = primary.port();
    // Given to the replicas before the primary dies: `WAIT` is for what its own connection has written, and all before.
    let given = async {
        while primary.ask("SET later 1\r\nWAIT 2 1000", ":2\r\n").is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, given).await.unwrap();
    primary.kill9().unwrap();
    let again = async {
        loop {
            cache.put("b", "2".into(), LONG).await.unwrap();
            if cache.get("b").await.unwrap().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("writes go on");
    assert_ne!(group.primary().unwrap().port(), old);
    assert_eq!(cache.get("a").await.unwrap(), Some("1".into()), "the replica had it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given() {
    let Some(server) = require(Redis::with(&["--requirepass", "s3cret"])) else { return };
    let url = format!("redis://:s3cret@127.0.0.1:{}", server.port());
    connect(RedisOptions::new(url)).await.ping().await.unwrap();
    let without = RedisCache::connect(RedisOptions::new(server.url()), Duration::from_millis(300)).await;
    assert!(without.is_err() || without.unwrap().ping().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_over_the_limit_is_refused() {
    let Some(server) = require(Redis::start()) else { return };
    let cache = connect(RedisOptions::new(server.url()).with_max_value(10_usize)).await;
    cache.put("a", vec![0; 10].into(), LONG).await.unwrap();
    assert_eq!(cache.put("a", vec![0; 11].into(), LONG).await.unwrap_err().kind(), ErrorKind::LimitExceeded);
}
