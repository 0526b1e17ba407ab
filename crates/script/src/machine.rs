//! A Lua state with everything that scripts reach, and the functions that were compiled in it.
//!
//! For: being made once per thread and used by one run after the other. Leaves to others: the runs (`run`).
//! Invariants: the collector rests while a script runs, so that what is alive, and what it weighs, follows from the
//! script alone; compiled functions hold no state between calls.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, StdLib, VmState};

use crate::api::SharedProtocol;
use crate::json::SharedSwitches;
use crate::library::SharedRegistered;
use crate::mathematics::Chance;
use crate::meter::{Meter, SharedMeter};
use crate::sandbox::{self, World, compile_error};
use crate::{raise, shebang};

/// The instructions between two looks at the budget.
const STEPS_PER_LOOK: u32 = 1000;
/// Compiled functions that a machine keeps, and the bytes of their code.
const FUNCTIONS_MAX: usize = 2000;
const CODE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Garbage that a machine gathers before it is collected, between two runs.
const GARBAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What the libraries share with the run under way.
pub(crate) struct Shared {
    pub(crate) meter: SharedMeter,
    pub(crate) chance: Rc<Chance>,
    pub(crate) switches: SharedSwitches,
    pub(crate) resp3: SharedProtocol,
    pub(crate) registered: SharedRegistered,
}

/// A Lua state made ready for scripts.
pub(crate) struct Machine {
    pub(crate) lua: Lua,
    pub(crate) shared: Rc<Shared>,
    pub(crate) world: World,
    functions: HashMap<String, Function>,
    code_bytes: usize,
    /// Bytes in use after the last collection.
    clean_bytes: usize,
}

/// Which world a piece of code lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Script,
    Library,
}

impl Machine {
    /// A fresh machine.
    pub(crate) fn new() -> Machine {
        let shared = Rc::new(Shared {
            meter: Rc::new(Meter::default()),
            chance: Rc::new(Chance::default()),
            switches: Rc::new(Cell::default()),
            resp3: Rc::new(Cell::new(false)),
            registered: Rc::new(RefCell::new(None)),
        });
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new()).expect("these libraries are safe");
        let world =
            sandbox::build(&lua, &shared).expect("the prelude is tested, and memory is not limited yet");
        let mut machine =
            Machine { lua, shared, world, functions: HashMap::new(), code_bytes: 0, clean_bytes: 0 };
        machine.collect();
        machine
    }

    /// Begins to count instructions. Anew for each run: where a count stands between two looks would otherwise depend
    /// on what ran before, which is not the same on every node, and `os.clock` shows it.
    pub(crate) fn count_instructions(&self) {
        let meter = self.shared.meter.clone();
        let look = move |_: &Lua, _: &mlua::debug::Debug| {
            raise::charge(&meter, STEPS_PER_LOOK as usize).map(|()| VmState::Continue)
        };
        // Threads of a script inherit the hook.
        self.lua
            .set_global_hook(HookTriggers::new().every_nth_instruction(STEPS_PER_LOOK), look)
            .expect("a hook that counts can be set");
    }

    /// The function of a piece of code, compiled once.
    ///
    /// # Errors
    /// What the compiler has to say.
    pub(crate) fn function(&mut self, kind: Kind, sha: &str, code: &[u8]) -> Result<Function, String> {
        let name = match kind {
            Kind::Script => format!("s{sha}"),
            Kind::Library => format!("l{sha}"),
        };
        if let Some(function) = self.functions.get(&name) {
            return Ok(function.clone());
        }
        let (chunk_name, environment) = match kind {
            Kind::Script => ("@user_script", &self.world.globals),
            Kind::Library => ("@user_function", &self.world.library_globals),
        };
        // The line end of the first line stays, so that lines keep their numbers.
        let text = shebang::split(code).map_or(code, |(_, rest)| rest);
        let chunk = self.lua.load(text).set_name(chunk_name).set_mode(ChunkMode::Text);
        let function = chunk.set_environment(environment.clone()).into_function();
        let function = function.map_err(|error| compile_error(&error))?;
        if self.functions.len() >= FUNCTIONS_MAX || self.code_bytes + code.len() > CODE_BYTES_MAX {
            self.functions.clear();
            self.code_bytes = 0;
            self.collect();
        }
        self.code_bytes += code.len();
        self.functions.insert(name, function.clone());
        Ok(function)
    }

    /// After a run: frees its garbage once there is enough of it.
    pub(crate) fn tidy(&mut self) {
        if self.lua.used_memory() > self.clean_bytes + GARBAGE_BYTES_MAX {
            self.collect();
        }
    }

    fn collect(&mut self) {
        // Without a limit collecting cannot fail; if it does, garbage stays for the next time.
        let _ = self.lua.gc_collect();
        self.lua.gc_stop();
        self.clean_bytes = self.lua.used_memory();
    }
}
