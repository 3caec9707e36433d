"""The worked examples of the docs, told by the model."""

from __future__ import annotations

import pytest

from tests.model.model import DEFAULT_CONFIG_VERSIONS, Model
from tests.support.examples import Example, answer, load

EXAMPLES = load()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rule)
def test_the_model_tells_the_example(example: Example) -> None:
    model = Model(example.zone, example.config or DEFAULT_CONFIG_VERSIONS)
    for window in example.windows:
        results = [result.result for result in model.feed(window.rows, window.now)]
        if window.results is not None:
            assert results == window.results, example.says
    for expected in example.expect:
        assert expected.found_in(answer(model, expected)) == expected.value, f"{example.says} {expected}"


def test_every_rule_has_one_example() -> None:
    rules = [example.rule for example in EXAMPLES]
    assert len(rules) == len(set(rules)) >= 18
