"""The directions in which the same are alike and others are not (torch), in closed form.

Source:
    Fisher. The use of multiple measurements in taxonomic problems. Annals of Eugenics 7, 1936.
    Belhumeur, Hespanha, Kriegman. Eigenfaces vs. Fisherfaces. PAMI 19, 1997. Differences of pairs
    instead of classes: Köstinger et al. Large scale metric learning from equivalence constraints
    (KISSME). CVPR 2012.
"""

from __future__ import annotations

import torch
from torch import Tensor

COMPONENTS = 800
"""Principal components that more numbers than these are brought to first."""


def discriminant(
    seen: Tensor, labels: Tensor, claims: Tensor, *, width: int, shrink: float
) -> Tensor:
    """A linear map after which what tells identities apart is large.

    The covariance inside identities is set against that of imitations around what they imitate,
    or, where there are none, against that of all. A direction in which the second is λ times the
    first counts by λ / (1 + λ).

    Args:
        seen: [n, features] of mean 0.
        labels: [n] identity; -1 = none.
        claims: [n] identity that is imitated; -1 = none.
        width: of what the map gives.
        shrink: how much of its own diagonal is added to the covariance inside.

    Returns:
        [features, width]; columns beyond what the data give are 0.

    Raises:
        ValueError: no identity has two examples.
    """
    if not len(labels) or torch.bincount(labels[labels >= 0], minlength=1).max() < 2:
        raise ValueError("An identity must have two examples. Got none that has.")
    basis = _principal(seen)  # [features, components]
    known = seen @ basis
    middles, counts = _means(known, labels)
    several = (labels >= 0) & (counts[labels.clamp_min(0)] > 1)
    within = _covariance(known[several] - middles[labels[several]])
    imitating = (claims >= 0) & (counts[claims.clamp_min(0)] > 0)
    other = (
        _covariance(known[imitating] - middles[claims[imitating]])
        if imitating.any()
        else _covariance(known)
    )
    least = 1e-6 * within.diagonal().mean().clamp_min(1e-12)
    within = within + torch.diag(shrink * within.diagonal() + least)
    inverse = torch.linalg.inv(torch.linalg.cholesky(within))
    ratios, directions = torch.linalg.eigh(inverse @ other @ inverse.T)
    ratios, directions = ratios.flip(0)[:width], directions.flip(1)[:, :width]
    weights = (ratios.clamp_min(0) / (1 + ratios.clamp_min(0))).sqrt()
    found = basis @ (inverse.T @ directions * weights)
    made = found.new_zeros(seen.shape[1], width)
    made[:, : found.shape[1]] = found
    return made


def _principal(seen: Tensor) -> Tensor:
    """Directions that vary most, as columns. [n, features] -> [features, at most COMPONENTS]."""
    if seen.shape[1] <= COMPONENTS:
        return torch.eye(seen.shape[1], dtype=seen.dtype)
    count = min(COMPONENTS, seen.shape[0] - 1)
    return torch.svd_lowrank(seen, q=count, niter=2)[2]


def _means(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and number of each identity's examples. -> [identities, width], [identities]."""
    owned = labels >= 0
    number = int(labels.max()) + 1  # of identities
    counts = torch.bincount(labels[owned], minlength=number)
    sums = values.new_zeros(number, values.shape[1]).index_add(0, labels[owned], values[owned])
    return sums / counts.clamp_min(1)[:, None], counts


def _covariance(deviations: Tensor) -> Tensor:
    return deviations.T @ deviations / len(deviations)
