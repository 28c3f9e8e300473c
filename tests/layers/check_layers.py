#!/usr/bin/env python3
"""Which room of lib/ uses which, and who touches the world outside.

    api → agent → ingest, search, collections → entities → jobs → embed, lexical, vectors, storage
        → query → json, files → base

A room may use itself and rooms further right. Checked by reading the sources:

  1. #include "room/file.h" follows the arrows, and the file exists;
  2. headers of other libraries appear only in the rooms that wrap them;
  3. only files/ (and embed/model_….c, for models) calls the operating system for files; only
     base/memory.c allocates; nothing prints, exits, starts processes, opens sockets, or changes what
     the host program owns: locale, signals, thread counts;
  4. examples/ and tests/api/ see nothing of ours but <ragstore.h>;
  5. include/ragstore.h includes <stddef.h> and <stdint.h>, nothing else.

Prints each violation with its place; exit status 1 if there is one. Python's standard library only.
An argument names another tree to look at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve()
LIB = ROOT / "lib"

LEVELS = [
    {"api"},
    {"agent"},
    {"ingest", "search", "collections"},
    {"entities"},
    {"jobs"},
    {"embed", "lexical", "vectors", "storage"},
    {"query"},
    {"json", "files", "matrix"},
    {"base"},
]
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# Headers of other libraries, and the rooms that may see them.
WRAPPED = {
    r"jansson\.h": {"json", "storage"},
    r"(faiss/)?(c_api/)?(impl/)?\w+_c\.h|faiss/.*": {"vectors"},
    r"(openblas/)?cblas.*\.h|openblas_config\.h|lapacke?\.h": set(),  # FAISS's affair
    r"immintrin\.h|arm_neon\.h|cpuid\.h": {"vectors", "embed", "matrix", "json", "base", "lexical"},
    r"libstemmer\.h": {"lexical"},
    r"pcre2\.h": {"query"},
    r"utf8proc\.h": {"lexical", "embed", "ingest"},
    r"uchardet/uchardet\.h|uchardet\.h|iconv\.h|libxml/.*": {"ingest"},
}


def words(text: str) -> list[str]:
    return text.split()


# The C library and the kernel. What its functions may do is checked by name below.
HOST_HEADERS = words(
    """
    assert ctype errno float inttypes limits math stdalign stdarg stdatomic stdbool stddef
    stdint stdio stdlib string strings time pthread locale fcntl unistd dirent sys/stat sys/mman
    sys/file sys/types sys/uio sys/random sys/syscall sys/sysmacros sys/time sys/vfs sys/statvfs
    linux/openat2 sched
    """
)

FILE_CALLS = words(
    """
    open open64 openat openat2 creat fopen fopen64 freopen fdopen opendir fdopendir mkstemp
    mkdtemp mkostemp tmpfile read write pread pwrite pread64 pwrite64 readv writev preadv
    pwritev fread fwrite fputs fputc fgets getline rename renameat renameat2 unlink unlinkat
    remove mkdir mkdirat rmdir stat lstat fstat fstatat statx access faccessat truncate ftruncate
    fallocate posix_fallocate fsync fdatasync sync syncfs msync mmap munmap flock lockf fcntl
    link linkat symlink symlinkat readlink chmod fchmod chown utimensat chdir readdir scandir
    nftw ftw sendfile copy_file_range
    """
)
MEMORY_CALLS = words(
    """
    malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf posix_memalign
    aligned_alloc memalign alloca
    """
)
NEVER = words(
    """
    printf vprintf puts putchar perror fprintf exit _exit _Exit quick_exit abort atexit assert
    system popen fork vfork execl execlp execle execv execve execvp posix_spawn socket connect
    bind listen accept setlocale uselocale signal sigaction sigprocmask pthread_sigmask raise
    kill setenv putenv unsetenv srand rand strtok localtime gmtime openblas_set_num_threads
    goto_set_num_threads omp_set_num_threads umask
    """
)

# A model lies outside every store.
MODEL_FILES = {"embed/model_file.c", "embed/model_locate.c"}

CALL_RULES = [
    (FILE_CALLS, {"files"}, MODEL_FILES, "only files/ touches the file system"),
    (MEMORY_CALLS, set(), {"base/memory.c"}, "memory comes from base/memory.h"),
    (NEVER, set(), set(), "the library leaves the host program alone"),
]

problems: list[str] = []


def problem(path: Path, line: int, text: str) -> None:
    problems.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def sources(directory: Path) -> list[Path]:
    return sorted([*directory.rglob("*.c"), *directory.rglob("*.h")])


def includes(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, opening character, name) of each #include."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(1), match.group(2)
        elif re.match(r"\s*#\s*include\b", line):
            problem(path, number, "an #include that cannot be read")


def code_of(path: Path) -> str:
    """The text with comments, strings and preprocessor lines blanked; lines keep their numbers."""
    text = path.read_text(encoding="utf-8")
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    blank = re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.S)
    return re.sub(r"^[ \t]*#.*$", "", blank, flags=re.M)


def check_own_include(path: Path, room: str, line: int, name: str) -> None:
    target = name.split("/")[0] if "/" in name else None
    if target not in LEVEL_OF:
        problem(path, line, f'"{name}" is not of the form "room/file.h"')
    elif not (LIB / name).is_file():
        problem(path, line, f'there is no lib/{name}')
    elif target != room and LEVEL_OF[target] <= LEVEL_OF[room]:
        problem(path, line, f'{room}/ may not use {target}/ ("{name}")')


def check_host_include(path: Path, room: str, line: int, name: str) -> None:
    if name == "ragstore.h" or name.removesuffix(".h") in HOST_HEADERS:
        return
    for pattern, rooms in WRAPPED.items():
        if re.fullmatch(pattern, name):
            if room not in rooms:
                problem(path, line, f"<{name}> belongs to {', '.join(sorted(rooms)) or 'nobody'} only")
            return
    problem(path, line, f"<{name}> is a header that tests/layers does not know")


def check_calls(path: Path, room: str) -> None:
    below = path.relative_to(LIB).as_posix()
    code = code_of(path)
    for names, rooms, files, why in CALL_RULES:
        if room in rooms or below in files:
            continue
        # not a member (table->open), not part of a longer name
        pattern = rf"(?<![\w.>])(?<!->)({'|'.join(names)})\s*\("
        for found in re.finditer(pattern, code):
            name = found.group(1)
            if re.search(rf"\*\s*{name}\s*[,)]", code):
                continue  # a parameter that points to a function
            line = code.count("\n", 0, found.start()) + 1
            problem(path, line, f"{name}(): {why}")


def check_library() -> None:
    for path in sources(LIB):
        room = path.relative_to(LIB).parts[0]
        if room not in LEVEL_OF:
            problem(path, 1, f"{room} is not a room; tests/layers and lib/README.md list them")
            continue
        for line, kind, name in includes(path):
            if kind == '"' and name != "ragstore.h":
                check_own_include(path, room, line, name)
            else:
                check_host_include(path, room, line, name)
        check_calls(path, room)


def check_consumers() -> None:
    """Examples use the installed header; files beside them are theirs. API tests have a harness."""
    for path in [*sources(ROOT / "examples"), *sources(ROOT / "tests" / "api")]:
        for line, kind, name in includes(path):
            first = name.split("/")[0]
            if first in LEVEL_OF and "/" in name and not (path.parent / name).exists():
                problem(path, line, f'"{name}" is inside the library; use <ragstore.h>')
            elif ".." in name.split("/"):
                problem(path, line, f'"{name}" leaves its directory')
            elif kind == '"' and name.endswith("ragstore.h"):
                problem(path, line, "the installed header is <ragstore.h>")


def check_header() -> None:
    path = ROOT / "include" / "ragstore.h"
    for line, kind, name in includes(path):
        if kind != "<" or name not in ("stddef.h", "stdint.h"):
            problem(path, line, f"the public header may not include {name}")


def main() -> int:
    check_library()
    check_consumers()
    check_header()
    for each in problems:
        print(each)
    rooms = sum(1 for room in LEVEL_OF if (LIB / room).is_dir())
    print(f"layers: {len(sources(LIB))} files in {rooms} rooms, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
