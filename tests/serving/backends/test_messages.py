"""What people are told when a server does not answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbest.serving.backends.config import ClientConfig
from nextbest.serving.backends.messages import ServerError, error_message, redact

REQUEST = {
    "income": np.array([81234.5, np.nan], np.float32),
    "segment": np.array(["retail", ""], object),
    "held_products": np.array([["P0007", "Zoë's loan"], ["", ""]], object),
    "as_of_day": np.array([20250, 20250]),
}


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("UNAVAILABLE", "8500 for gRPC and 8501 for REST.* up to 3 times"),
        ("DEADLINE_EXCEEDED", r"raise deadline_seconds \(1.5\)"),
        ("NOT_FOUND", r"another model \(bank\)"),
        ("FAILED_PRECONDITION", "list_width"),
        ("INVALID_ARGUMENT", "correct the feature"),
        ("RESOURCE_EXHAUSTED", r"raise max_message_bytes \(67108864\)"),
        ("UNAUTHENTICATED", "token_file or NEXTBEST_TOKEN"),
        ("PERMISSION_DENIED", "operator"),
        ("TLS", "ca_file"),
        ("UNIMPLEMENTED", "TF Serving listens"),
        ("INTERNAL", "the server's log"),
    ],
)
def test_every_error_has_a_remedy(code: str, remedy: str) -> None:
    config = ClientConfig(model="bank", attempts=3, deadline_seconds=1.5)
    with pytest.raises(RuntimeError, match=f"^who, what: {code}: it\\\\s said {{so}}; .*{remedy}"):
        raise RuntimeError(error_message(ServerError(code, "it\\s   said\n{so}"), "who, what", config))


def test_a_long_text_is_cut() -> None:
    message = error_message(ServerError("INTERNAL", "so long " * 1000), "who", ClientConfig())
    assert len(message) < 500 and "…" in message


def test_a_server_that_gives_no_reason() -> None:
    assert "INTERNAL: no reason given" in error_message(ServerError("INTERNAL", ""), "who", ClientConfig())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('JSON Value: "retail" Type: String is not of expected type: float', "JSON Value: …"),
        ("Cannot convert JSON value: 81234.5 to float without loss", "Cannot convert JSON value: …"),
        ("Could not parse example input, value: '\\n\\006income'", "Could not parse example input, value: …"),
        ("feature held_products got P0007 and Zoë's loan", "feature held_products got … and …"),
        ("income 81234.5 is not below 7", "income … is not below 7"),
        ("day 20250 of segment retail, not retailer", "day … of segment …, not retailer"),
        ("indices[0] = 3 is not in [0, 3)", "indices[0] = 3 is not in [0, 3)"),
        ("model v20250x, P00071", "model v20250x, P00071"),
    ],
)
def test_the_requests_values_are_not_repeated(said: str, shown: str) -> None:
    assert redact(said, REQUEST) == shown


def test_a_features_name_stays_where_it_is_also_a_value() -> None:
    request = {"savings": np.zeros(1, np.float32), "category": np.array(["savings"], object)}
    assert redact("savings must not be 0", request) == "savings must not be …"


@given(
    st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1), st.integers(), st.floats(width=32)
)
def test_no_value_survives(words: list[str], whole: int, real: float) -> None:
    request = {"a word": np.array(words, object), "a number": np.array([real], np.float32)}
    said = " ".join(f"<{value}>" for value in [*words, real])
    shown = redact(said, request)
    assert all(f"<{word}>" not in shown for word in words)
    assert f"<{real}>" not in shown or not np.isfinite(real)
