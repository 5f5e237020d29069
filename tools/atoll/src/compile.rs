// SPDX-License-Identifier: BSD-2-Clause
//! `atoll build` and `atoll module`: compile modules ahead of time and sign them, as an archive for an image, or one
//! for guests to load while the system runs.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use atoll_abi::{MAX_MODULE, message::Name};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasm_archive::{WriteError, Writer};
use wasmtime::Engine;

use crate::files::{self, FileError};
use crate::keys::{self, KeyError};
use crate::wasm::{self, WasmError};

/// Changes when what is done to modules changes in a way that nothing else in the key tells.
const CACHE_VERSION: &str = "1";

/// `atoll build`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  atoll build --out build/archive.bin hello.wasm net.wasm")]
pub struct Build {
    /// The modules; each gets its file's name without `.wasm`
    #[arg(value_name = "WASM", required = true)]
    modules: Vec<PathBuf>,
    /// The archive
    #[arg(long, value_name = "FILE", default_value = "build/archive.bin")]
    out: PathBuf,
    #[command(flatten)]
    with: With,
}

/// `atoll module`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  atoll module hello.wasm --version 1.0.3 --out files/hello.module")]
pub struct Single {
    /// The module
    #[arg(value_name = "WASM")]
    module: PathBuf,
    /// The signed module; the name it has there is of no meaning [default: NAME.module beside the WASM]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What the module is called [default: the file's name without `.wasm`]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which one of this name it is, for people, such as 2 or 1.0.3 [default: none]
    #[arg(
        long = "version",
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    version: String,
    #[command(flatten)]
    with: With,
}

/// How modules are compiled and signed.
#[derive(Debug, clap::Args)]
struct With {
    /// Directory of the development key that signs; a new key is made there if it has none. A system takes what is
    /// signed with the key that its image was made with
    #[arg(long, value_name = "DIR", default_value = "build/keys")]
    keys: PathBuf,
    /// What to compile for: a target triple, or `host` for tests on this machine
    #[arg(long, value_name = "TRIPLE", default_value = wasm_engine::IMAGE_TARGET)]
    target: String,
    /// Directory that keeps what was compiled, to skip modules that have not changed
    #[arg(long, value_name = "DIR", default_value = "build/aot")]
    cache: PathBuf,
}

/// Why there is no archive.
#[derive(Debug, Error)]
pub enum BuildError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A module cannot be a guest's.
    #[error(transparent)]
    Wasm(#[from] WasmError),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The compiler does not know the target.
    #[error("cannot compile for {0}")]
    Target(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The compiler refused a module.
    #[error("cannot compile {}", .0.display())]
    Compile(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] WriteError),
    /// A name or version that the server would refuse.
    #[error("the {what} `{text}` cannot be shown: {}", problem(text))]
    Label {
        /// Name or version.
        what: &'static str,
        /// It.
        text: String,
    },
    /// More than the server takes.
    #[error(
        "{}: the signed module has {bytes} bytes, and a guest can load {MAX_MODULE}; build it smaller, or into the image",
        .path.display()
    )]
    TooLong {
        /// The module.
        path: PathBuf,
        /// Its bytes.
        bytes: usize,
    },
}

/// What to do about a name or version.
fn problem(text: &str) -> String {
    let most = Name::new().capacity();
    match text.len() {
        len if len > most => format!("it has {len} bytes; use --name or --version for one of at most {most}"),
        _ => "it is empty or has more than letters, digits and punctuation; use --name or --version for another".into(),
    }
}

/// A compiled module.
struct Artifact {
    bytes: Vec<u8>,
    cached: bool,
}

/// Compiles what has changed and writes the archive.
///
/// # Errors
/// See [`BuildError`].
pub fn run(args: &Build) -> Result<(), BuildError> {
    let (engine, cache) = args.with.compiler()?;
    let key = keys::signing_key(&args.with.keys)?;

    let progress = Progress::new(args.modules.len());
    let mut writer = Writer::new();
    for path in &args.modules {
        let name = wasm::module_name(path);
        progress.begin(&name);
        let started = Instant::now();
        let wasm = files::read(path)?;
        wasm::inspect(path, &wasm)?;
        let artifact = compile(&engine, &cache, path, &name, &wasm)?;
        let outcome = if artifact.cached {
            "unchanged".to_owned()
        } else {
            format!("compiled in {:.2} s", started.elapsed().as_secs_f32())
        };
        progress.end(&format!(
            "{name:<20} {:>6} KiB wasm  {:>6} KiB native  {outcome}",
            wasm.len().div_ceil(1024),
            artifact.bytes.len().div_ceil(1024),
        ));
        writer.add(&name, artifact.bytes)?;
    }
    progress.finish();

    let archive = writer.finish(&key)?;
    files::write(&args.out, &archive)?;
    eprintln!(
        "{}: {} modules, {} KiB",
        args.out.display(),
        args.modules.len(),
        archive.len().div_ceil(1024)
    );
    Ok(())
}

