"""What the contracts of all components with parameters need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twinlens.testing.contract import Broken


@torch.no_grad()
def as_if_trained(module: nn.Module, *, seed: int) -> None:
    """Move every parameter off its initial value.

    Fresh weights hide faults: a bias of zero, for one, leaves padding zero through a layer that
    forgets its mask.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        scale = parameter.std() if parameter.numel() > 1 and parameter.std() > 0 else 0.2
        parameter += 0.5 * scale * torch.randn(parameter.shape, generator=generator)


def require_close(found: Tensor, expected: Tensor, *, what: str, advice: str) -> None:
    """Both must agree but for the rounding of another order of sums.

    Raises:
        Broken: another shape, or further apart than 1e-4 of the largest value.
    """
    if found.shape != expected.shape:
        raise Broken(
            f"{what} must have shape {tuple(expected.shape)}. Got {tuple(found.shape)}. {advice}"
        )
    if not found.numel():
        return
    apart = float((found - expected).abs().max())
    # Written so that NaN, which compares as False, is a violation.
    if not apart <= 1e-4 * max(1.0, float(expected.abs().max())):
        raise Broken(f"{what} must stay the same. Got a change of {apart:.2g}. {advice}")


def require_gradient(module: nn.Module, total: Tensor) -> None:
    """A gradient must reach every parameter that is to be trained.

    Args:
        module: whose parameters are looked at.
        total: a scalar that depends on all that the module answers.

    Raises:
        Broken: a gradient is missing, zero everywhere, or not finite; names the parameters.
    """
    module.zero_grad()
    total.backward()
    wrong: list[str] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        gradient = parameter.grad
        if gradient is None or not torch.isfinite(gradient).all() or not gradient.any():
            wrong.append(name)
    if wrong:
        raise Broken(
            f"Every parameter must get a finite gradient. Got none for {', '.join(wrong)}. "
            "Use these parameters in forward, without detach or no_grad, or take them out."
        )


def require_finite(values: Tensor, *, what: str) -> None:
    """Raises:
    Broken: NaN or infinity.
    """
    if not torch.isfinite(values).all():
        raise Broken(f"{what} must be finite. Got NaN or infinity. Guard divisions and roots.")
