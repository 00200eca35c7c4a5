"""TCP ports of this machine: whether one can be had, and one that is free."""

import errno
import socket


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody has now. Somebody may take it before it is used; whoever uses it says so."""
    with _probe(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def port_fault(host: str, port: int) -> str | None:
    """None if one can listen there, else the sentence to say of the API's port."""
    with _probe(host) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"port {port} on {host} is taken by another program: stop it, or set WANGGE_PORT to a free one"
            return f"the API cannot listen on {host} port {port} ({error.strerror}): set WANGGE_HOST and WANGGE_PORT"
    return None


def _probe(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
