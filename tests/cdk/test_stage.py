"""A stage is one whole fleet under one name."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cdk.stage import Stage


@pytest.mark.parametrize("name", ["", "Prod", "7seas", "a-b", "thirteenchars"])
def test_a_name_that_resources_could_not_carry_is_refused_with_the_mend(
    make_stage: "Callable[[str], Stage]", name: str
) -> None:
    with pytest.raises(ValueError, match="context value `stage`"):
        make_stage(name)


def test_the_stacks_of_a_stage_carry_its_name(make_stage: "Callable[[str], Stage]") -> None:
    assert make_stage("prod").queues.stack_name == "flotilla-prod-queues"
