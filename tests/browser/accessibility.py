"""What axe-core finds wrong with a page."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from playwright.sync_api import Page

AXE = "axe-core@4.14.1"


def axe_script(folder: Path) -> str:
    """axe-core, from its npm package, kept in a folder; skips the test where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm is not installed: {AXE} comes by it")
    packed = folder / f"{AXE.replace('@', '-')}.tgz"
    if not packed.exists():
        command = (npm, "pack", AXE, "--pack-destination", str(folder))
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            pytest.skip(f"{AXE} cannot be fetched: {done.stderr.strip()[-200:]}")
    with tarfile.open(packed) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def serious(page: Page, axe: str) -> list[str]:
    """Serious and critical violations, each with the elements."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {node['html'][:200]} {json.dumps(node['any'][:1])[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
