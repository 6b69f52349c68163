"""Thresholds of the rule-based detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from astrid_ml.types import Count, InUnits, NonNegative, Ordered, Positive, Share, Whole


@dataclass(frozen=True)
class Flagging:
    """What is flagged in GROUPDQ beside the steps themselves. No slope is fitted around it.

    Args:
        after_jump_size: smallest step that is followed, DN.
        after_jump_time: for so long after it, s; 0 leaves what follows alone.
        neighbours: also flag the four pixels beside a step, whose charge crosses over.
        neighbour_snr: significance of such a step; what is fainter gives them too little, of what is brighter they are
            found themselves.
    """

    after_jump_size: Annotated[Positive, InUnits("DN")] = 1000.0
    after_jump_time: Annotated[NonNegative, InUnits("s")] = 0.0
    neighbours: bool = False
    neighbour_snr: Annotated[Sequence[NonNegative], Ordered()] = (10.0, 1000.0)


@dataclass(frozen=True)
class DetectorConfig:
    """What an event must be to be listed. Intensities are in DN, as detector people quote them.

    Args:
        sigma_threshold: sigmas above the ramp at which a read counts as raised in the temporal features.
        min_anomaly_pixels: smallest number of connected pixels of an event.
        min_confidence: lowest confidence of a listed cosmic ray.
        cosmic_ray_min_intensity: lowest brightest-pixel step of a cosmic ray, DN.
        cosmic_ray_max_spatial_extent: largest number of pixels of a cosmic ray; None: any, for tracks may be long.
        cosmic_ray_min_step: lowest step of a pixel that counts towards a cosmic ray by rule, DN.
        rtn_min_transitions: fewest changes of state of a telegraph pixel.
        rtn_max_transitions: most changes of state.
        rtn_amplitude_range: step of a telegraph pixel, DN; None: any.
        rtn_frequency_range: changes of state per group.
        rtn_fit_quality_threshold: lowest R^2 of the two-state model.
        rtn_min_confidence: lowest confidence of a telegraph pixel.
        snowball_min_confidence: lowest confidence of a snowball.
        snowball_min_intensity: lowest step within a snowball without a saturated core, DN.
        snowball_max_intensity: largest median step within one (a saturated core is not limited), DN.
        snowball_min_radius: smallest equal-area radius of a core, pixels.
        snowball_max_radius: largest equal-area radius of a snowball without a saturated core, pixels.
        snowball_circularity_threshold: lowest ratio of axes of a core, and of area to the ellipse's area; what
            has no core needs .7.
        snowball_expansion_rate: fastest growth of a core, pixels per group.
        snowball_min_area: smallest area of a snowball without a saturated core, pixels.
        snowball_max_area: largest area of a snowball without a saturated core, pixels (halos of large ones join).
        snowball_edge_size: near the edge, within this many pixels, no core is needed, pixels.
        snowball_min_ring: lowest share of the pixels around a core that jump with it: around a star that saturates
            they do not.
        snowball_sat_expand: pixels by which a saturated core is enlarged in the mask.
        snowball_time_masked_next_int: seconds of the next integration in which a core is masked.
    """

    sigma_threshold: Positive = 5.0
    min_anomaly_pixels: Count = 1
    min_confidence: Share = 0.5
    cosmic_ray_min_intensity: Annotated[NonNegative, InUnits("DN")] = 40.0
    cosmic_ray_max_spatial_extent: Count | None = None
    cosmic_ray_min_step: Annotated[NonNegative, InUnits("DN")] = 25.0
    rtn_min_transitions: Whole = 2
    rtn_max_transitions: Whole = 50
    rtn_amplitude_range: Annotated[Sequence[NonNegative], Ordered(), InUnits("DN")] | None = None
    rtn_frequency_range: Annotated[Sequence[NonNegative], Ordered()] = (0.001, 0.5)
    rtn_fit_quality_threshold: float = 0.3
    rtn_min_confidence: Share = 0.5
    snowball_min_confidence: Share = 0.2
    snowball_min_intensity: Annotated[NonNegative, InUnits("DN")] = 30.0
    snowball_max_intensity: Annotated[NonNegative, InUnits("DN")] = 500.0
    snowball_min_radius: Annotated[NonNegative, InUnits("px")] = 2.0
    snowball_max_radius: Annotated[Positive, InUnits("px")] = 15.0
    snowball_circularity_threshold: Share = 0.45
    snowball_expansion_rate: NonNegative = 0.1
    snowball_min_area: Whole = 75
    snowball_max_area: Whole = 120000
    snowball_edge_size: Annotated[Whole, InUnits("px")] = 25
    snowball_min_ring: Share = 0.4
    snowball_sat_expand: Annotated[Whole, InUnits("px")] = 2
    snowball_time_masked_next_int: Annotated[NonNegative, InUnits("s")] = 4000.0
