"""Small file systems to mount for a while: a tmpfs, or an image of ext4, XFS or btrfs on a loop device.

    with Disk("ext4", directory) as disk:
        …                      disk.path is its root
        disk.copy(to)          the image as a power cut would leave it now, to mount as Disk(…, image=to)

NotHere is raised where this machine cannot: no root, no mkfs, no loop device.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

MEBIBYTES = {"tmpfs": 8, "ext4": 16, "xfs": 320, "btrfs": 128}
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}


class NotHere(Exception):
    """This machine cannot."""


def command(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotHere(f"{words[0]}: {done.stderr.strip()[:200] or done.returncode}")


class Disk:
    def __init__(self, kind: str, directory: Path, image: Path | None = None) -> None:
        if os.geteuid() != 0:
            raise NotHere("mounting needs root")
        self.kind = kind
        self.image = image or directory / f"image-{kind}"
        self.made = image is None
        self.path = directory / "mounted"
        self.directory = directory

    def __enter__(self) -> Disk:
        self.path.mkdir(parents=True, exist_ok=True)
        if self.kind == "tmpfs":
            command("mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES['tmpfs']}m", "none", str(self.path))
            return self
        if self.made:
            tool = MAKE[self.kind]
            if shutil.which(tool[0]) is None:
                raise NotHere(f"there is no {tool[0]}")
            with self.image.open("wb") as file:
                file.truncate(MEBIBYTES[self.kind] << 20)
            command(*tool, str(self.image))
        command("mount", "-o", "loop", "-t", self.kind, str(self.image), str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        command("umount", "-l", str(self.path))
        if self.made and self.kind != "tmpfs":
            self.image.unlink(missing_ok=True)

    def copy(self, to: Path) -> None:
        subprocess.run(["cp", "--sparse=always", str(self.image), str(to)], check=True)
