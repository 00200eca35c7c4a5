"""Incidents to alerts to dispatch to closed: registry, pure lifecycle, the ledger, the queue. Floor 2."""
