"""The one face of a picture: found, levelled by its eyes, cropped. Needs OpenCV (extra `faces`)."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from twinlens.errors import ConfigError, DataError

Grey = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

_FACE, _EYES = "haarcascade_frontalface_alt2.xml", "haarcascade_eye_tree_eyeglasses.xml"
_SEARCHED = 480
"""Pixels on the longer side of the picture that is searched."""
_LEAST_FACE = 0.12
"""Smallest face searched for, as a share of the shorter side."""
_RIVAL = 0.25
"""A further find counts as another face from this share of the largest one's area on; smaller ones
are mostly texture."""
_MARGIN = 0.1
"""Kept around the found square, as a share of its side: hair and chin."""
_STEEPEST_RAD = math.radians(30)
_searching = threading.Lock()  # a cascade keeps what it works on in itself


def crop_face(picture: Image.Image) -> Image.Image:
    """The face of a picture, square, turned so that its eyes are level where both are found.

    Args:
        picture: of mode L or RGB, with one face seen from the front.

    Source:
        Viola, Jones. Robust real-time face detection. IJCV 57, 2004, by OpenCV's own cascades.

    Raises:
        DataError: no face is found, or several.
        ConfigError: OpenCV is not installed.
    """
    cv2 = _opencv()
    factor = _SEARCHED / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    searched = np.asarray(ImageOps.grayscale(picture).resize(size, Image.Resampling.BILINEAR))
    left, top, side, _ = _the_face(cv2, searched)
    turn = _tilt(cv2, searched[top : top + side, left : left + side])
    centre = ((left + side / 2) / factor, (top + side / 2) / factor)
    edge = max(2, round(side * (1 + 2 * _MARGIN) / factor))
    affine = cv2.getRotationMatrix2D(centre, math.degrees(turn), 1.0)  # [2, 3]
    affine[:, 2] += edge / 2 - np.array(centre)
    border = cv2.BORDER_REPLICATE
    cut = cv2.warpAffine(np.asarray(picture), affine, (edge, edge), borderMode=border)
    return Image.fromarray(cut)


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            'modality.crop = "face" needs OpenCV. Got none installed. '
            "Run pip install twinlens[faces]."
        ) from error
    if not hasattr(cv2, "CascadeClassifier"):
        raise ConfigError(
            f'modality.crop = "face" needs an OpenCV with cascades. Got {cv2.__version__}. '
            "Run pip install twinlens[faces]."
        )
    return cv2


def _the_face(cv2: Any, grey: Grey) -> Box:
    least = max(24, round(_LEAST_FACE * min(grey.shape)))
    found = _find(cv2, _FACE, grey, neighbours=4, least=least)
    if not found:
        raise DataError(
            "A picture must show a face from the front. Got none that can be found. "
            "Take a frontal picture, or crop it by hand and set modality.crop to none."
        )
    largest = max(width * height for _, _, width, height in found)
    faces = [box for box in found if box[2] * box[3] >= _RIVAL * largest]
    if len(faces) > 1:
        raise DataError(
            f"A picture must show one face. Got {len(faces)}. Crop it to the one that is meant."
        )
    return faces[0]


def _tilt(cv2: Any, face: Grey) -> float:
    """How far the line of the eyes falls to the right, in radians; 0 where they are not found."""
    side = len(face)
    upper = face[: int(0.6 * side)]
    eyes = [
        (left + width / 2, top + height / 2)
        for left, top, width, height in _find(
            cv2, _EYES, upper, neighbours=3, least=max(8, side // 8)
        )
    ]
    left = [eye for eye in eyes if eye[0] < side / 2]
    right = [eye for eye in eyes if eye[0] >= side / 2]
    if len(left) != 1 or len(right) != 1:
        return 0.0
    across, down = right[0][0] - left[0][0], right[0][1] - left[0][1]
    tilt = math.atan2(down, across)
    return tilt if across > 0.25 * side and abs(tilt) <= _STEEPEST_RAD else 0.0


def _find(cv2: Any, cascade: str, grey: Grey, *, neighbours: int, least: int) -> list[Box]:
    with _searching:
        detector = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / cascade))
        found = detector.detectMultiScale(
            grey, scaleFactor=1.1, minNeighbors=neighbours, minSize=(least, least)
        )
    return [(int(x), int(y), int(width), int(height)) for x, y, width, height in found]
