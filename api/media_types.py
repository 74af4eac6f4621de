"""Which kinds of body a route takes."""

from collections.abc import Callable

from fastapi import Request

from api.problems import Kind, Problem


def media_type_of(request: Request) -> str:
    """The kind that the body is said to be, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def takes(*kinds: str, tolerated: tuple[str, ...] = ()) -> Callable[[Request], None]:
    """A dependency that refuses bodies of other media types, naming `kinds`."""

    def refuse_others(request: Request) -> None:
        kind = media_type_of(request)
        if kind not in {*kinds, *tolerated}:
            wanted = " or ".join(kinds)
            raise Problem(Kind.MEDIA_TYPE, f"the body is {kind or 'of no stated kind'}; send Content-Type: {wanted}")

    return refuse_others
