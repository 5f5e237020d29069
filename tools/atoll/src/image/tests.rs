// SPDX-License-Identifier: BSD-2-Clause
use std::path::Path;

use boot_image::{loader, root};
use object::elf::{PF_R, PF_W};

use super::elf::{Program, Segment, write};
use super::layout::{boot_image, user_image};
use super::*;

const PAGE: usize = 4096;

fn segment(vaddr: u64, paddr: u64, data: &[u8], mem_size: u64) -> Segment<'_> {
    let flags = PF_R | PF_W;
    Segment {
        vaddr,
        paddr,
        data,
        mem_size,
        flags,
    }
}

/// Two segments, the second with zeros behind its data.
fn root_task() -> Vec<u8> {
    let segments = [
        segment(0x20_0000, 0x20_0000, b"text", 4),
        segment(0x20_1010, 0x20_1010, b"data", 0x1000),
    ];
    write(0x20_0002, &segments).unwrap()
}

#[test]
fn segments_survive_writing_and_reading() {
    let bytes = root_task();
    let program = Program::parse(&bytes).unwrap();
    assert_eq!(program.entry, 0x20_0002);
    let [text, data] = program.segments[..] else {
        panic!("{program:?}")
    };
    assert_eq!(
        (text.vaddr, text.paddr, text.data, text.mem_size),
        (0x20_0000, 0x20_0000, &b"text"[..], 4)
    );
    assert_eq!(
        (data.vaddr, data.data, data.mem_size),
        (0x20_1010, &b"data"[..], 0x1000)
    );
}

#[test]
fn stripping_keeps_segments_and_drops_the_rest() {
    let mut bytes = root_task();
    let len = bytes.len();
    bytes.extend([0xdb; 5000]);
    // Pretend that there is a section table.
    bytes[0x28..0x30].copy_from_slice(&(len as u64).to_le_bytes());
    let stripped = Program::parse(&bytes).unwrap().stripped().unwrap();
    assert_eq!(stripped, root_task());
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(
        Program::parse(b"\0asm\x01\0\0\0"),
        Err(ElfError::Malformed(_))
    ));
    let mut bytes = root_task();
    bytes[0x12] = 0x3e; // e_machine: x86-64
    assert!(matches!(Program::parse(&bytes), Err(ElfError::OtherKind)));
    let empty = write(0, &[]).unwrap();
    assert!(matches!(Program::parse(&empty), Err(ElfError::NoSegments)));
    let overlapping = write(0, &[segment(0x1000, 0, b"", 9), segment(0x1008, 0, b"", 9)]).unwrap();
    assert!(matches!(
        Program::parse(&overlapping),
        Err(ElfError::Overlap(0x1000, 0x1008))
    ));
    let beyond = write(0, &[segment(u64::MAX - 1, 0, b"", 9)]).unwrap();
    assert!(matches!(Program::parse(&beyond), Err(ElfError::Size(_))));
}

#[test]
fn every_truncation_is_an_error_or_a_program() {
    let bytes = root_task();
    for len in 0..bytes.len() {
        if let Ok(program) = Program::parse(&bytes[..len]) {
            program.stripped().unwrap();
        }
    }
}

#[test]
fn the_root_task_finds_its_payload() {
    let bytes = root_task();
    let program = Program::parse(&bytes).unwrap();
    let elf = vec![0x7f; 5000];
    let user = user_image(
        &program,
        Path::new("root"),
        b"spec",
        &[3; PAGE],
        &[("server", elf.clone())],
        &[("file", vec![7; 3])],
    )
    .unwrap();
    assert_eq!((user.vaddr, user.entry), (0x20_0000, 0x20_0002));
    // 0x201010 + 0x1000 bytes end in the third page.
    assert_eq!(user.root_task, 3 * PAGE);
    assert_eq!(&user.bytes[..4], b"text");
    assert_eq!(&user.bytes[0x1010..0x1014], b"data");
    assert!(user.bytes[0x1014..3 * PAGE].iter().all(|&byte| byte == 0));

    let payload = &user.bytes[3 * PAGE..];
    assert!(payload.len().is_multiple_of(PAGE));
    let header: root::Header = postcard::take_from_bytes(payload).unwrap().0;
    assert_eq!(header.magic, root::MAGIC);
    let part = |part: root::Part| {
        assert!(part.offset.is_multiple_of(PAGE as u64));
        &payload[part.offset as usize..][..part.len as usize]
    };
    assert_eq!(part(header.spec), b"spec");
    assert_eq!(part(header.archive), [3; PAGE]);
    assert_eq!(header.programs.len(), 1);
    assert_eq!(header.programs[0].name, "server");
    assert_eq!(part(header.programs[0].part), elf);
    assert_eq!(header.files.len(), 1);
    assert_eq!(header.files[0].name, "file");
    assert_eq!(part(header.files[0].part), [7; 3]);
}

