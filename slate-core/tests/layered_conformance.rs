//! Every layer keeps the contracts of what it is around, where it is set to add nothing of its own.
#![cfg(feature = "conformance")]

mod support;

use slate_core::{
    blob::Blobs,
    bus::EventBus,
    cache::Cache,
    decorate::{
        Cached, CachedOptions, Faulty, FaultyOptions, Layered, Limited, LimitedOptions, Observed, Retrying,
        RetryingOptions,
    },
    memory::{MemoryBlobs, MemoryBus, MemoryCache, MemoryStore},
    store::Store,
};
use std::sync::Arc;

fn observed() -> Observed {
    Observed
}

fn retrying() -> Retrying {
    Retrying::new(RetryingOptions::default().with_attempts(1))
}

fn limited() -> Limited {
    Limited::new(LimitedOptions::default().with_timeout(None))
}

fn faulty() -> Faulty {
    Faulty::new(FaultyOptions::default())
}

/// With its defaults: a store behind a cache is a store.
fn cached() -> Cached {
    Cached::new(Arc::new(MemoryCache::default()), CachedOptions::default())
}

macro_rules! suites {
    ($($layer:ident: $($suite:ident)*;)*) => {$(
        mod $layer {
            $(suites!(@$suite $layer);)*
        }
    )*};
    (@store $layer:ident) => {
        mod store {
            use crate::*;
            slate_core::store_conformance!(async {
                Arc::new(Layered::new(Arc::new(MemoryStore::new()), $layer())) as Arc<dyn Store>
            });
        }
    };
    (@bus $layer:ident) => {
        mod bus {
            use crate::*;
            slate_core::bus_conformance!(async {
                Arc::new(Layered::new(Arc::new(MemoryBus::new()), $layer())) as Arc<dyn EventBus>
            });
        }
    };
    (@blobs $layer:ident) => {
        mod blobs {
            use crate::*;
            slate_core::blobs_conformance!(async {
                Arc::new(Layered::new(Arc::new(MemoryBlobs::default()), $layer())) as Arc<dyn Blobs>
            });
        }
    };
    (@cache $layer:ident) => {
        mod cache {
            use crate::*;
            slate_core::cache_conformance!(async {
                Arc::new(Layered::new(Arc::new(MemoryCache::default()), $layer())) as Arc<dyn Cache>
            });
        }
    };
    (@runtime $layer:ident) => {
        mod runtime {
            use crate::*;
            slate_core::runtime_conformance!(async {
                support::runtime_fixture(|runtime| Arc::new(Layered::new(runtime, $layer())))
            });
        }
    };
}

suites! {
    observed: store bus blobs cache runtime;
    retrying: store bus blobs cache runtime;
    limited: store bus blobs cache runtime;
    faulty: store bus blobs cache runtime;
    cached: store;
}
