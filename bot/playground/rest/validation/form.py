"""Errors of a request body, collected as Discord reports them: one tree for the whole body."""

from dataclasses import dataclass, field

from bot.playground.errors import ApiError, Json

Path = tuple[str | int, ...]


@dataclass
class FormErrors:
    """The errors of a request body by path."""

    tree: Json = field(default_factory=dict)

    def add(self, path: Path, code: str, message: str) -> None:
        """Add an error of the field at `path`."""
        node = self.tree
        for key in path:
            node = node.setdefault(str(key), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def require(self, path: Path) -> None:
        """Add the error of a missing field."""
        self.add(path, "BASE_TYPE_REQUIRED", "This field is required")

    def raise_any(self) -> None:
        """Raise ApiError ("Invalid Form Body", 50035) if there are errors."""
        if self.tree:
            raise ApiError(400, 50035, "Invalid Form Body", errors=self.tree, violation=True)
