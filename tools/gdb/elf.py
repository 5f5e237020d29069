# SPDX-License-Identifier: BSD-2-Clause
"""Function symbols of ELF files, from a file or from the memory of a machine."""

import bisect
import struct

SYMTAB, NOBITS, OBJECT, FUNCTION = 2, 8, 1, 2


class Elf:
    """A 64-bit little-endian ELF file; `read(offset, length)` gives its bytes."""

    def __init__(self, read):
        self.read = read
        if read(0, 6) != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit little-endian ELF file")
        header = read(0, 64)
        offset, = struct.unpack_from("<Q", header, 40)
        size, count, names = struct.unpack_from("<HHH", header, 58)
        table = read(offset, size * count)
        self.sections = [Section(table[at * size:]) for at in range(count)]
        strings = self.bytes(self.sections[names])
        for section in self.sections:
            section.name = text(strings, section.name_at)
        self._functions = None

    @classmethod
    def open(cls, path):
        """Of a file."""
        with open(path, "rb") as file:
            whole = file.read()
        return cls(lambda offset, length: whole[offset:offset + length])

    def bytes(self, section):
        return self.read(section.offset, section.size)

    def at(self, address, length):
        """The bytes that the file has for an address; none: it has none."""
        for section in self.sections:
            start = address - section.address
            if section.address and section.type != NOBITS and 0 <= start and start + length <= section.size:
                return self.read(section.offset + start, length)
        return None

    def object(self, wanted):
        """Address and bytes of a variable; none: there is no such variable."""
        self.functions()
        for name, address, size in self.objects:
            if name == wanted:
                return address, size
        return None

    def functions(self):
        """Of each function, by their addresses: address, bytes, name. Where sections have no addresses, the offset in
        the file stands for the address."""
        if self._functions is None:
            found = []
            self.objects = []
            for table in (section for section in self.sections if section.type == SYMTAB):
                symbols, strings = self.bytes(table), self.bytes(self.sections[table.link])
                for name, info, _, index, value, size in struct.iter_unpack("<IBBHQQ", symbols):
                    if info & 15 == FUNCTION and 0 < index < len(self.sections):
                        section = self.sections[index]
                        start = value if section.address else section.offset + value
                        found.append((start, size, text(strings, name)))
                    elif info & 15 == OBJECT:
                        self.objects.append((text(strings, name), value, size))
            self._functions = sorted(found)
        return self._functions

    def function_at(self, address):
        """Name of the function that an address is in, and how far behind its start; none: in none."""
        functions = self.functions()
        at = bisect.bisect_right(functions, address, key=lambda function: function[0]) - 1
        if at >= 0:
            start, size, name = functions[at]
            if address < start + max(size, 4):
                return name, address - start
        return None


class Section:
    """A section's header."""

    def __init__(self, raw):
        self.name_at, self.type, _, self.address, self.offset, self.size, self.link = struct.unpack_from("<IIQQQQI", raw)
        self.name = ""


def text(strings, at):
    return strings[at:strings.find(b"\0", at)].decode("utf-8", "replace")
