"""The dispatch queue over HTTP: alerts, cameras, grids, people, live events. Floor 3."""
