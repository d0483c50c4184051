//! The workspace's README, whose example is compiled with the documentation's tests. The program itself is the binary.
#![doc = include_str!("../../../README.md")]
