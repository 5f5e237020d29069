// SPDX-License-Identifier: BSD-2-Clause
//! The XML files: system call numbers, invocation labels, structs passed in messages, and one
//! stub for each method of each object.
//!
//! A message's layout is that of libsel4's own stub generator: value parameters are packed in order,
//! each aligned to its size or to a word; parameters of capability types travel as extra capabilities.

use std::{collections::BTreeMap, fmt::Write};

use roxmltree::{Document, Node};

use crate::{
    bitfield::Bitfields,
    error::{Error, Result},
    expression::Scope,
};

const WORD_BITS: usize = 64;
/// Words of a message that travel in registers.
const REGISTERS: usize = 4;

/// How a parameter travels.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Capability,
    /// An integer of so many bits, in a Rust type.
    Integer(usize, &'static str),
    Boolean,
    /// A bitfield type of one word.
    Bitfield(String),
    /// A struct of words, passed by reference.
    Struct(String),
}

#[derive(Clone, Debug)]
struct Parameter {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
struct Method {
    label: String,
    function: String,
    inputs: Vec<Parameter>,
    outputs: Vec<Parameter>,
}

/// The contents of the interface files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interface {
    methods: Vec<Method>,
    structs: BTreeMap<String, Vec<String>>,
}

/// A system call that signals and waits, which the kernel of this tree has and upstream's have not.
const SIGNAL_WAIT: &str = "SignalWait";

/// The system call numbers: -1 downward over all calls that the configuration has.
pub(crate) fn emit_syscalls(xml: &str, scope: &Scope, out: &mut String) -> Result<()> {
    let document = parse(xml)?;
    out.push_str("/// System call numbers.\npub mod syscall_id {\n");
    let (mut number, mut signal_wait) = (0, None);
    for config in document
        .descendants()
        .filter(|node| node.has_tag_name("config"))
    {
        if !holds(&config, scope)? {
            continue;
        }
        for call in config
            .children()
            .filter(|node| node.has_tag_name("syscall"))
        {
            number -= 1;
            let name = attribute(&call, "name")?;
            if name == SIGNAL_WAIT {
                signal_wait = Some(number);
                continue;
            }
            let _ = writeln!(
                out,
                "    /// `{name}`.\n    pub const {name}: i64 = {number};"
            );
        }
    }
    let _ = writeln!(
        out,
        "    /// `{SIGNAL_WAIT}`, if the kernel has it.\n    pub const {SIGNAL_WAIT}: Option<i64> = {signal_wait:?};"
    );
    out.push_str("}\n");
    if number == 0 {
        Err(Error::new("names no system call"))
    } else {
        Ok(())
    }
}

