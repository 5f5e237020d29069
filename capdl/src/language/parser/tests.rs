// SPDX-License-Identifier: BSD-2-Clause
//! The grammar, and what a parser must survive.

use super::parse;
use crate::language::ast::{CapDecl, Section};

#[test]
fn the_whole_grammar() {
    let file = parse(
        r#"
        /* everything that upstream's parser takes /* and nests */ */
        arch aarch64
        objects {
          a = ut (20 bits, paddr: 0x80000000) { b = tcb (init: [1, 2], dom: 5), c[4] = ep d[..2] }
          a/e[0] = frame (4k, fill: [{0 4096 CDL_FrameFill_FileData "hello" 0}])
          x = arm_irq (trigger: level, target: 0)
        }
        objects { f = pgd, g = notification, h = i (at: e[0]+0x20, up: [f + 1]) }
        caps {
          b { 0x1: f (asid: (0x1, 2)); vspace: f  2: n = g (RW, badge: 7)
              3: <n> (masked: R) - child_of n  4: <n> - child_of (b, 3)
              5: a[] 6: c[1, 2..3, ..1, 2..] (R W)  sched_control (core: 0) }
          name = (b, cspace)
        }
        irq maps { 30: x; c[] } cdt { (b, 1) { (b, 2) } } domains { schedule: [(0, 1)] }
        "#,
    )
    .unwrap();
    assert_eq!(file.arch.value, "aarch64");
    assert_eq!(file.sections.len(), 6);
    let Section::Objects(objects) = &file.sections[0] else {
        panic!("{file:?}")
    };
    assert_eq!(objects.len(), 3);
    assert_eq!(objects[0].covers.as_ref().map(|c| c.objects.len()), Some(3));
    assert_eq!(objects[1].path.len(), 2);
    let Section::Caps(caps) = &file.sections[2] else {
        panic!("{file:?}")
    };
    let CapDecl::Holder(_, entries) = &caps[0] else {
        panic!("{caps:?}")
    };
    assert_eq!(entries.len(), 8);
    assert!(entries[3].copy && entries[3].parent.is_some());
    assert_eq!(entries[6].params.len(), 1);
    assert!(matches!(caps[1], CapDecl::Name(_)));
    let Section::IrqMaps(irqs) = &file.sections[3] else {
        panic!("{file:?}")
    };
    assert_eq!(irqs[0].number.as_ref().map(|n| n.value), Some(30));
    assert!(irqs[1].number.is_none());
}

#[test]
fn spans_name_the_text() {
    let text = "arch aarch64 objects { pool = ut (24 bits, paddr: 0x1000) }";
    let file = parse(text).unwrap();
    let Section::Objects(objects) = &file.sections[0] else {
        panic!("{file:?}")
    };
    let params: Vec<_> = objects[0]
        .params
        .iter()
        .map(|p| &text[p.span.range()])
        .collect();
    assert_eq!(params, ["24 bits", "paddr: 0x1000"]);
}

#[test]
fn nesting_has_a_limit() {
    let deep = format!("arch aarch64 objects {{ a = b (c: {}", "[".repeat(100_000));
    let error = parse(&deep).unwrap_err();
    assert_eq!(error.message, "this is nested more than 32 levels deep");
}

#[test]
fn every_prefix_is_an_error_or_a_spec() {
    let text = include_str!("../../../specs/default.cdl");
    for (end, _) in text.char_indices() {
        let _ = parse(&text[..end]);
    }
    parse(text).unwrap();
}
