"""All pairs of one mission and filter, ranked; each with why it was kept or dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.acquisition.archives.archive import Observation
from astrid_ml.preprocessing.acquisition.archives.footprints import coverage, overlap
from astrid_ml.preprocessing.acquisition.pairs.windows import EITHER, REFERENCE, SCIENCE, LightWindows, moving_role
from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
from astrid_ml.preprocessing.acquisition.targets.moving import MovingTarget
from astrid_ml.types import Count, NonNegative, Share

KEPT = "kept"
_KINDS = {"str": "string", "float": "float64", "float | None": "float64", "int": "int64", "bool": "bool"}  # of columns
LISTED = 2_000  # pairs of a target, mission and filter beyond which science images meet the best references alone


@dataclass(frozen=True)
class PlannedPair:
    """A science and a reference image of one mission and filter, before they are downloaded.

    Args:
        target: name.
        ra, dec: of the target, degrees.
        discovered: MJD; of a moving object the time of its place; None where nothing was.
        mission, filter: of both.
        archive: of both, unless pairs across archives were asked for: that of the science image.
        science, reference: ids of the observations.
        science_mjd, reference_mjd: their middles.
        separation: days between them.
        noise: of the difference relative to one second, or to magnitude 20, of either image: sqrt of the summed
            variances; None where the archive says neither exposures nor depths.
        coverage: least share of the target's surroundings that either image holds; None where a footprint is unknown.
        overlap: share of the science frame that the reference holds; None where a footprint is unknown, and of pairs
            that are not kept where no least overlap is asked for.
        rank: from 1 among the pairs of this target, mission and filter; 0 for those that cannot be subtracted.
        kept: whether it is downloaded.
        reason: why, or why not.
    """

    target: str
    ra: float
    dec: float
    discovered: float | None
    mission: str
    filter: str
    archive: str
    science: str
    reference: str
    science_mjd: float
    reference_mjd: float
    separation: float
    noise: float | None
    coverage: float | None
    overlap: float | None
    rank: int = 0
    kept: bool = False
    reason: str = ""


@dataclass(frozen=True)
class TargetPlan:
    """What the archives have for a target.

    Args:
        target: that was asked for.
        observations: all that were found, by id.
        roles: id -> (science, reference, either or None; why).
        pairs: all, best first within a mission and filter; of very many images those with the best references.
        unlisted: pairs with other references.
    """

    target: Target
    observations: Mapping[str, Observation]
    roles: Mapping[str, tuple[str | None, str]]
    pairs: tuple[PlannedPair, ...]
    unlisted: int = 0

    @property
    def kept(self) -> tuple[PlannedPair, ...]:
        """Pairs to be downloaded."""
        return tuple(pair for pair in self.pairs if pair.kept)

    @property
    def why_none(self) -> str:
        """Why nothing of this target is downloaded; empty where something is."""
        if self.kept:
            return ""
        if not self.observations:
            return "no archive has an image"
        roles = {role for role, _ in self.roles.values()}
        moves = isinstance(self.target, MovingTarget)
        if not roles & {SCIENCE, EITHER}:
            return "no image of the time when it was there" if moves else "no image within its light curve"
        if not roles & {REFERENCE, EITHER}:
            return "no image without it there" if moves else "no image without its light"
        if not self.pairs:
            return "science and reference images of different missions or filters"
        return Counter(pair.reason for pair in self.pairs).most_common(1)[0][0]


@dataclass(frozen=True)
class ChoosePairs:
    """Pairs of a target, ranked by coverage, depth and separation in time.

    Args:
        windows: when an image shows the object.
        surroundings: radius around the target that both images must hold, degrees.
        least_coverage: share of it.
        least_overlap: share of the science frame that the reference holds; None asks nothing: 0.85 drops frames of
            HST that are turned against each other, though both hold the target.
        least_exposure: seconds of either image, where the archive says them.
        least_separation: days.
        each_filter: at most so many pairs of a target, mission and filter: the best of different science images.
        allow_mixed: pairs of different missions or filters too. They leave artefacts.

    Example:
        >>> from astrid_ml.preprocessing.acquisition.archives.archive import Observation
        >>> from astrid_ml.preprocessing.acquisition.targets.catalogue import Target
        >>> here, edge = (149.0, 69.7), "CIRCLE ICRS 149.0 69.7 0.1"
        >>> nights = [("early", 56378.0), ("seen", 56690.0)]
        >>> found = [Observation("mast", "swift", "UUU", id, *here, t, t, 300.0, footprint=edge) for id, t in nights]
        >>> plan = ChoosePairs()(Target("2014J", *here, discovered=56678.0), found)
        >>> [(pair.science, pair.reference) for pair in plan.pairs]
        [('seen', 'early')]
    """

    windows: LightWindows = field(default_factory=LightWindows)
    surroundings: NonNegative = 0.01
    least_coverage: Share = 0.95
    least_overlap: Share | None = None
    least_exposure: NonNegative = 0.0
    least_separation: NonNegative = 0.0
    each_filter: Count = 3
    allow_mixed: bool = False

    def __post_init__(self) -> None:
        if self.each_filter < 1:
            raise UserError(
                "each_filter of at least 1", str(self.each_filter), "for instance acquisition.pairs.each_filter=3"
            )
        for name in ("least_coverage", "least_overlap"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise UserError(
                    f"{name} as a share of 0 to 1", str(share), f"for instance acquisition.pairs.{name}=0.85"
                )
        if not 0 < self.surroundings < 5:
            raise UserError(
                "surroundings of 0 to 5 degrees",
                str(self.surroundings),
                "for instance acquisition.pairs.surroundings=0.01",
            )

    def __call__(self, target: Target, observations: Sequence[Observation]) -> TargetPlan:
        """Plan the pairs of a target; nothing is downloaded.

        Args:
            target: with its place and date.
            observations: of any archives.
        """
        known = {one.id: one for one in observations}
        roles = {one.id: self._role(target, one) for one in known.values()}
        groups: dict[tuple[str, str], list[Observation]] = defaultdict(list)
        for one in known.values():
            groups[("", "") if self.allow_mixed else (one.mission, one.filter)].append(one)
        held = {one.id: coverage(one.footprint, target.ra, target.dec, self.surroundings) for one in known.values()}
        pairs: list[PlannedPair] = []
        unlisted = 0
        for _, group in sorted(groups.items()):
            best_first = sorted(group, key=lambda one: self._worth(one, held[one.id]))
            combined, beyond = _combined(best_first, roles)
            both = [self._pair(target, s, r, held) for s, r in combined]
            pairs += [self._with_overlap(target, pair, known) for pair in self._ranked(both)]
            unlisted += beyond
        return TargetPlan(target, known, roles, tuple(pairs), unlisted)

    def _worth(self, one: Observation, held: float | None) -> tuple[bool, float, float, str]:
        """Best first, by what an image is worth in any pair."""
        useless = (held is not None and held < self.least_coverage) or (
            one.exposure is not None and one.exposure < self.least_exposure
        )
        noise = _variance(one)
        return (useless, -(0.0 if held is None else round(held, 1)), np.inf if noise is None else noise, one.id)

    def _role(self, target: Target, one: Observation) -> tuple[str | None, str]:
        if isinstance(target, MovingTarget):
            return moving_role(one, target)
        return self.windows.role(one, target.discovered)

    def _pair(
        self, target: Target, science: Observation, reference: Observation, held: Mapping[str, float | None]
    ) -> PlannedPair:
        times = [((one.start or 0.0) + (one.end or 0.0)) / 2 for one in (science, reference)]
        shares = [held[one.id] for one in (science, reference)]
        least = None if None in shares else min(share for share in shares if share is not None)
        common = None if self.least_overlap is None else _overlap(target, science, reference)
        exposures = [one.exposure for one in (science, reference) if one.exposure is not None]
        reason = ""
        if least is not None and least < self.least_coverage:
            reason = "the surroundings of the target are not held"
        elif self.least_overlap is not None and common is not None and common < self.least_overlap:
            reason = "the frames overlap too little"
        elif exposures and min(exposures) < self.least_exposure:
            reason = "too short an exposure"
        elif abs(times[0] - times[1]) < self.least_separation:
            reason = "too close in time"
        return PlannedPair(
            target=target.name,
            ra=target.ra,
            dec=target.dec,
            discovered=target.discovered,
            mission=science.mission,
            filter=science.filter,
            archive=science.archive,
            science=science.id,
            reference=reference.id,
            science_mjd=times[0],
            reference_mjd=times[1],
            separation=abs(times[0] - times[1]),
            noise=_noise(science, reference),
            coverage=least,
            overlap=common,
            reason=reason,
        )

    def _with_overlap(self, target: Target, pair: PlannedPair, known: Mapping[str, Observation]) -> PlannedPair:
        """Overlaps are dear: where nothing is asked of them, they are measured of the kept pairs alone."""
        if not pair.kept or pair.overlap is not None:
            return pair
        return replace(pair, overlap=_overlap(target, known[pair.science], known[pair.reference]))

    def _ranked(self, pairs: Sequence[PlannedPair]) -> list[PlannedPair]:
        good = sorted((pair for pair in pairs if not pair.reason), key=_order)
        out: list[PlannedPair] = []
        used: set[str] = set()
        for rank, pair in enumerate(good, 1):
            if pair.science in used:
                kept, reason = False, "a better reference for this science image"
            elif len(used) >= self.each_filter:
                kept, reason = False, f"beyond the best {self.each_filter} of this mission and filter"
            else:
                kept, reason = True, KEPT
                used.add(pair.science)
            out.append(replace(pair, rank=rank, kept=kept, reason=reason))
        return [*out, *(pair for pair in pairs if pair.reason)]


def _overlap(target: Target, science: Observation, reference: Observation) -> float | None:
    return overlap(science.footprint, reference.footprint, target.ra, target.dec)


def _combined(
    group: Sequence[Observation], roles: Mapping[str, tuple[str | None, str]]
) -> tuple[list[tuple[Observation, Observation]], int]:
    """Science and reference; where nothing was discovered each two epochs once, the better one as the reference.

    Args:
        group: of one mission and filter, best first.
        roles: of each.

    Returns:
        The pairs, and how many there are with references beyond the best.
    """
    by_role = {role: [one for one in group if roles[one.id][0] == role] for role in (SCIENCE, REFERENCE, EITHER)}
    science, reference, either = by_role[SCIENCE], by_role[REFERENCE], by_role[EITHER]
    out = [(s, r) for r in reference[: _at_most(len(science))] for s in science]
    out += [(later, deep) for n, deep in enumerate(either[: _at_most(len(either))]) for later in either[n + 1 :]]
    every = len(science) * len(reference) + len(either) * (len(either) - 1) // 2
    return out, every - len(out)


def _at_most(science: int) -> int:
    """References that each of so many science images meets."""
    return max(1, LISTED // max(1, science))


def _variance(one: Observation) -> float | None:
    """Relative variance of the sky: by the limiting magnitude, else by the exposure."""
    if one.depth is not None:
        return float(10 ** (-0.8 * (one.depth - 20.0)))
    return None if one.exposure is None or one.exposure <= 0 else 1.0 / one.exposure


def _noise(science: Observation, reference: Observation) -> float | None:
    """Noise of the difference: variances add. Depths and exposures are not mixed."""
    both = [
        one if all(o.depth is not None for o in (science, reference)) else _undeep(one) for one in (science, reference)
    ]
    first, second = (_variance(one) for one in both)
    return None if first is None or second is None else float(np.sqrt(first + second))


def _undeep(one: Observation) -> Observation:
    return one if one.depth is None else replace(one, depth=None)


def _order(pair: PlannedPair) -> tuple[float, float, float, str, str]:
    """Best first: coverage to a tenth (unknown last), then the noise (unknown last), then far apart in time."""
    held = 0.0 if pair.coverage is None else round(pair.coverage, 1)
    return (-held, np.inf if pair.noise is None else pair.noise, -pair.separation, pair.science, pair.reference)


def pairs_table(plans: Sequence[TargetPlan]) -> pd.DataFrame:
    """All pairs of all targets as a table: one row a pair, as :class:`PlannedPair` names its fields.

    Args:
        plans: of the targets.
    """
    rows = [vars(pair) for plan in plans for pair in plan.pairs]
    kinds = {name: _KINDS[str(field.type)] for name, field in PlannedPair.__dataclass_fields__.items()}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})
