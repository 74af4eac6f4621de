"""Which tests one process runs when several share the suite: those of a file, or of a folder whose set-up is dear."""

from xdist.scheduler import LoadFileScheduling

FOLDERS = ("tests/acceptance/", "tests/cdk/boot/", "tests/cdk/", "tests/worker_agent/docker/")
"""What their tests share takes long to set up, or is cleared away when the last of them has run; inner ones first."""


def neighbourhood(test: str) -> str:
    """The tests of one neighbourhood run in one process, one after the other."""
    return next((folder for folder in FOLDERS if test.startswith(folder)), test.partition("::")[0])


class Neighbourhoods(LoadFileScheduling):
    """Gives out one neighbourhood after the other, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return neighbourhood(nodeid)
