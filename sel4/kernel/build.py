#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Builds seL4 5.0.0 for QEMU's aarch64 `virt` machine into an installed prefix.

The source is the `seL4/` directory of the registry crate that Cargo.lock pins (see Cargo.toml
beside this file). It is copied, patched, given the platform in `overlay/`, generated, compiled and
linked, all inside the build directory. For every variant the result is a prefix, the shape in which
seL4 is installed upstream:

    bin/kernel.elf                                  the kernel, with symbols
    libsel4/include/**                              headers, interface XML, bitfield files
    libsel4/include/{autoconf.h,kernel/gen_config.json}   the configuration
    libsel4/arch_include/arm/**                     as in the source tree
    libsel4/sel4_arch_include/aarch64/**
    libsel4/sel4_plat_include/qemu-arm-virt/**
    include/api/syscall.xml
    support/                                        version and licences

Beside each bitfield file `x.bf` of libsel4 lies `x.pbf`: the same, run through the C preprocessor.
"""

import argparse
import fcntl
import filecmp
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

try:
    import tomllib
except ImportError:
    sys.exit(f"kernel build: {sys.executable} is older than Python 3.11. On Debian: apt-get install python3")

HERE = Path(__file__).resolve().parent
PLATFORM = "qemu-arm-virt"
CRATE, CRATE_VERSION = "sel4-sys", "0.0.28"


@dataclass(frozen=True)
class Variant:
    """One way to build the kernel."""

    config: str
    """Table of config.toml that is laid over [common]."""
    patches: str
    """`*` applies the whole series; otherwise only those whose number is listed."""


VARIANTS = {
    "release": Variant("release", "*"),
    "debug": Variant("debug", "*"),
    # Shows that the defects are there. It has the one fix without which some CPUs do not boot.
    "unpatched": Variant("debug", "0005"),
}

C_SOURCES = """
    src/api/faults.c src/api/syscall.c src/assert.c src/benchmark/benchmark_track.c
    src/benchmark/benchmark_utilisation.c src/config/default_domain.c src/fastpath/fastpath.c
    src/inlines.c src/kernel/boot.c src/kernel/cspace.c src/kernel/faulthandler.c
    src/kernel/stack.c src/kernel/thread.c src/machine/fpu.c src/machine/io.c
    src/machine/registerset.c src/model/preemption.c src/model/statedata.c src/object/cnode.c
    src/object/endpoint.c src/object/interrupt.c src/object/notification.c src/object/objecttype.c
    src/object/tcb.c src/object/untyped.c src/smp/lock.c src/string.c src/util.c
    src/arch/arm/64/c_traps.c src/arch/arm/64/idle.c src/arch/arm/64/kernel/thread.c
    src/arch/arm/64/kernel/vspace.c src/arch/arm/64/machine/fpu.c
    src/arch/arm/64/machine/hardware.c src/arch/arm/64/machine/registerset.c
    src/arch/arm/64/model/statedata.c src/arch/arm/64/object/objecttype.c
    src/arch/arm/api/faults.c src/arch/arm/armv/armv8-a/64/benchmark.c
    src/arch/arm/armv/armv8-a/64/cache.c src/arch/arm/armv/armv8-a/64/user_access.c
    src/arch/arm/benchmark/benchmark.c src/arch/arm/c_traps.c src/arch/arm/kernel/boot.c
    src/arch/arm/kernel/ipi.c src/arch/arm/machine/cache.c src/arch/arm/machine/debug.c
    src/arch/arm/machine/errata.c src/arch/arm/machine/gic_pl390.c src/arch/arm/machine/io.c
    src/arch/arm/object/interrupt.c src/arch/arm/object/iospace.c src/arch/arm/object/tcb.c
    src/arch/arm/object/vcpu.c
    src/plat/qemu-arm-virt/machine/hardware.c src/plat/qemu-arm-virt/machine/io.c
""".split()
DEBUG_C_SOURCES = ["src/arch/arm/64/machine/capdl.c"]
ASM_SOURCES = """
    src/arch/arm/64/head.S src/arch/arm/64/traps.S src/arch/arm/armv/armv8-a/64/machine_asm.S
""".split()

INCLUDES = [
    "source/include",
    "source/include/64",
    "source/include/arch/arm",
    "source/include/arch/arm/arch/64",
    f"source/include/plat/{PLATFORM}",
    f"source/include/plat/{PLATFORM}/plat/64",
    "source/include/arch/arm/armv/armv8-a/64",
    "generated",
    "generated/64",
]
DEFINES = ["HAVE_AUTOCONF", "ARCH_ARM", "AARCH64", "__KERNEL_64__", "ARMV8_A", "ARM_CORTEX_A57"]

CPU_FLAGS = ["-march=armv8-a", "-mtune=cortex-a57"]
# `-Wno-attributes`: gcc 12 warns of `const` on functions that return nothing.
C_FLAGS = CPU_FLAGS + """
    -mgeneral-regs-only -mno-outline-atomics -std=c99 -O2 -nostdlib -nostdinc -ffreestanding
    -fno-pic -fno-pie -fno-stack-protector -fno-asynchronous-unwind-tables -fno-common
    -Wall -Werror -Wno-nonnull -Wno-attributes
""".split()
LINK_FLAGS = "-static -no-pie -nostdlib -Wl,--build-id=none -Wl,-n".split()

# Generated headers of bitfields: output under generated/, input under source/.
BITFIELDS = {
    "arch/object/structures_gen.h": "include/arch/arm/arch/object/structures.bf",
    "64/mode/api/shared_types_gen.h": "include/64/mode/api/shared_types.bf",
    "plat/machine/hardware_gen.h": f"include/plat/{PLATFORM}/plat/machine/hardware.bf",
}

# What user programs are built against.
INTERFACE_DIRS = [
    "libsel4/include",
    "libsel4/arch_include/arm",
    "libsel4/sel4_arch_include/aarch64",
    f"libsel4/sel4_plat_include/{PLATFORM}",
]


class BuildError(Exception):
    """A reason to stop that the user can act on."""


def check_host(cross: str) -> None:
    """Refuses to start when a tool or a Python module is missing, naming Debian's package."""
    tools = {f"{cross}gcc": "gcc-aarch64-linux-gnu", "patch": "patch", cargo(): "cargo-web"}
    modules = {"ply": "python3-ply", "six": "python3-six", "tempita": "python3-tempita"}
    missing = []
    for tool, package in tools.items():
        if shutil.which(tool) is None:
            missing.append((f"the program {tool}", package))
    for module, package in modules.items():
        if importlib.util.find_spec(module) is None:
            missing.append((f"the Python module {module} (for {sys.executable})", package))
    if missing:
        what = ", ".join(name for name, _ in missing)
        packages = " ".join(package for _, package in missing)
        raise BuildError(f"missing: {what}. On Debian: apt-get install {packages}")


def cargo() -> str:
    return os.environ.get("CARGO", "cargo")


def run(args: list[str], cwd: Path, output: Path | None = None) -> None:
    """Runs a program; its standard output goes to `output` if given."""
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    with open(output, "wb") if output else open(os.devnull, "wb") as stdout:
        done = subprocess.run(args, cwd=cwd, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BuildError(f"`{' '.join(args[:6])} ...` failed:\n{done.stderr}")


def locate_source() -> Path:
    """The `seL4/` directory of the crate that Cargo.lock pins; cargo downloads it if need be."""
    args = [cargo(), "metadata", "--format-version", "1", "--locked",
            "--manifest-path", str(HERE / "Cargo.toml")]
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"cargo cannot tell where the crate {CRATE} is:\n{done.stderr}")
    for package in json.loads(done.stdout)["packages"]:
        if package["name"] == CRATE and package["version"] == CRATE_VERSION:
            source = Path(package["manifest_path"]).parent / "seL4"
            if not (source / "VERSION").is_file():
                raise BuildError(f"the crate {CRATE} {CRATE_VERSION} has no directory seL4")
            return source
    raise BuildError(f"Cargo.lock does not name {CRATE} {CRATE_VERSION}")


def fingerprint(source: Path, cross: str) -> str:
    """Changes when anything that the output depends on changes."""
    digest = hashlib.sha256()
    version = subprocess.run([f"{cross}gcc", "--version"], capture_output=True, check=True).stdout
    digest.update(version)
    for root in (source, HERE):
        for path in sorted(root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(root)}\0{len(data)}\0".encode())
                digest.update(data)
    return digest.hexdigest()


def configuration(variant: Variant) -> dict[str, bool | int | str]:
    with open(HERE / "config.toml", "rb") as file:
        tables = tomllib.load(file)
    return tables["common"] | tables[variant.config]


def write_configuration(config: dict[str, bool | int | str], include: Path) -> None:
    """Writes `autoconf.h` and upstream's `kernel/gen_config.json` and `sel4/gen_config.json`."""
    lines = ["/* Generated from sel4/kernel/config.toml. */", "#ifndef AUTOCONF_H", "#define AUTOCONF_H"]
    for key, value in config.items():
        if value is False:
            lines.append(f"/* CONFIG_{key} is not set */")
        else:
            lines.append(f"#define CONFIG_{key} {1 if value is True else value}")
    lines += ["#endif", ""]
    (include / "autoconf.h").write_text("\n".join(lines))
    known = {key: value if isinstance(value, bool) else str(value) for key, value in config.items()}
    for name, user in (("kernel", False), ("sel4", True)):
        part = {key: value for key, value in known.items() if key.startswith("LIB_SEL4_") == user}
        (include / name).mkdir(exist_ok=True)
        (include / name / "gen_config.json").write_text(json.dumps(part, indent=2) + "\n")


