// SPDX-License-Identifier: BSD-2-Clause
//! What the build made, and images made of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use crate::scratch::Scratch;

/// Where things are. Each path is in an environment variable, which `make system-tests` sets.
#[derive(Clone, Debug)]
pub struct Build {
    /// The host tool: `ATOLL`.
    pub atoll: PathBuf,
    /// Directory of the kernels' variants, each an installed kernel: `ATOLL_KERNELS`.
    pub kernels: PathBuf,
    /// Directory of the loader, the root task and the server: `ATOLL_PROGRAMS`.
    pub programs: PathBuf,
    /// The archive of guests: `ATOLL_ARCHIVE`.
    pub archive: PathBuf,
    /// The public key that it is signed with: `ATOLL_KEY`.
    pub key: PathBuf,
    /// Directory of the guests' wasm files: `ATOLL_GUESTS`.
    pub guests: PathBuf,
}

/// A variant of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// What a product has.
    Release,
    /// Checks its assertions and prints.
    Debug,
    /// As published, without the project's fixes.
    Unpatched,
}

impl Kernel {
    const fn directory(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
            Self::Unpatched => "unpatched",
        }
    }
}

/// What goes into an image beside loader, kernel and root task.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// The spec's text.
    pub spec: &'a Path,
    /// The archive of guests.
    pub archive: &'a Path,
    /// The server.
    pub server: &'a Path,
    /// Whether the tool is told what the guests import.
    pub imports_known: bool,
}

impl Build {
    /// What the environment says.
    ///
    /// # Panics
    /// When a variable is missing, or what it names.
    pub fn from_env() -> Self {
        Self {
            atoll: named("ATOLL"),
            kernels: named("ATOLL_KERNELS"),
            programs: named("ATOLL_PROGRAMS"),
            archive: named("ATOLL_ARCHIVE"),
            key: named("ATOLL_KEY"),
            guests: named("ATOLL_GUESTS"),
        }
    }

    /// The process server that a guest can bring down: `ATOLL_CRASH_SERVER`.
    ///
    /// # Panics
    /// When the variable is missing, or what it names.
    pub fn server_that_can_crash() -> PathBuf {
        named("ATOLL_CRASH_SERVER")
    }

    /// The process server.
    pub fn server(&self) -> PathBuf {
        self.programs.join("wasm-server")
    }

    /// The same with an archive of these guests alone, signed with a key of its own. A guest's wasm file is in
    /// the directory, or else it is the build's.
    ///
    /// # Panics
    /// A guest is in neither place, or the tool refuses.
    #[must_use]
    #[track_caller]
    pub fn with_archive_of(mut self, scratch: &Scratch, guests: &[&str]) -> Self {
        let (keys, archive) = (scratch.path("keys"), scratch.path("archive.bin"));
        let mut arguments: Vec<PathBuf> = ["build".into(), "--out".into(), archive.clone()].into();
        arguments.extend([
            "--keys".into(),
            keys.clone(),
            "--cache".into(),
            scratch.path("aot"),
        ]);
        for guest in guests {
            let name = format!("{guest}.wasm");
            let file = scratch.path(&name);
            let built = self.guests.join(name);
            if !file.exists()
                && let Err(error) = fs::copy(&built, &file)
            {
                panic!("cannot take {}: {error}", built.display());
            }
            arguments.push(file);
        }
        succeed(&self.atoll(arguments));
        self.archive = archive;
        self.key = keys.join("archive.pub");
        self.guests = scratch.path("");
        self
    }

