#!/usr/bin/env python3
"""Header, export list, manual pages and Python table say the same.

  1. each function of include/ragstore.h stands exactly once in lib/ragstore.map, in the NAME and
     the SYNOPSIS of the manual pages (with the same prototype), and in the table of
     examples/python/ragstore/_ffi.py; nothing else stands there;
  2. each function's comment has the six fixed lines, and its @param lines name its parameters;
  3. each field of an options struct and each constant is in a manual page, and pages name no
     constant and no page of ours that does not exist;
  4. `mandoc -T lint -W warning` has nothing to say;
  5. the examples in the pages, marked by a comment before the display,
         .\\" example: name.c [model]
     and complete C programs in README.md compile; with --lib DIR they are also linked with the
     libragstore there and run in a fresh directory (those marked "model" when RAGSTORE_MODEL
     names one), and the library's exported symbols are compared with the export list.

Prints what is wrong with its place; exit status 1 if anything is. CC and CPPFLAGS are honoured.
Python's standard library only; needs mandoc and a C compiler.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import header  # noqa: E402

ROOT = header.ROOT
MAP = ROOT / "lib" / "ragstore.map"
TABLE = ROOT / "examples" / "python" / "ragstore" / "_ffi.py"
PAGES = sorted(path for path in (ROOT / "man").glob("*") if re.search(r"\.[1-8]$", path.name))
FIXED_LINES = ["Ownership", "Lifetime", "Threads", "Errors", "Blocking", "Since"]
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow", "-Werror"]

problems: list[str] = []


def problem(path: Path, line: int, text: str) -> None:
    where = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    problems.append(f"{where}:{line}: {text}")


def numbered(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text(encoding="utf-8").splitlines(), 1))


def compare(what: str, path: Path, found: list[tuple[int, str]], wanted: set[str]) -> None:
    """Each wanted name exactly once, nothing else."""
    count = Counter(name for _, name in found)
    for line, name in found:
        if name not in wanted:
            problem(path, line, f"{name} in {what} is not in the header")
        elif count[name] > 1:
            problem(path, line, f"{name} stands {count[name]} times in {what}")
    for name in sorted(wanted - set(count)):
        problem(path, 1, f"{name} is missing in {what}")


# ---- 1: header, map, table ----


def check_map(functions: set[str]) -> None:
    found = []
    for line, text in numbered(MAP):
        match = re.fullmatch(r"\s*(\w+);\s*", text)
        if match:
            found.append((line, match.group(1)))
    compare("the export list", MAP, found, functions)
    text = MAP.read_text(encoding="utf-8")
    if not re.search(r"local:\s*\*;", text):
        problem(MAP, 1, "it does not end in local: *;")


def check_table(functions: set[str]) -> None:
    found = []
    for node in ast.walk(ast.parse(TABLE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "TABLE":
            for row in node.value.elts:
                found.append((row.lineno, row.elts[0].value))
    compare("the Python table", TABLE, found, functions)


# ---- 2: comments of the header ----


def check_comments() -> None:
    text = header.HEADER.read_text(encoding="utf-8")
    statuses = {name.removeprefix("RAGSTORE_E_") for name in header.constants()}
    for found in re.finditer(
        r"(?:/\*\*((?:(?!\*/).)*)\*/\n)?^RAGSTORE_API\s([^;]*);", text, flags=re.S | re.M
    ):
        comment, declaration = found.groups()
        line = text.count("\n", 0, found.start(2)) + 1
        name = re.search(r"(ragstore_\w+)\s*\(", declaration).group(1)
        if comment is None:
            problem(header.HEADER, line, f"{name} has no comment")
            continue
        fixed = re.findall(r"^ \* (\w+): ", comment, flags=re.M)
        fixed = [word for word in fixed if word in FIXED_LINES]
        if fixed != FIXED_LINES:
            problem(header.HEADER, line, f"{name}: the fixed lines are {', '.join(fixed)}")
        documented = re.findall(r"^ \* @param (\w+)", comment, flags=re.M)
        parameters = parameter_names(declaration)
        if documented != parameters:
            problem(
                header.HEADER,
                line,
                f"{name}: @param has {', '.join(documented) or 'nothing'}, "
                f"the prototype {', '.join(parameters) or 'nothing'}",
            )
        if not re.match(r"\s*\*? ?[A-Z]", comment.lstrip("\n")):
            problem(header.HEADER, line, f"{name}: the comment does not begin with a sentence")
        errors = re.search(r"^ \* Errors:(.*?)^ \* Blocking:", comment, flags=re.M | re.S)
        for word in re.findall(r"\b[A-Z][A-Z_]{2,}\b", errors.group(1) if errors else ""):
            if word not in statuses and word not in ("JSON", "FAISS", "UTF", "NULL"):
                problem(header.HEADER, line, f"{name}: Errors names {word}, which is no status")


def parameter_names(declaration: str) -> list[str]:
    arguments = re.search(r"\((.*)\)", declaration, flags=re.S).group(1)
    if arguments.strip() == "void":
        return []
    return [re.search(r"(\w+)\s*$", part).group(1) for part in arguments.split(",")]


# ---- 1 and 3: manual pages ----


def check_pages(functions: set[str]) -> None:
    names: list[tuple[Path, int, str]] = []
    synopses: list[tuple[Path, int, str]] = []
    text = ""
    for page in PAGES:
        names += [(page, *each) for each in names_of(page)]
        synopses += [(page, *each) for each in prototypes_of(page)]
        check_references(page)
        text += page.read_text(encoding="utf-8")
    for what, found in (("NAME", names), ("SYNOPSIS", synopses)):
        count = Counter(name for _, _, name in found)
        for page, line, name in found:
            if name not in functions:
                problem(page, line, f"{name} is not in the header")
            elif count[name] > 1:
                problem(page, line, f"{name} stands in {count[name]} {what} sections")
        for name in sorted(functions - set(count)):
            problem(ROOT / "man", 1, f"{name} is in no {what} section")
    check_words(text)


def section(page: Path, title: str) -> list[tuple[int, str]]:
    lines = numbered(page)
    inside = False
    found = []
    for line, text in lines:
        if text.startswith(".Sh "):
            inside = text == f".Sh {title}"
        elif inside:
            found.append((line, text))
    return found


def names_of(page: Path) -> list[tuple[int, str]]:
    if not page.name.endswith(".3") or page.name == "ragstore.3":
        return []
    return [
        (line, text.split()[1]) for line, text in section(page, "NAME") if text.startswith(".Nm ")
    ]


def prototypes_of(page: Path) -> list[tuple[int, str]]:
    """The functions of a SYNOPSIS, whose prototypes are compared with the header's."""
    wanted = header.prototypes()
    found = []
    result, name, arguments, began = "", "", [], 0
    for line, text in section(page, "SYNOPSIS"):
        macro, _, rest = text.partition(" ")
        rest = rest.strip().strip('"')
        if macro == ".Ft":
            result = rest
        elif macro == ".Fo":
            name, arguments, began = rest, [], line
        elif macro == ".Fa":
            arguments.append(rest)
        elif macro == ".Fc":
            found.append((began, name))
            types = [
                header.normal(re.sub(r"\w+$", "", each)) for each in arguments if each != "void"
            ]
            if name in wanted and wanted[name] != (header.normal(result), types):
                problem(page, began, f"the prototype of {name} is not that of the header")
    return found