def patches(variant: Variant) -> list[Path]:
    series = sorted((HERE / "patches").glob("*.patch"))
    if variant.patches == "*":
        return series
    return [path for path in series if path.name.split("-")[0] in variant.patches.split()]


def prepare(source: Path, variant: Variant, work: Path) -> None:
    """Fills `work/source`: the tree, patched, with the overlay."""
    tree = work / "source"
    shutil.copytree(source, tree, copy_function=shutil.copyfile,
                    ignore=shutil.ignore_patterns("*.pyc", "manual"))
    for patch in patches(variant):
        run(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "--input", str(patch)], tree)
    for path in sorted((HERE / "overlay").rglob("*")):
        target = tree / path.relative_to(HERE / "overlay")
        if path.is_file():
            if target.exists():
                raise BuildError(f"the overlay would replace {target.relative_to(tree)}: use a patch")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def install_interface(work: Path, config: dict[str, bool | int | str], prefix: Path, cross: str) -> None:
    """Publishes all but the kernel itself."""
    tree = work / "source"
    for name in INTERFACE_DIRS:
        shutil.copytree(tree / name, prefix / name, copy_function=shutil.copyfile)
    (prefix / "include/api").mkdir(parents=True)
    shutil.copyfile(tree / "include/api/syscall.xml", prefix / "include/api/syscall.xml")
    (prefix / "support").mkdir()
    for name in ("VERSION", "LICENSE_GPLv2.txt", "LICENSE_BSD2.txt"):
        shutil.copyfile(tree / name, prefix / "support" / name)
    write_configuration(config, prefix / "libsel4/include")
    include = [f"-I{prefix / name}" for name in INTERFACE_DIRS]
    for path in sorted((prefix / "libsel4").rglob("*.bf")):
        preprocess(cross, ["-nostdinc", *include], path, path.with_suffix(".pbf"))


