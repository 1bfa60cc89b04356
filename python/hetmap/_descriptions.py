"""Models, platforms and mappings."""

import os
import pathlib
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Type, TypeVar, Union
from typing import Mapping as Dictionary

from hetmap import _hetmap
from hetmap._objects import Text, assignments

Path = Union[str, "os.PathLike[str]"]

_PACKAGE = pathlib.Path(__file__).parent
_D = TypeVar("_D", bound="_Described")


def _folders(name: str) -> List[str]:
    """Where names are looked for: ./models, then those that came with this package."""
    here, ours = pathlib.Path(name), _PACKAGE / name
    is_ours = here.is_dir() and here.resolve() == ours.resolve()
    return [str(folder) for folder in (here, ours) if folder.is_dir()][: 1 if is_ours else 2]


def _path(path: Path, name: str) -> str:
    try:
        text = os.fspath(path)
        os.fsencode(text)
    except (TypeError, UnicodeEncodeError):
        text = None
    if not isinstance(text, str) or "\0" in text:
        raise _hetmap.InputError(f"{name}: expected a path or a name, got {path!r}")
    return text


@contextmanager
def readable(*described: "_Described") -> Iterator[None]:
    """Errors about dictionaries say where in these something is wrong."""
    try:
        yield
    except _hetmap.InputError as error:
        message = str(error)
        for one in [part for whole in described for part in (whole, *whole._parts)]:
            if one._text is not None:
                message = one._text.readable(message)
        if message == str(error):
            raise
        raise _hetmap.InputError(message) from None


class _Described:
    """What models, platforms and mappings have in common: they come from a file or a dictionary."""

    _core: Any
    _text: Optional[Text]  # of a dictionary
    _parts: Sequence["_Described"] = ()  # of several models as one
    _format: str
    _what: str

    def _of_dictionary(self, value: Dictionary[str, Any], parse: Callable[[str, str], Any]) -> None:
        if not isinstance(value, Dictionary):
            raise _hetmap.InputError(
                f"{self._what}: expected a dictionary with the keys of its file, got "
                f"{type(value).__name__}; hetmap.load_{self._what}() takes paths and names"
            )
        name = value.get("name")
        file = f"{self._what} {name}" if isinstance(name, str) and name.isprintable() else self._what
        self._text = Text(value, self._format, file)
        with readable(self):
            self._core = parse(self._text.text, file)

    @classmethod
    def _of_core(cls: Type[_D], core: Any) -> _D:
        self = cls.__new__(cls)
        self._core = core
        self._text = None
        return self

    def _dictionary_of(self, text: str) -> Dict[str, Any]:
        return _hetmap.object_of(text, self._what, self._format)


class _Rewritable(_Described):
    """Of which all that stands in its file is known."""

    def to_yaml(self) -> str:
        text: str = self._core.to_yaml()
        return text

    def to_dict(self) -> Dict[str, Any]:
        return self._dictionary_of(self.to_yaml())

    def save(self, path: Path) -> None:
        """Writes the file that the program would write."""
        _hetmap.write_file(_path(path, "save"), self.to_yaml())


class Model(_Described):
    """A network: a dictionary with the keys of a model.yaml, or `load_model`.

    >>> hetmap.Model({"name": "tiny", "input": {...}, "parameters": {...}, "layers": [...], ...})
    """

    _core: _hetmap.Model
    _format = "model/1"
    _what = "model"

    def __init__(self, description: Dictionary[str, Any]) -> None:
        self._of_dictionary(description, _hetmap.parse_model)

    @property
    def name(self) -> str:
        return self._core.name

    @property
    def path(self) -> Optional[pathlib.Path]:
        """Of the model.yaml; None if it was made of a dictionary, or of several models."""
        return self._core.path if self._text is None and not self._parts else None

    @property
    def layers(self) -> List[str]:
        """The names of the inputs and the layers, in an order in which they may run."""
        return self._core.layers

    def to_dict(self) -> Dict[str, Any]:
        """What stands in its file. Of several models as one there is no file."""
        if self._text is not None:
            return self._dictionary_of(self._text.text)
        if self.path is None:
            raise _hetmap.InputError("to_dict: several models as one have no file")
        return self._dictionary_of(self.path.read_text("utf-8"))

    def __repr__(self) -> str:
        return f"<hetmap.Model {self.name}, {len(self.layers)} layers>"


