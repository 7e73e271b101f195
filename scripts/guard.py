"""Holds what the hot paths cost against the committed figures: `guard.py` compares, `guard.py --accept` writes them anew.

The paths are those of `bench/guard`; what is counted are their instructions (by callgrind) and allocations, which are the same on a
busy machine as on an idle one. Exits with 1 if a path costs more than it may. Needs nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "bench" / "guard" / "figures.json"

# What a path may cost more than was committed: an unlucky choice of the optimiser stays below, a careless change seldom does.
LIMIT = 1.10
# The same where other tools have compiled or counted: their own changes come on top.
LIMIT_WITH_OTHER_TOOLS = 1.25

# The function of bench/guard that callgrind is to count in.
COUNTED = "app_net_guard::count::counted"
# glibc chooses its memcpy by the processor. This makes it choose the same everywhere, and one that does not move a byte for an instruction.
SAME_LIBC = (
    "glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX512F,-AVX512VL,-SSSE3,-ERMS,-FSRM"
    ":glibc.cpu.x86_non_temporal_threshold=0x10000000"
)


class GuardError(Exception):
    """There is nothing to judge."""


@dataclass(frozen=True)
class Cost:
    """What one operation costs."""

    instructions: int
    allocations: float


@dataclass(frozen=True)
class Figures:
    """What each path costs, and where that was counted."""

    platform: str
    tools: dict[str, str]
    paths: dict[str, Cost]


@dataclass
class Verdict:
    """What is to be said of the figures."""

    table: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--accept"]):
        print("usage: guard.py [--accept]", file=sys.stderr)
        return 2
    accept = bool(arguments)
    try:
        committed = None if accept else read(FIGURES.read_text(encoding="utf-8"))
        why_not = reason_not_to_run(committed)
        if why_not:
            print(f"{'error: nothing is accepted' if accept else 'warning: the guard is not run'}: {why_not}", file=sys.stderr)
            return int(accept)
        now = count()
    except (GuardError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if committed is None:
        FIGURES.write_text(written(now), encoding="utf-8")
        print(f"Accepted; to be committed: {FIGURES.relative_to(ROOT)}")
        return 0
    return tell(judge(committed, now))


def here() -> str:
    return f"{platform.system()} {platform.machine()}"


def reason_not_to_run(committed: Figures | None) -> str | None:
    if committed and committed.platform != here():
        return f"its figures are for {committed.platform}, and this is {here()}"
    if not shutil.which("valgrind") and subprocess.run([ROOT / "scripts" / "apt.sh", "valgrind"], check=False).returncode:
        return "it needs the package valgrind"
    return None


# --- counting -----------------------------------------------------------------------------------------


def count() -> Figures:
    """Builds the paths and runs each in a process of its own, so that none finds the memory as another has left it."""
    subprocess.run(["cargo", "build", "--quiet", "--profile", "guard", "--package", "app-net-guard"], cwd=ROOT, check=True)
    program = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "guard", "app-net-guard").resolve()
    paths = said_by([program]).splitlines()
    return Figures(here(), tools(), {path: cost_of(program, path) for path in paths})


def tools() -> dict[str, str]:
    return {
        "rustc": said_by(["rustc", "--version"]).strip(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": said_by(["valgrind", "--version"]).strip(),
    }


def cost_of(program: Path, path: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        valgrind = [shutil.which("valgrind") or "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
        only = ["--collect-atstart=no", f"--toggle-collect={COUNTED}"]
        # Nothing of the user's: where the stack begins, and so how things lie in memory, hangs on the environment's size.
        run = subprocess.run(
            [*valgrind, *only, program, path],
            cwd=folder,
            env={"GLIBC_TUNABLES": SAME_LIBC},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise GuardError(f"the path {path!r} ended with {run.returncode}\n{run.stderr}")
        return cost(path, run.stdout, out.read_text(encoding="utf-8", errors="replace"))


def cost(path: str, said: str, profile: str) -> Cost:
    """Puts together what the program said of a path (operations, allocations) and what callgrind wrote of it."""
    numbers = re.fullmatch(r"([1-9]\d*) (\d+)\n", said)
    if not numbers:
        raise GuardError(f"the path {path!r} says {said!r} instead of how much it did")
    operations, allocations = map(int, numbers.groups())
    total = re.search(r"^totals: (\d+)$", profile, re.MULTILINE)
    instructions = int(total[1]) if total else 0
    if not instructions:
        raise GuardError(f"callgrind has counted nothing of the path {path!r}: is there no function {COUNTED}?")
    return Cost(round(instructions / operations), round(allocations / operations, 2))


def said_by(command: list[str | Path]) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


# --- the committed figures ----------------------------------------------------------------------------


def read(text: str) -> Figures:
    try:
        figures = json.loads(text)
        paths = {path: Cost(int(cost["instructions"]), float(cost["allocations"])) for path, cost in figures["paths"].items()}
        return Figures(str(figures["platform"]), dict(figures["tools"]), paths)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GuardError(f"{FIGURES.relative_to(ROOT)} cannot be read: {error!r}\nhint: make guard-accept") from error


def written(figures: Figures) -> str:
    paths = {path: vars(cost) for path, cost in figures.paths.items()}
    return json.dumps({"platform": figures.platform, "tools": figures.tools, "paths": paths}, indent=2) + "\n"


# --- judging ------------------------------------------------------------------------------------------


def judge(committed: Figures, now: Figures) -> Verdict:
    verdict = Verdict([f"{'':<16}{'instructions':>14}{'now':>12}{'ratio':>8}{'allocations':>14}{'now':>10}"])
    limit = LIMIT
    others = [f"{now.tools.get(tool)} (not {version})" for tool, version in committed.tools.items() if now.tools.get(tool) != version]
    if others:
        limit = LIMIT_WITH_OTHER_TOOLS
        verdict.notes.append(f"the figures were taken with other tools, so {limit:.2f} is the limit here: {', '.join(others)}")
    for path in sorted(committed.paths.keys() ^ now.paths.keys()):
        known = path in committed.paths
        verdict.failures.append(f"{path}: {'committed, but there is no such path' if known else 'no figure is committed'}")
    for path, cost in now.paths.items():
        before = committed.paths.get(path)
        if before is None:
            continue
        ratio = cost.instructions / before.instructions
        verdict.table.append(
            f"{path:<16}{before.instructions:>14,}{cost.instructions:>12,}{ratio:>8.3f}"
            f"{before.allocations:>14g}{cost.allocations:>10g}"
        )
        if ratio > limit:
            verdict.failures.append(f"{path}: {ratio:.3f} times the instructions, more than {limit:.2f}")
        if cost.allocations > before.allocations:
            verdict.failures.append(f"{path}: {cost.allocations:g} allocations, more than {before.allocations:g}")
        if ratio < 2 - LIMIT or cost.allocations < before.allocations:
            verdict.notes.append(f"{path} costs less than was committed; commit that too: make guard-accept")
    return verdict


def tell(verdict: Verdict) -> int:
    print(*verdict.table, sep="\n")
    for note in verdict.notes:
        print(f"note: {note}")
    for failure in verdict.failures:
        print(f"error: {failure}", file=sys.stderr)
    if verdict.failures:
        print("hint: if it is worth that, accept it and commit the figures: make guard-accept", file=sys.stderr)
    return int(bool(verdict.failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