def preprocess(cross: str, flags: list[str], path: Path, output: Path) -> None:
    run([f"{cross}gcc", "-E", "-P", "-x", "c", *flags, str(path)], output.parent, output)


def generate(work: Path, prefix: Path, flags: list[str], cross: str) -> None:
    """Fills `work/generated` with the headers that the tree's own tools make."""
    tree, generated = work / "source", work / "generated"
    for name in ("api", "arch/api", "arch/object", "64/mode/api", "plat/machine"):
        (generated / name).mkdir(parents=True)
    shutil.copyfile(prefix / "libsel4/include/autoconf.h", generated / "autoconf.h")

    def tool(name: str, *args: str) -> None:
        run([sys.executable, f"source/tools/{name}.py", *args], work)

    def invocations(output: str, xml: str, *args: str) -> None:
        tool("invocation_header_gen", *args, "--xml", f"source/{xml}", "--dest", f"generated/{output}")

    invocations("api/invocation.h", "libsel4/include/interfaces/sel4.xml")
    invocations("arch/api/invocation.h", "libsel4/arch_include/arm/interfaces/sel4arch.xml", "--arch")
    invocations("arch/api/sel4_invocation.h",
                "libsel4/sel4_arch_include/aarch64/interfaces/sel4arch.xml", "--sel4_arch")
    tool("syscall_header_gen", "--xml", "source/include/api/syscall.xml",
         "--kernel_header", "generated/arch/api/syscall.h")

    # Accessors that no source names are left out: they would be unused static functions.
    headers = [path for root in ("include", f"include/plat/{PLATFORM}", "include/arch/arm")
               for path in sorted((tree / root).rglob("*.h"))
               if root != "include" or path.relative_to(tree / root).parts[0] not in ("arch", "plat")]
    used = [*C_SOURCES, *DEBUG_C_SOURCES, *ASM_SOURCES, *(str(path.relative_to(tree)) for path in headers)]
    prune = [arg for name in used for arg in ("--prune", f"source/{name}")]
    for output, bitfield in BITFIELDS.items():
        preprocessed = f"generated/{output.removesuffix('_gen.h')}.pbf"
        preprocess(cross, flags, work / "source" / bitfield, work / preprocessed)
        tool("bitfield_gen", preprocessed, f"generated/{output}", *prune)


