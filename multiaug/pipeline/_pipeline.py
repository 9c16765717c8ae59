"""`Pipeline`: transforms, a spec, and the calls that users make."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from .._arguments import FLAG, RECORD, check_argument, checked, instance, optional, whole
from .._forks import refuse_forked_child
from .._tables import Report
from ..errors import ParameterError
from ..spec import SPEC_KIND, DataSpec, check_structure
from ..transforms import Transform, as_transforms, from_config, to_config
from ..typing import Array, Key, Record, SpatialShape
from ._explain import Explanation, explain
from ._one_run import OneRun
from ._programs import Programs, check_before, given_params
from ._records import batch_of_records
from ._report import report_of
from ._tables import filled_up
from .backends._dispatch import is_traced
from .backends._fast_path import FastPaths, Repeat, signature_of
from .buffers._indexed import in_native_order
from .checks._arguments import check_count, check_key, checked_frame
from .checks._inspect import inspect_first, kind_of, ranges_used
from .checks._modes import in_own_modes
from .program._alter import check_order
from .program._blank import blank_record
from .program._draws import key_data, raw_key_data
from .program._fitted import unfinish
from .program._overrides import one_more_axis
from .program._params import RecordParams
from .program._program import check_declared
from .program._reads import check_reads
from .program._structure import check_frames, check_spec
from .program._traits import PipelineTraits

SCHEMA = "multiaug.pipeline/1"

_PARAMS = instance(RecordParams, "RecordParams", "Pipeline.sample draws them.")
_OUT = optional(RECORD)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Pipeline:
    """Transforms that move every entry of a record together.

    Neighbouring geometric transforms become one map, and each entry is resampled once, at its
    own resolution; the pointwise photometric transforms among them follow, in order, on intensity
    channels. All others stand where they are declared, and geometry behind them is another
    resample: docs/engine.md says what ends such a run.

    Args:
        transforms: what to do, in order.
        spec: what the entries of a record are.

    Raises:
        ParameterError: not transforms, or transforms that the spec rules out.

    Example:
        >>> import jax, numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> pipeline = ma.Pipeline([ma.Rotate(30), ma.Flip("x"), ma.Brightness(0.2)], spec)
        >>> record = {"image": np.zeros((8, 8, 3), np.uint8), "mask": np.zeros((8, 8), np.uint8)}
        >>> sorted(pipeline(jax.random.key(0), record))
        ['image', 'mask']
    """

    transforms: Sequence[Transform]
    spec: DataSpec = field(metadata={"static": True})

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "transforms", as_transforms(self.transforms, "Pipeline.transforms")
        )
        check_argument("Pipeline.spec", self.spec, SPEC_KIND)
        check_order(self.transforms, self.spec)
        check_spec(self.traits.all, self.spec)
        check_declared(self.transforms, self.spec)
        check_reads(self.transforms, self.spec)

    @cached_property
    def traits(self) -> PipelineTraits:
        """What the transforms are."""
        return PipelineTraits(self.transforms)

    @cached_property
    def _repeated(self) -> FastPaths:
        return FastPaths()

    @cached_property
    def programs(self) -> Programs:
        """How records are run that need several stages."""
        return Programs(self.traits, self.spec)

    @cached_property
    def _runner(self) -> OneRun | Programs:
        return OneRun(self.traits, self.spec) if self.traits.one_run else self.programs

    @cached_property
    def out_spec(self) -> DataSpec:
        """The spec of the records that come out, with the entries that `OneHot` and such make.

        What `Normalize` and the fitted transforms do to dtypes and ranges is not part of it.
        """
        return check_declared(self.transforms, self.spec)

    @cached_property
    def inspected(self) -> set[Hashable]:
        """The kinds of records that have been found plausible, see `kind_of`."""
        return set()

    @cached_property
    def ranges_used(self) -> frozenset[str]:
        """Entries with whose declared range of values some transform computes."""
        return ranges_used(self)

    @in_own_modes
    def sample(
        self, key: Key, shape: SpatialShape, *, record: Mapping[str, Any] | None = None
    ) -> RecordParams:
        """Draw the params of one record, or of a batch of keys.

        Transform i of the pipeline draws from ``fold_in(drawing_key(words), i)``, with the
        words of the key (see `multiaug.transforms.drawing_key`): what a record draws does not
        depend on what surrounds it.

        Args:
            key: a typed key () or a batch of them (N,).
            shape: (height, width) of the reference entry: the first picture with role
                intensity, else the first picture.
            record: the record, or the batch, for transforms whose draws read it; they need no
                more than the entries that they read.

        Raises:
            ParameterError: a key of the old uint32 form; transforms that do not fit the frame, or
                that read a record which was not given.
            RecordError: the record is not what the spec declares, or lacks what is read.
        """
        refuse_forked_child("A Pipeline")
        check_key(key, (0, 1))
        frame = checked_frame(shape)
        keys, batch = key[None] if key.ndim == 0 else key, None
        if record is not None:
            check_argument("Pipeline.sample.record", record, RECORD)
            batched = key.ndim == 1
            record = filled_up(self.spec, in_native_order(record), batched=batched)
            check_structure(self.spec, record, batch=batched, frame=frame, partial=True)
            batch = record if batched else _one_more_axes(record)
            check_count(key_data(keys), batch)
        drawn = self._runner.sample(key_data(keys), frame, batch)
        # Arrays of JAX to whoever looks at them; to go on with, those of NumPy will do.
        params = jax.tree.map(jnp.asarray, drawn)
        return _first(params) if key.ndim == 0 else params

    @in_own_modes
    def __call__(self, key: Key, record: Mapping[str, Any], *, check: bool = True) -> Record:
        """Augment one record; equal to a batch of one, and jit-, vmap- and grad-able.

        Args:
            key: a typed key ().
            record: entry name -> array, without a batch axis.
            check: refuse values that the spec gives no meaning to (a NaN without an invalid
                value, singular intrinsics), and look once whether records are what the spec
                says: their range, boxes and cameras. Structure is checked always.

        Returns:
            The same entries; plus ``<name>_visible`` of keypoints and boxes, ``<name>_valid``
            where the spec asks for it and of tables with a capacity, ``<name>_mirrored`` (were
            pairs swapped) of keypoints that scalars belong to, and ``intrinsics`` where a default
            camera was refitted.

        Raises:
            RecordError: the record is not what the spec declares.
            ParameterError: a key of the old uint32 form; transforms that do not fit.
        """
        refuse_forked_child("A Pipeline")
        check_argument("Pipeline.__call__.record", record, RECORD)
        record = filled_up(self.spec, in_native_order(record), batched=False)
        words, signature = raw_key_data(key), None
        if words is not None:
            signature = signature_of(words, record)
            repeat = self._repeated.get(signature)
            if repeat is not None and (repeat.inspected or not check):
                return repeat(words, record, None, check=check)
        check_key(key, (0,))
        shape = check_structure(self.spec, record, batch=False)
        if check:
            self._inspect(record, batched=False)
        repeat = self._remembered(signature, shape, words, record, batched=False)
        if repeat is not None and words is not None:
            return repeat(words, record, None, check=check)
        return self._runner.run(shape, _one_key(key), None, record, batched=False, check=check)

    @in_own_modes
    def batch(
        self,
        keys: Key,
        batch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        out: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Record:
        """Augment a batch: the fast path.

        On CPUs the batch runs on all cores, and the result is there when the call returns;
        C-contiguous NumPy arrays are read in place. On accelerators it is one call, spread over
        all local devices.

        Args:
            keys: typed keys (N,), one per record.
            batch: entry name -> array with a leading N; or a list of N records, whose images may
                be of different sizes where the transforms bring them to one. No size is compiled
                for.
            out: what an earlier call returned for a batch like this one. On CPUs its memory is
                used again, which saves much of the time of large results, and its arrays are
                deleted; memory that NumPy still looks at is left alone. Elsewhere it is not used.
            check: as in `__call__`.

        Returns:
            As `__call__`, with a leading N.

        Raises:
            RecordError: the batch is not what the spec declares, or ``out`` not what comes out.
            ParameterError: keys of the old uint32 form or another number of them.
        """
        refuse_forked_child("A Pipeline")
        if isinstance(batch, list | tuple):
            check_key(keys, (1,))
            return batch_of_records(self, keys, batch, out=out, check=check)
        check_argument("Pipeline.batch.batch", batch, RECORD)
        check_argument("Pipeline.batch.out", out, _OUT)
        batch = in_native_order(cast(Mapping[str, Any], batch))
        batch = filled_up(self.spec, batch, batched=True)
        words, signature = raw_key_data(keys), None
        if words is not None:
            signature = signature_of(words, batch)
            repeat = self._repeated.get(signature)
            if repeat is not None and (repeat.inspected or not check):
                return repeat(words, batch, out, check=check)
        check_key(keys, (1,))
        shape = check_structure(self.spec, batch, batch=True)
        check_count(keys, batch)
        if check:
            self._inspect(batch, batched=True)
        repeat = self._remembered(signature, shape, words, batch, batched=True)
        if repeat is not None and words is not None:
            return repeat(words, batch, out, check=check)
        return self._runner.run(
            shape, key_data(keys), None, batch, batched=True, check=check, out=out
        )

    @checked(params=_PARAMS, record=RECORD, out=_OUT, check=FLAG)
    @in_own_modes
    def apply(
        self,
        params: RecordParams,
        record: Mapping[str, Any],
        *,
        out: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Record:
        """Apply drawn params to one record, or params with a leading N to a batch.

        Args:
            params: what `sample` drew; its arrays may be NumPy arrays.
            record: entry name -> array.
            out: as in `batch`; not used for one record.
            check: as in `__call__`.

        Returns:
            As `__call__`, or `batch`.

        Raises:
            RecordError: the record is not what the spec declares, or its frame is not the one
                that the params were drawn for; or ``out`` is not what comes out.
        """
        refuse_forked_child("A Pipeline")
        record = filled_up(self.spec, in_native_order(record), batched=params.batched)
        frame = params.in_shape
        check_structure(self.spec, record, batch=params.batched, frame=frame)
        if check:
            self._inspect(record, batched=params.batched)
        drawn = given_params(params, record)
        return self._runner.run(
            frame, drawn.key, drawn, record, batched=params.batched, check=check, out=out
        )

    @checked(params=_PARAMS, record=RECORD, roles=optional(RECORD), check=FLAG)
    @in_own_modes
    def invert(
        self,
        params: RecordParams,
        record: Mapping[str, Any],
        *,
        roles: Mapping[str, str] | None = None,
        validity: bool = False,
        check: bool = True,
    ) -> Record:
        """Bring entries from the augmented frame back to the source frame.

        What was done last is undone first; of a run of warps and values, the values first. What
        was cropped away comes back as the fill, and what `Erase` covered stays covered. Only what
        touches the given entries must be invertible.

        Args:
            params: what was drawn; a leading N makes a batch.
            record: some entries, in the augmented frame; derived ones are ignored.
            roles: entry name -> picture role that replaces the spec's, for predictions: logits
                of a mask are ``{"mask": "intensity"}``, with any channels and dtype.
            validity: also return ``<name>_valid``, bool, of every picture that is given: False
                where the augmented frame did not show the pixel, or held no data there. By
                default it is returned where the spec asks for it.
            check: as in `__call__`.

        Returns:
            The given entries in the source frame, and what ``validity`` asks for.

        Raises:
            ParameterError: a transform that cannot be undone on an entry; an unknown role.
            RecordError: the record does not fit the spec or the params.
        """
        refuse_forked_child("A Pipeline")
        record = in_native_order(record)
        record = unfinish(
            self.traits.finishing, self.spec, record, batched=params.batched, skip=roles or {}
        )
        return self._runner.invert(params, record, roles or {}, validity=validity, check=check)

    @checked(like=optional(RECORD), size=whole(1))
    @in_own_modes
    def warmup(
        self, shape: SpatialShape, *, like: Mapping[str, Any] | None = None, size: int = 1
    ) -> None:
        """Compile `batch` for records of a shape, before the first of them arrives.

        Args:
            shape: (height, width) of the reference picture, and of all others without ``like``.
            like: a record; of its arrays only shapes and dtypes are read. Without it the spec
                must say what channels and dtypes the entries have.
            size: records in a batch. It matters on accelerators only.

        Raises:
            ParameterError: the spec leaves open what an entry looks like, and ``like`` is not
                given; or transforms that do not fit the shape.
        """
        refuse_forked_child("A Pipeline")
        record = blank_record("warmup", self.spec, checked_frame(shape)) if like is None else like
        check_structure(self.spec, record, batch=False)
        blank = {n: np.zeros((size, *np.shape(a)), a.dtype) for n, a in record.items()}
        self.batch(jax.random.split(jax.random.key(0), size), blank, check=False)

    @checked(like=optional(RECORD))
    @in_own_modes
    def explain(self, shape: SpatialShape, *, like: Mapping[str, Any] | None = None) -> Explanation:
        """Say how records of a shape are run: the stages, who does what to every entry, and why.

        Args:
            shape: (height, width) of the reference image, and of all others without ``like``.
            like: a record; of its arrays only shapes and dtypes are read. Without it the spec
                must say what channels and dtypes the entries have.

        Returns:
            Data with a text: ``print(pipeline.explain((224, 224)))``.

        Raises:
            ParameterError: as `warmup`.
        """
        frame = checked_frame(shape)
        record = blank_record("explain", self.spec, frame) if like is None else like
        frame = check_structure(self.spec, record, batch=False)
        check_frames(self.transforms, self.spec, frame)
        return explain(self.traits, self.spec, frame, record)

    def then(self, *transforms: Transform) -> Pipeline:
        """A new pipeline with transforms appended; the draws of the others do not change."""
        return Pipeline((*self.transforms, *transforms), self.spec)

    def to_dict(self) -> dict[str, Any]:
        """The pipeline and its spec as JSON-ready data."""
        return {
            "schema": SCHEMA,
            "transforms": [to_config(transform) for transform in self.transforms],
            "spec": self.spec.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Pipeline:
        """The inverse of `to_dict`.

        Raises:
            ParameterError: another schema, unknown transforms or settings, with the JSON path.
            SpecError: the spec inside is wrong.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            found = document.get("schema") if isinstance(document, Mapping) else document
            raise ParameterError(f"$.schema must be {SCHEMA!r}, got {found!r}.")
        extra = sorted(set(document) - {"schema", "transforms", "spec"})
        configs = document.get("transforms")
        if extra or not isinstance(configs, list | tuple) or "spec" not in document:
            raise ParameterError(
                "A pipeline document must hold `schema`, `transforms` (a list) and `spec`, "
                f"got {sorted(document)}."
            )
        transforms = [from_config(config, f"$.transforms[{i}]") for i, config in enumerate(configs)]
        return cls(tuple(transforms), DataSpec.from_dict(document["spec"], "the pipeline's spec"))

    def __repr__(self) -> str:
        """Python that makes it, with ``from multiaug import *``."""
        lines = "".join(f"        {one.as_python(8)},\n" for one in self.transforms)
        listed = f"[\n{lines}    ]" if lines else "[]"
        return f"Pipeline(\n    {listed},\n    {self.spec!r},\n)"

    def _report(self) -> Report:
        return report_of(self.transforms, self.spec, repr(self))

    def _repr_html_(self) -> str:
        return self._report().html()

    def __getstate__(self) -> dict[str, Any]:
        # What else has been found out holds addresses.
        return {"transforms": self.transforms, "spec": self.spec}

    def _remembered(
        self,
        signature: Hashable | None,
        frame: SpatialShape,
        words: Array | None,
        record: Mapping[str, Any],
        *,
        batched: bool,
    ) -> Repeat | None:
        """How records like this one are run, from now on without a look at their structure."""
        if signature is None or words is None or self.traits.traced:
            return None
        if self._repeated.has_none(signature):
            return None
        inspected = kind_of(record) in self.inspected
        own: Any = words if batched else np.asarray(words)[np.newaxis]
        repeat = self._runner.repeat(frame, own, record, batched=batched, inspected=inspected)
        check_before(self.traits, self.spec, record, batched=batched, check=False)
        self._repeated.put(signature, repeat)
        return repeat

    def _inspect(self, record: Mapping[str, Any], *, batched: bool) -> None:
        """Look at the first records of a kind, unless they are traced."""
        if kind_of(record) in self.inspected or is_traced(*record.values()):
            return
        batch = record if batched else {n: one_more_axis(a) for n, a in record.items()}
        inspect_first(self, self.spec, batch, origin="the batch" if batched else "the record")


def _one_key(key: Key) -> Any:
    """(1, w), the words of a key; with NumPy where nothing is traced, as JAX takes as long as C."""
    words = raw_key_data(key)
    return key_data(key[None]) if words is None else np.asarray(words)[np.newaxis]


def _one_more_axes(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one_more_axis(array) for name, array in record.items()}


def _first(params: RecordParams) -> RecordParams:
    return jax.tree.map(lambda leaf: leaf[0], params)  # type: ignore[no-any-return]


PIPELINE_KIND = instance(
    Pipeline, "a Pipeline", "Make one with multiaug.Pipeline(transforms, spec)."
)
"""What arguments called ``pipeline`` may be."""
