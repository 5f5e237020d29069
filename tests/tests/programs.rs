// SPDX-License-Identifier: BSD-2-Clause
//! What was built: pages that are writable or executable, never both; atomics that are atomic.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SegmentFlags};
use system_tests::build::Build;
use wasm_archive::Archive;
use wasmparser::{Operator, Parser, Payload, TypeRef};

#[test]
fn no_page_of_the_server_is_writable_and_executable() {
    const PF_X: u32 = 1;
    const PF_W: u32 = 2;
    let elf = fs::read(Build::from_env().server()).expect("the server");
    let elf = object::File::parse(&*elf).expect("an ELF file");
    let mut pages: BTreeMap<u64, u32> = BTreeMap::new();
    let (mut writable, mut executable) = (false, false);
    for segment in elf.segments() {
        let SegmentFlags::Elf { p_flags } = segment.flags() else {
            panic!("no ELF file")
        };
        writable |= p_flags & PF_W != 0;
        executable |= p_flags & PF_X != 0;
        let last = segment.address() + segment.size().max(1) - 1;
        for page in segment.address() / 4096..=last / 4096 {
            *pages.entry(page).or_default() |= p_flags;
        }
    }
    assert!(writable && executable, "it has code and data");
    for (page, flags) in pages {
        let both = flags & PF_W != 0 && flags & PF_X != 0;
        assert!(
            !both,
            "the page at {:#x} is writable and executable",
            page * 4096
        );
    }
}

/// Atomic instructions of one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Atomics {
    loads: usize,
    stores: usize,
    /// Read, modify, write.
    updates: usize,
}

/// Atomic instructions of a module, by the function's index, and whether any needs the host's threads.
fn wasm_atomics(module: &Path) -> (BTreeMap<u32, Atomics>, bool) {
    let wasm = fs::read(module).unwrap_or_else(|e| panic!("{}: {e}", module.display()));
    let mut functions = BTreeMap::new();
    let mut sleeps = false;
    let mut index = 0;
    for payload in Parser::new(0).parse_all(&wasm) {
        match payload.expect("a good module") {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.expect("a good import");
                    index += u32::from(matches!(
                        import.ty,
                        TypeRef::Func(_) | TypeRef::FuncExact(_)
                    ));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut found = Atomics::default();
                for operator in body.get_operators_reader().expect("a good body") {
                    match operator.expect("a good operator") {
                        Operator::I32AtomicLoad { .. } => found.loads += 1,
                        Operator::I32AtomicStore { .. } => found.stores += 1,
                        Operator::I32AtomicRmwAdd { .. }
                        | Operator::I32AtomicRmwSub { .. }
                        | Operator::I32AtomicRmwAnd { .. }
                        | Operator::I32AtomicRmwOr { .. }
                        | Operator::I32AtomicRmwXor { .. }
                        | Operator::I32AtomicRmwXchg { .. }
                        | Operator::I32AtomicRmwCmpxchg { .. } => found.updates += 1,
                        Operator::MemoryAtomicNotify { .. }
                        | Operator::MemoryAtomicWait32 { .. }
                        | Operator::MemoryAtomicWait64 { .. } => sleeps = true,
                        _ => {}
                    }
                }
                functions.insert(index, found);
                index += 1;
            }
            _ => {}
        }
    }
    (functions, sleeps)
}

/// Atomic instructions of compiled functions, by the function's index in the module.
fn machine_atomics(artifact: &[u8]) -> BTreeMap<u32, Atomics> {
    let elf = object::File::parse(artifact).expect("an artifact is an ELF file");
    assert_eq!(elf.architecture(), object::Architecture::Aarch64);
    let text = elf.section_by_name(".text").expect("a section of code");
    let code = text.data().expect("its bytes");
    let mut functions = BTreeMap::new();
    for symbol in elf.symbols() {
        // Such as `wasm[0]::function[12]::name`; trampolines have other names.
        let Ok(name) = symbol.name() else { continue };
        let Some(rest) = name.strip_prefix("wasm[0]::function[") else {
            continue;
        };
        let Some((index, _)) = rest.split_once(']') else {
            continue;
        };
        let start = (symbol.address() - text.address()) as usize;
        let words = code[start..start + symbol.size() as usize].chunks_exact(4);
        let mut found = Atomics::default();
        for word in words {
            count(
                u32::from_le_bytes([word[0], word[1], word[2], word[3]]),
                &mut found,
            );
        }
        functions.insert(index.parse().expect("a number"), found);
    }
    functions
}