def compile_kernel(work: Path, config: dict[str, bool | int | str], prefix: Path, cross: str) -> None:
    """Compiles and links `bin/kernel.elf`. Every path that the compiler sees is relative to `work`,
    so that the result does not depend on where it was built."""
    debug = config["DEBUG_BUILD"] is True
    defines = DEFINES + (["FASTPATH"] if config["FASTPATH"] else []) + (["DEBUG"] if debug else [])
    flags = ["-nostdinc", *(f"-D{name}" for name in defines), *(f"-I{work / name}" for name in INCLUDES)]
    generate(work, prefix, flags, cross)

    gcc = f"{cross}gcc"
    flags = [*(f"-D{name}" for name in defines), *(f"-I{name}" for name in INCLUDES)]
    if debug:
        flags += ["-g", f"-ffile-prefix-map={work}=."]
    # One translation unit, as upstream builds it: calls across files are inlined.
    with open(work / "kernel_all.c", "w", encoding="utf-8") as unit:
        for name in sorted(C_SOURCES + (DEBUG_C_SOURCES if debug else [])):
            unit.write(f'#line 1 "source/{name}"\n')
            unit.write((work / "source" / name).read_text(encoding="utf-8"))
    run([gcc, *C_FLAGS, *flags, "-c", "kernel_all.c", "-o", "kernel_all.o"], work)
    objects = ["kernel_all.o"]
    for name in ASM_SOURCES:
        objects.append(Path(name).stem + ".o")
        run([gcc, *CPU_FLAGS, "-nostdinc", *flags, "-c", f"source/{name}", "-o", objects[-1]], work)
    script = f"source/src/plat/{PLATFORM}/linker.lds"
    run([gcc, "-E", "-P", "-x", "c", "-nostdinc", *flags, script], work, work / "linker.lds")
    run([gcc, *LINK_FLAGS, "-T", "linker.lds", *objects, "-o", "kernel.elf"], work)
    (prefix / "bin").mkdir(exist_ok=True)
    shutil.copyfile(work / "kernel.elf", prefix / "bin/kernel.elf")


