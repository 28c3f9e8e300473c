#!/usr/bin/env python3
"""Write hard_texts.jsonl: texts that are hard to tokenize, with the ids that the reference gives them.

    pip install tokenizers==0.23.3
    tests/unit/embed/make_hard_texts.py ~/.cache/ragstore/models/all-MiniLM-L6-v2/tokenizer.json

Each line has a text's bytes in hexadecimal and its ids without special ones around it and without a
cut. test_hard_texts.c compares them with ours. The random ones are the same in each run.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

CHOSEN = [
    "", " ", "\t\r\n", "\0", "a\0b", "\x01\x02\x7f", "\ufeffbyte order mark", "soft\u00adhyphen",
    "zero\u200bwidth\u200cjoiners\u200d", "no\u00a0break\u202fspace", "line\u2028para\u2029graph\x85",
    "caf\u00e9 cafe\u0301 CAFE\u0301", "\u00c5ngstr\u00f6m A\u030angstro\u0308m", "\u0130stanbul \u0131",
    "Stra\u00dfe STRASSE \u1e9e", "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3\u0399\u03a3\u03a5\u03a6\u039f\u03a3",
    "\ufb01nance \ufb03", "\uff21\uff22\uff43 \uff11\uff12", "\u2160\u2163 \u00bd \u00b2 \u2460", "e\u0301" * 40,
    "o" + "\u0308\u0323" * 30, "\u4e2d\u6587\u5206\u8bcd", "\u4e2da\u6587b", "\U00020000\U0002a6d6", "\u3072\u3089\u304c\u306a \u30ab\u30bf\u30ab\u30ca \uff76\uff85",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd", "\u202eright to left\u202c",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\U0001f600\U0001f44d\U0001f3fd", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f \U0001f1e9\U0001f1ea",
    "[CLS]", "[SEP] [MASK] [PAD] [UNK]", "a[SEP]b", "[cls]", "[ SEP ]", "[[CLS]]", "[SEP", "##ing ##s", "#", "##",
    "a" * 99, "a" * 100, "a" * 101, "\u00e9" * 100, "\u00e9" * 101, "e\u0301" * 100, "e\u0301" * 101, "x" * 5000,
    "ab" * 300 + " end", "don't can't o'clock", "e.g. U.S.A. 3.14 1,000 $5 50%", "http://a.b/c?d=e&f#g", "a_b-c/d\\e",
    "\u2018q\u2019 \u201cq\u201d \u2014 \u2026 \u00bf\u00a1 \u3002\u3001\uff01", "`~!@#$%^&*()_+-={}|[]\\:\";'<>?,./", "\u00d7 \u00f7 \u20ac \u00a3 \u00b0 \u00a9 \u2122 \u00a7 \u00b6",
    "\u0301 alone", "\u1f77\u03ac", "\ue000 private \U000f0000", "\ufffd\uffff\ufdd0", "\U0010ffff", "\u0378 unassigned",
    "CamelCaseWords UPPER lower", "\u0410\u0411\u0412 \u0439\u0451 \u0419\u0401", "\u1ea0\u1ebf\u1ed1\u01b0\u1edd", "\u0141\u00f3d\u017a \u0110or\u0111e \u00d8re",
    "supercalifragilisticexpialidocious", "antidisestablishmentarianism", "1234567890" * 12, "\u0661\u0662\u0663 \u0967\u0968",
]
RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0, 0x1F), (0x7F, 0x17F), (0x180, 0x24F), (0x300, 0x36F), (0x370, 0x3FF),
          (0x400, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F),
          (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA960, 0xD7FF),
          (0xF900, 0xFDFF), (0xFE00, 0xFFFF), (0x10000, 0x10FFF), (0x1F000, 0x1FAFF), (0x20000, 0x2FA1F)]


def random_text(chance: random.Random) -> str:
    parts = []
    for _ in range(chance.randint(1, 6)):
        low, high = chance.choice(RANGES)
        parts += [chr(chance.randint(low, high)) for _ in range(chance.randint(1, 7))]
        parts.append(chance.choice(["", "", " ", "the", "[SEP]", "\u0301"]))
    return "".join(parts)


def main() -> None:
    tokenizer = Tokenizer.from_file(sys.argv[1])
    tokenizer.no_truncation()
    tokenizer.no_padding()
    chance = random.Random(20261127)
    texts = CHOSEN + [random_text(chance) for _ in range(400)]
    with Path(__file__).with_name("hard_texts.jsonl").open("w") as out:
        for text in texts:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            out.write(json.dumps({"hex": text.encode().hex(), "ids": ids}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
