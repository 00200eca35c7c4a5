"""The only place where pixels become evidence: masked first, then encoded."""

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.masking import mask
from models.detections import Detections
from models.errors import InvalidInput
from models.frame import Pixels

STILL_SIDE_PX = 1280
PHOTO_SIDE_PX = 2048
JPEG_QUALITY = 85


def still(
    bgr: Pixels,
    detections: Detections,
    max_side_px: int = STILL_SIDE_PX,
    faces: Detections | None = None,
    moved: NDArray[np.bool_] | None = None,
) -> bytes:
    """A JPEG of the picture, masked (see ``masking.mask``), its longer side at most ``max_side_px`` pixels."""
    masked = mask(bgr, detections, faces, moved)
    scale = max_side_px / max(masked.shape[:2])
    if scale < 1:
        height_px, width_px = (max(round(side * scale), 1) for side in masked.shape[:2])
        masked = cv2.resize(masked, (width_px, height_px), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return encoded(masked)


def encoded(masked: Pixels) -> bytes:
    """A JPEG of what is masked already."""
    done, data = cv2.imencode(".jpg", masked, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG")
    return data.tobytes()


def open_photo(data: bytes) -> Pixels:
    """The pixels of a picture file whose header was checked (``images.check_picture``), turned upright by its EXIF.

    Raises InvalidInput for a damaged one. To be called in a process that may crash.
    """
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        bgr = None
    if bgr is None:
        raise InvalidInput("the picture is damaged: send it again")
    return np.ascontiguousarray(bgr, dtype=np.uint8)
