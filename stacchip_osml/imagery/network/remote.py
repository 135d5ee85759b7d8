"""How GDAL is told to fetch what is remote.

The environment (read here and in ``stores``) names the S3 endpoint in the AWS
tools' spelling (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``) or in GDAL's
(``AWS_S3_ENDPOINT``, ``AWS_HTTPS``), and both readers of bytes, obstore and
GDAL, are told the same.
"""

from __future__ import annotations

import os

from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.network.stores import s3_endpoint, virtual_hosting
from stacchip_osml.imagery.network.version import TRANSIENT, RemoteStamp

__all__ = ["gdal_fetch_options"]


def gdal_fetch_options(fetch: FetchLimits, stamp: RemoteStamp | None) -> dict[str, str]:
    """Give GDAL's options for fetching one version of an object within the limits."""
    options = {
        "GDAL_HTTP_MAX_RETRY": str(fetch.attempts - 1),
        "GDAL_HTTP_RETRY_DELAY": f"{fetch.backoff_s:g}",
        "GDAL_HTTP_RETRY_CODES": ",".join(map(str, sorted(TRANSIENT))),
        "GDAL_HTTP_CONNECTTIMEOUT": _whole_seconds(fetch.connect_s),
        "GDAL_HTTP_LOW_SPEED_TIME": _whole_seconds(fetch.idle_s),
        "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
        "GDAL_HTTP_TIMEOUT": _whole_seconds(fetch.try_s),
        # GDAL would keep an object's size and bytes for the life of the process, even after the object changed.
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/",
    }
    condition = None if stamp is None else stamp.condition()
    if condition is not None:
        quoted = '"{}"'.format(condition.replace('"', r"\""))
        own = os.environ.get("GDAL_HTTP_HEADERS")
        options["GDAL_HTTP_HEADERS"] = f"{own},{quoted}" if own else quoted
    endpoint = s3_endpoint(os.environ)
    if endpoint is not None:
        scheme, _, host = endpoint.partition("://")
        options["AWS_S3_ENDPOINT"] = host
        options["AWS_HTTPS"] = "YES" if scheme == "https" else "NO"
        options["AWS_VIRTUAL_HOSTING"] = "TRUE" if virtual_hosting(os.environ) else "FALSE"
    return options


def _whole_seconds(seconds: float) -> str:
    """GDAL reads these options as whole numbers, where 0 is no limit."""
    return str(max(1, round(seconds)))
