// SPDX-License-Identifier: BSD-2-Clause
//! The development key that archives are signed with.
//!
//! A directory holds `archive.key`, the private key, and `archive.pub`, the public one; each file is
//! 64 hexadecimal digits and a newline.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::files::{self, FileError};

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds something else.
    #[error("{} is not a key: it should be 64 hexadecimal digits", .0.display())]
    NotAKey(PathBuf),
    /// Others may read the private key.
    #[error("{} can be read by others; `chmod 600` it, or delete it to get a new one", .0.display())]
    Exposed(PathBuf),
}

/// The key of a directory, made now if there is none.
///
/// # Errors
/// See [`KeyError`].
pub fn signing_key(directory: &Path) -> Result<SigningKey, KeyError> {
    let private = directory.join("archive.key");
    let secret = match File::open(&private) {
        Ok(file) => {
            let metadata = file
                .metadata()
                .map_err(|error| FileError::new("read", &private, error))?;
            if metadata.permissions().mode() & 0o077 != 0 {
                return Err(KeyError::Exposed(private));
            }
            read_key(&private)?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_secret(directory, &private)?,
        Err(error) => return Err(FileError::new("read", &private, error).into()),
    };
    let key = SigningKey::from_bytes(&secret);
    let public = directory.join("archive.pub");
    let text = to_hex(key.verifying_key().as_bytes());
    // Not written again without need: images depend on this file.
    if fs::read_to_string(&public).ok().as_deref() != Some(&*text) {
        files::write(&public, text.as_bytes())?;
    }
    Ok(key)
}

/// Reads a public key.
///
/// # Errors
/// See [`KeyError`].
pub fn read_public(path: &Path) -> Result<[u8; 32], KeyError> {
    read_key(path)
}

fn make_secret(directory: &Path, path: &Path) -> Result<[u8; 32], KeyError> {
    let mut secret = [0; 32];
    let random = Path::new("/dev/urandom");
    File::open(random)
        .and_then(|mut file| file.read_exact(&mut secret))
        .map_err(|error| FileError::new("read", random, error))?;
    fs::create_dir_all(directory).map_err(|error| FileError::new("create", directory, error))?;
    // The mode is there from the start, and an existing file is not touched.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(to_hex(&secret).as_bytes()))
        .map_err(|error| FileError::new("write", path, error))?;
    Ok(secret)
}

fn to_hex(bytes: &[u8; 32]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    text
}

fn read_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let bytes = files::read(path)?;
    from_hex(&bytes).ok_or_else(|| KeyError::NotAKey(path.into()))
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digits = text.trim_ascii_end();
    let mut key = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scratch;

    #[test]
    fn a_key_is_made_once_and_private() {
        let scratch = Scratch::new("keys");
        let directory = scratch.path("keys");
        let key = signing_key(&directory).unwrap();
        let mode = fs::metadata(directory.join("archive.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(signing_key(&directory).unwrap().to_bytes(), key.to_bytes());
        let public = read_public(&directory.join("archive.pub")).unwrap();
        assert_eq!(public, key.verifying_key().to_bytes());

        let other = signing_key(&scratch.path("other")).unwrap();
        assert_ne!(other.to_bytes(), key.to_bytes());
    }

    #[test]
    fn a_lost_public_key_comes_back() {
        let scratch = Scratch::new("lost-key");
        let key = signing_key(&scratch.path("")).unwrap();
        fs::remove_file(scratch.path("archive.pub")).unwrap();
        signing_key(&scratch.path("")).unwrap();
        assert_eq!(
            read_public(&scratch.path("archive.pub")).unwrap(),
            key.verifying_key().to_bytes()
        );
    }

    #[test]
    fn an_exposed_or_broken_key_is_refused() {
        let scratch = Scratch::new("bad-keys");
        let private = scratch.path("archive.key");
        signing_key(&scratch.path("")).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            signing_key(&scratch.path("")),
            Err(KeyError::Exposed(_))
        ));
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&private, "abc").unwrap();
        assert!(matches!(
            signing_key(&scratch.path("")),
            Err(KeyError::NotAKey(_))
        ));
    }

    #[test]
    fn hexadecimal_is_read_as_written() {
        let key: [u8; 32] = std::array::from_fn(|i| (i * 37) as u8);
        assert_eq!(from_hex(to_hex(&key).as_bytes()), Some(key));
        for wrong in ["", "0", &"0".repeat(63), &"g".repeat(64), &"0".repeat(66)] {
            assert_eq!(from_hex(wrong.as_bytes()), None);
        }
    }
}
