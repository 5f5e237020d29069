# SPDX-License-Identifier: BSD-2-Clause
"""Atoll in gdb: what stands where in a machine that has several programs at the same addresses.

`make gdb` loads this. A processor has one program at a time in the lower half of its addresses: the loader, the root
task, or a process server with its guests; the kernel is in the upper half. So a breakpoint at an address says nothing
of the program. The breakpoints made here also look at the code that is there, and at every stop the symbols are those of
the program that the machine has stopped in.

Guests are code without a file: the server's memory has their artifacts, which are ELF files with the names of
functions. They are found in the archive's pages and in front of addresses, and nothing has to be told of them.
"""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from elf import Elf  # noqa: E402

PAGE = 4096
# Where the upper half begins.
KERNEL = 1 << 63
# Where the root task maps the module archive in every server (`wasm_handoff::vspace`).
ARCHIVE = 0x4100_0000
# Where archived modules are mapped once more (`ALIASES`), and where guests are (`place.rs`).
ALIASES = range(0x72_0000_0000, 0x73_0000_0000)
FIRST, SPAN, CODE, PLACES = 512 << 30, 8 << 30, 7 << 30, 4095
# Longest artifact in front of an address that is looked for.
LONGEST = 64 << 20
# As the table of names in the server is made (`debugger.rs`).
NAME = 32
MAX_FRAMES = 64

programs = {}


class Program:
    """An ELF file that the machine runs."""

    def __init__(self, name, path):
        # gdb knows files by their whole names.
        self.name, self.path = name, os.path.realpath(path)
        self.elf = Elf.open(path)

    def is_at(self, address):
        """Whether its code is what the machine has at an address now."""
        here = self.elf.at(address, 16)
        return here is not None and here == memory(address, 16)

    def find(self, wanted):
        """Addresses of the functions of this name; the start of the path may be left out."""
        last = re.split("::|<|>", wanted.rstrip(">"))[-1]
        found = []
        for address, _, name in self.elf.functions():
            if last in name:
                plain = demangle(name)
                if plain == wanted or plain.endswith("::" + wanted):
                    found.append(address)
        return found


class Archive:
    """The modules of the image: their names, and where their artifacts are mapped in a server."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        if self.bytes[:8] != b"ATOLLARC":
            raise gdb.GdbError(f"{path} is no module archive")
        self.at = 56
        self.modules = {}
        for _ in range(self.number()):
            name, _version, offset, length = self.string(), self.string(), self.number(), self.number()
            self.at += 32  # its hash
            whole = self.bytes[offset:offset + length]
            self.modules[name] = (ARCHIVE + offset, length, Elf(lambda at, length, whole=whole: whole[at:at + length]))

    def number(self):
        value = shift = 0
        while True:
            byte = self.bytes[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def string(self):
        length = self.number()
        self.at += length
        return self.bytes[self.at - length:self.at].decode()

    def module_at(self, address):
        """Name, start and ELF file of the module whose artifact is mapped at an address, if a server has it there."""
        for name, (start, length, elf) in self.modules.items():
            if start <= address < start + length:
                is_there = memory(address, 4) == elf.read(address - start, 4)
                return (name, start, elf) if is_there else None
        return None

    def same_as(self, elf):
        """The name of the module whose artifact this is."""
        text = next((one for one in elf.sections if one.name == ".text"), None)
        for name, (_, _, other) in self.modules.items():
            if text and other.bytes(next(one for one in other.sections if one.name == ".text")) == elf.bytes(text):
                return name
        return None


archive = None
loaded = None
artifacts = {}


def memory(address, length):
    """Bytes of the machine's memory, as the processor sees it now; none: nothing is mapped there."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address, length))
    except gdb.MemoryError:
        return None


def word(address):
    raw = memory(address, 8)
    return None if raw is None else int.from_bytes(raw, "little")


def register(name):
    return int(gdb.newest_frame().read_register(name)) & (1 << 64) - 1


def demangle(name):
    """A function's name as people write it."""
    prefix = re.match(r"wasm\[\d+\]::function\[\d+\](::)?", name)
    short = name[prefix.end():] if prefix else name
    if short.startswith(("_R", "_ZN")):
        short = gdb.execute(f"demangle -l rust -- {short}", to_string=True).strip()
        # Hashes, which tell crates and versions of one name apart.
        short = re.sub(r"\[[0-9a-f]+\]|::h[0-9a-f]{16}$", "", short)
    return short or name


