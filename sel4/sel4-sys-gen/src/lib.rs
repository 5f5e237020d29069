// SPDX-License-Identifier: BSD-2-Clause
//! Turns a kernel's interface files into Rust: system call numbers, invocation labels and stubs
//! (XML), packed types (`.bf`), constants and shared structures (libsel4's headers), configuration.
//!
//! The input is an installed kernel: a directory with `libsel4/` as in the kernel's own source tree,
//! and in it the configuration (`include/kernel/gen_config.json`, `include/sel4/gen_config.json`).
#![forbid(unsafe_code)]

mod bitfield;
mod config;
mod error;
mod expression;
mod header;
mod interface;
mod preprocess;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use config::{Config, Value};
pub use error::{Error, Result};
use preprocess::{Comments, preprocess};

/// What was generated.
#[derive(Debug)]
pub struct Output {
    /// Rust items.
    pub code: String,
    /// The kernel's configuration.
    pub config: Config,
    /// What the kernel's interface is like where versions differ.
    pub abi: Abi,
    /// The files that were read.
    pub inputs: Vec<PathBuf>,
}

/// A family of kernel interfaces, told by what the interface files contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// As seL4 5.0.0: four kinds of paging structure, a separate invocation to map a page again,
    /// priorities without an authority.
    V5,
    /// Anything later.
    Later,
}

impl Abi {
    /// Options that the project's programs rely on: a kernel without one boots and then fails in ways
    /// that are hard to understand.
    fn check(self, config: &Config) -> Result<()> {
        const ALWAYS: [(&str, &str); 2] = [
            ("EXPORT_PTMR_USER", "user threads need the physical timer"),
            ("EXPORT_VCNT_USER", "user threads need the virtual counter"),
        ];
        // Seen from a 64-bit kernel, this option means that TPIDR_EL0 is the thread's own.
        const V5: [(&str, &str); 1] = [(
            "IPC_BUF_GLOBALS_FRAME",
            "TPIDR_EL0 has to be free for thread-local storage",
        )];
        let of_version: &[_] = if self == Self::V5 { &V5 } else { &[] };
        match ALWAYS
            .iter()
            .chain(of_version)
            .find(|(key, _)| !config.is_on(key))
        {
            Some((key, reason)) => Err(Error::new(format!(
                "the kernel was configured without {key}: {reason}"
            ))),
            None => Ok(()),
        }
    }
}

/// Include directories below the prefix, for AArch64.
const INCLUDES: [&str; 3] = [
    "libsel4/include",
    "libsel4/arch_include/arm",
    "libsel4/sel4_arch_include/aarch64",
];
/// The kernel's options and libsel4's own.
const CONFIGS: [&str; 2] = ["kernel/gen_config.json", "sel4/gen_config.json"];
const SYSCALLS: &str = "api/syscall.xml";
/// Labels count through these in this order.
const INTERFACES: [&str; 3] = [
    "libsel4/include/interfaces/sel4.xml",
    "libsel4/sel4_arch_include/aarch64/interfaces/sel4arch.xml",
    "libsel4/arch_include/arm/interfaces/sel4arch.xml",
];
const BITFIELDS: [&str; 4] = [
    "sel4/shared_types_64.bf",
    "sel4/types_64.bf",
    "sel4/arch/shared_types.bf",
    "sel4/sel4_arch/types.bf",
];
/// Constants may use those of headers before.
const HEADERS: [&str; 10] = [
    "sel4/errors.h",
    "sel4/constants.h",
    "sel4/objecttype.h",
    "sel4/sel4_arch/objecttype.h",
    "sel4/arch/objecttype.h",
    "sel4/arch/types.h",
    "sel4/sel4_arch/constants.h",
    "sel4/sel4_arch/mapping.h",
    "sel4/shared_types.h",
    "sel4/bootinfo_types.h",
];
const STRUCTS: [&str; 5] = [
    "seL4_IPCBuffer",
    "seL4_SlotRegion",
    "seL4_UntypedDesc",
    "seL4_BootInfo",
    "seL4_BootInfoHeader",
];

struct Reader {
    prefix: PathBuf,
    inputs: Vec<PathBuf>,
}