/// Compiles one module, and signs it with its name and version.
///
/// # Errors
/// See [`BuildError`].
pub fn run_single(args: &Single) -> Result<(), BuildError> {
    let path = &args.module;
    let name = args.name.clone().unwrap_or_else(|| wasm::module_name(path));
    check_label("name", &name)?;
    if !args.version.is_empty() {
        check_label("version", &args.version)?;
    }
    let (engine, cache) = args.with.compiler()?;
    let key = keys::signing_key(&args.with.keys)?;
    let wasm = files::read(path)?;
    wasm::inspect(path, &wasm)?;
    let artifact = compile(&engine, &cache, path, &wasm::module_name(path), &wasm)?;
    let mut writer = Writer::new();
    writer.add_version(&name, &args.version, artifact.bytes)?;
    let module = writer.finish(&key)?;
    if module.len() > MAX_MODULE as usize {
        return Err(BuildError::TooLong {
            path: path.clone(),
            bytes: module.len(),
        });
    }
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| path.with_file_name(format!("{name}.module")));
    files::write(&out, &module)?;
    let version = match &*args.version {
        "" => "no version".into(),
        version => format!("version {version}"),
    };
    let kib = module.len().div_ceil(1024);
    eprintln!("{}: {name}, {version}, {kib} KiB", out.display());
    Ok(())
}

fn check_label(what: &'static str, text: &str) -> Result<(), BuildError> {
    let is_shown = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || !is_shown || Name::try_from(text).is_err() {
        return Err(BuildError::Label {
            what,
            text: text.into(),
        });
    }
    Ok(())
}

impl With {
    /// What compiles, and where it keeps what it has compiled.
    fn compiler(&self) -> Result<(Engine, PathBuf), BuildError> {
        let target = (self.target != "host").then_some(&*self.target);
        let engine = wasm_engine::compiler_config(target)
            .and_then(|config| Engine::new(&config))
            .map_err(|error| BuildError::Target(self.target.clone(), error.into()))?;
        Ok((engine, self.cache.join(&self.target)))
    }
}

/// The artifact of a module, out of the cache if it is there.
fn compile(
    engine: &Engine,
    cache: &Path,
    path: &Path,
    name: &str,
    wasm: &[u8],
) -> Result<Artifact, BuildError> {
    let prefix = format!("{name}-");
    let cached = cache.join(format!("{prefix}{}.cwasm", cache_key(engine, wasm)));
    if let Some(bytes) = read_cached(&cached) {
        return Ok(Artifact {
            bytes,
            cached: true,
        });
    }
    let bytes = engine
        .precompile_module(wasm)
        .map_err(|error| BuildError::Compile(path.into(), error.into()))?;
    let mut checked = Sha256::digest(&bytes).to_vec();
    checked.extend_from_slice(&bytes);
    files::write(&cached, &checked)?;
    remove_stale(cache, &prefix, &cached);
    Ok(Artifact {
        bytes,
        cached: false,
    })
}

