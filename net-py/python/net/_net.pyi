"""What the extension has. Used by the Python modules beside it, not by programs."""

from collections.abc import Callable
from typing import Any, final

from typing_extensions import disjoint_base

__all__ = [
    "Local",
    "Pending",
    "Remote",
    "__version__",
    "begin",
    "call",
    "call_here",
    "decode",
    "encode",
    "local",
    "peers",
    "register",
    "start",
    "start_in_child",
    "stop",
]

__version__: str

#: Name, kind, annotation and default of a parameter, as text.
_Parameter = tuple[str, str, str | None, str | None]

@disjoint_base
class Remote:
    def __new__(cls, target: Any, /) -> Remote: ...
    @property
    def id(self) -> str | None: ...
    @property
    def address(self) -> str: ...
    @property
    def host(self) -> str | None: ...
    @property
    def port(self) -> int | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def hub(self) -> bool: ...
    @property
    def name(self) -> str | None: ...
    @property
    def on_host(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Local:
    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def hub(self) -> bool: ...

@final
class Pending:
    def cancel(self) -> bool: ...
    def result(self) -> Any: ...

def start() -> None: ...
def start_in_child() -> None: ...
def stop(grace: float) -> None: ...
def register(
    function: Callable[..., Any],
    tag: str,
    name: str,
    module: str,
    doc: str,
    parameters: list[_Parameter],
    returns: str | None,
    is_async: bool,
) -> None: ...
def local() -> Local: ...
def peers(refresh: bool) -> list[Remote]: ...
def call(
    target: Any, tag: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None, time_out: float | None
) -> Any: ...
def begin(
    target: Any,
    tag: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    time_out: float | None,
    on_answer: Callable[[Pending], None],
) -> Pending: ...
def call_here(tag: str) -> Any: ...
def encode(value: Any) -> bytes: ...
def decode(data: bytes) -> Any: ...
