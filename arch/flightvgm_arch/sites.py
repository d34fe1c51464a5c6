"""The sparsification sites of a transformer block, in the order of execution."""

from __future__ import annotations

KINDS = ("spatial", "temporal")
SITES = ("attn.qkv", "attn.proj", "cross_attn.q_linear", "cross_attn.proj", "mlp")
OUTSIDE = 7  # Site number of work that belongs to no site: the last that MARK can name.
SITE_NAMES = tuple(f"{kind}.{site}" for kind in KINDS for site in SITES)


def macs_per_row(site: str, width: int, hidden: int) -> int:
    """MACs that one row costs in the linear layers behind a site.

    Parameters
    ----------
    site : str
        One of :data:`SITES`.
    width, hidden : int
        Channels of the residual stream and of the MLP.
    """
    return {"attn.qkv": 3 * width * width, "mlp": 2 * width * hidden}.get(site, width * width)