    /// Runs the host tool, without its colors.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn atoll<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        let output = Command::new(&self.atoll)
            .args(arguments)
            .env("NO_COLOR", "1")
            .output();
        output.unwrap_or_else(|error| panic!("cannot run {}: {error}", self.atoll.display()))
    }

    /// Has the tool make an image of these parts; answers what the tool said.
    pub fn try_image(&self, kernel: Kernel, parts: Parts<'_>, out: &Path) -> Output {
        let mut arguments = self.image_arguments(kernel, &self.programs.join("root-task"), out);
        let server = parts.server.display();
        let mut option = |name: &str, value: &Path| {
            arguments.extend([name.into(), value.into()]);
        };
        option("--spec", parts.spec);
        option("--archive", parts.archive);
        option("--key", &self.key);
        if parts.imports_known {
            option("--modules", &self.guests);
        }
        option("--program", Path::new(&format!("wasm-server={server}")));
        self.atoll(arguments)
    }

    /// An image of a spec and everything that the build made.
    ///
    /// # Panics
    /// The tool refuses.
    #[track_caller]
    pub fn image(&self, kernel: Kernel, spec: &Path, out: &Path) {
        let parts = Parts {
            spec,
            archive: &self.archive,
            server: &self.server(),
            imports_known: true,
        };
        succeed(&self.try_image(kernel, parts, out));
    }

    /// An image of a spec with native tasks, and a file that frames are filled with.
    ///
    /// # Panics
    /// The tool refuses.
    #[track_caller]
    pub fn native_image(&self, kernel: Kernel, spec: &Path, file: (&str, &Path), out: &Path) {
        self.native_image_with(&self.server(), kernel, spec, file, out);
    }

    /// The same with another server.
    ///
    /// # Panics
    /// The tool refuses.
    #[track_caller]
    pub fn native_image_with(
        &self,
        server: &Path,
        kernel: Kernel,
        spec: &Path,
        file: (&str, &Path),
        out: &Path,
    ) {
        let mut arguments = self.image_arguments(kernel, &self.programs.join("root-task"), out);
        let mut option = |name: &str, value: &Path| {
            arguments.extend([name.into(), value.into()]);
        };
        option("--spec", spec);
        option("--archive", &self.archive);
        option("--key", &self.key);
        let of_build = |program| (program, self.programs.join(program));
        let tasks = ["native-echo", "native-tests"].map(of_build);
        for (program, path) in [("wasm-server", server.into())].into_iter().chain(tasks) {
            option(
                "--program",
                Path::new(&format!("{program}={}", path.display())),
            );
        }
        let (name, path) = file;
        option("--file", Path::new(&format!("{name}={}", path.display())));
        succeed(&self.atoll(arguments));
    }

    /// An image of a compiled spec, and of these programs with their names.
    ///
    /// # Panics
    /// The tool refuses.
    #[track_caller]
    pub fn raw_image(&self, spec: &Path, programs: &[(&str, &Path)], out: &Path) {
        let root_task = self.programs.join("root-task");
        let mut arguments = self.image_arguments(Kernel::Release, &root_task, out);
        arguments.extend(["--raw-spec".into(), spec.into()]);
        for (name, path) in programs {
            let program = format!("{name}={}", path.display());
            arguments.extend(["--program".into(), program.into()]);
        }
        succeed(&self.atoll(arguments));
    }

    /// An image of a root task that is a test, and what it finds in the place of the spec.
    ///
    /// # Panics
    /// The tool refuses.
    #[track_caller]
    pub fn test_image(&self, kernel: Kernel, root_task: &Path, spec: &Path, out: &Path) {
        let mut arguments = self.image_arguments(kernel, root_task, out);
        arguments.extend(["--raw-spec".into(), spec.into()]);
        succeed(&self.atoll(arguments));
    }

    fn image_arguments(&self, kernel: Kernel, root_task: &Path, out: &Path) -> Vec<PathBuf> {
        let kernel = self.kernels.join(kernel.directory()).join("bin/kernel.elf");
        let loader = self.programs.join("sel4-loader");
        let options: [(&str, &Path); 4] = [
            ("--loader", &loader),
            ("--kernel", &kernel),
            ("--root-task", root_task),
            ("--out", out),
        ];
        let pairs = options
            .iter()
            .flat_map(|(name, value)| [Path::new(name), *value]);
        [Path::new("image")]
            .into_iter()
            .chain(pairs)
            .map(PathBuf::from)
            .collect()
    }
}

/// What an environment variable names.
///
/// # Panics
/// When it is not set, or the file is not there.
pub fn named(variable: &str) -> PathBuf {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        panic!("{variable} is not set: run the system tests with `make system-tests`");
    };
    assert!(
        path.exists(),
        "{variable} names {}, which is not there: run the system tests with `make system-tests`",
        path.display()
    );
    path
}

#[track_caller]
fn succeed(output: &Output) {
    assert!(
        output.status.success(),
        "the host tool failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