impl Interface {
    /// Adds the structs of a file. The generic file's methods use structs of the architecture's, so
    /// all files' structs come before any methods.
    pub(crate) fn parse_structs(&mut self, xml: &str) -> Result<()> {
        let document = parse(xml)?;
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name("struct"))
        {
            let members = node.children().filter(|node| node.has_tag_name("member"));
            let members = members
                .map(|member| attribute(&member, "name"))
                .collect::<Result<_>>()?;
            self.structs.insert(attribute(&node, "name")?, members);
        }
        Ok(())
    }

    /// Adds the methods of a file. Labels count on from the files before, so their order matters:
    /// generic, then the architecture's variant, then the architecture.
    pub(crate) fn parse_methods(
        &mut self,
        xml: &str,
        scope: &Scope,
        bitfields: &Bitfields,
    ) -> Result<()> {
        let document = parse(xml)?;
        for interface in document
            .descendants()
            .filter(|node| node.has_tag_name("interface"))
        {
            let object = attribute(&interface, "name")?;
            for node in interface
                .children()
                .filter(|node| node.has_tag_name("method"))
            {
                if holds(&node, scope)? {
                    let function = format!("{object}_{}", attribute(&node, "name")?);
                    let method = self
                        .method(&node, &function, bitfields)
                        .map_err(|error| error.at(&function))?;
                    self.methods.push(method);
                }
            }
        }
        Ok(())
    }

    fn method(&self, node: &Node<'_, '_>, function: &str, bitfields: &Bitfields) -> Result<Method> {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for param in node.children().filter(|node| node.has_tag_name("param")) {
            let kind = self.kind(&attribute(&param, "type")?, bitfields)?;
            let parameter = Parameter {
                name: attribute(&param, "name")?,
                kind,
            };
            match attribute(&param, "dir")?.as_str() {
                "in" => inputs.push(parameter),
                "out" => outputs.push(parameter),
                other => return Err(Error::new(format!("unknown direction `{other}`"))),
            }
        }
        Ok(Method {
            label: attribute(node, "id")?,
            function: function.to_owned(),
            inputs,
            outputs,
        })
    }

    fn kind(&self, ty: &str, bitfields: &Bitfields) -> Result<Kind> {
        Ok(match ty {
            "seL4_Word" | "seL4_Uint64" | "seL4_ARM_VMAttributes" | "seL4_Time" => {
                Kind::Integer(64, "u64")
            }
            "seL4_Uint32" | "int" => Kind::Integer(32, "u32"),
            "seL4_Uint16" => Kind::Integer(16, "u16"),
            "seL4_Uint8" => Kind::Integer(8, "u8"),
            "seL4_Bool" => Kind::Boolean,
            _ if self.structs.contains_key(ty) => Kind::Struct(ty.to_owned()),
            _ => match ty.strip_suffix("_t") {
                Some(block) if bitfields.contains(block) => Kind::Bitfield(block.to_owned()),
                Some(_) => return Err(Error::new(format!("no bitfield type `{ty}`"))),
                None if ty.starts_with("seL4_") => Kind::Capability,
                None => return Err(Error::new(format!("unknown type `{ty}`"))),
            },
        })
    }

    /// Whether the interface has an invocation of this label.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        self.methods.iter().any(|method| method.label == label)
    }

    /// Labels, structs and stubs.
    pub(crate) fn emit(&self, out: &mut String) {
        out.push_str("/// Labels of invocations.\npub mod invocation_label {\n");
        for (index, method) in self.methods.iter().enumerate() {
            let label = &method.label;
            let _ = writeln!(
                out,
                "    /// `{}`.\n    pub const {label}: u64 = {};",
                method.function,
                index + 1
            );
        }
        out.push_str("}\n");
        for (name, members) in &self.structs {
            let _ = writeln!(
                out,
                "/// Words in the order of the message.\n#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]\n#[repr(C)]\npub struct {name} {{"
            );
            for member in members {
                let _ = writeln!(
                    out,
                    "    /// Member `{member}`.\n    pub {member}: seL4_Word,"
                );
            }
            out.push_str("}\n");
        }
        out.push_str("impl seL4_IPCBuffer {\n");
        let mut results = String::new();
        for method in &self.methods {
            self.stub(method, out, &mut results);
        }
        out.push_str("}\n");
        out.push_str(&results);
    }

    fn bits(&self, kind: &Kind) -> usize {
        match kind {
            Kind::Capability | Kind::Bitfield(_) => WORD_BITS,
            Kind::Integer(bits, _) => *bits,
            Kind::Boolean => 1,
            Kind::Struct(name) => self.structs[name].len() * WORD_BITS,
        }
    }

    /// Each parameter's place: bit offset in the message.
    fn places<'a>(&self, parameters: &[&'a Parameter]) -> (Vec<(&'a Parameter, usize)>, usize) {
        let mut used = 0_usize;
        let mut places = Vec::new();
        for parameter in parameters {
            let bits = self.bits(&parameter.kind);
            used = used.next_multiple_of(bits.min(WORD_BITS));
            places.push((*parameter, used));
            used += bits;
        }
        (places, used.div_ceil(WORD_BITS))
    }

    /// The words of the message as Rust expressions.
    fn marshal(&self, parameters: &[&Parameter]) -> Vec<String> {
        let (places, length) = self.places(parameters);
        let mut words = vec![Vec::new(); length];
        for (parameter, offset) in places {
            let (word, shift) = (offset / WORD_BITS, offset % WORD_BITS);
            let name = argument(&parameter.name);
            let expression = match &parameter.kind {
                Kind::Struct(ty) => {
                    for (index, member) in self.structs[ty].iter().enumerate() {
                        words[word + index].push(format!("{name}.{member}"));
                    }
                    continue;
                }
                Kind::Bitfield(_) => format!("{name}.0[0]"),
                Kind::Capability | Kind::Integer(64, _) => name,
                Kind::Integer(..) | Kind::Boolean => format!("u64::from({name})"),
            };
            words[word].push(if shift == 0 {
                expression
            } else {
                format!("{expression} << {shift}")
            });
        }
        words
            .into_iter()
            .map(|parts| {
                if parts.is_empty() {
                    "0".to_owned()
                } else {
                    parts.join(" | ")
                }
            })
            .collect()
    }

    fn stub(&self, method: &Method, out: &mut String, results: &mut String) {
        let Method {
            label, function, ..
        } = method;
        let (caps, values): (Vec<&Parameter>, Vec<&Parameter>) = method
            .inputs
            .iter()
            .partition(|parameter| parameter.kind == Kind::Capability);
        let words = self.marshal(&values);
        let mut signature = String::from("&mut self, service: seL4_CPtr");
        for parameter in &method.inputs {
            let ty = match &parameter.kind {
                Kind::Capability => "seL4_CPtr".to_owned(),
                Kind::Integer(_, ty) => (*ty).to_owned(),
                Kind::Boolean => "bool".to_owned(),
                Kind::Bitfield(ty) => ty.clone(),
                Kind::Struct(ty) => format!("&{ty}"),
            };
            let _ = write!(signature, ", {}: {ty}", argument(&parameter.name));
        }
        let output_type = match method.outputs.as_slice() {
            [] => "()".to_owned(),
            _ => format!("{function}_Result"),
        };
        let _ = writeln!(
            out,
            "    /// `{function}`. `Err` holds the kernel's error number; the words that explain it are then in the first message registers.\n    \
             #[inline]\n    pub fn {function}({signature}) -> core::result::Result<{output_type}, seL4_Error> {{"
        );
        for (index, cap) in caps.iter().enumerate() {
            let _ = writeln!(
                out,
                "        self.caps_or_badges[{index}] = {};",
                argument(&cap.name)
            );
        }
        for (index, word) in words.iter().enumerate().skip(REGISTERS) {
            let _ = writeln!(out, "        self.msg[{index}] = {word};");
        }
        let in_registers: Vec<&str> = (0..REGISTERS)
            .map(|index| words.get(index).map_or("0", String::as_str))
            .collect();
        let _ = writeln!(
            out,
            "        let info = seL4_MessageInfo::new(invocation_label::{label}, 0, {}, {});\n        \
             let reply = crate::syscalls::call(service, info, [{}], self);\n        \
             let error = reply.info.get_label();\n        \
             if error != seL4_NoError {{\n            self.msg[..{REGISTERS}].copy_from_slice(&reply.mrs);\n            return Err(error);\n        }}",
            caps.len(),
            words.len(),
            in_registers.join(", ")
        );
        self.unmarshal(method, out, results);
        out.push_str("    }\n");
    }

    fn unmarshal(&self, method: &Method, out: &mut String, results: &mut String) {
        if method.outputs.is_empty() {
            out.push_str("        Ok(())\n");
            return;
        }
        let function = &method.function;
        let _ = writeln!(
            results,
            "/// What [`seL4_IPCBuffer::{function}`] returns.\n#[derive(Clone, Copy, Debug)]\npub struct {function}_Result {{"
        );
        let _ = writeln!(out, "        Ok({function}_Result {{");
        let outputs: Vec<&Parameter> = method.outputs.iter().collect();
        let message_word = |index: usize| {
            if index < REGISTERS {
                format!("reply.mrs[{index}]")
            } else {
                format!("self.msg[{index}]")
            }
        };
        for (parameter, offset) in self.places(&outputs).0 {
            let (word, shift) = (offset / WORD_BITS, offset % WORD_BITS);
            let name = argument(&parameter.name);
            let source = match shift {
                0 => message_word(word),
                _ => format!("({} >> {shift})", message_word(word)),
            };
            let (ty, expression) = match &parameter.kind {
                Kind::Capability | Kind::Integer(64, _) => ("u64".to_owned(), source),
                Kind::Integer(_, ty) => ((*ty).to_owned(), format!("{source} as {ty}")),
                Kind::Boolean => ("bool".to_owned(), format!("{source} & 1 != 0")),
                Kind::Bitfield(ty) => (ty.clone(), format!("{ty}([{source}])")),
                Kind::Struct(ty) => {
                    let members = self.structs[ty].iter().enumerate();
                    let members: Vec<String> = members
                        .map(|(index, member)| format!("{member}: {}", message_word(word + index)))
                        .collect();
                    (ty.clone(), format!("{ty} {{ {} }}", members.join(", ")))
                }
            };
            let _ = writeln!(results, "    /// Output `{name}`.\n    pub {name}: {ty},");
            let _ = writeln!(out, "            {name}: {expression},");
        }
        out.push_str("        })\n");
        results.push_str("}\n");
    }
}

