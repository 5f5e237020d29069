// SPDX-License-Identifier: BSD-2-Clause
//! One tree of files, made of the directories that the fs guest lets the shell begin with: each is at the place that
//! its name says.

use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use shell_language::resolve;
use userland::fs::{Dir, Fs};

use crate::failure::Failure;

/// See the module.
pub struct Files {
    /// The connection.
    pub fs: Fs,
    /// Where each directory is, the innermost first.
    mounts: Vec<(String, Dir)>,
}

/// A path, as the fs guest takes it.
pub struct Place<'a> {
    /// From here.
    pub dir: &'a Dir,
    /// What is below; a dot for the directory itself.
    pub path: String,
}

impl Files {
    /// What the fs guest lets this guest begin with.
    pub async fn new(fs: Fs) -> Result<Self, Failure> {
        let mut mounts = Vec::new();
        for root in fs.roots().await? {
            let dir = fs.root(&root.name).await?;
            mounts.push((resolve("/", &root.name), dir));
        }
        mounts.sort_by_key(|(mount, _)| core::cmp::Reverse(mount.len()));
        Ok(Self { fs, mounts })
    }

    /// What is at a path from the root.
    pub fn place(&self, path: &str) -> Result<Place<'_>, Failure> {
        for (mount, dir) in &self.mounts {
            let rest = if mount == "/" {
                path.strip_prefix('/')
            } else {
                let rest = path.strip_prefix(mount.as_str());
                rest.filter(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if let Some(rest) = rest {
                let rest = rest.trim_start_matches('/');
                let path = if rest.is_empty() { "." } else { rest };
                return Ok(Place {
                    dir,
                    path: path.to_string(),
                });
            }
        }
        Err(Failure::new(format_args!("{path}: there is no such file")))
    }

    /// The names below a directory that are directories to begin with.
    pub fn mounts_in(&self, path: &str) -> Vec<String> {
        let below = |mount: &String| {
            let rest = mount.strip_prefix(path)?.trim_start_matches('/');
            let name = rest.split('/').next()?;
            (!name.is_empty()).then(|| name.to_string())
        };
        let mut names: Vec<String> = self
            .mounts
            .iter()
            .filter_map(|(mount, _)| below(mount))
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
