"""Limits of requests in tests: no test is to fail where the machine stands still for a few seconds."""

from dataclasses import replace

from stacchip_osml.imagery.limits import FetchLimits

PATIENT = FetchLimits(connect_s=60, idle_s=60, total_s=600, attempts=3, backoff_s=0.01)
"""Wherever a test is not about time: none of these ends before the test's machine is given up."""
SOON_IDLE = replace(PATIENT, idle_s=5)
"""Where a server stalls and then answers: longer than a machine stands still. Let stalls go on side by side."""
