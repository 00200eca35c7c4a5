"""Intrusion: a person in a zone, in its hours, for longer than its dwell."""

from detectors.presence import presence

RULE = presence("intrusion", frozenset({"person"}), "persons")
