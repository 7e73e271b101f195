"""What is taken for unsafe code, and for the proof of it."""

from __future__ import annotations

import pytest
import unsafe

PROVEN = """\
fn f() {
    // SAFETY: it is.
    let a = unsafe { g() };
}
"""


@pytest.mark.parametrize(
    "text",
    [
        "// unsafe in a comment",
        "/* unsafe\n in one of two lines */",
        'let a = "unsafe { \\" }";',
        'let a = r#"unsafe " { }"#;',
        "let a = '\"'; let b = '\"';",
        "#![forbid(unsafe_code)]",
    ],
)
def test_what_is_no_code_is_not_unsafe(text: str) -> None:
    assert not unsafe.UNSAFE.search(unsafe.code(text))
    assert unsafe.code(text).count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text", ["unsafe fn f() {}", "unsafe impl Send for A {}", "'\"'; unsafe { '\"' }", "let a = unsafe {};"]
)
def test_what_is_unsafe_is_found(text: str) -> None:
    assert unsafe.UNSAFE.search(unsafe.code(text))


def test_a_block_without_a_proof_is_named_by_its_line() -> None:
    assert unsafe.unproven(PROVEN) == []
    assert unsafe.unproven(PROVEN.replace("// SAFETY: it is.", "// it is")) == [3]
    assert unsafe.unproven("unsafe fn handed_on() {}") == []


def test_the_repository_is_as_its_architecture_says() -> None:
    assert unsafe.main() == 0
