"""Sessions: a network with its mapping, run here on numpy arrays."""

import pathlib
import tempfile
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Dict, Optional, Type, Union
from typing import Mapping as Dictionary

from hetmap import _hetmap
from hetmap._descriptions import MappingLike, ModelLike, mapping_of, model_of
from hetmap._objects import whole, yes_or_no

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Array = numpy.typing.NDArray[Any]


class Session:
    """A network that is ready to run, with one mapping, or None for one that this machine can run.

    >>> with hetmap.Session("vgg3-fashion", answer.mapping) as session:
    ...     scores = session.run(image)

    Arrays are batch x height x width x channels: uint8, int32, float32, or uint64 for binary
    tensors, whose last axis is words of 64 channels. One session is for one thread at a time; a second one gets
    BusyError. While a session with several threads a kernel is open, the thread that opened it stays
    on its core.
    """

    def __init__(
        self,
        model: ModelLike,
        mapping: Optional[MappingLike] = None,
        *,
        batch: Optional[int] = None,
        timed: bool = False,
    ) -> None:
        """batch: where no mapping says it; 1 by default. timed: `times` can be asked."""
        described = model_of(model)
        chosen = None if mapping is None else mapping_of(mapping)
        self._timed = yes_or_no(timed, "timed")
        images = 1 if batch is None else whole(batch, "batch", 1, 65536)
        if batch is not None and chosen is not None and images != chosen.batch:
            raise _hetmap.InputError(f"batch: the mapping is of batch {chosen.batch}, not {images}")
        with tempfile.TemporaryDirectory(prefix="hetmap-") as name:
            folder = pathlib.Path(name)
            path = described.path
            if path is None:
                path = _written(described, folder / "model.yaml")
            choice = ""
            if chosen is not None:
                choice = str(folder / "mapping.yaml")
                _hetmap.write_file(choice, chosen.to_yaml())
            self._core = _hetmap.Session(str(path), choice, images, self._timed)

    @property
    def inputs(self) -> "Dictionary[str, Array]":
        """By name, the session's own buffers: what is written there the next run reads."""
        return MappingProxyType(self._core.inputs())

    @property
    def outputs(self) -> "Dictionary[str, Array]":
        """By name, the session's own buffers, to be read: they hold the last run's answer."""
        return MappingProxyType(self._core.outputs())

    def run(self, *arrays: Any, **by_name: Any) -> "Union[Array, Dict[str, Array]]":
        """One batch through the network.

        Inputs are given in the model's order or by name and copied into the session's buffers; those
        that are not given stay. Returns a copy of the output, of several outputs a dictionary.
        """
        return self._core.run(*arrays, **by_name)

    def times(self) -> Dict[str, Any]:
        """What the last run took: "total_us", and "tasks" with "us" each. Only if `timed`."""
        if not self._timed:
            raise _hetmap.InputError("times: the session was opened without timed=True")
        return self._core.times()

    @property
    def closed(self) -> bool:
        return self._core.closed

    def close(self) -> None:
        """Ends the session. Arrays that are still there keep their buffers."""
        self._core.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


def _written(model: Any, path: pathlib.Path) -> pathlib.Path:
    """A model of a dictionary as the file that a session reads."""
    if model._text is None:
        raise _hetmap.InputError("a session runs one network; open one for each")
    if model._core.weights_file:
        raise _hetmap.InputError(
            f"{model._text.file}: parameters.file: weights lie beside a model's file, and this "
            "model has none; load_model() knows where it is"
        )
    path.write_text(model._text.text, "utf-8")
    return path
