"""How large a bundle may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one bundle; bytes are counted as they really come, never as a header claims."""

    packed_bytes: int = 100_000_000
    unpacked_bytes: int = 1_000_000_000
    files: int = 20_000

    @property
    def folders(self) -> int:
        """As many as files: a folder costs an inode too, and long paths imply many."""
        return self.files

    @property
    def entries(self) -> int:
        """Records in an archive, of any kind: repeated folders count again, so that no index grows without end."""
        return self.files + self.folders