/// Counts an instruction word (Arm ARM, C4.1.94, "Load/store exclusive", "Load/store ordered", "Compare
/// and swap", "Atomic memory operations").
fn count(word: u32, found: &mut Atomics) {
    // size 001000 o2 L o1 Rs o0 Rt2 Rn Rt
    if word & 0x3f00_0000 == 0x0800_0000 {
        let bit = |at: u32| word >> at & 1;
        match (bit(23), bit(22), bit(21), bit(15)) {
            (1, 1, 0, 1) => found.loads += 1,
            (1, 0, 0, 1) => found.stores += 1,
            // The store of a loop over an exclusive pair: one for each update. Compare-and-swap.
            (0, 0, 0, _) | (1, _, 1, _) => found.updates += 1,
            _ => {}
        }
    }
    // size 111 0 00 A R 1 Rs o3 opc 00 Rn Rt; o3 with opc 100 is ldapr.
    if word & 0x3f20_0c00 == 0x3820_0000 {
        if word >> 12 & 0xf == 0b1100 {
            found.loads += 1;
        } else {
            found.updates += 1;
        }
    }
}

#[test]
fn instructions_are_told_apart() {
    let counted = |word| {
        let mut found = Atomics::default();
        count(word, &mut found);
        (found.loads, found.stores, found.updates)
    };
    // As GNU as encodes them.
    assert_eq!(counted(0x88df_fc20), (1, 0, 0), "ldar w0, [x1]");
    assert_eq!(counted(0x889f_fc20), (0, 1, 0), "stlr w0, [x1]");
    assert_eq!(counted(0x885f_fc20), (0, 0, 0), "ldaxr w0, [x1]");
    assert_eq!(counted(0x8802_fc20), (0, 0, 1), "stlxr w2, w0, [x1]");
    assert_eq!(counted(0x88e2_fc20), (0, 0, 1), "casal w2, w0, [x1]");
    assert_eq!(counted(0xb8e2_0020), (0, 0, 1), "ldaddal w2, w0, [x1]");
    assert_eq!(counted(0xb8bf_c020), (1, 0, 0), "ldapr w0, [x1]");
    assert_eq!(counted(0xb940_0020), (0, 0, 0), "ldr w0, [x1]");
    assert_eq!(counted(0xb900_0020), (0, 0, 0), "str w0, [x1]");
    assert_eq!(counted(0xb862_6820), (0, 0, 0), "ldr w0, [x1, x2]");
    assert_eq!(counted(0xd65f_03c0), (0, 0, 0), "ret");
}

/// The compiler can make plain loads and stores of atomic ones on the way to wasm, and again on the way
/// to machine code, without a word.
#[test]
fn atomics_of_guests_are_atomic_in_wasm_and_in_machine_code() {
    let build = Build::from_env();
    let archive = fs::read(&build.archive).expect("the archive");
    let key = archive[24..56].try_into().expect("32 bytes");
    let archive = Archive::open(&archive, &key).expect("a good archive");
    for name in ["ping", "pong"] {
        let (in_wasm, sleeps) = wasm_atomics(&build.guests.join(name).with_extension("wasm"));
        assert!(
            !sleeps,
            "{name} waits or notifies in wasm, which the server does not have"
        );
        let sum = |of: fn(&Atomics) -> usize| in_wasm.values().map(of).sum::<usize>();
        assert!(
            sum(|a| a.loads) > 0 && sum(|a| a.stores) > 0,
            "{name} has no atomics in wasm"
        );

        let artifact = archive.module(name).expect("the module");
        let in_machine_code = machine_atomics(artifact.bytes());
        for (index, wanted) in in_wasm {
            let there = in_machine_code.get(&index);
            let there =
                there.unwrap_or_else(|| panic!("{name} has no function {index} in machine code"));
            let enough = there.loads >= wanted.loads
                && there.stores >= wanted.stores
                && there.updates >= wanted.updates;
            assert!(
                enough,
                "function {index} of {name}: {wanted:?} in wasm, {there:?} in machine code"
            );
        }
    }
}
