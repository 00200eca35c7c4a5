"""Egress: the one door for what leaves to addresses that somebody typed in.

A host is resolved first, and the connection goes to the very address that was looked at: a name that changes its mind
in between leads nowhere. No redirects, no proxies, one cap on time for the whole exchange and one on the answer's size.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from ssl import SSLContext
from urllib.parse import urlsplit

import httpx

from models.camera import AllowedNetworks
from models.errors import EgressFailed, EgressGone, EgressRefused

LONGEST_S = 8.0
LARGEST_ANSWER = 64 * 1024
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]
"""Host and port to addresses; raises OSError."""


def resolve(host: str, port: int) -> list[str]:
    """As the operating system resolves it. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def allowed(networks: AllowedNetworks, address: str) -> bool:
    """Whether a message may go there. What is not of the public internet (loopback, link-local with its metadata
    services, private, shared 100.64/10) counts only where a network is named that is not of it either."""
    ip = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if ip.is_multicast or ip.is_unspecified or ip.is_reserved:
        return False
    return any(
        ip in network and (ip.is_global or not network.is_global)
        for network in networks.networks
        if network.version == ip.version
    )


def _meant(ip: Address) -> Address:
    """The IPv4 address inside those IPv6 ones that lead to it."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    inside = ip.ipv4_mapped or ip.sixtofour
    if inside is None and ip in _NAT64:
        inside = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inside or ip


@dataclass(frozen=True)
class Egress:
    """``networks``: those that outgoing messages may go to."""

    networks: AllowedNetworks
    resolve: Resolve = resolve
    longest_s: float = LONGEST_S

    def addresses(self, host: str, port: int) -> list[str]:
        """All that the host resolves to. Raises EgressFailed, EgressRefused if any of them is not allowed."""
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError):
            raise EgressFailed("the host's name does not resolve") from None
        if not found or not all(allowed(self.networks, address) for address in found):
            raise EgressRefused(
                "the host resolves outside the networks that messages may go to: name its network in"
                " WANGGE_EGRESS_NETWORKS, if it is one of yours"
            )
        return found

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The body of a 2xx answer. Raises EgressRefused, EgressFailed; neither repeats the address."""
        host, port = http_target(url)
        address = self.addresses(host, port)[0]
        return asyncio.run(self._exchange(method, url, address, headers, body))

    async def _exchange(self, method: str, url: str, address: str, headers: Mapping[str, str], body: bytes) -> bytes:
        target = httpx.URL(url)
        pinned = target.copy_with(host=address)
        named = {**headers, "Host": target.netloc.decode("ascii")}
        proved = {"sni_hostname": target.raw_host.decode("ascii")}  # whom the certificate must name
        try:
            # By a loop of its own, since only there a cap holds for the whole exchange, one byte a second or not.
            async with (
                asyncio.timeout(self.longest_s),
                httpx.AsyncClient(
                    verify=_authorities(), follow_redirects=False, trust_env=False, timeout=self.longest_s
                ) as client,
                client.stream(method, pinned, headers=named, content=body, extensions=proved) as answer,
            ):
                if not answer.is_success:
                    fault = EgressGone if answer.status_code in (404, 410) else EgressFailed
                    raise fault(_said(answer.status_code))
                taken = b""
                async for part in answer.aiter_raw():
                    taken += part
                    if len(taken) > LARGEST_ANSWER:
                        break  # it was taken; what more it says is no matter
                return taken
        except TimeoutError:
            raise EgressFailed(f"no whole answer within {self.longest_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EgressFailed(f"no answer ({type(error).__name__})") from None


@cache
def _authorities() -> SSLContext:
    """Whom to trust, read once: it takes longer than a message."""
    return httpx.create_ssl_context(trust_env=False)


def http_target(url: str) -> tuple[str, int]:
    """Host and port of an http or https address without user name and password. Raises EgressRefused."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise EgressRefused("the address cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise EgressRefused("the address must begin with http:// or https://, and hold no user name")
    return parts.hostname, port


def _said(status: int) -> str:
    if 300 <= status < 400:
        return f"it answers {status}, a redirect: these are not followed"
    return f"it answers {status}"
