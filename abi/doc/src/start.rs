// SPDX-License-Identifier: BSD-2-Clause
//! The start parameters, which are no message of a call: they have no bounds.

use atoll_abi::describe::{Field, Shape, Type};

/// What `params` of `atoll::guest` copies, and what is in it.
pub(crate) const START: &[Type] = &[
    Type {
        name: "Params",
        doc: "The start parameters, which `params` of `atoll::guest` copies into the guest.",
        shape: Shape::Struct(&[
            field("pid", "Pid", "The process's id."),
            field("name", "String", "Its name."),
            field("args", "Vec<String>", "Arguments."),
            field("env", "Vec<String>", "Environment, `KEY=value`."),
            field(
                "caps",
                "Vec<Cap>",
                "Capabilities, each under the name of its slot.",
            ),
            field(
                "groups",
                "Groups",
                "The hostcall groups that it is granted.",
            ),
            field("limits", "Limits", "What it may use."),
            field(
                "version",
                "String",
                "The version of the module that it runs, or empty.",
            ),
        ]),
    },
    Type {
        name: "Cap",
        doc: "A capability that a guest holds from its start.",
        shape: Shape::Struct(&[
            field(
                "name",
                "String",
                "The slot's name in the spec, or what the parent called it.",
            ),
            field("handle", "Handle", "The handle."),
        ]),
    },
];

const fn field(name: &'static str, ty: &'static str, doc: &'static str) -> Field {
    Field { name, ty, doc }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atoll_abi::{Cap, Groups, Handle, Limits, Params, Pid};

    /// A field that is missing here, or elsewhere in the order, shows in the `Debug` of the type.
    #[test]
    fn fields_are_those_of_the_type() {
        let params = Params {
            pid: Pid(1),
            name: "a".into(),
            args: vec![],
            env: vec![],
            caps: vec![],
            groups: Groups::NONE,
            limits: Limits::DEFAULT,
            version: "2".into(),
        };
        let cap = Cap {
            name: "b".into(),
            handle: Handle(2),
        };
        for (ty, debug) in START
            .iter()
            .zip([format!("{params:#?}"), format!("{cap:#?}")])
        {
            let Shape::Struct(fields) = ty.shape else {
                panic!("{}", ty.name)
            };
            let names: Vec<_> = fields.iter().map(|field| field.name).collect();
            // The fields of the outermost struct are indented once.
            let found: Vec<_> = debug
                .lines()
                .filter_map(|line| line.strip_prefix("    "))
                .filter(|line| line.starts_with(char::is_alphabetic))
                .filter_map(|line| line.split_once(':'))
                .map(|(name, _)| name)
                .collect();
            assert_eq!(names, found, "{}", ty.name);
        }
    }
}
