// SPDX-License-Identifier: BSD-2-Clause
//! Modules: from signed bytes to something that can be instantiated.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    sync::Arc,
    vec::Vec,
};
use core::num::NonZeroUsize;

use atoll_abi::{Error, Group, Groups, TABLE, message::Name};
use wasm_archive::{Archive, ArchiveError, Verified};
use wasmtime::{Engine, InstancePre, Linker, Module};

use crate::{
    Lock,
    context::Context,
    link,
    loaded::Slot,
    platform::{Image, Platform},
};

/// A module that is loaded, compiled for one stack size.
pub(crate) struct Prepared<P: Platform> {
    pub name: Name,
    pub version: Name,
    /// Its engine.
    pub engine: Engine,
    /// Bytes of native stack that the engine lets wasm code use.
    pub stack: u32,
    /// The module with every import resolved.
    pub instance: InstancePre<Context<P>>,
    /// The gated groups it imports from, each with the name of one import.
    needs: Vec<(Group, String)>,
    /// Counts as its loader's, if it has one: to the last, when the code is gone.
    _slot: Option<Slot>,
}

impl<P: Platform> Prepared<P> {
    /// Whether its imports are covered by the grants.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn check(&self, groups: Groups) -> Result<(), String> {
        let mut needs = self.needs.iter();
        match needs.find(|(group, _)| !groups.contains(*group)) {
            None => Ok(()),
            Some((group, import)) => Err(format!(
                "module {} imports {import}, which needs the grant {}; it is not given",
                self.name,
                group.grant().unwrap_or_default(),
            )),
        }
    }
}

/// Why a module is not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    pub error: Error,
    /// In words, if there is more to say; whoever asked has shown a good signature.
    pub why: Option<String>,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { error, why: None }
    }
}

impl From<ArchiveError> for Refused {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::OtherKey | ArchiveError::BadKey => Error::OtherKey.into(),
            ArchiveError::Truncated => Error::CutShort.into(),
            ArchiveError::OtherVersion(_) => Error::OtherCompiler.into(),
            ArchiveError::NotAnArchive | ArchiveError::NotOne(_) | ArchiveError::NoSuchModule => {
                Error::NotAModule.into()
            }
            _ => Error::Altered.into(),
        }
    }
}

/// The modules of a server.
///
/// The stack limit is a setting of the engine, so there is an engine for each stack size that the
/// spec names, and a module is loaded once for each engine that runs it.
pub(crate) struct Modules<P: Platform> {
    archive: Archive<'static>,
    /// The key that the archive is signed with, and modules that guests load.
    key: [u8; 32],
    engines: Lock<P, BTreeMap<u32, Arc<Environment<P>>>>,
    /// Held while a module of the archive is loaded, which happens once for each engine: its code is where
    /// the archive is, and cannot be made twice.
    loading: Lock<P, ()>,
}

struct Environment<P: Platform> {
    engine: Engine,
    linker: Linker<Context<P>>,
    modules: Lock<P, BTreeMap<String, Arc<Prepared<P>>>>,
}

impl<P: Platform> Modules<P> {
    pub const fn new(archive: Archive<'static>, key: [u8; 32]) -> Self {
        Self {
            archive,
            key,
            engines: Lock::<P, _>::new(BTreeMap::new()),
            loading: Lock::<P, _>::new(()),
        }
    }

    /// A module of the archive for a stack size.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn prepare(
        &self,
        platform: &P,
        module: &str,
        stack: u32,
    ) -> Result<Arc<Prepared<P>>, String> {
        let environment = self.environment(platform, stack)?;
        let known = || environment.modules.lock().get(module).cloned();
        if let Some(prepared) = known() {
            return Ok(prepared);
        }
        let _loading = self.loading.lock();
        if let Some(prepared) = known() {
            return Ok(prepared);
        }
        let verified = self
            .archive
            .module(module)
            .map_err(|e| format!("module {module}: {e}"))?;
        let loaded = platform
            .load(&environment.engine, &verified)
            .map_err(|e| format!("module {module} was refused: {e:#}"))?;
        let prepared = Arc::new(environment.link(&loaded, &verified, stack, None)?);
        environment
            .modules
            .lock()
            .insert(module.into(), prepared.clone());
        Ok(prepared)
    }

    /// A module that a guest has loaded, for a stack size.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn load_image(
        &self,
        platform: &P,
        image: &Arc<P::Image>,
        stack: u32,
        slot: Slot,
    ) -> Result<Prepared<P>, Refused> {
        let verified = Archive::open(image.bytes(), &self.key)?.only()?;
        let refused = |error| {
            move |why| Refused {
                error,
                why: Some(why),
            }
        };
        let environment = self
            .environment(platform, stack)
            .map_err(refused(Error::BadModule))?;
        let loaded = platform
            .load_image(&environment.engine, image, &verified)
            .map_err(|e| format!("module {}: {e:#}", verified.name()))
            .map_err(refused(Error::OtherCompiler))?;
        environment
            .link(&loaded, &verified, stack, Some(slot))
            .map_err(refused(Error::BadModule))
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
        // Whoever was faster has made the one that all use.
        let mut engines = self.engines.lock();
        Ok(engines.entry(stack).or_insert(environment).clone())
    }
}

impl<P: Platform> Environment<P> {
    fn link(
        &self,
        module: &Module,
        verified: &Verified<'_>,
        stack: u32,
        slot: Option<Slot>,
    ) -> Result<Prepared<P>, String> {
        let name = |text: &str| {
            Name::try_from(text).map_err(|_| format!("the name or version {text} is too long"))
        };
        let needs = needs(module)?;
        let instance = self
            .linker
            .instantiate_pre(module)
            .map_err(|e| format!("module {} does not link: {e:#}", verified.name()))?;
        Ok(Prepared {
            name: name(verified.name())?,
            version: name(verified.version())?,
            engine: self.engine.clone(),
            stack,
            instance,
            needs,
            _slot: slot,
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