fn parse(xml: &str) -> Result<Document<'_>> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    Document::parse_with_options(xml, options).map_err(|error| Error::new(error.to_string()))
}

fn attribute(node: &Node<'_, '_>, name: &str) -> Result<String> {
    node.attribute(name).map(str::to_owned).ok_or_else(|| {
        Error::new(format!(
            "<{}> has no attribute `{name}`",
            node.tag_name().name()
        ))
    })
}

/// The `condition` attribute of old interface files. Newer ones have a `<condition>` element, which
/// must not be passed over: taking a method that the kernel does not have shifts all labels after it.
fn holds(node: &Node<'_, '_>, scope: &Scope) -> Result<bool> {
    if node.children().any(|child| child.has_tag_name("condition")) {
        return Err(Error::new(
            "<condition> elements (interface files newer than seL4 5.0.0) are not supported",
        ));
    }
    node.attribute("condition")
        .map_or(Ok(true), |condition| scope.condition(condition))
}

/// Parameter names that are Rust keywords, or that a stub uses itself.
fn argument(name: &str) -> String {
    match name {
        "type" => "type_".to_owned(),
        "service" | "info" | "reply" | "error" => format!("{name}_"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(xml: &str) -> Result<String> {
        let mut bitfields = Bitfields::default();
        bitfields.parse("block seL4_CapRights { field all 64 }")?;
        let mut interface = Interface::default();
        interface.parse_structs(xml)?;
        interface.parse_methods(xml, &Scope::default(), &bitfields)?;
        let mut out = String::new();
        interface.emit(&mut out);
        Ok(out)
    }

    #[test]
    fn packs_small_parameters_and_lifts_capabilities() {
        let out = emit(
            r#"<api><interface name="seL4_A"><method id="AB" name="B">
                <param dir="in" name="a" type="seL4_Bool"/><param dir="in" name="b" type="seL4_Uint8"/>
                <param dir="in" name="root" type="seL4_CNode"/><param dir="in" name="c" type="seL4_Word"/>
                <param dir="in" name="rights" type="seL4_CapRights_t"/></method></interface></api>"#,
        )
        .unwrap();
        assert!(out.contains("pub const AB: u64 = 1;"));
        assert!(out.contains("self.caps_or_badges[0] = root;"));
        assert!(out.contains("[u64::from(a) | u64::from(b) << 8, c, rights.0[0], 0]"));
        assert!(out.contains("seL4_MessageInfo::new(invocation_label::AB, 0, 1, 3)"));
    }

    #[test]
    fn structs_cross_the_registers() {
        let out = emit(
            r#"<api><struct name="seL4_C"><member name="x"/><member name="y"/></struct>
                <interface name="seL4_A"><method id="AR" name="R">
                <param dir="in" name="n" type="seL4_Word"/><param dir="out" name="regs" type="seL4_C"/></method>
                <method id="AW" name="W"><param dir="in" name="a" type="seL4_Word"/><param dir="in" name="b" type="seL4_Word"/>
                <param dir="in" name="c" type="seL4_Word"/><param dir="in" name="regs" type="seL4_C"/></method></interface></api>"#,
        )
        .unwrap();
        assert!(out.contains("regs: seL4_C { x: reply.mrs[0], y: reply.mrs[1] }"));
        assert!(out.contains("[a, b, c, regs.x]"));
        assert!(out.contains("self.msg[4] = regs.y;"));
    }

    #[test]
    fn a_condition_that_fails_takes_no_label() {
        let out = emit(
            r#"<api><interface name="seL4_A"><method id="A1" name="A" condition="CONFIG_X > 1"/><method id="A2" name="B"/></interface></api>"#,
        )
        .unwrap();
        assert!(!out.contains("A1"));
        assert!(out.contains("pub const A2: u64 = 1;"));
    }

    #[test]
    fn syscalls_count_down() {
        let mut out = String::new();
        let xml = r#"<s><api><config><syscall name="Call"/><syscall name="Send"/></config></api>
            <debug><config condition="defined CONFIG_DEBUG_BUILD"><syscall name="D"/></config></debug></s>"#;
        emit_syscalls(xml, &Scope::default(), &mut out).unwrap();
        assert!(out.contains("pub const Send: i64 = -2;"));
        assert!(!out.contains("const D"));
        assert!(out.contains("pub const SignalWait: Option<i64> = None;"));
        let ours = xml.replace(r#""Send"/>"#, r#""Send"/><syscall name="SignalWait"/>"#);
        out.clear();
        emit_syscalls(&ours, &Scope::default(), &mut out).unwrap();
        assert!(out.contains("pub const SignalWait: Option<i64> = Some(-3);"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let method = |param: &str| {
            format!(
                r#"<api><interface name="A"><method id="X" name="Y">{param}</method></interface></api>"#
            )
        };
        assert!(
            emit(&method(
                r#"<param dir="in" name="a" type="seL4_Unknown_t"/>"#
            ))
            .is_err()
        );
        assert!(emit(&method(r#"<param dir="in" name="a" type="float"/>"#)).is_err());
        assert!(emit(&method(r#"<param dir="in" name="a"/>"#)).is_err());
        assert!(emit(&method("<condition/>")).is_err());
        assert!(emit("<api>").is_err());
    }
}