impl Reader {
    fn read(&mut self, path: PathBuf) -> Result<String> {
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::new(error.to_string()).at(path.display()))?;
        self.inputs.push(path);
        Ok(text)
    }

    /// A file below one of the include directories.
    fn include(&mut self, name: &str) -> Result<(PathBuf, String)> {
        let found = INCLUDES
            .iter()
            .map(|include| self.prefix.join(include).join(name))
            .find(|path| path.is_file());
        let path = found.ok_or_else(|| {
            Error::new(format!(
                "no file {name} in the include directories of {}",
                self.prefix.display()
            ))
        })?;
        self.read(path.clone()).map(|text| (path, text))
    }

    fn config(&mut self) -> Result<Config> {
        let mut config = Config::default();
        for name in CONFIGS {
            let (path, text) = self.include(name)?;
            let part = Config::parse(&text).map_err(|error| error.at(path.display()))?;
            config.0.extend(part.0);
        }
        Ok(config)
    }
}

/// Reads the kernel installed at `prefix`.
///
/// # Errors
/// A file that is missing or says something that this crate does not understand; the text names it.
pub fn generate(prefix: &Path) -> Result<Output> {
    let mut reader = Reader {
        prefix: prefix.to_owned(),
        inputs: Vec::new(),
    };
    let config = reader.config()?;
    let mut scope = config.scope();
    let mut code = String::from(
        "/// The machine word.\npub type seL4_Word = u64;\n/// An address in a capability space.\npub type seL4_CPtr = u64;\n\
         type seL4_Uint8 = u8;\ntype seL4_SlotPos = u64;\ntype seL4_NodeId = u64;\ntype seL4_Domain = u64;\n",
    );

    let (path, xml) = reader.include(SYSCALLS)?;
    interface::emit_syscalls(&xml, &scope, &mut code).map_err(|error| error.at(path.display()))?;

    let mut bitfields = bitfield::Bitfields::default();
    for name in BITFIELDS {
        let (path, text) = reader.include(name)?;
        preprocess(&text, Comments::Bitfield, &mut scope)
            .and_then(|text| bitfields.parse(&text))
            .map_err(|error| error.at(path.display()))?;
    }
    bitfields.emit(&mut code)?;

    let mut interface = interface::Interface::default();
    let mut files = Vec::new();
    for name in INTERFACES {
        let path = reader.prefix.join(name);
        let text = reader.read(path.clone())?;
        interface
            .parse_structs(&text)
            .map_err(|error| error.at(path.display()))?;
        files.push((path, text));
    }
    for (path, text) in files {
        interface
            .parse_methods(&text, &scope, &bitfields)
            .map_err(|error| error.at(path.display()))?;
    }
    interface.emit(&mut code);

    let mut headers = header::Headers::default();
    for name in HEADERS {
        let (path, text) = reader.include(name)?;
        preprocess(&text, Comments::C, &mut scope)
            .and_then(|text| headers.parse(&text, &STRUCTS, &mut scope))
            .map_err(|error| error.at(path.display()))?;
    }
    headers.emit(&scope, &mut code);
    config.emit(&mut code);

    let abi = if interface.has_label("ARMPageRemap") {
        Abi::V5
    } else {
        Abi::Later
    };
    abi.check(&config)?;
    Ok(Output {
        code,
        config,
        abi,
        inputs: reader.inputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[&str]) -> Config {
        let on = options
            .iter()
            .map(|key| ((*key).to_owned(), Value::Bool(true)));
        Config(on.collect())
    }

    #[test]
    fn a_missing_option_is_named() {
        let all = config(&[
            "EXPORT_PTMR_USER",
            "EXPORT_VCNT_USER",
            "IPC_BUF_GLOBALS_FRAME",
        ]);
        assert!(Abi::V5.check(&all).is_ok());
        let without_tls = config(&["EXPORT_PTMR_USER", "EXPORT_VCNT_USER"]);
        assert!(Abi::Later.check(&without_tls).is_ok());
        let error = Abi::V5.check(&without_tls).unwrap_err().to_string();
        assert!(error.contains("IPC_BUF_GLOBALS_FRAME"));
        assert!(Abi::Later.check(&config(&["EXPORT_VCNT_USER"])).is_err());
    }

    #[test]
    fn a_prefix_that_is_none_is_named() {
        let error = generate(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("gen_config.json") && error.contains("/nonexistent"));
    }
}
