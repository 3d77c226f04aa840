"""Movements of a pen: signatures and drawings as they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from twinlens.errors import DataError
from twinlens.functional.dynamics import DERIVED, derive, warp_time
from twinlens.functional.warp import random_affine
from twinlens.modalities.base import Array, Modality
from twinlens.modalities.pen import SUFFIXES, PenPath, read_pen
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least
from twinlens.types import BoolArray, FloatArray

AUTO = "auto"
_OPTIONAL = ("down", "pressure", "azimuth", "altitude")
_SAMPLE = 32


@register("modality", "strokes")
class Strokes(Modality):
    """A pen path as [channels, points] float32, sampled evenly in its own time.

    Channels: x and y, centred and scaled by their common root mean square; the optional columns,
    each of mean 0 and deviation 1 within the path (but for down); the logarithm of how long it
    took; then what is derived from x and y, speed and the like: see `functional.dynamics`.
    """

    suffixes = SUFFIXES

    def __init__(
        self,
        *,
        points: int = 200,
        columns: tuple[str, ...] = (AUTO,),
        rotation_deg: float = 8.0,
        scale: float = 0.1,
        shear: float = 0.08,
        speed: float = 0.15,
        noise: float = 0.01,
    ) -> None:
        """Args:
        points: that every path is sampled at.
        columns: used of down, pressure, azimuth and altitude; "auto" takes those that all of a
            sample of the files have.
        rotation_deg, scale, shear: half-widths of the random affine change; scale is a natural
            logarithm, for each axis apart.
        speed: half-width of the random change of pace within a path, as a share.
        noise: standard deviation added to the optional columns, and a tenth of it to x and y.

        Raises:
            ConfigError: a setting is out of range.
        """
        require(8 <= points <= 4096, "modality.points", "between 8 and 4096", points)
        for name in columns:
            known = (*_OPTIONAL, AUTO)
            require(name in known, "modality.columns", f"some of {', '.join(known)}", name)
        widths = {"rotation_deg": rotation_deg, "scale": scale, "shear": shear, "noise": noise}
        require_at_least(0, {f"modality.{name}": value for name, value in widths.items()})
        require(0 <= speed < 1, "modality.speed", "between 0 and 1", speed)
        self.points = points
        self.columns = tuple(name for name in _OPTIONAL if name in columns)
        self.rotation_rad = math.radians(rotation_deg)
        self.scale, self.shear, self.speed, self.noise = scale, shear, speed, noise

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        if AUTO not in tuple(settings["columns"]):  # type: ignore[arg-type]
            return dict(settings)
        step = max(1, len(refs) // _SAMPLE)
        paths = [read_pen(Path(ref)) for ref in refs[::step][:_SAMPLE]]
        found = tuple(name for name in _OPTIONAL if all(name in path.columns for path in paths))
        return {**settings, "columns": found}

    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        refs: list[str] = []
        for number, count in enumerate((40, 55, 70, 31)):
            walk = np.cumsum(rng.normal(size=(count, 2)), axis=0)
            lines = [f"{x:.3f},{y:.3f},{10 * i}" for i, (x, y) in enumerate(walk)]
            refs.append(str(folder / f"{number}.csv"))
            Path(refs[-1]).write_text("\n".join(["x,y,time", *lines]))
        return refs

    @property
    def preparation(self) -> Mapping[str, Setting]:
        return {"points": self.points, "columns": self.columns}

    @property
    def _base(self) -> int:
        """Channels that are kept: x, y, the optional columns, and the duration."""
        return 2 + len(self.columns) + 1

    @property
    def channels(self) -> int:
        return self._base + len(DERIVED)

    @property
    def shape(self) -> tuple[int, ...] | None:
        return (self.channels, self.points)

    def load(self, ref: str) -> Any:
        return read_pen(Path(ref))

    def prepare(self, raw: Any) -> Array:
        if not isinstance(raw, PenPath):
            raise DataError(f"A pen path must be a PenPath. Got {type(raw).__name__}.")
        missing = [name for name in self.columns if name not in raw.columns]
        if missing:
            raise DataError(
                f"A pen path must have {', '.join(missing)}, which the model was trained with. Got "
                f"{', '.join(raw.columns)}. Record it, or train with modality.columns."
            )
        clock = raw.clock()
        moments = np.linspace(0, clock[-1], self.points)

        def sampled(name: str) -> FloatArray:
            return np.interp(moments, clock, raw.columns[name])

        place = np.stack([sampled("x"), sampled("y")])
        place -= place.mean(axis=1, keepdims=True)
        rows = [place / np.sqrt(np.square(place).sum(axis=0).mean())]
        for name in self.columns:
            values = sampled(name)
            if name != "down":
                values = (values - values.mean()) / max(float(values.std()), 1e-6)
            rows.append(values[None])
        rows.append(np.full((1, self.points), math.log(clock[-1] / 200)))
        return _with_derived(torch.from_numpy(np.concatenate(rows)[None])).float()[0].numpy()

    def straightened(self, prepared: Array, gone: BoolArray) -> Array:
        """A prepared path with stretches that tell nothing: straight, at an even pace.

        Place and the optional columns (but for down) go in a line from before the stretch to after
        it; what is derived from them is derived anew.

        Args:
            prepared: [channels, points].
            gone: [points] the stretches; not all points.
        """
        points = np.arange(prepared.shape[1])
        base = np.array(prepared[: self._base], np.float64)
        names = ("x", "y", *self.columns)
        for row, name in zip(base, names, strict=False):  # the duration stays
            if name != "down":
                row[gone] = np.interp(points[gone], points[~gone], row[~gone])
        return _with_derived(torch.from_numpy(base[None])).float()[0].numpy()

    def down(self, prepared: Array) -> BoolArray:
        """[points] where the pen is on the paper; everywhere, if that is not known."""
        if "down" not in self.columns:
            return np.ones(prepared.shape[1], np.bool_)
        return np.asarray(prepared[2 + self.columns.index("down")]) >= 0.5

    def describe(self, raw: Any) -> Mapping[str, str]:
        return {"columns": ", ".join(raw.columns)}

    def normalise(self, values: Tensor) -> Tensor:
        return values.to(torch.float32, copy=True)

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        count, _, points = values.shape
        knots = torch.rand(count, 1, 6, generator=generator) * 2 - 1
        pace = 1 + self.speed * torch.nn.functional.interpolate(
            knots, size=points, mode="linear", align_corners=True
        )
        moments = pace[:, 0].cumsum(1)  # [batch, points], rising
        moments = (moments - moments[:, :1]) / (moments[:, -1:] - moments[:, :1]) * (points - 1)
        values = warp_time(values[:, : self._base], moments)
        affine = random_affine(
            count,
            rotation_rad=self.rotation_rad,
            log_scale=self.scale,
            shear=self.shear,
            shift=0.0,
            generator=generator,
        )
        place = affine[:, :, :2] @ values[:, :2]
        rest = values[:, 2:-1]
        if self.noise:
            place = place + 0.1 * self.noise * torch.randn(place.shape, generator=generator)
            rest = rest + self.noise * torch.randn(rest.shape, generator=generator)
        return _with_derived(torch.cat([place, rest, values[:, -1:]], 1))


def _with_derived(base: Tensor) -> Tensor:
    """[batch, kept channels, points] -> the derived ones appended."""
    return torch.cat([base, derive(base[:, :2], base[:, -1:])], 1)
