"""Pictures of any size and mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from twinlens.errors import DataError
from twinlens.functional import photo, warp
from twinlens.modalities.base import Array, Modality
from twinlens.modalities.decode import SUFFIXES, Crop, Fit, Pixels, is_grey, read_image, to_array
from twinlens.registry import Setting, register
from twinlens.settings import require, require_at_least

MOST_SIDE = 4096
"""Pixels on a side that a picture may be brought to."""
_PHOTO_GAIN = 4
"""Of a normalised photo, whose values then lie in -2..2."""
_LIGHT, _SHADOW, _OCCLUSION, _BLUR, _COMPRESSION = 0.6, 0.7, 0.25, 0.03, 4.0
"""Strengths of the changes, at most; see `functional.photo`."""
_SAMPLE = 64
"""How many pictures `settle` looks at."""


@register("modality", "image")
class Image(Modality):
    """A picture as [channels, height, width] uint8, of one size or of its own."""

    suffixes = SUFFIXES

    def __init__(
        self,
        *,
        size: int = 32,
        width: int = 0,
        max_side: int = 256,
        fit: Fit = "stretch",
        crop: Crop = "none",
        colour: Literal["auto", "grey", "rgb"] = "auto",
        background: Literal["auto", "light", "dark", "photo"] = "auto",
        turned_classes: Literal["auto", "on", "off"] = "auto",
        rotation_deg: float = 12.0,
        scale: float = 0.15,
        shear: float = 0.2,
        shift: float = 0.08,
        elastic: float = 0.06,
        stroke_width: float = 0.0,
        flip: float = 0.0,
        brightness: float = 0.2,
        contrast: float = 0.3,
        perspective: float = 0.0,
        light: float = 0.0,
        blur: float = 0.0,
        compression: float = 0.0,
        occlusion: float = 0.0,
        views: int = 1,
    ) -> None:
        """Args:
        size: height in pixels that every picture is brought to.
        width: in pixels; 0 = as its height.
        max_side: bound on the longer side when `fit` is "native", in pixels.
        fit: "stretch" to size × width, "pad" to keep the aspect, "native" keeps each picture's
            size (batches are padded and masked).
        crop: "ink" takes the inked part of a page, as a signature, and makes the paper white;
            "page" does so and lays it in the middle of a page of the same size, so that large and
            small writing stay apart (pages of one scale are needed); "face" takes the one face,
            its eyes level (needs the extra `faces`); "content" what flat margins enclose.
        colour: "auto" takes grey when all of a sample is grey.
        background: what 0 means after normalising: "light" paper is inverted, "dark" is kept,
            a "photo" is centred on mid-grey. "auto" looks at the borders of a sample.
        turned_classes: whether a class turned by 90° steps is another class to learn from, or,
            in a frame that is not square, turned by 180° and seen in a mirror, level or upright;
            "auto" is "on" for drawings and "off" for photos. Without effect on the native size.
        rotation_deg, scale, shear, shift: half-widths of the random affine change; scale is a
            natural logarithm, shift a share of the side.
        elastic: standard deviation of the random warp in half-sides; 0 = none.
        stroke_width: share of pictures thickened or thinned; for ink only.
        flip: share of pictures mirrored left to right, as the same class.
        brightness, contrast: half-widths of the random light change; for photos only.
        perspective: largest relative change of scale from the middle to an edge, as by a camera
            that looks from the side.
        light, blur, compression, occlusion: share of pictures lit from one side or in shadow,
            blurred, compressed as by JPEG, or partly covered; for photos only.
        views: how many looks at a picture are embedded and averaged in service: itself, its mirror
            image where `flip` is not 0, and copies changed as by rotation_deg, scale and shear,
            always the same. As many times the work of an embedding, for a more accurate one.

        Raises:
            ConfigError: a setting is out of range.
        """
        require_at_least(0, {"modality.width": width})
        sides = {"modality.size": size, "modality.max_side": max_side}
        require_at_least(1, {**sides, "modality.views": views})
        for name, side in {**sides, "modality.width": width}.items():
            require(side <= MOST_SIDE, name, f"at most {MOST_SIDE}", side)
        widths = {"rotation_deg": rotation_deg, "scale": scale, "shear": shear, "shift": shift}
        changes = {"elastic": elastic, "brightness": brightness, "contrast": contrast}
        changes["perspective"] = perspective
        require_at_least(0, {f"modality.{name}": n for name, n in {**widths, **changes}.items()})
        require(perspective < 0.5, "modality.perspective", "below 0.5", perspective)
        shares = {"stroke_width": stroke_width, "flip": flip, "light": light, "blur": blur}
        for name, share in {**shares, "compression": compression, "occlusion": occlusion}.items():
            require(0 <= share <= 1, f"modality.{name}", "between 0 and 1", share)
        self.size, self.width = size, width or size
        self.crop: Crop = crop
        self.max_side = max_side
        self.fit: Fit = fit
        self.background = background
        self.turned = turned_classes == "on"
        self.variants = 4 if self.turned and fit != "native" else 1
        self._channels = 3 if colour == "rgb" else 1
        self.rotation_rad = math.radians(rotation_deg)
        self.scale, self.shear, self.shift = scale, shear, shift
        self.elastic, self.stroke_width, self.flip = elastic, stroke_width, flip
        self.brightness, self.contrast = brightness, contrast
        self.perspective, self.light, self.blur = perspective, light, blur
        self.compression, self.occlusion = compression, occlusion
        self.looks = views

    @classmethod
    def settle(cls, settings: Mapping[str, Setting], refs: Sequence[str]) -> dict[str, Setting]:
        settled = dict(settings)
        step = max(1, len(refs) // _SAMPLE)
        pictures = _readable(refs[::step][:_SAMPLE])
        if settled["colour"] == "auto":
            settled["colour"] = "grey" if all(map(is_grey, pictures)) else "rgb"
        if settled["background"] == "auto":
            borders = np.concatenate([_border(_grey(picture)) for picture in pictures])
            settled["background"] = _background(borders)
        if settled["turned_classes"] == "auto":
            settled["turned_classes"] = "off" if settled["background"] == "photo" else "on"
        return settled

    @classmethod
    def samples(cls, folder: Path, rng: np.random.Generator) -> list[str]:
        refs: list[str] = []
        for number, (height, width) in enumerate([(20, 20), (31, 18), (12, 27), (9, 9)]):
            page = np.full((height, width), 255, np.uint8)
            page[2:-2, 2:-2] = rng.integers(0, 2, (height - 4, width - 4)) * 255
            refs.append(str(folder / f"{number}.png"))
            PIL.Image.fromarray(page).save(refs[-1])
        return refs

    @property
    def preparation(self) -> Mapping[str, Setting]:
        return {
            "size": self.size,
            "width": self.width,
            "crop": self.crop,
            "max_side": self.max_side,
            "fit": self.fit,
            "channels": self._channels,
            "background": self.background,
            **(self._look_settings if self.looks > 1 else {}),
        }

    @property
    def _look_settings(self) -> Mapping[str, Setting]:
        widths = (self.rotation_rad, self.scale, self.shear)
        settings: dict[str, Setting] = {"views": self.looks, "view_widths": widths}
        return {**settings, "mirrored": True} if self.flip else settings

    @property
    def channels(self) -> int:
        return self._channels

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None if self.fit == "native" else (self._channels, self.size, self.width)

    def load(self, ref: str) -> Any:
        return read_image(Path(ref))

    def prepare(self, raw: Any) -> Array:
        return to_array(
            raw,
            size=self.size,
            width=self.width,
            channels=self._channels,
            fit=self.fit,
            max_side=self.max_side,
            crop=self.crop,
        )

    def describe(self, raw: Any) -> Mapping[str, str]:
        return {"size": f"{raw.width} × {raw.height}", "mode": raw.mode}

    def normalise(self, values: Tensor) -> Tensor:
        unit = values.to(torch.float32, copy=True).div_(255)
        if self.background == "light":
            return 1 - unit
        if self.background == "photo":
            return unit.sub_(0.5).mul_(_PHOTO_GAIN)
        return unit

    def views(self, values: Tensor, mask: Tensor | None) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(0)
        others = self.looks - 1
        if others and self.flip:
            yield warp.mirror(values, mask, share=1.0, generator=generator)
            others -= 1
        maps = warp.random_affine(
            others,
            rotation_rad=self.rotation_rad,
            log_scale=self.scale,
            shear=self.shear,
            shift=0.0,
            generator=generator,
        )
        for affine in maps:
            yield warp.resample(values, affine.expand(len(values), 2, 3), None, mask)

    def vary(self, values: Tensor, variant: Tensor) -> Tensor:
        if self.width == self.size:
            return warp.quarter_turns(values, variant)
        return warp.mirrorings(values, variant)

    def augment(self, values: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        count, _, height, width = values.shape
        if self.flip:
            values = warp.mirror(values, mask, share=self.flip, generator=generator)
        affine = warp.random_affine(
            count,
            rotation_rad=self.rotation_rad,
            log_scale=self.scale,
            shear=self.shear,
            shift=self.shift,
            generator=generator,
        )
        values = warp.resample(values, affine, self._bend(count, (height, width), generator), mask)
        if self.background == "photo":
            values = warp.change_light(
                values,
                brightness=_PHOTO_GAIN * self.brightness,
                contrast=self.contrast,
                generator=generator,
            )
            values = self._harm(values, generator)
        elif self.stroke_width:
            values = warp.change_stroke_width(values, share=self.stroke_width, generator=generator)
        return values if mask is None else values * mask[:, None]

    def _bend(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor | None:
        """Displacement of the sampling grid, [count, height, width, 2], or None."""
        fields: list[Tensor] = []
        if self.elastic:
            fields.append(
                warp.elastic_field(count, size, strength=self.elastic, knots=5, generator=generator)
            )
        if self.perspective:
            fields.append(
                photo.perspective_field(count, size, strength=self.perspective, generator=generator)
            )
        return sum(fields[1:], fields[0]) if fields else None

    def _harm(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """What light, lens, hands and compression do to a share of normalised photos."""
        half = self.light / 2
        steps = (
            (half, photo.directional_light, _LIGHT),
            (half, photo.cast_shadow, _SHADOW),
            (self.occlusion, photo.occlude, _OCCLUSION),
            (self.blur, photo.blur, _BLUR),
            (self.compression, photo.compress, _COMPRESSION),
        )
        if not any(share for share, _, _ in steps):
            return values
        unit = values / _PHOTO_GAIN + 0.5
        for share, change, strength in steps:
            if share:
                unit = photo.changed(
                    unit,
                    share,
                    generator,
                    lambda chosen, change=change, strength=strength: change(
                        chosen, strength=strength, generator=generator
                    ),
                )
        return (unit - 0.5) * _PHOTO_GAIN


def _readable(refs: Sequence[str]) -> list[PIL.Image.Image]:
    """The pictures among `refs` that can be read; decoding will name all that cannot.

    Raises:
        DataError: none can be.
    """
    pictures: list[PIL.Image.Image] = []
    failed: DataError | None = None
    for ref in refs:
        try:
            pictures.append(read_image(Path(ref)))
        except DataError as error:
            failed = error
    if failed is not None and not pictures:
        raise failed
    return pictures


def _grey(picture: PIL.Image.Image) -> Pixels:
    """8-bit grey of any mode, in a size of its own. -> [height, width]."""
    return to_array(picture, size=1, channels=1, fit="native", max_side=256)[0]


def _border(grey: Pixels) -> Pixels:
    """The outermost pixels of a picture. [height, width] -> [n]."""
    return np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])


def _background(borders: Pixels) -> str:
    """Which background most border pixels show: at least 90 % within a tenth of white or black."""
    if np.mean(borders > 229) >= 0.9:
        return "light"
    if np.mean(borders < 26) >= 0.9:
        return "dark"
    return "photo"
