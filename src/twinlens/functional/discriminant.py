"""The directions in which the same are alike and others are not (torch), in closed form.

Source:
    Fisher. The use of multiple measurements in taxonomic problems. Annals of Eugenics 7, 1936.
    Belhumeur, Hespanha, Kriegman. Eigenfaces vs. Fisherfaces. PAMI 19, 1997. Differences of pairs
    instead of classes: Köstinger et al. Large scale metric learning from equivalence constraints
    (KISSME). CVPR 2012. Principal components from a random start: Halko, Martinsson, Tropp. Finding
    structure with randomness. SIAM Review 53, 2011.
"""

from __future__ import annotations

import torch
from torch import Tensor

COMPONENTS = 800
"""Principal components that more numbers than these are brought to first."""
_ROUNDS = 2
"""Of refining these."""


def discriminant(
    seen: Tensor, labels: Tensor, claims: Tensor, *, width: int, shrink: float
) -> Tensor:
    """A linear map after which what tells identities apart is large.

    The covariance inside identities, with some of its own diagonal added, is set against that of
    all and that of imitations around what they imitate, as many of them as there are identities
    weighing as much as all. A direction in which the second is λ times the first counts by
    λ / (1 + λ).

    Args:
        seen: [n, features] of mean 0.
        labels: [n] identity; -1 = none.
        claims: [n] identity that is imitated; -1 = none.
        width: of what the map gives.
        shrink: how much of the diagonal is added to the covariance inside.

    Returns:
        [features, width]; columns beyond what the data give are 0.

    Raises:
        ValueError: no identity has two examples, or no feature differs.
    """
    if torch.bincount(labels[labels >= 0], minlength=1).max() < 2:
        raise ValueError("An identity must have two examples. Got none that has.")
    if not seen.any():
        raise ValueError("Examples must differ. Got the same features of all.")
    basis = _principal(seen)  # [features, components]
    known = seen @ basis
    middles, counts = _means(known, labels, 1 + int(torch.maximum(labels, claims).max()))
    several = (labels >= 0) & (counts[labels.clamp_min(0)] > 1)
    within = _covariance(known[several] - middles[labels[several]])
    imitating = (claims >= 0) & (counts[claims.clamp_min(0)] > 0)
    other = _covariance(known)
    if imitating.any():
        false = _covariance(known[imitating] - middles[claims[imitating]])
        other = other + (false - other) * (imitating.sum() / (imitating.sum() + (counts > 0).sum()))
    least = 1e-6 * within.diagonal().mean().clamp_min(1e-12)
    within = within + torch.diag(shrink * within.diagonal() + least)
    within, other = within.double(), other.double()  # features that hardly vary are far apart
    inverse = torch.linalg.inv(torch.linalg.cholesky(within))
    ratios, directions = torch.linalg.eigh(inverse @ other @ inverse.T)
    ratios, directions = ratios.flip(0)[:width], directions.flip(1)[:, :width]
    weights = (ratios.clamp_min(0) / (1 + ratios.clamp_min(0))).sqrt()
    found = basis @ (inverse.T @ directions * weights).to(basis)
    made = found.new_zeros(seen.shape[1], width)
    made[:, : found.shape[1]] = found
    return made


def _principal(seen: Tensor) -> Tensor:
    """Directions that vary most, as columns. [n, features] -> [features, at most COMPONENTS]."""
    if seen.shape[1] <= COMPONENTS:
        return torch.eye(seen.shape[1], dtype=seen.dtype, device=seen.device)
    count = min(COMPONENTS, seen.shape[0] - 1)
    start = torch.randn(len(seen), count, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(seen.T @ start.to(seen)).Q  # [features, count]
    for _ in range(_ROUNDS):
        basis = torch.linalg.qr(seen.T @ (seen @ basis)).Q
    return basis @ torch.linalg.svd(seen @ basis, full_matrices=False).Vh.T


def _means(values: Tensor, labels: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Mean and number of examples of each of so many identities. -> [number, width], [number]."""
    owned = labels >= 0
    counts = torch.bincount(labels[owned], minlength=number)
    sums = values.new_zeros(number, values.shape[1]).index_add(0, labels[owned], values[owned])
    return sums / counts.clamp_min(1)[:, None], counts


def _covariance(deviations: Tensor) -> Tensor:
    return deviations.T @ deviations / len(deviations)
