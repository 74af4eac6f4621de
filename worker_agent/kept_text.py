"""What a command writes, as far as it is kept in memory: all of it, or of what never ends the beginning and the end."""

from collections import deque

MOST_CHARACTERS = 8 << 20
"""At each end. Programs that write more write it for no reader."""
PIECE = 1 << 16  # small ones are put together: each would cost more than it holds


class KeptText:
    """Grows by pieces, up to a bound."""

    def __init__(self, *, most: int = MOST_CHARACTERS, piece: int = PIECE) -> None:
        self._most = most
        self._piece = piece
        self._head: list[str] = []
        self._head_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._last: list[str] = []
        self._last_size = 0
        self._left_out = 0

    def add(self, text: str) -> None:
        """What comes next."""
        self._last.append(text)
        self._last_size += len(text)
        if self._last_size >= self._piece:
            self._put(self._taken())

    @property
    def text(self) -> str:
        """What is kept, with a line in place of what is not."""
        gap = [f"\n[{self._left_out:,} characters are left out here by Flotilla]\n"] if self._left_out else []
        return "".join([*self._head, *gap, *self._tail, *self._last])

    def _taken(self) -> str:
        piece, self._last, self._last_size = "".join(self._last), [], 0
        return piece

    def _put(self, piece: str) -> None:
        if self._head_size < self._most:
            self._head.append(piece)
            self._head_size += len(piece)
            return
        self._tail.append(piece)
        self._tail_size += len(piece)
        while self._tail_size - len(self._tail[0]) > self._most:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._left_out += gone
