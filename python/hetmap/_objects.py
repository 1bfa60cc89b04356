"""Objects of Python as the text of a file, and places in that text as paths of keys.

JSON is YAML, so what the readers of files take they take of dictionaries too, and say the same where
something is wrong. They name a line; since every value has a line of its own, that is
`layers[2].kernel`.
"""

import json
import operator
import re
from typing import Any, List, Mapping, Optional, Tuple

from hetmap._hetmap import InputError

_DEEPEST = 16  # as in a file


class Text:
    """`value` as the text of a file of `format`, such as "model/1", called `file` in messages."""

    def __init__(self, value: Mapping[str, Any], format: str, file: str) -> None:
        self.file = file
        self._places: List[str] = []
        lines: List[str] = []
        with_format = {"hetmap": format, **value}
        self._write(lines, with_format, "", "", "", 0)
        self.text = "\n".join(lines) + "\n"
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{file}: not a text: {error.reason}") from None

    def readable(self, message: str) -> str:
        """The message with paths of keys where it has lines and columns of this text."""

        def path(found: "re.Match[str]") -> str:
            line, key = int(found.group(1)), found.group(2)
            place = self._places[line - 1] if line <= len(self._places) else ""
            # Messages go on with the key that they are about, which most paths end with.
            last_key = re.sub(r"\[\d+\]$", "", place).rpartition(".")[2]
            rest = f": {key}" if key and key != last_key else ""
            return f"{self.file}: {place}{rest}" if place else self.file + rest

        place = re.escape(self.file) + r":(\d+)(?::\d+)?(?:: (\w+)(?=: ))?"
        return re.sub(place, path, message)

    def _write(
        self, lines: List[str], value: Any, path: str, before: str, after: str, depth: int
    ) -> None:
        def line(text: str) -> None:
            lines.append(" " * depth + text)
            self._places.append(path)

        if depth > _DEEPEST:
            raise InputError(f"{self.file}: {path}: nested deeper than {_DEEPEST} levels")
        if hasattr(value, "tolist"):  # numpy's arrays and numbers
            value = value.tolist()
        items: List[Tuple[Optional[str], Any]]
        if isinstance(value, Mapping):
            items = [(self._key(key, path), child) for key, child in value.items()]
            opening, closing = "{", "}"
        elif isinstance(value, (list, tuple)):
            items = [(None, child) for child in value]
            opening, closing = "[", "]"
        elif value is None or isinstance(value, (bool, int, float, str)):
            line(before + json.dumps(value, ensure_ascii=False) + after)
            return
        else:
            raise InputError(
                f"{self.file}: {path}: expected a dictionary, a list, a text or a number, "
                f"got {type(value).__name__}"
            )
        line(before + opening)
        for i, (key, child) in enumerate(items):
            comma = "," if i + 1 < len(items) else ""
            if key is None:
                self._write(lines, child, f"{path}[{i}]", "", comma, depth + 1)
            else:
                below = f"{path}.{key}" if path else key
                self._write(lines, child, below, json.dumps(key) + ": ", comma, depth + 1)
        line(closing + after)

    def _key(self, key: Any, path: str) -> str:
        if not isinstance(key, str):
            raise InputError(f"{self.file}: {path}: expected texts as keys, got {key!r}")
        return key


def is_text(value: Any) -> bool:
    """Of characters; parts of some, as names of files have them, are none."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def texts(value: Any, name: str) -> List[str]:
    """One text, or several, as a list: `only="cpu"` is `only=["cpu"]`."""
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    try:
        all_of_them = list(value)
    except TypeError:
        all_of_them = [None]
    if not all(is_text(text) for text in all_of_them):
        raise InputError(f"{name}: expected a text or a list of texts, got {value!r}")
    return all_of_them


def assignments(value: Any, name: str) -> List[str]:
    """`{"latency": "2ms"}` or what `texts` takes, as ["latency=2ms"]."""
    if not isinstance(value, Mapping):
        return texts(value, name)
    return texts([f"{key}={what}" for key, what in value.items()], name)


def whole(value: Any, name: str, lowest: int, highest: int) -> int:
    try:
        result = operator.index(value)
    except TypeError:
        result = lowest - 1
    if not lowest <= result <= highest:
        raise InputError(
            f"{name}: expected a whole number from {lowest} to {highest}, got {value!r}"
        )
    return result


def number(value: Any, name: str, lowest: float, highest: float) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        result = float("nan")
    if isinstance(value, str) or not lowest <= result <= highest:
        raise InputError(
            f"{name}: expected a number from {lowest:g} to {highest:g}, got {value!r}"
        )
    return result


def yes_or_no(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name}: expected True or False, got {value!r}")
    return value

