"""Layouts: how the outputs of a family of models are read. A further family is one class and one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from detectors.zoo.centerface import CenterFace
from detectors.zoo.detr import Detr
from detectors.zoo.maps import Change, ChangeMask, Density
from detectors.zoo.nanodet import NanoDet
from detectors.zoo.outputs import BoxLayout, Layout, MapLayout
from detectors.zoo.yolo import YoloV8, Yolox

BOX_LAYOUTS: Mapping[str, BoxLayout] = MappingProxyType(
    {
        "nanodet": NanoDet(),
        "yolox": Yolox(is_decoded=False),
        "yolox-decoded": Yolox(is_decoded=True),
        "yolov8": YoloV8(),
        "detr": Detr(),
        "centerface": CenterFace(),
    }
)
MAP_LAYOUTS: Mapping[str, MapLayout] = MappingProxyType(
    {"density": Density(), "change": Change(), "change-mask": ChangeMask()}
)
LAYOUTS: Mapping[str, Layout] = MappingProxyType({**BOX_LAYOUTS, **MAP_LAYOUTS})
