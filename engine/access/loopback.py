"""Which names and addresses mean this machine alone."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Whether a host (without port or brackets) is `localhost`, in 127.0.0.0/8, or `::1`.

    Any other name is taken for a strange one, whatever it resolves to at the moment.
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
