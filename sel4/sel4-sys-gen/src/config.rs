// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's configuration, `gen_config.json`: an object of booleans and strings, keys without
//! the `CONFIG_` prefix.

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    error::{Error, Result},
    expression::{Macro, Scope},
};

/// A configuration value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An option that is on or off.
    Bool(bool),
    /// Numbers too are written as strings.
    Str(String),
}

/// The configuration by key.
#[derive(Clone, Debug, Default)]
pub struct Config(pub BTreeMap<String, Value>);

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let values: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|error| Error::new(error.to_string()))?;
        let convert = |(key, value)| match value {
            serde_json::Value::Bool(value) => Ok((key, Value::Bool(value))),
            serde_json::Value::String(value) => Ok((key, Value::Str(value))),
            serde_json::Value::Number(value) => Ok((key, Value::Str(value.to_string()))),
            _ => Err(Error::new(format!(
                "`{key}` is neither a boolean nor a string"
            ))),
        };
        Ok(Config(
            values.into_iter().map(convert).collect::<Result<_>>()?,
        ))
    }

    /// Whether an option is on; one that is not named is off.
    pub fn is_on(&self, key: &str) -> bool {
        self.0.get(key) == Some(&Value::Bool(true))
    }

    /// As the kernel's `autoconf.h` says it: an option that is off is not defined at all.
    pub(crate) fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        for (key, value) in &self.0 {
            let body = match value {
                Value::Bool(false) => continue,
                Value::Bool(true) => "1".to_owned(),
                Value::Str(text) => text.clone(),
            };
            scope.macros.insert(
                format!("CONFIG_{key}"),
                Macro {
                    parameter: None,
                    body,
                },
            );
        }
        scope
    }

    /// `sel4_cfg_bool!`, `sel4_cfg_str!`, `sel4_cfg_usize!` and `sel4_cfg_word!`.
    pub(crate) fn emit(&self, out: &mut String) {
        let mut emit = |name: &str, doc: &str, arm: &dyn Fn(&Value) -> Option<String>| {
            let _ = writeln!(out, "/// {doc}\n#[macro_export]\nmacro_rules! {name} {{");
            for (key, value) in &self.0 {
                if let Some(text) = arm(value) {
                    let _ = writeln!(out, "    ({key}) => {{ {text} }};");
                }
            }
            out.push_str(
                "    ($key:ident) => { compile_error!(concat!(\"the kernel's configuration does not say \", stringify!($key))) };\n}\n",
            );
        };
        emit(
            "sel4_cfg_bool",
            "Whether an option of the kernel's configuration is on.",
            &|value| match value {
                Value::Bool(on) => Some(on.to_string()),
                Value::Str(_) => None,
            },
        );
        emit(
            "sel4_cfg_str",
            "A value of the kernel's configuration as text.",
            &|value| match value {
                Value::Bool(_) => None,
                Value::Str(text) => Some(format!("{text:?}")),
            },
        );
        let number = |value: &Value, ty: &str| match value {
            Value::Str(text) => Scope::default()
                .evaluate(text)
                .ok()
                .map(|n| format!("{n}{ty}")),
            Value::Bool(_) => None,
        };
        emit(
            "sel4_cfg_usize",
            "A numeric value of the kernel's configuration as `usize`.",
            &|value| number(value, "usize"),
        );
        emit(
            "sel4_cfg_word",
            "A numeric value of the kernel's configuration as a machine word.",
            &|value| number(value, "u64"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_booleans_strings_and_numbers() {
        let config = Config::parse(
            r#"{"PRINTING": true, "MAX_NUM_NODES": "1", "TIME_SLICE": 2, "X": false}"#,
        )
        .unwrap();
        assert!(config.is_on("PRINTING"));
        assert!(!config.is_on("X") && !config.is_on("absent"));
        let scope = config.scope();
        assert!(
            scope
                .condition("defined(CONFIG_PRINTING) && CONFIG_TIME_SLICE == 2")
                .unwrap()
        );
        assert!(!scope.condition("defined CONFIG_X").unwrap());
    }

    #[test]
    fn emits_macros() {
        let mut out = String::new();
        Config::parse(r#"{"PRINTING": true, "N": "3"}"#)
            .unwrap()
            .emit(&mut out);
        assert!(out.contains("(PRINTING) => { true };"));
        assert!(out.contains("(N) => { 3usize };"));
    }

    #[test]
    fn refuses_other_shapes() {
        assert!(Config::parse("[]").is_err());
        assert!(Config::parse(r#"{"A": []}"#).is_err());
    }
}
