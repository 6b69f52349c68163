"""Evidence of all methods joined into one calibrated probability of each class.

A multinomial logistic regression: log-odds are sums, so evidence of methods that err independently adds up as
log-likelihood ratios do. Its weights are fitted on validation exposures and stand in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from astrid_ml.errors import UserError
from astrid_ml.preprocessing.ramps.fusion.windows import NEVER
from astrid_ml.preprocessing.ramps.ramp.codes import ANOMALIES, CLASS_NAMES, COSMIC_RAY
from astrid_ml.types import Array, Floats, Ints, Mask, NonNegative

UNDECIDED = 255
LOWEST_LEVEL = -3.0  # log-odds below which the network proposes nothing, whatever its false-positive rate
FUSIONS = {"fusion": True, "fusion_without_network": False}  # name -> whether the network's evidence is used
_NETWORK = tuple(f"network_{name}" for name in ANOMALIES)


@dataclass(frozen=True)
class Fusion:
    """Fitted weights.

    Args:
        names: of the features.
        mean: of each feature on validation.
        scale: its standard deviation there.
        weights: (4, k), background first.
        bias: (4,).
        threshold: log-odds of any anomaly from which a candidate is listed.
        network_level: log-odds from which the network's own proposals are candidates.
        network_threshold: log-odds at which the network alone has the likelihood's false-positive rate.
        faintest: significance of the faintest steps among the candidates.
        account: what it was fitted on.
    """

    names: tuple[str, ...]
    mean: Floats
    scale: Floats
    weights: Floats
    bias: Floats
    threshold: float
    network_level: float
    network_threshold: float
    faintest: float
    account: dict[str, float]

    @property
    def with_network(self) -> bool:
        """Whether the network's evidence is used."""
        return bool(set(self.names) & set(_NETWORK))

    def probabilities(self, table: pd.DataFrame) -> Floats:
        """Probability of each class for each candidate, (n, 4), background first."""
        table = self.usable(table)
        standard = (features(table, self.with_network)[list(self.names)].to_numpy(float) - self.mean) / self.scale
        logits = standard @ self.weights.T + self.bias
        logits -= logits.max(axis=1, keepdims=True, initial=-np.inf)
        odds = np.exp(logits)
        out: Floats = odds / odds.sum(axis=1, keepdims=True)
        return out

    def usable(self, table: pd.DataFrame) -> pd.DataFrame:
        """Without the network its proposals are unknown to the likelihood: they carry no evidence."""
        return table if self.with_network else table.assign(**dict.fromkeys(_NETWORK, NEVER))

    def proposed(self, table: pd.DataFrame, faintest: float) -> Mask:
        """Which candidates this fusion may list: the likelihood's, and the network's where it is used."""
        by_steps: Mask = table.listed.to_numpy(bool) | (np.abs(table.snr.to_numpy()) >= faintest)
        if not self.with_network:
            return by_steps
        by_network: Mask = table[list(_NETWORK)].to_numpy(float).max(axis=1) >= self.network_level
        return by_steps | by_network

    def to_plain(self) -> dict[str, Any]:
        """As plain containers, for a checkpoint."""
        plain = asdict(self)
        return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in plain.items()} | {
            "names": list(self.names)
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Fusion:
        """The inverse of ``to_plain``."""
        mean, scale, weights, bias = (np.asarray(plain[name], float) for name in ("mean", "scale", "weights", "bias"))
        threshold, level, alone = (float(plain[f]) for f in ("threshold", "network_level", "network_threshold"))
        names, account, faintest = tuple(plain["names"]), dict(plain["account"]), float(plain["faintest"])
        return Fusion(names, mean, scale, weights, bias, threshold, level, alone, faintest, account)


def log_odds(probabilities: Floats) -> Floats:
    """Log-odds of any anomaly, (n,)."""
    none = np.clip(probabilities[:, 0], 1e-300, 1.0)
    some = np.clip(probabilities[:, 1:].sum(axis=1), 1e-300, 1.0)
    out: Floats = np.log(some) - np.log(none)
    return out


def fused_probabilities(fusion: Fusion, table: pd.DataFrame, faintest: float) -> Floats:
    """Probability of each class, (n, 4); candidates that this fusion may not list are background for certain."""
    out = np.zeros((len(table), len(CLASS_NAMES)))
    out[:, 0] = 1.0
    chosen = fusion.proposed(table, faintest)
    if chosen.any():
        out[chosen] = fusion.probabilities(table[chosen])
    return out


def likelihood_scores(table: pd.DataFrame, faintest: float) -> Floats:
    """Significance of a step of each class by likelihood and rules alone, (n, 4); -inf where it is not so called.

    Column 0 is the significance of a step of any class. A fall counts only in a telegraph pixel.
    """
    size, kind = np.abs(table.snr.to_numpy(float)), table.type.to_numpy(int)
    called = table.listed.to_numpy(bool)
    rises = (table.snr.to_numpy() > 0) & (table.listed.to_numpy(bool) | (size >= faintest))
    out = np.full((len(table), len(CLASS_NAMES)), -np.inf)
    out[:, 0] = np.where(called | rises, size, -np.inf)
    for code in range(1, len(CLASS_NAMES)):
        # A step too faint to be listed would be listed as a cosmic ray.
        alike = np.where(called, kind == code, code == COSMIC_RAY) & (called | rises)
        out[:, code] = np.where(alike, size, -np.inf)
    return out


def features(table: pd.DataFrame, with_network: bool) -> pd.DataFrame:
    """Features of candidates whose weighted sum is a log-odds: piecewise linear in significances and log-odds.

    Args:
        table: from ``EvidenceSearch``.
        with_network: whether the network's log-odds are among them.
    """
    snr, size = table.snr.to_numpy(float), table["size"].to_numpy(float)
    out: dict[str, Array] = {}
    _bend(out, "rise", np.clip(snr, 0, 20), (4.0, 5.0, 6.5, 9.0))
    _bend(out, "fall", np.clip(-snr, 0, 20), (4.0, 5.0, 6.5, 9.0))
    # A Gaussian's log-likelihood ratio is quadratic in its significance.
    out["energy"] = np.minimum(np.abs(snr), 7.0) ** 2
    _bend(out, "size", np.arcsinh(np.abs(size)), (np.arcsinh(3.0), np.arcsinh(6.0)))
    _bend(out, "ratio", np.clip(table.ratio.to_numpy(float), 0, 12), (2.0, 4.0))
    _bend(out, "neighbour", np.clip(table.neighbour.to_numpy(float), 0, 20), (4.0, 6.0))
    out["has_neighbour"] = (table.neighbours > 0).to_numpy(float)
    out["neighbours"] = table.neighbours.to_numpy(float)
    for name in ("telegraph", "fit_quality", "snowball", "halo"):
        out[name] = table[name].to_numpy(float)
    rises, falls = (np.clip(table[name].to_numpy(float), 0, 6) for name in ("rises", "falls"))
    opposite = np.where(snr >= 0, falls, rises)
    out |= {
        "same": np.where(snr >= 0, rises, falls),
        "opposite": opposite,
        "has_opposite": (opposite > 0).astype(float),
    }
    out["edge"] = np.log1p(np.clip(table.edge.to_numpy(float), 0, 20))
    if with_network:
        for name in _NETWORK:
            _bend(out, name, np.clip(table[name].to_numpy(float), -12, 12), (-4.0, 0.0, 4.0))
    return pd.DataFrame(out)


def _bend(out: dict[str, Array], name: str, values: Array, knots: tuple[float, ...]) -> None:
    """A value and its excess above each knot."""
    out[name] = values
    out |= {f"{name}>{knot:.3g}": np.maximum(values - knot, 0.0) for knot in knots}


@dataclass(frozen=True)
class FusionFit:
    """How the weights are fitted.

    Args:
        penalty: of the squared weights of standardised features.
        proposals: false voxels that the network may propose, per 10^6 pixel-frames.
        faintest: significance of the faintest steps among the candidates.
        without: features to leave out, by their names or those that their bends begin with.
    """

    penalty: NonNegative = 3.0
    proposals: NonNegative = 300.0
    faintest: NonNegative = 3.5
    without: tuple[str, ...] = ()

    def __call__(self, table: pd.DataFrame, quiet_area: float, with_network: bool) -> Fusion:
        """Fit on candidates of validation exposures.

        Args:
            table: candidates, with ``label`` (class code, 255 undecided) and ``quiet`` (no event in the pixel).
            quiet_area: pixel-frames without any event, in 10^6.
            with_network: use the network's evidence.

        Raises:
            UserError: there is nothing to learn from.
        """
        false = table[table.quiet.to_numpy(bool)]
        allowed = quiet_area * self.proposals
        best = false[list(_NETWORK)].to_numpy().max(axis=1, initial=NEVER)
        target = float(np.count_nonzero(false.listed))
        empty = np.zeros(0)
        account = {"quiet_area": quiet_area, "false_positives": target}
        level = max(level_exceeded_by(best, allowed), LOWEST_LEVEL)
        blank = Fusion(
            (), empty, empty, empty, empty, 0.0, level, level_exceeded_by(best, target), self.faintest, account
        )
        shape = replace(blank, names=_NETWORK if with_network else ())
        chosen = table[shape.proposed(table, self.faintest) & (table.label != UNDECIDED).to_numpy()]
        counts = np.bincount(chosen.label.to_numpy(int), minlength=len(CLASS_NAMES))
        if counts[0] == 0 or counts[1:].sum() == 0:
            raise UserError(
                "validation exposures with events and with noise", f"{counts.tolist()} candidates a class", "add data"
            )
        inputs = features(shape.usable(chosen), with_network)
        inputs = inputs[[name for name in inputs if str(name).split(">")[0] not in self.without]]
        mean, scale = inputs.mean().to_numpy(float), inputs.std(ddof=0).to_numpy(float)
        scale = np.where(scale > 1e-9, scale, 1.0)
        weights, bias = _logistic((inputs.to_numpy(float) - mean) / scale, chosen.label.to_numpy(int), self.penalty)
        names = tuple(inputs.columns)
        account |= {f"n_{name}": float(n) for name, n in zip(CLASS_NAMES, counts, strict=True)}
        fitted = replace(shape, names=names, mean=mean, scale=scale, weights=weights, bias=bias, account=account)
        return replace(fitted, threshold=self._threshold(fitted, false, target))

    def _threshold(self, fusion: Fusion, false: pd.DataFrame, target: float) -> float:
        """Log-odds that let as many candidates of quiet pixels pass as the likelihood lists there."""
        own = false[fusion.proposed(false, self.faintest)]
        return level_exceeded_by(log_odds(fusion.probabilities(own)), target) if len(own) else 0.0


def level_exceeded_by(values: Array, allowed: float) -> float:
    """The level that at most ``allowed`` of ``values`` exceed, halfway to the next one."""
    ordered = np.sort(np.asarray(values, float)[np.isfinite(values)])[::-1]
    keep = int(allowed)
    if not len(ordered):
        return 0.0
    if keep >= len(ordered):
        return float(ordered[-1] - 1e-6)
    above = ordered[keep - 1] if keep else ordered[0] + 1.0
    return float(0.5 * (above + ordered[keep]))


def _logistic(inputs: Floats, labels: Ints, penalty: float) -> tuple[Floats, Floats]:
    """Weights (4, k) and bias (4,) of a penalised multinomial logistic regression."""
    x, y = torch.tensor(inputs), torch.tensor(labels)
    weights = torch.zeros(len(CLASS_NAMES), x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(CLASS_NAMES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        entropy = torch.nn.functional.cross_entropy(x @ weights.T + bias, y, reduction="sum")
        total = entropy + 0.5 * penalty * weights.square().sum()
        torch.autograd.backward(total / len(y))
        return total.detach() / len(y)

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach().numpy(), bias.detach().numpy()
