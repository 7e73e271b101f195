"""The judge of what the hot paths cost: what fails, what is only noted, and that nothing passes unjudged."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import guard
from guard import Cost, Figures, GuardError

Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch

TOOLS = {"rustc": "rustc 1.95.0", "libc": "glibc 2.36", "valgrind": "valgrind-3.19.0"}
COMMITTED = Figures("Linux x86_64", TOOLS, {"call": Cost(1000, 2.0), "handshake": Cost(20_000, 28.0)})


def now(call: Cost, **tools: str) -> Figures:
    return replace(COMMITTED, tools=TOOLS | tools, paths=COMMITTED.paths | {"call": call})


def test_what_costs_as_much_as_was_committed_is_well() -> None:
    verdict = guard.judge(COMMITTED, COMMITTED)
    assert (verdict.notes, verdict.failures) == ([], [])
    assert len(verdict.table) == 3


@pytest.mark.parametrize(("instructions", "fails"), [(1100, False), (1101, True)])
def test_a_tenth_more_instructions_fails(instructions: int, fails: bool) -> None:
    verdict = guard.judge(COMMITTED, now(Cost(instructions, 2.0)))
    assert [failure.split(":")[0] for failure in verdict.failures] == ["call"] * fails


def test_any_allocation_more_fails() -> None:
    (failure,) = guard.judge(COMMITTED, now(Cost(1000, 2.01))).failures
    assert failure == "call: 2.01 allocations, more than 2"


@pytest.mark.parametrize("cheaper", [Cost(899, 2.0), Cost(1000, 1.0)])
def test_what_costs_less_is_a_note(cheaper: Cost) -> None:
    verdict = guard.judge(COMMITTED, now(cheaper))
    assert not verdict.failures
    assert ["make guard-accept" in note for note in verdict.notes] == [True]


@pytest.mark.parametrize(("instructions", "fails"), [(1250, False), (1251, True)])
@pytest.mark.parametrize("tool", TOOLS)
def test_with_other_tools_the_limit_is_wider_and_said(tool: str, instructions: int, fails: bool) -> None:
    verdict = guard.judge(COMMITTED, now(Cost(instructions, 2.0), **{tool: "another"}))
    assert bool(verdict.failures) == fails
    assert f"another, not {TOOLS[tool]}" in verdict.notes[0]


def test_a_path_without_a_figure_and_a_figure_without_a_path_fail() -> None:
    renamed = replace(COMMITTED, paths={"call": Cost(1000, 2.0), "greeting": Cost(20_000, 28.0)})
    assert guard.judge(COMMITTED, renamed).failures == [
        "greeting: no figure is committed",
        "handshake: there is no such path any more",
    ]


def test_the_figures_are_read_as_they_were_written() -> None:
    assert guard.read(guard.written(COMMITTED)) == COMMITTED


def test_the_committed_figures_can_be_read() -> None:
    assert guard.read(guard.FIGURES.read_text(encoding="utf-8")).paths


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"platform": "Linux x86_64", "tools": {}}',
        '{"platform": "Linux x86_64", "tools": {}, "paths": {"call": 1000}}',
        '{"platform": "Linux x86_64", "tools": {}, "paths": {"call": {"instructions": 1000}}}',
        '{"platform": "Linux x86_64", "tools": {}, "paths": {"call": {"instructions": "many", "allocations": 2}}}',
        '{"platform": "Linux x86_64", "tools": {}, "paths": {"call": {"instructions": 0, "allocations": 2}}}',
    ],
)
def test_figures_that_cannot_be_read_are_an_error(text: str) -> None:
    with pytest.raises(GuardError, match=r"figures\.json cannot be read.*\n.*make guard-accept"):
        guard.read(text)


def test_a_cost_is_of_one_operation() -> None:
    assert guard.cost("call", "1000 2500\n", "events: Ir\n\ntotals: 4662024\n") == Cost(4662, 2.5)


@pytest.mark.parametrize("said", ["", "1000\n", "0 0\n", "many 0\n"])
def test_a_path_that_does_not_say_what_it_did_is_an_error(said: str) -> None:
    with pytest.raises(GuardError, match="says"):
        guard.cost("call", said, "totals: 4662024\n")


@pytest.mark.parametrize("profile", ["", "totals: 0\n", "totals: many\n"])
def test_a_path_in_which_nothing_was_counted_is_an_error(profile: str) -> None:
    with pytest.raises(GuardError, match="counted nothing"):
        guard.cost("call", "1000 0\n", profile)


def test_missing_figures_fail(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setattr(guard, "FIGURES", tmp_path / "figures.json")
    assert guard.main([]) == 1
    assert "figures.json" in capsys.readouterr().err


def test_a_figure_that_is_exceeded_fails(capsys: Capture) -> None:
    assert guard.tell(guard.judge(COMMITTED, now(Cost(1150, 2.0)))) == 1
    said = capsys.readouterr()
    assert "1.150" in said.out
    assert "make guard-accept" in said.err


def test_elsewhere_it_is_not_run_and_says_so(monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setattr(guard, "here", lambda: "Linux riscv64")
    assert guard.main([]) == 0
    assert "warning: the guard is not run" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--accept"], 1)])
def test_without_valgrind_it_is_not_run_and_nothing_is_accepted(
    arguments: list[str],
    status: int,
    monkeypatch: Patch,
    capsys: Capture,
) -> None:
    monkeypatch.setattr(guard, "here", lambda: guard.read(guard.FIGURES.read_text(encoding="utf-8")).platform)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    assert guard.main(arguments) == status
    assert "valgrind" in capsys.readouterr().err
