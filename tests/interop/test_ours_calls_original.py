"""Our peer calls an original 0.6.2 peer."""

import pytest

from actor import Actor

WAYS = ["execute", "handle", "finding"]


def test_a_function_is_called(ours: Actor, original: Actor) -> None:
    assert ours.ask("multiply", 5, 10, to=original) == {"result": 50}


def test_a_default_is_its_own(ours: Actor, original: Actor) -> None:
    assert ours.ask("multiply", 3, to=original) == {"result": 15}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_called_by_tag_and_as_a_method(ours: Actor, original: Actor, way: str) -> None:
    assert ours.ask("workshop.multiply", 5, 10, to=original, way=way) == {"result": 50}


def test_keywords_arrive_and_only_they(ours: Actor, original: Actor) -> None:
    assert ours.ask("greet", name="Ada", age=36, to=original) == {"result": {"name": "Ada", "age": 36}}
    assert ours.ask("multiply", a=4, b=6, to=original) == {"result": 24}


def test_time_out_is_not_for_the_function(ours: Actor, original: Actor) -> None:
    assert ours.ask("greet", name="Ada", time_out=10.0, to=original) == {"result": {"name": "Ada"}}


def test_time_out_ends_a_call(ours: Actor, original: Actor) -> None:
    error = ours.ask("hold", 5, time_out=0.2, to=original)["error"]
    assert "TimeoutError" in error["types"]


def test_a_custom_tag(ours: Actor, original: Actor) -> None:
    assert ours.ask("Tagged", 1, to=original) == {"result": ["tagged", 1]}
    assert ours.ask("Tagged", 1, to=original, way="execute") == {"result": ["tagged", 1]}


def test_an_error_is_raised_as_what_it_was_with_its_traceback(ours: Actor, original: Actor) -> None:
    error = ours.ask("fails", 1, to=original)["error"]
    assert "ZeroDivisionError" in error["types"]
    assert "RemoteError" in error["types"]
    assert error["text"].startswith("RemoteError")
    assert "ZeroDivisionError: division by zero" in error["text"]
    assert "return x / 0" in error["text"]


def test_a_missing_connection_says_so(ours: Actor, original: Actor) -> None:
    error = ours.ask("workshop.absent", to=original, way="execute")["error"]
    assert "Peer does not have the connection you are requesting" in error["text"]
    assert "workshop.absent" in error["text"]
    assert str(original.port) in error["text"]
    assert "workshop.multiply" in error["text"], "and what is registered there"


@pytest.mark.parametrize("way", WAYS)
def test_a_flag_of_the_programs_own_is_handled_here(ours: Actor, original: Actor, way: str) -> None:
    assert ours.ask("workshop.flagged", to=original, way=way) == {"result": ["done", "workshop.flagged", True]}


def test_null(ours: Actor, original: Actor) -> None:
    assert ours.ask("null", to=original) == {"result": "NULL"}


@pytest.mark.parametrize("value", [{"a": [1, None]}, ["x"], "word", "", None, True, False, 1.5, 7], ids=repr)
def test_a_value_comes_back_as_it_went(ours: Actor, original: Actor, value: object) -> None:
    assert ours.ask("pass_through", value, to=original) == {"result": value}


def test_an_answer_that_an_original_would_cut_is_read_whole(ours: Actor, original: Actor) -> None:
    assert ours.ask("text", 100_000, to=original) == {"result": "x" * 100_000}


def test_a_request_that_it_would_cut_is_refused_here(ours: Actor, original: Actor) -> None:
    error = ours.ask("length", "x" * 2000, to=original)["error"]
    assert "1024" in error["text"].replace(",", "")
    assert ours.ask("multiply", 5, 10, to=original) == {"result": 50}, "and the next call is not disturbed"
