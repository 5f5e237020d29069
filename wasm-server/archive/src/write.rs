// SPDX-License-Identifier: BSD-2-Clause
//! Making archives.

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};

use crate::{Entry, HEADER_BYTES, MAGIC, PAGE, SIGNATURE_BYTES, VERSION};

/// Why a module was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Modules are found by name.
    #[error("a module needs a name")]
    NoName,
    /// Two modules of one name.
    #[error("there are two modules named `{0}`")]
    Duplicate(String),
    /// The table cannot be encoded, or is longer than its length field can tell.
    #[error("the table of the archive is too large")]
    TooLarge,
}

#[derive(Debug)]
struct Module {
    version: String,
    artifact: Vec<u8>,
}

/// Collects artifacts and signs them.
#[derive(Debug, Default)]
pub struct Writer {
    modules: BTreeMap<String, Module>,
}

impl Writer {
    /// An archive of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module without a version. The order does not matter.
    ///
    /// # Errors
    /// The name is empty or taken.
    pub fn add(&mut self, name: &str, artifact: Vec<u8>) -> Result<(), WriteError> {
        self.add_version(name, "", artifact)
    }

    /// Adds a module of this version.
    ///
    /// # Errors
    /// The name is empty or taken.
    pub fn add_version(
        &mut self,
        name: &str,
        version: &str,
        artifact: Vec<u8>,
    ) -> Result<(), WriteError> {
        if name.is_empty() {
            return Err(WriteError::NoName);
        }
        if self.modules.contains_key(name) {
            return Err(WriteError::Duplicate(name.into()));
        }
        let version = version.into();
        self.modules
            .insert(name.into(), Module { version, artifact });
        Ok(())
    }

    /// The bytes of the archive. The same modules and key give the same bytes.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`].
    pub fn finish(mut self, key: &SigningKey) -> Result<Vec<u8>, WriteError> {
        let mut lengths = Vec::new();
        for Module { artifact, .. } in self.modules.values_mut() {
            lengths.push(artifact.len());
            artifact.resize(artifact.len().next_multiple_of(PAGE), 0);
        }

        // Offsets depend on the length of the table and the other way round, since postcard encodes
        // small numbers in fewer bytes. Larger offsets never make a shorter table, so this ends.
        let mut data = PAGE;
        let table = loop {
            let table = self.table(&lengths, data)?;
            let start = (HEADER_BYTES + table.len() + SIGNATURE_BYTES).next_multiple_of(PAGE);
            if start <= data {
                break table;
            }
            data = start;
        };

        let total = data + self.artifacts().map(Vec::len).sum::<usize>();
        let table_len = u32::try_from(table.len()).map_err(|_| WriteError::TooLarge)?;
        let mut archive = Vec::with_capacity(total);
        archive.extend_from_slice(&MAGIC);
        archive.extend_from_slice(&VERSION.to_le_bytes());
        archive.extend_from_slice(&table_len.to_le_bytes());
        archive.extend_from_slice(&(total as u64).to_le_bytes());
        archive.extend_from_slice(key.verifying_key().as_bytes());
        archive.extend_from_slice(&table);
        let signature = key.sign(&archive);
        archive.extend_from_slice(&signature.to_bytes());
        archive.resize(data, 0);
        for artifact in self.artifacts() {
            archive.extend_from_slice(artifact);
        }
        Ok(archive)
    }

    fn artifacts(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.modules.values().map(|module| &module.artifact)
    }

    /// The encoded table, for artifacts (already padded) that start at `offset`.
    fn table(&self, lengths: &[usize], mut offset: usize) -> Result<Vec<u8>, WriteError> {
        let count = u32::try_from(lengths.len()).map_err(|_| WriteError::TooLarge)?;
        let mut table =
            postcard::to_extend(&count, Vec::new()).map_err(|_| WriteError::TooLarge)?;
        for ((name, module), len) in self.modules.iter().zip(lengths) {
            let artifact = &module.artifact;
            let entry = Entry {
                name,
                version: &module.version,
                offset: offset as u64,
                len: *len as u64,
                sha256: Sha256::digest(artifact).into(),
            };
            table = postcard::to_extend(&entry, table).map_err(|_| WriteError::TooLarge)?;
            offset += artifact.len();
        }
        Ok(table)
    }
}
