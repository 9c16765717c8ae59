"""Take the correlations between pixels out of pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ParameterError
from ..spec import ChannelGroup, DataSpec
from ..statistics import (
    EPS_MODES,
    LARGEST_GAIN,
    METHODS,
    TAILS,
    GroupStatistics,
    StationaryState,
    Statistics,
    WhiteningRule,
    filter_pictures,
    gains_of,
    in_blocks,
    inverse_of,
    operator_of,
    stationary_operator,
    unfilter_pictures,
    unwhiten,
    warn_of_gain,
    whiten,
)
from ..typing import Array
from ._base import (
    Finishing,
    Frame,
    derived,
    transform,
)
from ._checked import (
    choice,
    names,
    number,
    set_fields,
    whole,
)
from ._fitted import check_channels, check_frame, check_statistics, group_at, wanted_groups
from ._settings import EntryNames, setting


def _epsilon(value: Any, field_name: str, *, low: float) -> float | str:
    if isinstance(value, str):
        return choice(value, field_name, ("auto",))
    return number(value, field_name, low=low)


@transform
class Whiten(Finishing):
    """Whitening, ZCA or PCA, of pictures with the statistics of a data set; float32.

    ``y = (r x - r mean) W`` for each record, flattened; with the eigenvalues l and eigenvectors
    u of the covariance of r x, ZCA has ``W = sum_i u_i f(l_i) u_i^T + a (1 - sum_i u_i u_i^T)``,
    where f is the gain of ``eps_mode`` and a the gain of the ``tail``. Stands last in a pipeline.
    Pixels without data count as the mean, and stay without data. Frames of an entry with ``time``
    are whitened one by one, with statistics of images.

    Args:
        statistics: from `multiaug.fit` with `multiaug.ZCA` (or `multiaug.Stationary`).
        method: ``zca`` keeps pictures pictures; ``pca`` returns the coordinates along the
            eigenvectors, (N, k), for single-role entries.
        epsilon: a variance (of rescaled values) that is added to the eigenvalues; in mode
            ``keras`` added to singular values; ``auto`` is a tenth of the mean variance of the
            directions behind the first eighth.
        eps_mode: ``variance``: f(l) = 1 / sqrt(l + epsilon). ``keras``, the form of Keras 3: f(l)
            = sqrt(n) / (sqrt(n l) + epsilon), 0 where l is 0. ``covariance``, the older form:
            as ``variance``, and directions without an eigenvector count as l = 0.
        tail: of mode ``variance``: what becomes of directions without an eigenvector:
            ``residual`` gives them the mean of the variance that is left, ``flat`` the gain of
            the last eigenvector, ``zero`` removes them.
        center: subtract the mean of each ``pixel``, or of each ``channel`` as Keras does.
        components: how many eigenvectors to use; None uses all, except that with fewer records
            than pixels mode ``variance`` uses an eighth of them: the rest would describe the
            records and not the data.
        rescale: r, a number that values are multiplied by first, such as 1 / 255.
        statistic: ``zca``, or ``stationary`` for statistics that do not depend on the place,
            applied by FFT.
        entries: entries to touch; None for all that were fitted.

    Raises:
        NotFittedError: no such statistics, or of records that are all alike.
        ParameterError: settings out of range, or more components than were fitted.

    References:
        A. Bell, T. Sejnowski, The independent components of natural scenes are edge filters,
        Vision Research, 1997: ZCA.
        M. Tipping, C. Bishop, Probabilistic principal component analysis, JRSS B, 1999: the
        mean of the variance that is left, as its maximum likelihood estimate.
    """

    statistics: Statistics = setting(check_statistics)
    method: str = setting(choice, default="zca", options=METHODS)
    epsilon: float | Literal["auto"] = setting(_epsilon, default="auto", low=0)
    eps_mode: str = setting(choice, default="variance", options=EPS_MODES)
    tail: str = setting(choice, default="residual", options=TAILS)
    center: Literal["pixel", "channel"] = setting(
        choice, default="pixel", options=("pixel", "channel"), was="centre"
    )
    components: int | None = setting(whole, default=None, low=1)
    rescale: float = setting(number, default=1.0)
    statistic: Literal["zca", "stationary"] = setting(
        choice, default="zca", options=("zca", "stationary")
    )
    entries: EntryNames = setting(names, default=None)
    operators: Any = derived(default=None)
    gains: Any = derived(default=None, static=True)

    def __post_init__(self) -> None:
        if self.operators is not None:
            return  # rebuilt by JAX
        self._check_settings()
        built, gains = {}, []
        for label, group in self._groups().items():
            operator, gain, epsilon = _operator(group, self._rule(), self.center, self.statistic)
            if gain > LARGEST_GAIN:
                warn_of_gain(gain, epsilon, f"Whiten of {label!r}")
            # Not jnp.asarray: eigenvectors of large pictures are used where they lie.
            built[label] = jax.tree.map(jax.device_put, operator)
            gains.append((label, gain, epsilon))
        set_fields(self, operators=built, gains=tuple(gains))

    def _check_settings(self) -> None:
        if self.rescale <= 0:
            raise ParameterError(f"`Whiten.rescale` must be above 0, got {self.rescale:g}.")
        if self.epsilon == "auto" and self.eps_mode != "variance":
            raise ParameterError(
                f"`Whiten.epsilon` must be a number for eps_mode={self.eps_mode!r}, got 'auto'. "
                "Keras' own default is 1e-6."
            )
        if self.statistic == "stationary" and (
            self.method != "zca" or self.eps_mode != "variance" or self.components is not None
        ):
            raise ParameterError(
                "`Whiten` with statistic='stationary' must have method='zca', "
                "eps_mode='variance' and no components: its filters keep all frequencies."
            )

    @property
    def gain(self) -> float:
        """The largest gain: how much noise may be amplified."""
        return float(max(gain for _, gain, _ in self.gains))

    @property
    def chosen_epsilon(self) -> float:
        """The number that epsilon="auto" stands for, in the first group."""
        return float(self.gains[0][2])

    def matrix(self, label: str | None = None) -> np.ndarray[Any, Any]:
        """The matrix W of one channel group, float32 (d, d), flattened in C order.

        Args:
            label: of the group in the statistics; None for the only one.

        Raises:
            ParameterError: several groups and no label; stationary, or PCA, or a form without
                a matrix because d is large.
        """
        labels = list(self.operators)
        if label is None and len(labels) > 1:
            raise ParameterError(f"`Whiten.matrix` must be told one of {labels}.")
        found = self.operators[labels[0] if label is None else label]
        if "matrix" not in found:
            raise ParameterError(
                "`Whiten` holds no matrix here: it is applied by eigenvectors or filters, which "
                "needs less memory. Whiten unit vectors to see its columns."
            )
        return np.asarray(found["matrix"]) / np.float32(self.rescale)

    def check(self, frame: Frame) -> None:
        """The frame and the channels must be those that were fitted."""
        groups = self._groups()
        check_frame(groups, frame, "Whiten", by_pixel=True)
        for group in groups.values():
            if self.method == "pca" and len(frame.spec.entries[group.entry].groups) > 1:
                raise ParameterError(
                    f"`Whiten` with method='pca' makes rows of {group.entry!r}, which also holds "
                    "channels of other roles. Store them as entries of their own."
                )

    def touches(self, name: str) -> bool:
        """True when the entry was fitted, and is wanted."""
        return any(group.entry == name for group in self._groups().values())

    def finish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The whitened entries of a batch."""
        done: dict[str, Any] = {}
        for label, found in self._groups().items():
            if found.entry in batch:
                array = done.get(found.entry, batch[found.entry])
                change = partial(self._change, label, found, group_at(spec, found, "Whiten"))
                done[found.entry] = _by_image(spec, found, array, change)
        return done

    def unfinish(self, spec: DataSpec, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a batch as they were before; what was removed comes back as the mean."""
        done: dict[str, Any] = {}
        for found in self._groups().values():
            if found.entry in batch:
                array = done.get(found.entry, batch[found.entry])
                group = group_at(spec, found, "Whiten")
                operator = _inverse(found, self._rule(), self.center, self.statistic)
                restore = partial(self._restore, operator, found, group)
                done[found.entry] = _by_image(spec, found, array, restore)
        return done

    def _change(self, label: str, found: GroupStatistics, group: ChannelGroup, array: Any) -> Array:
        part, join = _cut(found, group, array)
        operator = self.operators[label]
        valid = _valid(part, group)
        flat = part.reshape(part.shape[0], -1)
        if self.statistic == "stationary":
            mean = jnp.tile(operator["mean"], flat.shape[1] // operator["mean"].shape[0])
        else:
            mean = operator["mean"]
        if valid is not None:
            flat = jnp.where(valid.reshape(flat.shape), flat.astype(jnp.float32), mean[None])
        if self.statistic == "stationary":
            pictures = flat.reshape(len(flat), *found.record_shape)
            filtered = in_blocks(filter_pictures, operator, pictures)
            return join(_masked(filtered.reshape(part.shape), group, valid))
        rows = in_blocks(whiten, operator, flat)
        if self.method == "pca":
            return rows
        return join(_masked(rows.reshape(part.shape), group, valid))

    def _restore(
        self, operator: Any, found: GroupStatistics, group: ChannelGroup, array: Any
    ) -> Array:
        if self.method == "pca":
            return in_blocks(unwhiten, operator, array).reshape(len(array), *found.record_shape)
        part, join = _cut(found, group, array)
        # Only NaN can still be told from a whitened value.
        valid = _valid(part, group) if group.invalid == "nan" else None
        part = part if valid is None else jnp.where(valid, part, 0)
        if self.statistic == "stationary":
            pictures = part.reshape(part.shape[0], *found.record_shape)
            restored = in_blocks(unfilter_pictures, operator, pictures)
            return join(_masked(restored.reshape(part.shape), group, valid))
        rows = in_blocks(unwhiten, operator, part.reshape(part.shape[0], -1))
        return join(_masked(rows.reshape(part.shape), group, valid))

    def _groups(self) -> dict[str, GroupStatistics]:
        return wanted_groups(self.statistics, self.entries, self.statistic, "Whiten")

    def _rule(self) -> WhiteningRule:
        return WhiteningRule(
            method=self.method,  # type: ignore[arg-type]
            epsilon=self.epsilon,
            eps_mode=self.eps_mode,  # type: ignore[arg-type]
            tail=self.tail,  # type: ignore[arg-type]
            components=self.components,
            rescale=self.rescale,
        )


def _by_image(
    spec: DataSpec, found: GroupStatistics, array: Any, change: Callable[[Any], Array]
) -> Array:
    """What is done to images, done to every frame of an entry with time."""
    if spec.entries[found.entry].time is None:
        return change(array)
    done = change(array.reshape(-1, *array.shape[2:]))
    return done.reshape(*array.shape[:2], *done.shape[1:])


def _operator(
    group: GroupStatistics, rule: WhiteningRule, centre: str, statistic: str
) -> tuple[dict[str, Any], float, float]:
    """The arrays of the way forward, the largest gain, and epsilon."""
    if statistic == "stationary":
        return _filters(group, rule, inverse=False)
    gains = gains_of(group.spectrum(centre), rule)  # type: ignore[arg-type]
    return operator_of(gains, rule), gains.largest, gains.epsilon


@lru_cache(maxsize=4)
def _inverse(
    group: GroupStatistics, rule: WhiteningRule, centre: str, statistic: str
) -> dict[str, Any]:
    """The arrays of the way back, made when they are first asked for."""
    if statistic == "stationary":
        return _filters(group, rule, inverse=True)[0]
    gains = gains_of(group.spectrum(centre), rule)  # type: ignore[arg-type]
    return inverse_of(gains, rule)


def _filters(
    group: GroupStatistics, rule: WhiteningRule, *, inverse: bool
) -> tuple[dict[str, Any], float, float]:
    state = group["stationary"]
    assert isinstance(state, StationaryState)
    return stationary_operator(*state.finalize(), state.channel_mean(), rule, inverse=inverse)


def _cut(
    found: GroupStatistics, group: ChannelGroup, array: Any
) -> tuple[Any, Callable[[Array], Array]]:
    """The group's channels of pictures, and how their replacement is put back."""
    whole = array.ndim == 3 or found.record_shape[-1] == array.shape[-1]
    if array.shape[1:3] != found.record_shape[:2]:
        height, width = found.record_shape[:2]
        raise ParameterError(
            f"`Whiten` was fitted on {height} x {width} pixels of {found.entry!r}, got "
            f"{array.shape[1]} x {array.shape[2]}. Resize or crop to the fitted size before it."
        )
    if whole:
        return array, lambda part: part
    where = group.channel_slice()
    count = len(range(array.shape[-1])[where])
    check_channels(found.record_shape[-1], count, found.entry, "Whiten")

    def join(part: Array) -> Array:
        others = jnp.asarray(array).astype(jnp.float32)
        return others.at[..., where].set(part)

    return array[..., where], join


def _valid(part: Any, group: ChannelGroup) -> Array | None:
    """Where there are data; None when that is everywhere."""
    group = group.for_dtype(np.dtype(part.dtype).name)
    if group.invalid is None:
        return None
    if group.invalid == "nan":
        return ~jnp.isnan(part)
    return jnp.asarray(part != np.dtype(part.dtype).type(group.invalid))


def _masked(values: Array, group: ChannelGroup, valid: Array | None) -> Array:
    """Pixels without data keep the value that says so."""
    if valid is None or group.invalid is None:
        return values
    mark = np.float32(np.nan if group.invalid == "nan" else group.invalid)
    return jnp.where(valid, values, mark)
