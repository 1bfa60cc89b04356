"""Searches, and what they find."""

import json
from functools import cached_property
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Union, overload
from typing import Mapping as Dictionary
from typing import Sequence

from hetmap import _hetmap
from hetmap._descriptions import Mapping, MappingLike, Model, ModelLike, Platform, PlatformLike
from hetmap._descriptions import mapping_of, model_of, platform_of, readable
from hetmap._objects import assignments, is_text, number, texts, whole, yes_or_no

Texts = Union[str, Iterable[str]]
Progress = Callable[[float, float, float], Any]

_MOST_SECONDS = 1e9


def searches() -> List[str]:
    """The names of the searches."""
    return _hetmap.searches()


def _in_a_page(svg: str) -> str:
    """Without what only a file begins with."""
    return svg[svg.index("<svg") :]


class Answer:
    """A mapping, and what the simulator says of it."""

    _core: _hetmap.Answer

    def __init__(self) -> None:
        raise TypeError("answers come from hetmap.map, hetmap.front and hetmap.simulate")

    @classmethod
    def _of_core(cls, core: _hetmap.Answer) -> "Answer":
        self = cls.__new__(cls)
        self._core = core
        return self

    @cached_property
    def _values(self) -> Dict[str, Any]:
        return self.to_dict()

    @property
    def makespan_us(self) -> float:
        """From the first submission until the result is read."""
        return float(self._values["makespan_us"])

    @property
    def lower_bound_us(self) -> Optional[float]:
        """No mapping is faster; None if the search gives no bound."""
        bound = self._values["lower_bound_us"]
        return None if bound is None else float(bound)

    @property
    def proven(self) -> bool:
        """Whether none is better, by the objective."""
        return bool(self._values["proven_optimal"])

    @property
    def mapping(self) -> Mapping:
        return Mapping._of_core(self._core.mapping())

    def to_dict(self) -> Dict[str, Any]:
        """What `hetmap map --json` prints."""
        values: Dict[str, Any] = json.loads(self._core.json())
        return values

    def text(self) -> str:
        """What `hetmap map` prints."""
        return self._core.text()

    def report(self, name: str) -> str:
        """One of the reports that the program writes: "gantt", "trace", "dot", "placement"."""
        return self._core.report(_named(name, "report"))

    def svg(self) -> str:
        """The Gantt chart, which notebooks show of an answer."""
        return self.report("gantt")

    def trace(self) -> str:
        """A timeline for ui.perfetto.dev (JSON)."""
        return self.report("trace")

    def _repr_svg_(self) -> str:
        return _in_a_page(self.svg())

    def __repr__(self) -> str:
        proof = ", proven" if self.proven else ""
        of = self.mapping
        return f"<hetmap.Answer {self.makespan_us:.2f} us{proof}: {of.model} on {of.platform}>"


class Front(Sequence[Answer]):
    """Answers of which none is at least as good as another by every objective, and better by one."""

    _core: _hetmap.Front
    _points: List[Answer]

    def __init__(self) -> None:
        raise TypeError("fronts come from hetmap.front")

    @classmethod
    def _of_core(cls, core: _hetmap.Front) -> "Front":
        self = cls.__new__(cls)
        self._core = core
        self._points = [Answer._of_core(point) for point in core.points()]
        return self

    @overload
    def __getitem__(self, index: int) -> Answer: ...

    @overload
    def __getitem__(self, index: slice) -> List[Answer]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Answer, List[Answer]]:
        return self._points[index]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._points)

    def to_dict(self) -> Dict[str, Any]:
        """What `hetmap map --pareto ... --json` prints."""
        values: Dict[str, Any] = json.loads(self._core.json())
        return values

    def text(self) -> str:
        return self._core.text()

    def csv(self) -> str:
        return self._core.csv()

    def svg(self) -> str:
        """The first two objectives, drawn."""
        return self._core.svg()

    def _repr_svg_(self) -> str:
        return _in_a_page(self.svg())

    def __repr__(self) -> str:
        return f"<hetmap.Front of {len(self)} mappings>"


def _together(groups: Any) -> List[str]:
    """"conv1,conv2", or lists of the names."""
    if isinstance(groups, str) or groups is None:
        return texts(groups, "together")
    try:
        lists = [texts(group, "together") for group in groups]
    except TypeError:
        raise _hetmap.InputError(f"together: expected lists of layers, got {groups!r}") from None
    return [",".join(group) for group in lists]


def _named(value: Any, name: str) -> str:
    if not is_text(value):
        raise _hetmap.InputError(f"{name}: expected a name, got {value!r}")
    return str(value)