def check_references(page: Path) -> None:
    known = {path.name for path in PAGES}
    constants = set(header.constants())
    for line, text in numbered(page):
        for name, number in re.findall(r"\.Xr (ragstore[\w-]*) (\d)", text):
            if f"{name}.{number}" not in known:
                problem(page, line, f"there is no page {name}({number})")
        for name in re.findall(r"\.Fn (ragstore_\w+)", text):
            if name not in header.prototypes():
                problem(page, line, f"{name}() is not in the header")
        for name in re.findall(r"\bRAGSTORE_\w+", text):
            macros = name.endswith(("_INIT", "_"))
            others = ("RAGSTORE_MODEL", "RAGSTORE_LLM_API_KEY", "RAGSTORE_LLM_URL", "RAGSTORE_LLM_MODEL",
                      "RAGSTORE_DATA_DIR", "RAGSTORE_PRECISION", "RAGSTORE_0", "RAGSTORE_VERSION_STRING")
            is_title = text.startswith(".Dt ")
            if name not in constants and not macros and name not in others and not is_title:
                problem(page, line, f"{name} is not in the header")


def check_words(text: str) -> None:
    words = set(re.findall(r"\w+", text))
    for name in header.constants():
        if name not in words:
            problem(ROOT / "man", 1, f"{name} is in no page")
    for struct, fields in header.structs().items():
        if struct not in words:
            problem(ROOT / "man", 1, f"{struct} is in no page")
            continue
        pages = [page for page in PAGES if f".Vt {struct}" in page.read_text(encoding="utf-8")]
        described = set()
        for page in pages:
            described |= set(re.findall(r"^\.(?:It )?Va (\w+)", page.read_text(), flags=re.M))
        for field, _ in fields:
            if field not in described:
                problem(ROOT / "man", 1, f"{struct}: {field} is not described")