#[test]
fn a_long_name_is_an_error() {
    let bytes = root_task();
    let program = Program::parse(&bytes).unwrap();
    let name = "n".repeat(33);
    let result = user_image(
        &program,
        Path::new("root"),
        b"",
        b"",
        &[(&name, vec![])],
        &[],
    );
    assert!(matches!(result, Err(ImageError::Limit(_))));
}

#[test]
fn the_loader_must_say_where_the_payload_goes() {
    let bytes = root_task();
    let program = Program::parse(&bytes).unwrap();
    let user = user_image(&program, Path::new("root"), b"", b"", &[], &[]).unwrap();
    let result = boot_image(&program, Path::new("loader"), &program, &user);
    assert!(matches!(result, Err(ImageError::NoPayloadSymbol(_))));
}

/// An ELF file with one segment and the symbol `__payload`.
fn loader_with_symbol(base: u64, payload: u64) -> Vec<u8> {
    use object::write::{Object, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};

    let mut object = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little);
    object.add_symbol(Symbol {
        name: b"__payload".to_vec(),
        value: payload,
        size: 0,
        kind: SymbolKind::Label,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Absolute,
        flags: SymbolFlags::None,
    });
    let mut bytes = object.write().unwrap();
    // Make the relocatable file an executable with one segment, whose header goes to the end.
    let header_offset = bytes.len() as u64;
    let segment = write(base, &[segment(base, base, b"loader", 0x10)]).unwrap();
    bytes.extend_from_slice(&segment[64..64 + 56]);
    let offset_field = bytes.len() - 48..bytes.len() - 40;
    bytes[offset_field].fill(0);
    bytes[0x10..0x12].copy_from_slice(&object::elf::ET_EXEC.to_le_bytes());
    bytes[0x18..0x20].copy_from_slice(&base.to_le_bytes());
    bytes[0x20..0x28].copy_from_slice(&header_offset.to_le_bytes());
    bytes[0x36..0x38].copy_from_slice(&56u16.to_le_bytes());
    bytes[0x38..0x3a].copy_from_slice(&1u16.to_le_bytes());
    bytes
}

#[test]
fn the_payload_follows_the_loader() {
    let root = root_task();
    let root = Program::parse(&root).unwrap();
    let user = user_image(&root, Path::new("root"), b"spec", b"", &[], &[]).unwrap();
    let loader = loader_with_symbol(0x4400_0000, 0x4400_2000);
    let loader = Program::parse(&loader).unwrap();
    let kernel_segment = segment(0xffff_ff80_4000_0000, 0x4000_0000, b"kernel", 0x3000);
    let kernel = write(0xffff_ff80_4000_0000, &[kernel_segment]).unwrap();
    let kernel = Program::parse(&kernel).unwrap();

    let image = boot_image(&loader, Path::new("loader"), &kernel, &user).unwrap();
    let image = Program::parse(&image).unwrap();
    assert_eq!(image.entry, 0x4400_0000);
    let payload = image.segments[1];
    assert_eq!((payload.vaddr, payload.paddr), (0x4400_2000, 0x4400_2000));
    let header: loader::Header = postcard::take_from_bytes(payload.data).unwrap().0;
    assert_eq!(
        (header.magic, header.kernel_entry),
        (loader::MAGIC, 0xffff_ff80_4000_0000)
    );
    let region = header.kernel[0];
    assert_eq!(
        (region.paddr, region.file_size, region.mem_size),
        (0x4000_0000, 6, 0x3000)
    );
    assert_eq!(&payload.data[region.offset as usize..][..6], b"kernel");
    assert_eq!(
        (header.user.vaddr, header.user.entry),
        (user.vaddr, user.entry)
    );
    assert_eq!(
        payload.data[header.user.offset as usize..][..header.user.size as usize],
        user.bytes
    );

    // The same with a kernel that leaves no room.
    let large = segment(0xffff_ff80_4000_0000, 0x4000_0000, b"kernel", 0x3ff_f000);
    let large = write(0, &[large]).unwrap();
    let result = boot_image(
        &loader,
        Path::new("loader"),
        &Program::parse(&large).unwrap(),
        &user,
    );
    assert!(
        matches!(result, Err(ImageError::TooLarge { .. })),
        "{result:?}"
    );
}

#[test]
fn a_payload_inside_the_loader_is_refused() {
    let root = root_task();
    let root = Program::parse(&root).unwrap();
    let user = user_image(&root, Path::new("root"), b"", b"", &[], &[]).unwrap();
    for payload in [0x4400_0000, 0x4400_1008] {
        let loader = loader_with_symbol(0x4400_0000, payload);
        let loader = Program::parse(&loader).unwrap();
        let result = boot_image(&loader, Path::new("loader"), &root, &user);
        assert!(matches!(result, Err(ImageError::PayloadMisplaced(_, at)) if at == payload));
    }
}

#[test]
fn programs_are_given_by_name() {
    assert_eq!(named_file("a=b=c").unwrap(), ("a".into(), "b=c".into()));
    assert!(named_file("a").is_err() && named_file("=b").is_err() && named_file("a=").is_err());
}