def is_guest_code(address):
    if address in ALIASES:
        return True
    place, offset = divmod(address - FIRST, SPAN)
    if 0 <= place < PLACES:
        return offset >= CODE
    return archive is not None and archive.module_at(address) is not None


def module_at(address):
    """Name, start and ELF file of the module that has code at an address."""
    found = archive.module_at(address) if archive else None
    if found:
        return found
    key = (register("TTBR0_EL1"), address // PAGE)
    if key not in artifacts:
        artifacts[key] = artifact_before(address)
    return artifacts[key]


def artifact_before(address):
    """The same, of an artifact that is somewhere in front of an address, on whole pages."""
    start = address // PAGE * PAGE
    for start in range(start, max(start - LONGEST, 0), -PAGE):
        magic = memory(start, 4)
        if magic is None:
            return None
        if magic == b"\x7fELF":
            elf = Elf(lambda at, length: memory(start + at, length))
            return (archive and archive.same_as(elf)) or "a loaded module", start, elf
    return None


def program_at(address):
    """The program whose code is at an address; none: a guest's, or nobody's that is known."""
    if address >= KERNEL:
        return programs.get("kernel")
    return next((one for name, one in programs.items() if name != "kernel" and one.is_at(address)), None)


def describe(address):
    """Where an address is: program or module, and function; none: nowhere."""
    if is_guest_code(address):
        module = module_at(address)
        if module:
            name, start, elf = module
            function = elf.function_at(address - start)
            return f"{name}!{named(function)}" if function else f"{name}!?"
    program = program_at(address)
    if program is None:
        return None
    function = program.elf.function_at(address)
    line = line_of(program, address)
    return f"{program.name}: {named(function) if function else '?'}{line}"


def into_function(address):
    """How far behind the start of its function an address is; none: in none that is known."""
    elf, start = None, 0
    if is_guest_code(address):
        module = module_at(address)
        if module:
            _, start, elf = module
    else:
        program = program_at(address)
        elf = program and program.elf
    function = elf and elf.function_at(address - start)
    return function and function[1]


def named(function):
    name, offset = function
    return f"{demangle(name)} + {offset:#x}"


def line_of(program, address):
    use(program)
    found = gdb.find_pc_line(address)
    if found.symtab is None or not found.line:
        return ""
    return f" at {found.symtab.filename}:{found.line}"


def use(program):
    """Has gdb take its symbols of what is in the lower half from this program."""
    global loaded
    if program.name == "kernel" or program is loaded:
        return
    if loaded:
        quietly(f"remove-symbol-file {loaded.path}")
    quietly(f"add-symbol-file {program.path}")
    loaded = program


def quietly(command):
    gdb.execute(command, to_string=True)


def guest_of(address):
    """Number of the place that an address is in, from 1."""
    place = (address - FIRST) // SPAN + 1
    return place if 1 <= place <= PLACES else None


def guests():
    """Names of the guests that run, by the numbers of their places."""
    server = programs.get("wasm-server")
    table = server.elf.object("ATOLL_GUESTS") if server else None
    if table is None:
        return {}
    address, size = table
    raw = memory(address, size) or b""
    names = (raw[at:at + NAME].split(b"\0")[0].decode("utf-8", "replace") for at in range(0, len(raw), NAME))
    return {number: name for number, name in enumerate(names) if name}


def on_stop(_event):
    program = program_at(register("pc"))
    if program:
        use(program)


class AtollBreak(gdb.Command):
    """Stop where a program or a guest enters a function: atoll-break PROGRAM FUNCTION.

PROGRAM is sel4-loader, root-task, wasm-server, kernel, or the name of a module of the image. FUNCTION may lack the start
of its path."""

    def __init__(self):
        super().__init__("atoll-break", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        words = argument.split(None, 1)
        if len(words) != 2:
            raise gdb.GdbError("usage: atoll-break PROGRAM FUNCTION")
        name, function = words
        if name in programs:
            addresses = programs[name].find(function)
            check = programs[name].is_at
        elif archive and name in archive.modules:
            start, _, elf = archive.modules[name]
            module = Program.__new__(Program)
            module.elf = elf
            addresses = [start + address for address in module.find(function)]

            def check(address):
                return elf.read(address - start, 16) == memory(address, 16)
        else:
            raise gdb.GdbError(f"there is no program or module {name}")
        if not addresses:
            raise gdb.GdbError(f"{name} has no function {function}; it may be part of others")
        for address in addresses:
            Stop(address, check)
            print(f"{name}: {function} at {address:#x}")


class Stop(gdb.Breakpoint):
    """At an address, if there is the code that it is meant for."""

    def __init__(self, address, check):
        super().__init__(f"*{address:#x}", type=gdb.BP_HARDWARE_BREAKPOINT)
        self.address, self.check = address, check

    def stop(self):
        return self.check(self.address)


class AtollBt(gdb.Command):
    """Who called whom on the thread that the machine has stopped in, through guests and their server: atoll-bt."""

    def __init__(self):
        super().__init__("atoll-bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        pc = register("pc")
        guest = guest_of(register("sp")) if pc < KERNEL else None
        if guest:
            print(f"guest {guests().get(guest, '?')} (place {guest})")
        for depth, (address, call) in enumerate(self.frames(pc, register("x29"), register("x30"))):
            print(f"#{depth:<2} {address:#018x} {describe(call) or '?'}")
        on_stop(None)

    def frames(self, pc, frame, link):
        """Of each frame, the address that it goes on at, and one of the instruction that it is at."""
        yield pc, pc
        # A function that has just been entered has no frame of its own yet.
        entered = into_function(pc) in (0, 4)
        if entered:
            yield link, link - 4
        # A frame record is the caller's frame and the address to return to (AAPCS64, 6.2.3).
        for _ in range(MAX_FRAMES):
            caller, back = (word(frame), word(frame + 8)) if frame and frame % 16 == 0 else (None, None)
            if not back:
                return
            if not (entered and back == link):
                yield back, back - 4
            entered = False
            if caller <= frame:
                return
            frame = caller


class AtollGuests(gdb.Command):
    """The guests of the server that the machine has stopped in: atoll-guests."""

    def __init__(self):
        super().__init__("atoll-guests", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        found = guests()
        if not found:
            print("no guests: the machine has not stopped in a process server that runs any")
        here = guest_of(register("sp")) if register("pc") < KERNEL else None
        for number, name in found.items():
            start = FIRST + (number - 1) * SPAN
            print(f"{'*' if number == here else ' '} {number:3} {name:32} {start:#x} .. {start + SPAN:#x}")


class AtollWhere(gdb.Command):
    """Which program, guest and function the machine has stopped in, and where it has which: atoll-where."""

    def __init__(self):
        super().__init__("atoll-where", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        pc = register("pc")
        print(f"{pc:#x}: {describe(pc) or 'no program that is known'}")


class AtollBoot(gdb.Command):
    """Boot the image, stopped at its first instruction: atoll-boot [MORE ARGUMENTS FOR QEMU].

The environment says what: ATOLL, ATOLL_IMAGE, ATOLL_KERNEL, ATOLL_PROGRAMS, ATOLL_ARCHIVE, ATOLL_FLAGS (for `atoll run`)
and ATOLL_LOG, the file that the serial line goes to."""

    def __init__(self):
        super().__init__("atoll-boot", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        global archive
        setting = os.environ.get
        for name in ("sel4-loader", "root-task", "wasm-server"):
            programs[name] = Program(name, os.path.join(setting("ATOLL_PROGRAMS"), name))
        programs["kernel"] = Program("kernel", setting("ATOLL_KERNEL"))
        archive = Archive(setting("ATOLL_ARCHIVE"))
        for command in ("set confirm off", "set pagination off", "set architecture aarch64"):
            gdb.execute(command)
        quietly(f"symbol-file {programs['kernel'].path}")
        command = (
            f"exec {setting('ATOLL')} run {setting('ATOLL_FLAGS', '')} {setting('ATOLL_IMAGE')} --"
            f" -S -gdb stdio -monitor none -serial file:{setting('ATOLL_LOG')} {argument}"
        )
        gdb.events.stop.connect(on_stop)
        quietly(f"target remote | {command}")
        print(f"The machine stands at its first instruction. Its serial line goes to {setting('ATOLL_LOG')}.")


for command in (AtollBreak, AtollBt, AtollGuests, AtollWhere, AtollBoot):
    command()