def build(name: str, out: Path, source: Path, stamp: str, cross: str, headers_only: bool) -> None:
    """Brings the prefix `out/name` up to date."""
    prefix = out / name
    interface_stamp, kernel_stamp = out / f".{name}.interface", out / f".{name}.kernel"

    def current(path: Path, needs: Path) -> bool:
        return path.is_file() and path.read_text() == stamp and needs.is_file()

    have_interface = current(interface_stamp, prefix / "libsel4/include/kernel/gen_config.json")
    have_kernel = have_interface and current(kernel_stamp, prefix / "bin/kernel.elf")
    if have_kernel or (have_interface and headers_only):
        return
    print(f"kernel: {name}" + (" (headers)" if headers_only else ""), flush=True)
    variant = VARIANTS[name]
    config = configuration(variant)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{name}.") as directory:
        work = Path(directory)
        prepare(source, variant, work)
        fresh = work / "prefix"
        install_interface(work, config, fresh, cross)
        if not headers_only:
            compile_kernel(work, config, fresh, cross)
        kernel_stamp.unlink(missing_ok=True)
        if have_interface:
            # Left in place: programs that were built against it are still up to date.
            shutil.rmtree(prefix / "bin", ignore_errors=True)
            (fresh / "bin").rename(prefix / "bin")
        else:
            interface_stamp.unlink(missing_ok=True)
            shutil.rmtree(prefix, ignore_errors=True)
            fresh.rename(prefix)
    interface_stamp.write_text(stamp)
    if not headers_only:
        kernel_stamp.write_text(stamp)


def check_reproducible(names: list[str], out: Path, source: Path, cross: str) -> None:
    """Builds every variant twice, in directories of different names, and compares all files."""
    for name in names:
        with tempfile.TemporaryDirectory(dir=out) as directory:
            roots = [Path(directory) / part for part in ("one", "another-directory")]
            for root in roots:
                build(name, root, source, "", cross, headers_only=False)
            trees = [sorted(path.relative_to(root / name) for path in (root / name).rglob("*") if path.is_file())
                     for root in roots]
            if trees[0] != trees[1]:
                raise BuildError(f"{name}: two builds differ in their lists of files")
            for path in trees[0]:
                if not filecmp.cmp(roots[0] / name / path, roots[1] / name / path, shallow=False):
                    raise BuildError(f"{name}: two builds differ in {path}")
            digest = hashlib.sha256((roots[0] / name / "bin/kernel.elf").read_bytes()).hexdigest()
            print(f"kernel: {name} is reproducible; sha256 of kernel.elf {digest}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the seL4 kernel into installed prefixes.")
    parser.add_argument("--out", type=Path, required=True, help="directory of the prefixes")
    parser.add_argument("--cross", default="aarch64-linux-gnu-", help="prefix of the compiler's name")
    parser.add_argument("--headers", action="store_true", help="all but the kernel itself")
    parser.add_argument("--check-reproducible", action="store_true", help="build twice and compare")
    parser.add_argument("variants", nargs="+", choices=VARIANTS)
    args = parser.parse_args()
    try:
        check_host(args.cross)
        source = locate_source()
        out = args.out.resolve()
        out.mkdir(parents=True, exist_ok=True)
        if args.check_reproducible:
            check_reproducible(args.variants, out, source, args.cross)
            return 0
        stamp = fingerprint(source, args.cross)
        with open(out / ".lock", "w", encoding="utf-8") as lock:
            # Two builds at a time would replace each other's prefixes; closing gives the lock up.
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in args.variants:
                build(name, out, source, stamp, args.cross, args.headers)
    except BuildError as error:
        print(f"kernel build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
