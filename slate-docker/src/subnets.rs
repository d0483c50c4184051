//! Addresses for networks that the engine has none left for.

use ipnet::Ipv4Net;
use slate_core::{Error, Result};
use std::{fmt, net::Ipv4Addr, str::FromStr};

/// Addresses that a network gets where the engine finds none for it: one subnet of this pool each.
///
/// By itself an engine has addresses for about 30 networks (`default-address-pools`), and it takes none that one of the host's
/// routes covers: beside a VPN or a cluster it may have none at all. A pool of its own should be nobody else's in the network that
/// the engine's host is part of; a network without [`published`](crate::NetworkOptions::published) and
/// [`outbound`](crate::NetworkOptions::outbound) puts no route on the host, and disturbs nobody even where it is.
///
/// Default: 512 subnets of 253 instances each in `198.18.0.0/15`, which is set aside for tests between networks (RFC 2544) and is
/// no host's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubnetPool {
    pool: Ipv4Net,
    /// Bits of a subnet's prefix.
    prefix: u8,
}

/// Bits of a subnet's prefix where nothing else is said.
const PREFIX: u8 = 24;

/// Bits of the longest prefix that leaves room for an instance: network, gateway, instance, broadcast.
const LONGEST: u8 = 30;

impl Default for SubnetPool {
    fn default() -> Self {
        Self { pool: Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15), prefix: PREFIX }
    }
}

impl SubnetPool {
    /// Sets how many bits of an address name the subnet; a subnet has `2^(32 - bits) - 3` instances. Default 24, or the pool's own
    /// where that is longer.
    ///
    /// # Errors
    /// `Invalid` below the pool's own prefix and above 30.
    pub fn with_prefix(mut self, bits: u8) -> Result<Self> {
        if !(self.pool.prefix_len()..=LONGEST).contains(&bits) {
            let error = Error::invalid("a subnet's prefix is at least its pool's, and at most 30");
            return Err(error.with("prefix", bits).with("pool", self.pool));
        }
        self.prefix = bits;
        Ok(self)
    }

    /// Its subnets that overlap none of `taken`, from a place on that `name` decides: backends that choose at once, or for two
    /// engines of one host, seldom choose the same.
    pub(crate) fn free(self, name: &str, taken: &[Ipv4Net]) -> impl Iterator<Item = Ipv4Net> {
        let count = 1_u64 << (self.prefix - self.pool.prefix_len());
        let start = hash(name) % count;
        let base = u32::from(self.pool.network());
        let size = 32 - u32::from(self.prefix);
        (0..count)
            .filter_map(move |step| {
                let place = u32::try_from((start + step) % count).ok()?;
                Ipv4Net::new(Ipv4Addr::from(base + place.checked_shl(size).unwrap_or(0)), self.prefix).ok()
            })
            .filter(|subnet| !taken.iter().any(|there| there.contains(subnet) || subnet.contains(there)))
    }
}

impl FromStr for SubnetPool {
    type Err = Error;

    /// Reads `10.200.0.0/16`.
    fn from_str(text: &str) -> Result<Self> {
        let pool: Option<Ipv4Net> = text.parse().ok();
        let Some(pool) = pool.filter(|pool| pool.prefix_len() <= LONGEST && pool.addr() == pool.network()) else {
            let error = Error::invalid("a pool of addresses is written as in 10.200.0.0/16, with at most 30 bits");
            return Err(error.with("pool", text.escape_debug()));
        };
        Ok(Self { pool, prefix: PREFIX.max(pool.prefix_len()) })
    }
}

impl fmt::Display for SubnetPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

/// A number that stands for `text` (FNV-1a).
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn each_free_subnet_is_offered_once() {
        let pool: SubnetPool = "203.0.113.0/24".parse().unwrap();
        let pool = pool.with_prefix(26).unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            let mut free: Vec<_> = pool.free(name, &nets(&["203.0.113.70/32", "10.0.0.0/8"])).collect();
            free.sort();
            assert_eq!(free, nets(&["203.0.113.0/26", "203.0.113.128/26", "203.0.113.192/26"]), "{name}");
        }
        assert_eq!(pool.free("a", &nets(&["203.0.0.0/16"])).count(), 0);
        let starts: std::collections::BTreeSet<_> =
            (0..100).filter_map(|n| SubnetPool::default().free(&n.to_string(), &[]).next()).collect();
        assert!(starts.len() > 80, "{}", starts.len());
    }

    #[test]
    fn a_whole_pool_and_a_whole_internet_are_pools() {
        let one: SubnetPool = "10.9.8.0/28".parse().unwrap();
        assert_eq!(one.free("a", &[]).collect::<Vec<_>>(), nets(&["10.9.8.0/28"]));
        let all = "0.0.0.0/0".parse::<SubnetPool>().unwrap().with_prefix(0).unwrap();
        assert_eq!(all.free("a", &[]).collect::<Vec<_>>(), nets(&["0.0.0.0/0"]));
    }

    #[test]
    fn what_is_no_pool_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.1/8", "10.0.0.0/31", "10.0.0.0/33", "fd00::/64", "10.0.0/8", "10.0.0.0/-1"]
        {
            assert!(text.parse::<SubnetPool>().is_err(), "{text}");
        }
        let pool = SubnetPool::default();
        assert!(pool.with_prefix(14).is_err() && pool.with_prefix(31).is_err());
        assert!(pool.with_prefix(15).is_ok() && pool.with_prefix(30).is_ok());
    }
}
