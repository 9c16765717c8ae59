"""`compare`: which pipeline helps a small network on some data, and whether that is noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .._arguments import (
    FLAG,
    SEED,
    TEXT,
    TEXTS,
    Kind,
    checked,
    instance,
    optional,
    real,
    whole,
)
from .._forks import refuse_forked_child
from ..errors import ParameterError
from ..pipeline import Pipeline
from ..store import Source, chunked, read_records
from ..typing import NDArray
from ._comparison import Comparison, differences_of
from ._examples import as_places, class_ids
from ._experiment import Candidate, Experiment
from ._folds import group_ids, make_folds, same_division
from ._network import MULTIPLE
from ._notes import notes_of
from ._progress import Progress
from ._records import Finished, Records, finish
from ._task import LearningTask, find_task
from ._validation import check_frame, for_validation, frame_of, with_size

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_SIDE = 64  # of the longer side that the network sees, by default

_PIPELINES = Kind(
    "a mapping from name to Pipeline, at least one",
    lambda value: (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(n, str) and n and isinstance(p, Pipeline) for n, p in value.items())
    ),
    "Write {'flips': multiaug.Pipeline([multiaug.Flip('x')], source.spec)}.",
)


def _are_groups(value: Any) -> bool:
    return callable(value) or isinstance(value, str) or np.ndim(np.asarray(value)) == 1


def _is_size(value: Any) -> bool:
    side = whole(16, 4096)
    return side.accepts(value) or (
        isinstance(value, tuple | list) and len(value) == 2 and all(map(side.accepts, value))
    )


@checked(
    pipelines=_PIPELINES,
    baseline=TEXT,
    target=optional(TEXT),
    inputs=optional(TEXTS),
    groups=optional(
        Kind(
            "an id for each record, the name of an entry, or a function of a position", _are_groups
        )
    ),
    validation=optional(instance(Pipeline, "a Pipeline")),
    folds=whole(2, 100),
    seeds=whole(1, 100),
    steps=whole(1),
    batch_size=whole(1, 65536),
    size=optional(Kind("a size of 16 to 4096 pixels, or (height, width)", _is_size)),
    width=whole(1, 1024),
    learning_rate=real(1e-8, 10),
    records=whole(4),
    confidence=real(0.5, 0.9999),
    seed=SEED,
    progress=optional(FLAG),
    check=FLAG,
)
def compare(
    source: Source,
    pipelines: Mapping[str, Pipeline],
    *,
    baseline: str = "none",
    target: str | None = None,
    inputs: Sequence[str] | None = None,
    groups: ArrayLike | str | Callable[[int], object] | None = None,
    validation: Pipeline | None = None,
    folds: int = 3,
    seeds: int = 2,
    steps: int = 200,
    batch_size: int = 16,
    size: int | tuple[int, int] | None = None,
    width: int = 16,
    learning_rate: float = 3e-3,
    records: int = 512,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
    check: bool = True,
) -> Comparison:
    """Compare pipelines by short trainings of a small network on one's own records.

    Of every pipeline a network is trained ``folds`` times ``seeds`` times: the records are divided
    into folds, each of which is left out of a training once and predicted by it; each seed
    divides them anew. All pipelines have the same folds, first weights, order of records and
    number of steps, so their differences are paired, and their intervals count in that
    trainings share records.

    Where the records have a label map the network is a U-Net and the score the mean over classes
    of intersection over union; where they have one class each it is the downward half of that
    and the score is accuracy. All inputs are standardised by records of training alone.

    Records of validation are not augmented. What a pipeline does to the values of every record
    alike (`Normalize`, `Grey`, `EncodeDepth`) is done to them, too. All records are brought to one
    size behind the pipeline, so a pipeline that crops shows things larger than they are in
    validation; this is said, and ``validation`` can crop there as well.

    Args:
        source: the records.
        pipelines: name -> pipeline.
        baseline: the name of the one that the others are compared with. ``none``, which only brings
            records to one size, is added where there is no pipeline of that name.
        target: the entry to predict; found where there is only one label map, or class.
        inputs: the entries to predict it from; by default all with intensities, depth, positions,
            directions and flow.
        groups: what belongs together and must not be both trained on and validated: an id for each
            record of the source, the name of an entry, or a function of a record's position. Tiles
            of one image, frames of one video and images of one patient are alike: with some
            of them in training the others are recognised, not understood, and scores are too high.
        validation: what records of validation go through, of all pipelines; nothing in it may draw.
        folds: of the cross validation.
        seeds: how often it is repeated, with other folds and other first weights.
        steps: of each training.
        batch_size: records in a step.
        size: (height, width) that the network sees, made a multiple of 8; an int n is (n, n). By
            default the first record's, reduced until the longer side is 64 pixels at most.
        width: channels of the network at half the resolution; 16 makes some 100,000 weights.
        learning_rate: of Adam, at its highest.
        records: the most that are used; of more than these some are drawn.
        confidence: of all intervals together: each is wider where several pipelines are compared.
        seed: another one makes other folds, weights and draws. The same makes the same scores,
            on the same machine.
        progress: say on stderr how long it takes, and how far it is; by default on terminals.
        check: look first whether the records are what the spec says, as `Pipeline.batch` does.

    Returns:
        The scores and differences: ``print`` shows a table, ``plot`` draws them.

    Raises:
        ParameterError: settings that do not fit the records, a pipeline of another spec, or
            nothing that could be predicted.
        RecordError: the records are not what the spec says, or have no classes.

    Example:
        >>> import numpy as np
        >>> import multiaug as ma
        >>> spec = ma.load_spec("rgb-segmentation")
        >>> images = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
        >>> masks = (images[..., 0] > 127).astype(np.uint8)
        >>> source = ma.open_source({"image": images, "mask": masks}, spec)
        >>> flips = ma.Pipeline([ma.Flip("x")], spec)
        >>> found = ma.compare.compare(source, {"flips": flips}, steps=2, seeds=1, width=4)
        >>> found.names, found.scores.shape
        (('none', 'flips'), (2, 3, 1))
    """
    refuse_forked_child("`compare`")
    opened = chunked(source, "compare.source")
    named = _with_baseline(dict(pipelines), baseline, validation, opened)
    _check_specs(named, validation, opened)
    rows = Records.choose(opened, int(records), int(seed))
    (first,) = read_records(opened, [0])
    by_entry = groups if isinstance(groups, str) else None
    task = find_task(opened.spec, first, target, inputs, by_entry)
    if validation is not None:
        check_frame(validation, first)
    frame = frame_of(opened.spec, first)
    shape = _sides(size, frame)
    finished = _finish(rows, named, validation, task, shape, first, check=bool(check))
    plain = finished[baseline]
    ids = class_ids(task, plain.labels)
    together = _group_numbers(groups, rows, plain, len(opened))
    classes = plain.labels if task.kind == "classification" else None
    # One more than is needed: whether groups leave a choice shows with a single seed, too.
    *divisions, another = (
        make_folds(int(folds), len(rows), together, classes, [int(seed), one])
        for one in range(int(seeds) + 1)
    )
    smallest = min(int((d != fold).sum()) for d in divisions for fold in range(int(folds)))
    experiment = Experiment(
        rows,
        task,
        shape,
        ids,
        as_places(plain.labels, ids),
        tuple(divisions),
        int(folds),
        int(steps),
        min(int(batch_size), smallest),
        int(width),
        float(learning_rate),
        int(seed),
    )
    experiment.check_folds()
    candidates = {
        name: Candidate(with_size(pipeline, shape), finished[name])
        for name, pipeline in named.items()
    }
    total = len(named) * int(folds) * int(seeds)
    what = f"{steps} steps of {experiment.batch_size} records of {shape[0]} x {shape[1]} pixels"
    with Progress(progress, total, what) as said:
        scores = experiment.run(candidates, said)
    said_of = notes_of(
        experiment,
        scores,
        named,
        validation,
        frame,
        available=len(opened),
        grouped=groups is not None,
    )
    same = all(same_division(another, one) for one in divisions)
    differences, notes = differences_of(list(named), scores, float(confidence), one_division=same)
    return Comparison(
        task.metric,
        tuple(named),
        scores,
        differences,
        float(confidence),
        experiment.chance,
        task.target,
        task.inputs,
        len(rows),
        shape,
        int(steps),
        experiment.batch_size,
        experiment.trainer(plain.channels).architecture.parameters,
        int(seed),
        (*notes, *said_of),
    )


def _with_baseline(
    pipelines: dict[str, Pipeline], baseline: str, validation: Pipeline | None, source: Source
) -> dict[str, Pipeline]:
    """The baseline first; that which does nothing is made where there is none."""
    if baseline not in pipelines:
        if baseline != "none":
            raise ParameterError(
                f"`compare.baseline` must be one of the pipelines, {list(pipelines)}, or 'none', "
                f"got {baseline!r}."
            )
        transforms = () if validation is None else validation.transforms
        pipelines = {baseline: Pipeline(list(transforms), source.spec), **pipelines}
    if len(pipelines) < 2:
        raise ParameterError(
            f"`compare.pipelines` must be others than the baseline {baseline!r}, got it alone. "
            "Name a pipeline to compare it with."
        )
    return {baseline: pipelines.pop(baseline), **pipelines}


def _check_specs(
    pipelines: Mapping[str, Pipeline], validation: Pipeline | None, source: Source
) -> None:
    """All are of the spec of the records, but for its name and what was mapped in reading."""
    owned = {f"`compare.pipelines`: {name!r}": one for name, one in pipelines.items()}
    if validation is not None:
        owned["`compare.validation`"] = validation
    for owner, pipeline in owned.items():
        if pipeline.spec.as_read().entries != source.spec.as_read().entries:
            raise ParameterError(
                f"{owner} is of the spec {pipeline.spec.name!r}, which is not that of the records, "
                f"{source.spec.name!r}. Make it with that: Pipeline(transforms, source.spec)."
            )


def _sides(size: int | tuple[int, int] | None, frame: tuple[int, int]) -> tuple[int, int]:
    """What the network sees: multiples of what it halves."""
    if size is None:
        factor = min(1.0, _SIDE / max(frame))
        height, width = (factor * side for side in frame)
    else:
        height, width = (size, size) if isinstance(size, int | np.integer) else size
    rounded = [max(2, round(side / MULTIPLE)) * MULTIPLE for side in (height, width)]
    return rounded[0], rounded[1]


def _finish(
    rows: Records,
    pipelines: Mapping[str, Pipeline],
    validation: Pipeline | None,
    task: LearningTask,
    size: tuple[int, int],
    first: Mapping[str, Any],
    *,
    check: bool,
) -> dict[str, Finished]:
    """All records as each pipeline's networks are validated on them."""
    found: dict[str, Finished] = {}
    known: list[tuple[Pipeline, Finished]] = []
    for name, pipeline in pipelines.items():
        if check:
            rows.inspect(pipeline)
        steps = for_validation(pipeline, validation, size, first)
        same = [done for other, done in known if _alike(other, steps)]
        found[name] = same[0] if same else finish(rows, steps, task, size, check=check)
        if not same:
            known.append((steps, found[name]))
        if not np.array_equal(found[name].labels, known[0][1].labels):
            raise ParameterError(
                f"`compare.pipelines`: {name!r} changes the labels of every record, so its score "
                "would be of another truth. Leave out what changes labels, or change them before."
            )
    return found


def _alike(one: Pipeline, other: Pipeline) -> bool:
    """The same settings, arrays among them."""
    leaves, structure = jax.tree.flatten(one.transforms)
    others, another = jax.tree.flatten(other.transforms)
    known: Any = structure  # whose == is not typed
    return bool(known == another) and all(
        np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(leaves, others, strict=True)
    )


def _group_numbers(groups: Any, rows: Records, finished: Finished, count: int) -> NDArray | None:
    if isinstance(groups, str):
        if groups not in finished.scalars:
            raise ParameterError(
                f"`compare.groups` must be the name of an entry with one number for each record, "
                f"which are {sorted(finished.scalars)}, got {groups!r}."
            )
        return group_ids(finished.scalars[groups], np.arange(len(rows)), len(rows))
    return group_ids(groups, rows.original, count)
