"""RTSP to frames to detectors to incidents: the camera worker. Floor 3."""
