"""`Views`: several results of one record, each of its own pipeline and its own draws."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._arguments import RECORD, TEXT, check_argument, optional, shown, whole
from .._tables import Report, Table
from ..errors import ParameterError
from ..spec import DataSpec
from ..transforms import from_config, to_config
from ..typing import Array, Key, Record, SpatialShape
from ._explain import Explanation
from ._pipeline import PIPELINE_KIND, Pipeline
from .checks._arguments import check_key
from .checks._modes import in_own_modes
from .program._draws import key_data, raw_key_data
from .program._params import RecordParams

SCHEMA = "multiaug.views/1"

# Keys are folded in blocks of so many, so that few programs serve batches of every size.
_BLOCK = 64

T = TypeVar("T")
Nested = dict[str, list[T]]


@dataclass(frozen=True, eq=False)
class Views:
    """Several results of each record, such as the global and the local crops of DINO.

    Every view is made from the record itself, by one resample where its pipeline has one, and has
    draws of its own: view k of a name draws from ``fold_in(fold_in(key, crc32(name)), k)``. It is
    what its pipeline makes of the record with that key, whatever the other views are.

    Args:
        views: name -> (pipeline, how many); a pipeline by itself is one view.

    Raises:
        ParameterError: no views, counts below 1, or pipelines with different specs.

    Example:
        >>> import jax, numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> large = ma.Pipeline([ma.RandomResizedCrop(8, (0.32, 1)), ma.Flip("x")], spec)
        >>> small = ma.Pipeline([ma.RandomResizedCrop(4, (0.05, 0.32)), ma.Flip("x")], spec)
        >>> views = Views({"global": (large, 2), "local": (small, 8)})
        >>> image, mask = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16), np.uint8)
        >>> out = views(jax.random.key(0), {"image": image, "mask": mask})
        >>> [len(out["global"]), len(out["local"]), out["local"][7]["image"].shape]
        [2, 8, (4, 4, 3)]
    """

    views: Mapping[str, tuple[Pipeline, int]]
    _tags: Any = field(init=False, repr=False)

    def _repr_html_(self) -> str:
        rows = tuple((name, f"{count}") for name, (_, count) in self.views.items())
        nested = tuple(pipeline._report() for pipeline, _ in self.views.values())
        return Report("Views of a record", (Table(("name", "views"), rows),), "", nested).html()

    def __post_init__(self) -> None:
        if not isinstance(self.views, Mapping) or not self.views:
            raise ParameterError(
                "`Views.views` must be a mapping from names to (pipeline, how many), got "
                f'{shown(self.views)}. Write Views({{"global": (pipeline, 2)}}).'
            )
        kept: dict[str, tuple[Pipeline, int]] = {}
        for name, given in self.views.items():
            check_argument("Views.views", name, TEXT)
            pair = (given, 1) if isinstance(given, Pipeline) else given
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise ParameterError(
                    f"`Views.views[{name!r}]` must be (pipeline, how many), got {shown(given)}."
                )
            check_argument(f"Views.views[{name!r}][0]", pair[0], PIPELINE_KIND)
            check_argument(f"Views.views[{name!r}][1]", pair[1], whole(1))
            kept[name] = pair[0], int(pair[1])
        object.__setattr__(self, "views", kept)
        for name, (pipeline, _) in kept.items():
            if pipeline.spec != self.spec:
                raise ParameterError(
                    f"`Views.views` must be pipelines of one spec, as they get the same records, "
                    f"got {self.spec.name!r} and, for {name!r}, {pipeline.spec.name!r}, which "
                    "differ. Give all of them the same."
                )
        tags = [(zlib.crc32(name.encode()), k) for name, k, _ in self._each()]
        object.__setattr__(self, "_tags", np.array(tags, np.uint32))

    @property
    def spec(self) -> DataSpec:
        """Of the records."""
        return next(iter(self.views.values()))[0].spec

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """The pipelines by name."""
        return {name: pipeline for name, (pipeline, _) in self.views.items()}

    @property
    def counts(self) -> dict[str, int]:
        """How many views there are of each name."""
        return {name: count for name, (_, count) in self.views.items()}

    @in_own_modes
    def keys(self, key: Key) -> Nested[Key]:
        """The keys that the views draw from: of a key () or of keys (N,), as many each.

        Raises:
            ParameterError: a key of the old uint32 form.
        """
        check_key(key, (0, 1))
        words = raw_key_data(key)
        rows: Any
        found: Any
        implementation = str(jax.random.key_impl(key))
        if words is None:  # traced
            rows = key_data(key)
            found = _folded(jnp.atleast_2d(rows), self._tags, implementation=implementation)
        else:
            rows = np.asarray(words)
            found = _in_blocks(np.atleast_2d(rows), self._tags, implementation)
        made = iter(found.reshape(len(self._tags), *rows.shape))
        return self._nested(
            lambda _name, _k, _pipeline: jax.random.wrap_key_data(
                jnp.asarray(next(made)), impl=implementation
            )
        )

    def sample(
        self, key: Key, shape: SpatialShape, *, record: Mapping[str, Any] | None = None
    ) -> Nested[RecordParams]:
        """What the views draw: see `Pipeline.sample`."""
        keys = self.keys(key)
        return self._nested(lambda n, k, one: one.sample(keys[n][k], shape, record=record))

    def __call__(
        self, key: Key, record: Mapping[str, Any], *, check: bool = True
    ) -> Nested[Record]:
        """The views of one record.

        Args:
            key: a typed key ().
            record: entry name -> array.
            check: as of `Pipeline`.

        Returns:
            Name -> a list of its views, which are what the pipeline returns.

        Raises:
            RecordError: the record is not what the spec declares.
            ParameterError: a key of the old uint32 form; transforms that do not fit.
        """
        check_argument("Views.__call__.record", record, RECORD)
        check_key(key, (0,))
        keys = self.keys(key)
        # The record is the same for all views of a pipeline.
        return self._nested(lambda n, k, one: one(keys[n][k], record, check=check and k == 0))

    def batch(
        self,
        keys: Key,
        batch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        out: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        check: bool = True,
    ) -> Nested[Record]:
        """The views of a batch; those of every record are what a call for it returns.

        Args:
            keys: typed keys (N,), one per record.
            batch: entry name -> array with a leading N, or a list of N records.
            out: what an earlier call returned, whose memory is used again; see `Pipeline.batch`.
            check: as of `Pipeline`.

        Returns:
            Name -> a list of batches, one for each view: DINO's order, the first crops of all
            records before the second ones, is ``np.concatenate([v["image"] for v in
            views["global"]])``.

        Raises:
            RecordError: the batch is not what the spec declares, or ``out`` not what comes out.
            ParameterError: keys of the old uint32 form or another number of them.
        """
        check_argument("Views.batch.out", out, optional(RECORD))
        check_key(keys, (1,))
        if out is not None:
            self._check_like(out)
        folded = self.keys(keys)
        return self._nested(
            lambda n, k, one: one.batch(
                folded[n][k],
                batch,
                out=None if out is None else out[n][k],
                check=check and k == 0,
            )
        )

    def apply(
        self,
        params: Mapping[str, Sequence[RecordParams]],
        record: Mapping[str, Any],
        *,
        check: bool = True,
    ) -> Nested[Record]:
        """The views that drawn params stand for: see `Pipeline.apply`."""
        check_argument("Views.apply.params", params, RECORD)
        self._check_like(params)
        return self._nested(
            lambda n, k, one: one.apply(params[n][k], record, check=check and k == 0)
        )

    def warmup(
        self, shape: SpatialShape, *, like: Mapping[str, Any] | None = None, size: int = 1
    ) -> None:
        """Compile `batch`: see `Pipeline.warmup`."""
        for pipeline, _ in self.views.values():
            pipeline.warmup(shape, like=like, size=size)

    def explain(
        self, shape: SpatialShape, *, like: Mapping[str, Any] | None = None
    ) -> dict[str, Explanation]:
        """How each view of a name is made: see `Pipeline.explain`."""
        return {n: pipeline.explain(shape, like=like) for n, (pipeline, _) in self.views.items()}

    def to_dict(self) -> dict[str, Any]:
        """The views and their spec as JSON-ready data."""
        return {
            "schema": SCHEMA,
            "views": {
                name: {"count": count, "transforms": [to_config(t) for t in pipeline.transforms]}
                for name, (pipeline, count) in self.views.items()
            },
            "spec": self.spec.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Views:
        """The inverse of `to_dict`.

        Raises:
            ParameterError: another schema, unknown transforms or settings, with the JSON path.
            SpecError: the spec inside is wrong.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            found = document.get("schema") if isinstance(document, Mapping) else document
            raise ParameterError(f"$.schema must be {SCHEMA!r}, got {found!r}.")
        views = document.get("views")
        extra = sorted(set(document) - {"schema", "views", "spec"})
        if extra or not isinstance(views, Mapping) or "spec" not in document:
            raise ParameterError(
                "A document of views must hold `schema`, `views` (an object) and `spec`, "
                f"got {sorted(document)}."
            )
        spec = DataSpec.from_dict(document["spec"], "the spec of the views")
        made = {}
        for name, view in views.items():
            path = f"$.views.{name}"
            if not isinstance(view, Mapping) or set(view) != {"count", "transforms"}:
                raise ParameterError(
                    f"{path} must hold `count` and `transforms`, got {shown(view)}."
                )
            if not isinstance(view["transforms"], list | tuple):
                raise ParameterError(
                    f"{path}.transforms must be a list, got {shown(view['transforms'])}."
                )
            transforms = [
                from_config(config, f"{path}.transforms[{i}]")
                for i, config in enumerate(view["transforms"])
            ]
            made[name] = Pipeline(tuple(transforms), spec), view["count"]
        return cls(made)

    def _each(self) -> Iterator[tuple[str, int, Pipeline]]:
        for name, (pipeline, count) in self.views.items():
            for k in range(count):
                yield name, k, pipeline

    def _nested(self, make: Callable[[str, int, Pipeline], T]) -> Nested[T]:
        made: Nested[T] = {name: [] for name in self.views}
        for name, k, pipeline in self._each():
            made[name].append(make(name, k, pipeline))
        return made

    def _check_like(self, given: Mapping[str, Any]) -> None:
        found = {name: len(views) for name, views in given.items()}
        if found != self.counts:
            raise ParameterError(
                f"`Views` must be given what they have returned, {self.counts} views, got {found}."
            )


@partial(jax.jit, static_argnames=("implementation",))
def _folded(words: Array, tags: Array, *, implementation: str) -> Array:
    """(views, n, w): of the words (n, w) of keys those that the views draw from."""

    def fold(word: Array, tag: Array) -> Array:
        key = jax.random.wrap_key_data(word, impl=implementation)
        for number in tag:
            key = jax.random.fold_in(key, number)
        return jax.random.key_data(key)

    return jax.vmap(lambda tag: jax.vmap(lambda word: fold(word, tag))(words))(tags)


def _in_blocks(words: Any, tags: Any, implementation: str) -> Any:
    """`_folded`, in blocks of one length."""
    count = len(words)
    padded = np.zeros((-(-count // _BLOCK) * _BLOCK, words.shape[1]), np.uint32)
    padded[:count] = words
    parts = [
        np.asarray(_folded(padded[i : i + _BLOCK], tags, implementation=implementation))
        for i in range(0, len(padded), _BLOCK)
    ]
    done = np.concatenate(parts, axis=1) if parts else np.zeros((len(tags), 0, words.shape[1]))
    return done[:, :count].astype(np.uint32)
