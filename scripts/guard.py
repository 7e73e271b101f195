"""Holds what the hot paths cost against the committed figures; `guard.py --accept` writes the figures anew.

The paths are those of `bench/guard`. Counted are their instructions (by callgrind) and allocations, which are the same
on a busy machine as on an idle one. Exits with 1 if a path costs more than it may. Needs only Python's own library.
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

from actor import ROOT

FIGURES = ROOT / "bench" / "guard" / "figures.json"

#: How many times the committed instructions a path may take: an unlucky choice of the optimiser stays below that, a
#: careless change seldom.
LIMIT = 1.10
#: The same where other tools have compiled or counted: what changed in them comes on top.
LIMIT_WITH_OTHER_TOOLS = 1.25
#: Below this a path has become so much cheaper that the gain could be lost again unseen.
CHEAPER = 0.90

#: The function of bench/guard that callgrind is to count in.
COUNTED = "app_net_guard::count::counted"
#: glibc chooses its memcpy by the processor. With this it chooses the same one everywhere, and none of which each byte
#: counts as an instruction.
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
    accepts = bool(arguments)
    try:
        committed = None if accepts else read(FIGURES.read_text(encoding="utf-8"))
        if why := reason_not_to_run(committed):
            what = "error: nothing is accepted" if accepts else "warning: the guard is not run"
            print(f"{what}: {why}", file=sys.stderr)
            return int(accepts)
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
    if shutil.which("valgrind"):
        return None
    install = subprocess.run([ROOT / "scripts" / "apt.sh", "valgrind"], check=False)
    return "it needs the package valgrind" if install.returncode else None


# --- counting -----------------------------------------------------------------------------------------


def count() -> Figures:
    """Builds the paths and runs each in a process of its own, so that none finds the memory as another has left it."""
    build = ["cargo", "build", "--quiet", "--profile=guard", "--package=app-net-guard"]
    subprocess.run(build, cwd=ROOT, check=True)
    program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "guard" / "app-net-guard"
    paths = said_by(program).splitlines()
    return Figures(here(), tools(), {path: cost_of(program, path) for path in paths})


def tools() -> dict[str, str]:
    return {
        "rustc": said_by("rustc", "--version").strip(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": said_by("valgrind", "--version").strip(),
    }


def said_by(*command: str | Path) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def cost_of(program: Path, path: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "callgrind.out")
        valgrind = [shutil.which("valgrind") or "valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
        run = subprocess.run(
            [*valgrind, "--collect-atstart=no", f"--toggle-collect={COUNTED}", program, path],
            cwd=folder,
            # Nothing of the user's: where the stack begins, and so what copying there costs, hangs on its size.
            env={"GLIBC_TUNABLES": SAME_LIBC},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise GuardError(f"the path {path!r} ended with {run.returncode}\n{run.stderr}")
        return cost(path, run.stdout, profile.read_text(encoding="utf-8", errors="replace"))


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


# --- the committed figures ----------------------------------------------------------------------------


def read(text: str) -> Figures:
    try:
        figures = json.loads(text)
        paths = {path: figure(cost) for path, cost in figures["paths"].items()}
        return Figures(str(figures["platform"]), dict(figures["tools"]), paths)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GuardError(f"{FIGURES.relative_to(ROOT)} cannot be read: {error!r}\nhint: make guard-accept") from error


def figure(cost: dict[str, float]) -> Cost:
    if not cost["instructions"] > 0:
        raise ValueError("a path takes instructions")
    return Cost(int(cost["instructions"]), float(cost["allocations"]))


def written(figures: Figures) -> str:
    """As JSON with a line for each path, so that a change is a line of the diff."""
    paths = (f"    {json.dumps(path)}: {json.dumps(vars(cost))}" for path, cost in figures.paths.items())
    before = json.dumps({"platform": figures.platform, "tools": figures.tools}, indent=2).removesuffix("\n}")
    return before + ',\n  "paths": {\n' + ",\n".join(paths) + "\n  }\n}\n"


# --- judging ------------------------------------------------------------------------------------------


def judge(committed: Figures, now: Figures) -> Verdict:
    verdict = Verdict([f"{'':<16}{'instructions':>14}{'now':>12}{'ratio':>8}{'allocations':>14}{'now':>10}"])
    limit = LIMIT
    others = [f"{now.tools[tool]}, not {known}" for tool, known in committed.tools.items() if now.tools[tool] != known]
    if others:
        limit = LIMIT_WITH_OTHER_TOOLS
        verdict.notes.append(f"the figures are of other tools, so the limit is {limit:.2f} here ({'; '.join(others)})")
    for path in sorted(committed.paths.keys() ^ now.paths.keys()):
        what = "there is no such path any more" if path in committed.paths else "no figure is committed"
        verdict.failures.append(f"{path}: {what}")
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
        if ratio < CHEAPER or cost.allocations < before.allocations:
            verdict.notes.append(f"{path} costs less than was committed; commit that too: make guard-accept")
    return verdict


def tell(verdict: Verdict) -> int:
    print(*verdict.table, *(f"note: {note}" for note in verdict.notes), sep="\n", flush=True)
    for failure in verdict.failures:
        print(f"error: {failure}", file=sys.stderr)
    if verdict.failures:
        print("hint: where it is worth that, take the new figures and commit them: make guard-accept", file=sys.stderr)
    return int(bool(verdict.failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
