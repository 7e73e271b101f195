"""Holds where `unsafe` is written against where ARCHITECTURE.md says that it is.

Its section "unsafe" has a table of files; `unsafe` in any other, or none in one of these, fails. That each block has
its proof beside it is checked too. Needs only Python's own library.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What is no code: comments, texts and single characters. Of a raw text the marks on both sides are the same.
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|' + r"b?'(?:\\.|[^'\\\n])'", re.DOTALL)
UNSAFE = re.compile(r"\bunsafe\b")
#: What needs a proof: a block, or the implementation of an unsafe trait. A function only hands the duty on.
NEEDS_PROOF = re.compile(r"\bunsafe\s*(\{|impl\b)")
#: How far above its block a proof may begin: it stands over the statement that the block is in.
NEAR = 12


def named() -> set[str]:
    """The files in the table of the section."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(r"^## `unsafe`\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    if section is None:
        sys.exit('error: ARCHITECTURE.md has no section "unsafe"')
    return set(re.findall(r"^\| `([^`]+\.rs)`", section[1], re.MULTILINE))


def code(text: str) -> str:
    """The text with what is no code made blank, line for line."""
    return NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def unproven(text: str) -> list[int]:
    """The lines on which something unsafe begins without a proof near it."""
    lines = text.splitlines()
    starts = (code(text).count("\n", 0, found.start()) for found in NEEDS_PROOF.finditer(code(text)))
    return [at + 1 for at in starts if not any("SAFETY:" in line for line in lines[max(0, at - NEAR) : at + 1])]


def main() -> int:
    """Says what is wrong, and how many files were looked at."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.rs"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    files = [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in files}
    found = {name for name, text in texts.items() if UNSAFE.search(code(text))}
    allowed = named()
    problems = [f"{name}: unsafe, and not in the table of ARCHITECTURE.md" for name in sorted(found - allowed)]
    problems += [f"{name}: in the table of ARCHITECTURE.md, and without unsafe" for name in sorted(allowed - found)]
    problems += [
        f"{name}:{line}: unsafe without its proof (SAFETY: …) beside it"
        for name in sorted(found & allowed)
        for line in unproven(texts[name])
    ]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"unsafe in {len(found)} of {len(files)} files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