class Platform(_Rewritable):
    """A machine: a dictionary with the keys of a platform's file, or `load_platform`."""

    _core: _hetmap.Platform
    _format = "platform/1"
    _what = "platform"

    def __init__(self, description: Dictionary[str, Any], set: Any = ()) -> None:
        numbers = assignments(set, "set")
        self._of_dictionary(
            description, lambda text, file: _hetmap.parse_platform(text, file, numbers)
        )

    @property
    def name(self) -> str:
        return self._core.name

    @property
    def path(self) -> Optional[pathlib.Path]:
        return self._core.path if self._text is None else None

    @property
    def devices(self) -> List[str]:
        return self._core.devices

    @property
    def warnings(self) -> List[str]:
        """What the calibration found to be doubtful."""
        return self._core.warnings

    def __repr__(self) -> str:
        return f"<hetmap.Platform {self.name}: {', '.join(self.devices)}>"


class Mapping(_Rewritable):
    """The choice for every layer: an answer's `mapping`, `load_mapping`, or a dictionary."""

    _core: _hetmap.Mapping
    _format = "mapping/1"
    _what = "mapping"

    def __init__(self, description: Dictionary[str, Any]) -> None:
        self._of_dictionary(description, _hetmap.parse_mapping)

    @property
    def model(self) -> str:
        return self._core.model

    @property
    def platform(self) -> str:
        return self._core.platform

    @property
    def batch(self) -> int:
        return self._core.batch

    @property
    def predicted_us(self) -> float:
        """When it was made; 0 if that is not known."""
        return self._core.predicted_us

    def __repr__(self) -> str:
        return f"<hetmap.Mapping of {self.model} on {self.platform}, batch {self.batch}>"


ModelLike = Union[Model, Path, Dictionary[str, Any], Sequence[Union[Model, Path, Dictionary[str, Any]]]]
PlatformLike = Union[Platform, Path, Dictionary[str, Any]]
MappingLike = Union[Mapping, Path, Dictionary[str, Any]]


def load_model(name_or_path: Path) -> Model:
    """A model.yaml, its folder, or a name: one in ./models, or of those that come with hetmap."""
    return Model._of_core(_hetmap.load_model(_path(name_or_path, "model"), _folders("models")))


def load_platform(name_or_path: Path, set: Any = ()) -> Platform:
    """A platform's file, or its name in ./platforms or among those that come with hetmap.

    `set`: numbers in place of the file's, ["devices.cpu.active_power_w=35"] or a dictionary.
    """
    return Platform._of_core(
        _hetmap.load_platform(
            _path(name_or_path, "platform"), _folders("platforms"), assignments(set, "set")
        )
    )


def load_mapping(path: Path) -> Mapping:
    """A file that `hetmap map --out` or `Mapping.save` wrote."""
    return Mapping._of_core(_hetmap.load_mapping(_path(path, "mapping")))


def model_of(model: ModelLike) -> Model:
    """Several models are one, of networks that run beside each other."""
    if isinstance(model, Model):
        return model
    if isinstance(model, Dictionary):
        return Model(model)
    if isinstance(model, (list, tuple)) and model:
        models = [model_of(one) for one in model]
        if len(models) == 1:
            return models[0]
        joined = Model._of_core(_hetmap.joined([one._core for one in models]))
        joined._parts = models
        return joined
    return load_model(model)  # type: ignore[arg-type]


def platform_of(platform: PlatformLike) -> Platform:
    if isinstance(platform, Platform):
        return platform
    return Platform(platform) if isinstance(platform, Dictionary) else load_platform(platform)


def mapping_of(mapping: MappingLike) -> Mapping:
    if isinstance(mapping, Mapping):
        return mapping
    return Mapping(mapping) if isinstance(mapping, Dictionary) else load_mapping(mapping)
