// SPDX-License-Identifier: BSD-2-Clause
//! Modules from a disk: a guest (`guests/tests/deployer`) loads what the host tool has signed, and a good deal that it
//! has not, starts processes of it, and replaces a service while it is asked. All in one boot; the guest says
//! which promises hold.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use system_tests::build::Build;
use system_tests::devices::Devices;
use system_tests::disks::make_file_system;
use system_tests::drill::Log;
use system_tests::machine::Config;
use system_tests::scratch::Scratch;
use system_tests::spec;
use wasm_archive::{Archive, Writer};

/// What the guest is to find true.
const PROMISES: &[&str] = &[
    "loads",
    "grants",
    "stacks",
    "closed",
    "refusals",
    "cuts",
    "flips",
    "budget",
    "many",
    "scribbled",
    "lent",
    "cycles",
    "deploy",
];

/// What wasmtime has in a module behind its version: what it was compiled for, with the length of that.
const TARGET: &[u8] = b"\x14aarch64-unknown-none";

/// The host tool, as a developer would use it.
struct Tool<'a> {
    build: &'a Build,
    scratch: &'a Scratch,
}

impl Tool<'_> {
    /// A module of a guest, signed with the keys of this directory.
    fn module(&self, wasm: &Path, name: &str, version: &str, keys: &str) -> Vec<u8> {
        let out = self.scratch.path("out.module");
        let arguments: Vec<PathBuf> = [
            "module".into(),
            wasm.into(),
            "--name".into(),
            name.into(),
            "--version".into(),
            version.into(),
            "--keys".into(),
            self.scratch.path(keys),
            "--cache".into(),
            self.scratch.path("aot"),
            "--out".into(),
            out.clone(),
        ]
        .into();
        let output = self.build.atoll(arguments);
        assert!(output.status.success(), "{output:?}");
        fs::read(out).expect("a module")
    }

    /// The key that the image trusts.
    fn key(&self) -> SigningKey {
        let text = fs::read_to_string(self.scratch.path("keys/archive.key")).expect("a key");
        let digits = text.trim().as_bytes().chunks(2);
        let bytes: Vec<u8> = digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(pair, 16).expect("digits")
            })
            .collect();
        SigningKey::from_bytes(&bytes.try_into().expect("32 bytes"))
    }
}

/// The artifact in a module file.
fn artifact(module: &[u8]) -> Vec<u8> {
    let key = module[24..56].try_into().expect("32 bytes");
    let archive = Archive::open(module, &key).expect("a module");
    archive.only().expect("one module").bytes().to_vec()
}

/// A disk with the files that the guest reads.
fn disk(tool: &Tool<'_>) -> PathBuf {
    let hostile = tool.scratch.path("hostile.wasm");
    let service = tool.build.guests.join("deployed.wasm");
    let signed = |version| tool.module(&service, "service", version, "keys");
    let stranger = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01a\x01b\0\0";
    let stranger = tool.scratch.write("stranger.wasm", stranger);
    let one = signed("1");
    let bare = artifact(&one);
    let mut other = bare.clone();
    let target = other.windows(TARGET.len()).position(|w| w == TARGET);
    other[target.expect("what it was compiled for") - 1] ^= 1;
    let key = tool.key();
    let mut foreign = Writer::new();
    let added = foreign.add_version("service", "6", other);
    added.expect("a name");
    let mut two = Writer::new();
    for name in ["one", "two"] {
        two.add(name, bare.clone()).expect("a name");
    }
    let files = [
        ("hostile", tool.module(&hostile, "hostile", "7.0", "keys")),
        ("service-1", one),
        ("service-2", signed("2")),
        ("service-4", signed("4")),
        (
            "other-key",
            tool.module(&service, "service", "5", "other-keys"),
        ),
        ("other-compiler", foreign.finish(&key).expect("a module")),
        ("stranger", tool.module(&stranger, "stranger", "0", "keys")),
        ("two", two.finish(&key).expect("an archive")),
        ("unsigned", bare),
    ];
    let tree = tool.scratch.path("tree");
    let programs = tree.join("programs");
    fs::create_dir_all(&programs).expect("a directory");
    for (name, bytes) in files {
        fs::write(programs.join(name), bytes).expect("a file");
    }
    let disk = tool.scratch.path("disk.img");
    make_file_system(&disk, "32M", &["-d", &tree.display().to_string()]);
    disk
}

#[test]
fn modules_are_loaded_from_a_disk_and_services_replaced() {
    let scratch = Scratch::new();
    let built = Build::from_env();
    let build = built
        .clone()
        .with_archive_of(&scratch, &["deployer", "fs", "hostile"]);
    let tool = Tool {
        build: &built,
        scratch: &scratch,
    };
    let disk = disk(&tool);
    let image = scratch.path("deploy.elf");
    let config = Config {
        devices: Devices {
            disk: Some(disk.into()),
            ..Devices::default()
        },
        ..Config::default()
    };
    let spec = spec::test_path("deploy.cdl");
    let log = Log::of("deployer", &build, (&spec, &image), config);
    log.assert_kept(PROMISES);
    let text = log.text();
    for said in [
        "a module was not loaded: module service: ",
        "a module was not loaded: module imports a b, which is no hostcall",
        "which needs the grant sessions; it is not given",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}
