"""From a validated configuration to a finished run: freeze, launch, watch, record."""

from __future__ import annotations