class _Asked:
    """What `map` and `front` have in common."""

    def __init__(self, model: ModelLike, platform: PlatformLike, options: Dict[str, Any]) -> None:
        o = options
        wishes = self.wishes = _hetmap.Wishes()
        wishes.search = _named(o["search"], "search")
        wishes.only = texts(o["only"], "only")
        wishes.max = assignments(o["max"], "max")
        wishes.pin = assignments(o["pin"], "pin")
        wishes.together = _together(o["together"])
        wishes.prefer = texts(o["prefer"], "prefer")
        if o["min_accuracy"] is not None:
            wishes.min_accuracy = number(o["min_accuracy"], "min_accuracy", 0, 100)
        if o["order"] not in ("free", "fixed"):
            raise _hetmap.InputError(f"order: expected 'free' or 'fixed', got {o['order']!r}")
        wishes.free_order = o["order"] == "free"
        wishes.threads = whole(o["threads"], "threads", 1, 64)
        wishes.frames_in_flight = whole(o["frames_in_flight"], "frames_in_flight", 1, 64)
        if o["transfer_modes"] is not None:
            wishes.transfer_modes = _named(o["transfer_modes"], "transfer_modes")
        wishes.robust = yes_or_no(o["robust"], "robust")
        self.described: List[Any] = []
        if o["fix"] is not None:
            fix = mapping_of(o["fix"])
            self.described.append(fix)
            wishes.set_fix(fix._core, "the mapping")
        self.batch = whole(o["batch"], "batch", 1, 65536)
        self.time_limit = (
            0.0 if o["time_limit"] is None else number(o["time_limit"], "time_limit", 0, _MOST_SECONDS)
        )
        self.memory = None if o["memory"] is None else whole(o["memory"], "memory", 0, 2**62)
        if o["progress"] is not None and not callable(o["progress"]):
            raise _hetmap.InputError(f"progress: expected a function, got {o['progress']!r}")
        self.progress = o["progress"]
        self.model, self.platform = model_of(model), platform_of(platform)
        self.described += [self.model, self.platform]

    def ask(self, search: Callable[..., Any]) -> Any:
        with readable(*self.described):
            return search(
                self.wishes,
                self.model._core,
                self.platform._core,
                self.batch,
                self.time_limit,
                self.memory,
                self.progress,
            )


def map(
    model: ModelLike,
    platform: PlatformLike,
    *,
    batch: int = 1,
    objective: str = "latency",
    search: str = "branch-and-bound",
    only: Texts = (),
    max: Union[Texts, Dictionary[str, Any]] = (),
    pin: Union[Texts, Dictionary[str, str]] = (),
    together: Union[Texts, Iterable[Iterable[str]]] = (),
    prefer: Texts = (),
    min_accuracy: Optional[float] = None,
    fix: Optional[MappingLike] = None,
    order: str = "free",
    threads: int = 1,
    frames_in_flight: int = 4,
    transfer_modes: Optional[str] = None,
    robust: bool = False,
    time_limit: Optional[float] = 60,
    memory: Optional[int] = None,
    progress: Optional[Progress] = None,
) -> Answer:
    """The best mapping of a model on a platform, as `hetmap map` finds it.

    model: a `Model`, a path or a name, a dictionary; a list of those is networks that run beside
        each other. platform: likewise.
    objective: "latency", "sum", "energy", "edp", "accuracy" or "throughput".
    only: devices, or "device/variant/configuration", that may be used.
    max: at most so much, {"latency": "2ms", "memory.gpu": "3MiB", "segments": 2}.
    pin: layers and where they run, {"conv*": "gpu0"}. together: lists of layers on one device.
    prefer: of equally good mappings, an objective or a device that is to do much.
    min_accuracy: percent. fix: a mapping of some of the layers, which stays.
    order: "free", or "fixed" for mappings in the static order alone.
    time_limit: seconds; None for as long as it takes. The search then ends with its best so far.
    memory: bytes that the search may hold; by default half of what is free.
    progress: called as progress(incumbent_us, lower_bound_us, seconds), twenty times a second at
        most; what it raises ends the search. So does Ctrl-C, as KeyboardInterrupt.
    """
    options = dict(locals())
    asked = _Asked(model, platform, options)
    asked.wishes.objective = _named(objective, "objective")
    return Answer._of_core(asked.ask(_hetmap.map))


def front(
    model: ModelLike,
    platform: PlatformLike,
    objectives: Texts = ("latency", "energy"),
    *,
    batch: int = 1,
    search: str = "branch-and-bound",
    only: Texts = (),
    max: Union[Texts, Dictionary[str, Any]] = (),
    pin: Union[Texts, Dictionary[str, str]] = (),
    together: Union[Texts, Iterable[Iterable[str]]] = (),
    prefer: Texts = (),
    min_accuracy: Optional[float] = None,
    fix: Optional[MappingLike] = None,
    order: str = "free",
    threads: int = 1,
    frames_in_flight: int = 4,
    transfer_modes: Optional[str] = None,
    robust: bool = False,
    time_limit: Optional[float] = 60,
    memory: Optional[int] = None,
    progress: Optional[Progress] = None,
) -> Front:
    """The Pareto front of several objectives; everything else as in `map`."""
    options = dict(locals())
    asked = _Asked(model, platform, options)
    asked.wishes.pareto = texts(objectives, "objectives")
    if not asked.wishes.pareto:
        raise _hetmap.InputError("objectives: expected at least one")
    return Front._of_core(asked.ask(_hetmap.front))


def simulate(
    model: ModelLike,
    platform: PlatformLike,
    mapping: MappingLike,
    *,
    frames_in_flight: int = 0,
) -> Answer:
    """The timeline of one mapping; with frames in flight also of a stream of frames."""
    frames = whole(frames_in_flight, "frames_in_flight", 0, 64)
    m, p, what = model_of(model), platform_of(platform), mapping_of(mapping)
    with readable(m, p, what):
        return Answer._of_core(_hetmap.simulate(m._core, p._core, what._core, frames))
