"""What include/ragstore.h says, read without a C parser: prototypes, structs, constants.

The header is written in one regular style, which is all that is relied on here; a prototype that
cannot be read is an error, not skipped.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "ragstore.h"


def source() -> str:
    """The header without comments and continued lines."""
    text = HEADER.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


def prototypes() -> dict[str, tuple[str, list[str]]]:
    """name → (result type, argument types), each in a normal form such as 'const char *'."""
    found: dict[str, tuple[str, list[str]]] = {}
    code = re.sub(r"^\s*#.*$", "", source(), flags=re.M)
    for declaration in re.findall(r"RAGSTORE_API\s+([^;]*);", code):
        match = re.fullmatch(r"(.*?)(ragstore_\w+)\s*\((.*)\)\s*", declaration, flags=re.S)
        assert match, f"a prototype that cannot be read: {declaration}"
        result, name, arguments = match.groups()
        assert name not in found, f"{name} is declared twice"
        parts = [] if arguments.strip() == "void" else arguments.split(",")
        found[name] = normal(result), [normal(re.sub(r"\w+\s*$", "", part)) for part in parts]
    return found


def structs() -> dict[str, list[tuple[str, str]]]:
    """name → [(field, type)]; callbacks have the type 'function'."""
    found = {}
    for body, name in re.findall(
        r"typedef struct ragstore_\w+ \{(.*?)\}\s*(ragstore_\w+);", source(), flags=re.S
    ):
        fields = []
        for member in body.split(";"):
            member = member.strip()
            if not member:
                continue
            callback = re.match(r".*\(\*(\w+)\)\s*\(", member, flags=re.S)
            if callback:
                fields.append((callback.group(1), "function"))
                continue
            match = re.fullmatch(r"(.*?)(\w+)", member, flags=re.S)
            assert match, f"a member that cannot be read: {member}"
            fields.append((match.group(2), normal(match.group(1))))
        found[name] = fields
    return found


def constants() -> dict[str, int]:
    """Every #define of a number."""
    found = {}
    for name, value in re.findall(r"#define (RAGSTORE_\w+)\s+(\S.*)", source()):
        match = re.fullmatch(r"\(?(-?(?:0x[0-9a-fA-F]+|\d+))[uU]?\)?\s*", value)
        if match:
            found[name] = int(match.group(1), 0)
    return found


def normal(kind: str) -> str:
    return re.sub(r"\s*\*\s*", " *", " ".join(kind.split())).strip()
