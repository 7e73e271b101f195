"""An original 0.6.2 peer calls our peer."""

import pytest

from actor import Actor

WAYS = ["execute", "handle", "finding"]


@pytest.mark.parametrize("way", WAYS)
def test_it_is_called_by_tag_and_as_a_method(original: Actor, ours: Actor, way: str) -> None:
    assert original.ask("workshop.multiply", 5, 10, to=ours, way=way) == {"result": 50}
    assert original.ask("workshop.multiply", 3, to=ours, way=way) == {"result": 15}


def test_the_peer_keyword_is_not_for_the_function(original: Actor, ours: Actor) -> None:
    assert original.ask("multiply", 5, 10, to=ours) == {"result": 50}
    assert original.ask("greet", name="Ada", to=ours) == {"result": {"name": "Ada"}}


def test_time_out_is_not_for_the_function(original: Actor, ours: Actor) -> None:
    assert original.ask("greet", name="Ada", time_out=10.0, to=ours) == {"result": {"name": "Ada"}}


def test_keywords_arrive(original: Actor, ours: Actor) -> None:
    assert original.ask("workshop.multiply", a=4, b=6, to=ours, way="execute") == {"result": 24}


def test_a_custom_tag(original: Actor, ours: Actor) -> None:
    assert original.ask("Tagged", 1, to=ours) == {"result": ["tagged", 1]}


def test_an_error_carries_its_traceback(original: Actor, ours: Actor) -> None:
    error = original.ask("fails", 1, to=ours)["error"]
    assert error["text"].startswith("RemoteError")
    assert "return x / 0" in error["text"]
    assert "ZeroDivisionError: division by zero" in error["text"]


def test_a_method_gets_the_error_object(original: Actor, ours: Actor) -> None:
    result = original.ask("workshop.fails", 1, to=ours, way="handle")["result"]
    assert set(result) == {"payload", "traceback"}
    assert result["payload"] == "error"


def test_a_missing_connection_raises_there(original: Actor, ours: Actor) -> None:
    error = original.ask("workshop.absent", to=ours, way="execute")["error"]
    assert "Peer does not have the connection you are requesting" in error["text"]


def test_null(original: Actor, ours: Actor) -> None:
    assert original.ask("null", to=ours) == {"result": "NULL"}


def test_a_flag_of_the_programs_own_is_handled_there(original: Actor, ours: Actor) -> None:
    handled = {"result": ["done", "workshop.flagged", True]}
    assert original.ask("flagged", to=ours) == handled
    assert original.ask("workshop.flagged", to=ours, way="execute") == handled


def test_info_names_its_flags(original: Actor, ours: Actor) -> None:
    info = original.ask("net.defaults.handlers.info", to=ours, way="execute")["result"]
    assert info["flags"] == ["DONE", "INVALID_CONNECTION", "NULL"]


@pytest.mark.parametrize("value", [{"a": [1, None]}, ["x"], "word", "", None, True, False, 1.5, 7], ids=repr)
def test_a_value_comes_back_as_it_went(original: Actor, ours: Actor, value: object) -> None:
    assert original.ask("pass_through", value, to=ours) == {"result": value}


def test_info_fits_what_an_original_reads(original: Actor, ours: Actor) -> None:
    info = original.ask("net.defaults.handlers.info", to=ours, way="execute")["result"]
    assert (info["host"], info["port"]) == ours.address
    assert "workshop.multiply" in info["connections"]


def test_the_longest_answer_that_it_reads_is_whole(original: Actor, ours: Actor) -> None:
    assert original.ask("text", 1022, to=ours) == {"result": "x" * 1022}


def test_a_longer_one_is_replaced_by_an_error_that_says_so(original: Actor, ours: Actor) -> None:
    error = original.ask("text", 1023, to=ours)["error"]
    assert error["text"].startswith("RemoteError")
    assert "1024" in error["text"].replace(",", "")


def test_an_error_too_long_for_it_is_shortened_and_still_an_error(original: Actor, ours: Actor) -> None:
    error = original.ask("fails_at_length", 5000, to=ours)["error"]
    assert error["text"].startswith("RemoteError")
    assert "ValueError" in error["text"]


def test_a_request_longer_than_an_original_reads_is_read_by_ours(original: Actor, ours: Actor) -> None:
    assert original.ask("length", "x" * 100_000, to=ours)["result"] == 100_000