def check_lint() -> None:
    command = ["mandoc", "-T", "lint", "-W", "warning", *map(str, PAGES)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        problem(ROOT / "man", 1, "mandoc is not installed; tools/setup.sh check installs it")
        return
    for line in (done.stdout + done.stderr).splitlines():
        problems.append(line.replace(f"mandoc: {ROOT}/", ""))
    if done.returncode != 0 and not (done.stdout or done.stderr):
        problem(ROOT / "man", 1, f"mandoc ended with {done.returncode}")


# ---- 5: examples ----


def page_examples(page: Path) -> Iterator[tuple[int, str, str]]:
    """(line, words of the marker, C text) of each marked display."""
    marker, lines, began = "", None, 0
    for line, text in numbered(page):
        if lines is not None:
            if text == ".Ed":
                yield began, marker, "\n".join(lines) + "\n"
                marker, lines = "", None
            else:
                lines.append(text.removeprefix("\\&").replace("\\e", "\\"))
        elif text.startswith('.\\" example: '):
            marker = text.removeprefix('.\\" example: ')
        elif marker and text.startswith(".Bd -literal"):
            lines, began = [], line
        elif marker:
            problem(page, line, "an example's marker is not followed by .Bd -literal")
            marker = ""
        elif text == "main(int argc, char **argv)":
            problem(page, line, "a program without a marker")
    if lines is not None:
        problem(page, began, "a display that does not end")


def readme_examples(path: Path) -> Iterator[tuple[int, str, str]]:
    """Complete programs among the ```c blocks."""
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"^```c\n(.*?)^```", text, flags=re.M | re.S):
        if re.search(r"\bmain\s*\(", found.group(1)):
            line = text.count("\n", 0, found.start()) + 1
            yield line, f"readme-{line}.c", found.group(1)


def check_examples(library: Path | None) -> tuple[int, int]:
    """Returns how many were compiled and run."""
    compiled = run = 0
    sources = [(page, *each) for page in PAGES for each in page_examples(page)]
    sources += [(ROOT / "README.md", *each) for each in readme_examples(ROOT / "README.md")]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for number, (page, line, marker, text) in enumerate(sources):
            words = marker.split()
            source = directory / f"{number}-{words[0]}"
            source.write_text(text, encoding="utf-8")
            program = compile_example(page, line, source, library)
            compiled += 1
            if program is None:
                continue
            if "model" in words and not model_is_there():
                print(f"docs: {words[0]} is not run: RAGSTORE_MODEL names no model")
                continue
            run_example(page, line, program, directory / f"store-{number}")
            run += 1
    if compiled == 0:
        problem(ROOT / "man", 1, "no page has an example")
    return compiled, run


def compile_example(page: Path, line: int, source: Path, library: Path | None) -> Path | None:
    command = [
        *shlex.split(os.environ.get("CC", "cc")),
        *WARNINGS,
        *shlex.split(os.environ.get("CPPFLAGS", "")),
        f"-I{ROOT / 'include'}",
    ]
    program = source.with_suffix("")
    if library is None:
        command += ["-fsyntax-only", str(source)]
    else:
        command += ["-o", str(program), str(source), f"-L{library}", "-lragstore"]
        command += [f"-Wl,-rpath,{library}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        problem(page, line, f"the example does not compile:\n{done.stderr.strip()}")
        return None
    return program if library else None


def run_example(page: Path, line: int, program: Path, store: Path) -> None:
    done = subprocess.run(
        [str(program), str(store)], capture_output=True, text=True, timeout=120
    )
    if done.returncode != 0:
        problem(page, line, f"the example ends with {done.returncode}: {done.stderr.strip()}")


def model_is_there() -> bool:
    return (Path(os.environ.get("RAGSTORE_MODEL", "")) / "model.safetensors").is_file()


def check_exports(library: Path, functions: set[str]) -> None:
    shared = library / "libragstore.so"
    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(shared)], capture_output=True, text=True
    )
    if done.returncode != 0:
        problem(shared, 1, f"nm: {done.stderr.strip()}")
        return
    exported = set()
    for text in done.stdout.splitlines():
        kind, symbol = text.split()[-2:]
        if kind != "A":  # the version nodes themselves
            exported.add(symbol.split("@")[0])
    for name in sorted(exported ^ functions):
        where = "exported but not in the header" if name in exported else "not exported"
        problem(shared, 1, f"{name} is {where}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--lib", metavar="DIR", default=os.environ.get("LIB"), help="where libragstore.so is"
    )
    options = parser.parse_args()
    library = Path(options.lib).resolve() if options.lib else None

    functions = set(header.prototypes())
    check_map(functions)
    check_table(functions)
    check_comments()
    check_pages(functions)
    check_lint()
    compiled, run = check_examples(library)
    if library:
        check_exports(library, functions)
    for each in problems:
        print(each)
    print(
        f"docs: {len(functions)} functions, {len(PAGES)} pages, {compiled} examples compiled, "
        f"{run} run, {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
