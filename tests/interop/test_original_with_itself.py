"""What app-net 0.6.2 does among its own: the facts that the other interop tests stand on."""

from actor import Actor

MISSING = "Peer does not have the connection you are requesting"


def test_a_method_is_called(original: Actor, second_original: Actor) -> None:
    assert original.ask("workshop.multiply", 5, 10, to=second_original, way="handle") == {"result": 50}
    assert original.ask("workshop.multiply", 3, to=second_original, way="handle") == {"result": 15}


def test_it_finds_another_on_its_host(original: Actor, second_original: Actor) -> None:
    assert original.ask("workshop.multiply", 5, 10, to=second_original, way="finding") == {"result": 50}


def test_the_peer_keyword_is_sent_on(original: Actor, second_original: Actor) -> None:
    answer = original.ask("greet", name="Ada", to=second_original)
    assert answer == {"result": {"name": "Ada", "peer": list(second_original.address)}}


def test_so_a_function_that_takes_no_such_keyword_cannot_be_called_that_way(
    original: Actor, second_original: Actor
) -> None:
    error = original.ask("multiply", 5, 10, to=second_original)["error"]
    assert error["text"].startswith("RemoteError")
    assert "unexpected keyword argument 'peer'" in error["text"]


def test_a_method_gives_back_the_error_object(original: Actor, second_original: Actor) -> None:
    result = original.ask("workshop.fails", 1, to=second_original, way="handle")["result"]
    assert result["payload"] == "error"
    assert "ZeroDivisionError: division by zero" in result["traceback"]


def test_a_missing_connection_raises(original: Actor, second_original: Actor) -> None:
    error = original.ask("workshop.absent", to=second_original, way="execute")["error"]
    assert MISSING in error["text"]


def test_null_is_a_string(original: Actor, second_original: Actor) -> None:
    assert original.ask("null", to=second_original) == {"result": "NULL"}


def test_a_flag_of_the_programs_own_is_handled_by_the_caller(original: Actor, second_original: Actor) -> None:
    answer = original.ask("workshop.flagged", to=second_original, way="execute")
    assert answer == {"result": ["done", "workshop.flagged", True]}


def test_an_answer_is_cut_at_1024_bytes(original: Actor, second_original: Actor) -> None:
    whole = original.ask("workshop.text", 1022, to=second_original, way="execute")
    assert whole == {"result": "x" * 1022}
    cut = original.ask("workshop.text", 1023, to=second_original, way="execute")
    assert cut == {"result": '"' + "x" * 1023}


def test_a_request_is_cut_at_1024_bytes(original: Actor, second_original: Actor) -> None:
    longest = "x" * (1024 - len('{"connection": "workshop.length", "args": [""], "kwargs": {}}'))
    whole = original.ask("workshop.length", longest, to=second_original, way="execute")
    assert whole == {"result": len(longest)}
    cut = original.ask("workshop.length", longest + "x", to=second_original, way="execute")
    assert cut["result"]["payload"] == "error"


def test_time_out_ends_a_call(original: Actor, second_original: Actor) -> None:
    error = original.ask("workshop.hold", 5, to=second_original, way="execute", time_out=0.2)["error"]
    assert "TimeoutError" in error["types"]
