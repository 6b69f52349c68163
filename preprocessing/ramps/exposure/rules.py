"""Thresholds of the rule-based detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorConfig:
    """What an event must be to be listed. Intensities are in DN, as detector people quote them.

    Args:
        sigma_threshold: sigmas above the ramp at which a read counts as raised in the temporal features.
        min_anomaly_pixels: smallest number of connected pixels of an event.
        min_confidence: lowest confidence of a listed cosmic ray.
        cosmic_ray_min_intensity: lowest brightest-pixel step of a cosmic ray, DN.
        cosmic_ray_max_spatial_extent: largest number of pixels of a cosmic ray.
        cosmic_ray_min_step: lowest step of a pixel that counts towards a cosmic ray by rule, DN.
        rtn_min_transitions: fewest changes of state of a telegraph pixel.
        rtn_max_transitions: most changes of state.
        rtn_amplitude_range: step of a telegraph pixel, DN.
        rtn_frequency_range: changes of state per group.
        rtn_fit_quality_threshold: lowest R^2 of the two-state model.
        rtn_min_confidence: lowest confidence of a telegraph pixel.
        snowball_min_confidence: lowest confidence of a snowball.
        snowball_min_intensity: lowest step within a snowball without a saturated core, DN.
        snowball_max_intensity: largest median step within one (a saturated core is not limited), DN.
        snowball_min_radius: smallest equal-area radius of a core, pixels.
        snowball_max_radius: largest equal-area radius of a snowball without a saturated core, pixels.
        snowball_circularity_threshold: lowest ratio of axes, and of area to the ellipse's area.
        snowball_expansion_rate: fastest growth of a core, pixels per group.
        snowball_min_area: smallest area of a snowball without a saturated core, pixels.
        snowball_max_area: largest area of a snowball without a saturated core, pixels (halos of large ones join).
        snowball_edge_size: near the edge, within this many pixels, no core is needed, pixels.
        snowball_min_ring: lowest share of the pixels around a core that jump with it: around a star that saturates
            they do not.
        snowball_sat_expand: pixels by which a saturated core is enlarged in the mask.
        snowball_time_masked_next_int: seconds of the next integration in which a core is masked.
    """

    sigma_threshold: float = 5.0
    min_anomaly_pixels: int = 1
    min_confidence: float = 0.5
    cosmic_ray_min_intensity: float = 40.0
    cosmic_ray_max_spatial_extent: int = 15
    cosmic_ray_min_step: float = 25.0
    rtn_min_transitions: int = 2
    rtn_max_transitions: int = 50
    rtn_amplitude_range: Sequence[float] = (10.0, 300.0)
    rtn_frequency_range: Sequence[float] = (0.001, 0.5)
    rtn_fit_quality_threshold: float = 0.3
    rtn_min_confidence: float = 0.5
    snowball_min_confidence: float = 0.2
    snowball_min_intensity: float = 30.0
    snowball_max_intensity: float = 500.0
    snowball_min_radius: float = 3.0
    snowball_max_radius: float = 15.0
    snowball_circularity_threshold: float = 0.7
    snowball_expansion_rate: float = 0.1
    snowball_min_area: int = 75
    snowball_max_area: int = 120000
    snowball_edge_size: int = 25
    snowball_min_ring: float = 0.4
    snowball_sat_expand: int = 2
    snowball_time_masked_next_int: float = 4000.0
