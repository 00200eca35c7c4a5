"""An e-bike where it may not go: a bicycle or motorcycle in a zone for longer than its dwell.

A general detector tells no electric two-wheeler from others; a model that does names its label ``e-bike``.
"""

from detectors.presence import presence

RULE = presence("e_bike", frozenset({"bicycle", "motorcycle", "e-bike"}), "two-wheelers")