/// Everything that an artifact depends on, as a file name.
fn cache_key(engine: &Engine, wasm: &[u8]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let mut hash = Sha256::new();
    hash.update(CACHE_VERSION);
    hash.update(settings.finish().to_le_bytes());
    hash.update(wasm);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A cached artifact, if it is there and whole: its hash comes first in the file.
fn read_cached(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let (hash, artifact) = bytes.split_first_chunk::<32>()?;
    let whole = Sha256::digest(artifact)[..] == *hash;
    bytes.drain(..32);
    whole.then_some(bytes)
}

/// Removes what older versions of a module were compiled to. Whatever cannot be removed does no harm.
fn remove_stale(cache: &Path, prefix: &str, current: &Path) {
    const HASH_AND_ENDING: usize = 64 + ".cwasm".len();
    for path in files::list(cache, "cwasm").unwrap_or_default() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path != current
            && name.starts_with(prefix)
            && name.len() == prefix.len() + HASH_AND_ENDING
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// A bar on terminals, and a line for each module everywhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(modules: usize) -> Self {
        let bar = ProgressBar::new(modules as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn begin(&self, name: &str) {
        self.bar.set_message(name.to_owned());
        self.bar.tick();
    }

    fn end(&self, line: &str) {
        if stderr().is_terminal() {
            self.bar.println(line);
        } else {
            eprintln!("{line}");
        }
        self.bar.inc(1);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::Scratch;
    use wasm_archive::Archive;

    fn build(scratch: &Scratch, modules: &[&str]) -> Build {
        Build {
            modules: modules.iter().map(|name| scratch.path(name)).collect(),
            out: scratch.path("out/archive.bin"),
            with: with(scratch),
        }
    }

    fn with(scratch: &Scratch) -> With {
        With {
            keys: scratch.path("keys"),
            target: wasm_engine::IMAGE_TARGET.into(),
            cache: scratch.path("aot"),
        }
    }

    fn write(scratch: &Scratch, name: &str, text: &str) {
        fs::write(scratch.path(name), wat::parse_str(text).unwrap()).unwrap();
    }

    #[test]
    fn modules_are_compiled_signed_and_cached() {
        let scratch = Scratch::new("build");
        write(
            &scratch,
            "b.wasm",
            "(module (memory 1) (func $named (export \"f\") unreachable))",
        );
        write(&scratch, "a.wasm", "(module)");
        let args = build(&scratch, &["b.wasm", "a.wasm"]);
        run(&args).unwrap();

        let bytes = files::read(&args.out).unwrap();
        let key = keys::read_public(&scratch.path("keys/archive.pub")).unwrap();
        let archive = Archive::open(&bytes, &key).unwrap();
        let names: Vec<_> = archive.entries().map(|entry| entry.name).collect();
        assert_eq!(names, ["a", "b"]);
        let module = archive.module("b").unwrap();
        assert!(Engine::detect_precompiled(module.bytes()).is_some());
        // Trap reports need the names of functions.
        assert!(module.bytes().windows(5).any(|window| window == b"named"));

        let cache = scratch.path("aot").join(&args.with.target);
        let cached = files::list(&cache, "cwasm").unwrap();
        assert_eq!(cached.len(), 2);
        // What is in the cache is used, unless it is damaged.
        let engine =
            Engine::new(&wasm_engine::compiler_config(Some(&args.with.target)).unwrap()).unwrap();
        let wasm = files::read(&args.modules[1]).unwrap();
        assert!(
            compile(&engine, &cache, &args.modules[1], "a", &wasm)
                .unwrap()
                .cached
        );
        let mut damaged = files::read(&cached[0]).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&cached[0], damaged).unwrap();
        assert!(
            !compile(&engine, &cache, &args.modules[1], "a", &wasm)
                .unwrap()
                .cached
        );

        // The same again, bit by bit.
        run(&args).unwrap();
        assert_eq!(files::read(&args.out).unwrap(), bytes);

        // A changed module replaces what was cached.
        write(&scratch, "a.wasm", "(module (memory 1))");
        run(&args).unwrap();
        assert_eq!(files::list(&cache, "cwasm").unwrap().len(), 2);
        assert_ne!(files::read(&args.out).unwrap(), bytes);
    }

    #[test]
    fn a_module_is_an_archive_of_one_with_a_version() {
        let scratch = Scratch::new("module");
        write(&scratch, "a.wasm", "(module)");
        let args = |name: Option<&str>, version: &str| Single {
            module: scratch.path("a.wasm"),
            out: None,
            name: name.map(Into::into),
            version: version.into(),
            with: with(&scratch),
        };
        run_single(&args(Some("service"), "2.1-rc")).unwrap();
        let bytes = files::read(&scratch.path("service.module")).unwrap();
        let key = keys::read_public(&scratch.path("keys/archive.pub")).unwrap();
        let module = Archive::open(&bytes, &key).unwrap().only().unwrap();
        assert_eq!((module.name(), module.version()), ("service", "2.1-rc"));
        run_single(&args(None, "")).unwrap();
        let bytes = files::read(&scratch.path("a.module")).unwrap();
        let module = Archive::open(&bytes, &key).unwrap().only().unwrap();
        assert_eq!((module.name(), module.version()), ("a", ""));

        let error = |name: &str, version: &str| {
            run_single(&args(Some(name), version))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("a", &"1".repeat(33)),
            format!(
                "the version `{}` cannot be shown: it has 33 bytes; use --name or --version for one of at most 32",
                "1".repeat(33)
            )
        );
        for (name, version) in [("", ""), ("a b", ""), ("a", "1\n")] {
            let error = error(name, version);
            assert!(error.contains("use --name or --version"), "{error}");
        }
    }

    #[test]
    fn two_modules_of_one_name_are_refused() {
        let scratch = Scratch::new("build-twice");
        write(&scratch, "a.wasm", "(module)");
        let args = build(&scratch, &["a.wasm", "a.wasm"]);
        assert!(matches!(
            run(&args),
            Err(BuildError::Archive(WriteError::Duplicate(_)))
        ));
    }

    #[test]
    fn what_guests_cannot_have_is_refused() {
        let scratch = Scratch::new("build-refused");
        for (text, feature) in [
            ("(module (memory i64 1))", "memory64"),
            ("(module (memory 1) (memory 1))", "multi-memory"),
            ("(module (type (struct)))", "gc"),
            ("(module (tag))", "exceptions"),
        ] {
            write(&scratch, "a.wasm", text);
            let result = run(&build(&scratch, &["a.wasm"]));
            assert!(matches!(result, Err(BuildError::Compile(..))), "{feature}");
        }
    }

    #[test]
    fn an_unknown_target_is_named() {
        let scratch = Scratch::new("build-target");
        write(&scratch, "a.wasm", "(module)");
        let mut args = build(&scratch, &["a.wasm"]);
        args.with.target = "pdp11-dec-unix".into();
        assert!(
            matches!(run(&args), Err(BuildError::Target(target, _)) if target == "pdp11-dec-unix")
        );
    }
}
