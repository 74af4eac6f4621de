"""How the tests are shared out when several processes run them."""

from pathlib import Path

import pytest

from tests.neighbourhoods import FOLDERS, neighbourhood

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_whose_tests_stay_together_is_there(folder: str) -> None:
    assert (ROOT / folder).is_dir()


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("tests/api/test_app.py::test_one", "tests/api/test_app.py::test_other[a::b]", True),
        ("tests/api/test_app.py::test_one", "tests/api/test_jobs.py::test_one", False),
        ("tests/acceptance/test_curl_alone.py::test_one", "tests/acceptance/test_leftovers.py::test_one", True),
        ("tests/cdk/test_api.py::test_one", "tests/cdk/test_queues.py::test_one", True),
        ("tests/cdk/boot/test_boot.py::test_one", "tests/cdk/boot/test_image.py::test_one", True),
        ("tests/cdk/boot/test_boot.py::test_one", "tests/cdk/test_queues.py::test_one", False),
    ],
)
def test_what_shares_a_dear_set_up_stays_together_and_nothing_else_beyond_its_file(
    one: str, other: str, *, together: bool
) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) is together
