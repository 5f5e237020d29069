// SPDX-License-Identifier: BSD-2-Clause
//! Inputs in files.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
};

use crate::script::Input;

/// Reads one input.
///
/// # Errors
/// The file cannot be read, or is none; with its path.
pub fn read(path: &Path) -> Result<Input, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string());
    text.and_then(|text| Input::parse(&text))
        .map_err(|why| format!("{}: {why}", path.display()))
}

/// Reads the inputs of a folder, in the order of their names.
///
/// # Errors
/// As [`read`].
pub fn read_all(folder: &Path) -> Result<Vec<(PathBuf, Input)>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "script")
        })
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| read(&path).map(|input| (path, input)))
        .collect()
}

/// Writes an input into a folder, under a name that follows from what it does.
///
/// # Errors
/// Whatever keeps it from being written.
pub fn write(folder: &Path, input: &Input, remark: &str) -> io::Result<PathBuf> {
    let text = input.to_string();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let path = folder.join(format!("{:016x}.script", hasher.finish()));
    fs::create_dir_all(folder)?;
    let remark: String = remark.lines().map(|line| format!("# {line}\n")).collect();
    fs::write(
        &path,
        format!("# SPDX-License-Identifier: BSD-2-Clause\n{remark}{text}"),
    )?;
    Ok(path)
}

/// Makes these the inputs of a folder, besides those that somebody gave a name of their own.
///
/// # Errors
/// Whatever keeps them from being written.
pub fn replace(folder: &Path, inputs: &[Input]) -> io::Result<()> {
    for (path, _) in read_all(folder).unwrap_or_default() {
        let name = path.file_stem().and_then(|name| name.to_str());
        if name.is_some_and(|name| u64::from_str_radix(name, 16).is_ok()) {
            fs::remove_file(path)?;
        }
    }
    inputs
        .iter()
        .try_for_each(|input| write(folder, input, "").map(drop))
}
