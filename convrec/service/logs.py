"""Owns where the server's log goes: one JSON object a line in logs_dir/convrec.log, no message text in it."""

from __future__ import annotations

from pathlib import Path

import structlog


def log_to(logs_dir: Path) -> Path:
    """Send structlog's events to a file; the terminal stays for the person.

    Returns:
        The file.
    """
    logs_dir.mkdir(parents=True, exist_ok=True)
    file = logs_dir / "convrec.log"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file.open("a", buffering=1)),
    )
    return file
