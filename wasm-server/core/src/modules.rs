// SPDX-License-Identifier: BSD-2-Clause
//! Modules: from the signed archive to something that can be instantiated.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::num::NonZeroUsize;

use atoll_abi::{Group, Groups, TABLE};
use wasm_archive::Archive;
use wasmtime::{Engine, InstancePre, Linker, Module};

use crate::{Lock, context::Context, link, platform::Platform};

/// A module that is loaded, compiled for one stack size.
pub(crate) struct Prepared<P: Platform> {
    /// Its engine.
    pub engine: Engine,
    /// Bytes of native stack that the engine lets wasm code use.
    pub stack: u32,
    /// The module with every import resolved.
    pub instance: InstancePre<Context<P>>,
    /// The gated groups it imports from, each with the name of one import.
    needs: Vec<(Group, String)>,
}

/// The modules of a server.
///
/// The stack limit is a setting of the engine, so there is an engine for each stack size that the
/// spec names, and a module is loaded once for each engine that runs it.
pub(crate) struct Modules<P: Platform> {
    archive: Archive<'static>,
    engines: Lock<P, BTreeMap<u32, Arc<Environment<P>>>>,
}

struct Environment<P: Platform> {
    engine: Engine,
    linker: Linker<Context<P>>,
    modules: Lock<P, BTreeMap<String, Arc<Prepared<P>>>>,
}

impl<P: Platform> Modules<P> {
    pub const fn new(archive: Archive<'static>) -> Self {
        Self {
            archive,
            engines: Lock::<P, _>::new(BTreeMap::new()),
        }
    }

    /// A module for a stack size, once its imports are found to be covered by the grants.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn prepare(
        &self,
        platform: &P,
        module: &str,
        stack: u32,
        groups: Groups,
    ) -> Result<Arc<Prepared<P>>, String> {
        let environment = self.environment(platform, stack)?;
        let known = environment.modules.lock().get(module).cloned();
        let prepared = match known {
            Some(prepared) => prepared,
            None => {
                let prepared = Arc::new(self.load(platform, &environment, module, stack)?);
                environment
                    .modules
                    .lock()
                    .insert(module.into(), prepared.clone());
                prepared
            }
        };
        match prepared
            .needs
            .iter()
            .find(|(group, _)| !groups.contains(*group))
        {
            None => Ok(prepared),
            Some((group, import)) => Err(format!(
                "module {module} imports {import}, which needs the grant {}; it is not given",
                group.grant().unwrap_or_default(),
            )),
        }
    }

    fn environment(&self, platform: &P, stack: u32) -> Result<Arc<Environment<P>>, String> {
        if let Some(environment) = self.engines.lock().get(&stack) {
            return Ok(environment.clone());
        }
        let bytes = NonZeroUsize::new(stack as usize).ok_or("the stack is empty")?;
        let mut config = wasm_engine::config(bytes);
        platform.configure(&mut config);
        let engine = Engine::new(&config)
            .map_err(|e| format!("wasmtime refused its configuration: {e:#}"))?;
        let linker =
            link::linker(&engine).map_err(|e| format!("cannot define the hostcalls: {e:#}"))?;
        let environment = Arc::new(Environment {
            engine,
            linker,
            modules: Lock::<P, _>::new(BTreeMap::new()),
        });
        self.engines.lock().insert(stack, environment.clone());
        Ok(environment)
    }

    fn load(
        &self,
        platform: &P,
        environment: &Environment<P>,
        name: &str,
        stack: u32,
    ) -> Result<Prepared<P>, String> {
        let verified = self
            .archive
            .module(name)
            .map_err(|e| format!("module {name}: {e}"))?;
        let module = platform
            .load(&environment.engine, &verified)
            .map_err(|e| format!("module {name} was refused: {e:#}"))?;
        let needs = needs(&module)?;
        let instance = environment
            .linker
            .instantiate_pre(&module)
            .map_err(|e| format!("module {name} does not link: {e:#}"))?;
        Ok(Prepared {
            engine: environment.engine.clone(),
            stack,
            instance,
            needs,
        })
    }
}

fn needs(module: &Module) -> Result<Vec<(Group, String)>, String> {
    let mut needs: Vec<(Group, String)> = Vec::new();
    for import in module.imports() {
        let name = format!("{} {}", import.module(), import.name());
        let call = TABLE
            .iter()
            .find(|call| call.module == import.module() && call.name == import.name())
            .ok_or_else(|| format!("module imports {name}, which is no hostcall").to_string())?;
        if call.group.grant().is_some() && needs.iter().all(|(group, _)| *group != call.group) {
            needs.push((call.group, name));
        }
    }
    Ok(needs)
}
