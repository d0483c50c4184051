//! Where the kernel isn't Linux, folders can't be opened below a root without a gap: they are refused.

use slate_core::{Error, Result};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug)]
pub(super) struct Handle;

impl Handle {
    pub(super) fn open(_path: &Path, _socket: bool) -> Result<Self> {
        Err(Error::unsupported("folders below allowed roots can be mounted on Linux only"))
    }

    pub(super) fn path(&self) -> Result<PathBuf> {
        Err(Error::unsupported("folders below allowed roots can be mounted on Linux only"))
    }

    pub(super) fn mount_on(&self, _target: &Path, _read_only: bool) -> Result<()> {
        Err(Error::unsupported("folders are staged on Linux only"))
    }
}

pub(super) fn prepare(_place: &Path) -> Result<()> {
    Err(Error::unsupported("folders are staged on Linux only"))
}

pub(super) fn take_away(_place: &Path) -> Result<()> {
    Ok(())
}

pub(super) fn staged(_folder: &Path, _older_than: Duration) -> Result<Vec<PathBuf>> {
    Ok(Vec::new())
}
