"""A private PostgreSQL for tests: a cluster in a temporary folder, reached through a unix socket, gone afterwards.

PostgreSQL refuses to run as root: there it runs as the user `postgres`, whom Debian's package makes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import text

from convrec.database import open_database

_DEBIAN = "usr/lib/postgresql/*/bin/initdb"


def postgres_binaries() -> Path | None:
    """The folder of initdb and pg_ctl, the newest of Debian's or the one on the PATH; None without PostgreSQL."""
    found = sorted(Path("/").glob(_DEBIAN), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class PostgresCluster:
    """A running cluster.

    Args:
        binaries: See `postgres_binaries`.
        folder: Of the cluster, short enough for a socket's path; its superuser is `postgres`, without a password.
    """

    def __init__(self, binaries: Path, folder: Path) -> None:
        self._binaries, self._folder = binaries, folder
        self._names = (f"test{n}" for n in count())

    def run(self, name: str, *arguments: str) -> None:
        """One of PostgreSQL's programs on this cluster.

        Raises:
            CalledProcessError: It failed.
        """
        command = [str(self._binaries / name), "--pgdata", str(self._folder / "data"), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        quiet = subprocess.DEVNULL
        subprocess.run(command, check=True, stdin=quiet, stdout=quiet, stderr=quiet, cwd=self._folder)

    def start(self) -> None:
        """Start it, recovering what a crash left."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c shared_buffers=16MB"
        self.run("pg_ctl", "start", "--wait", f"--log={self._folder / 'log'}", f"--options={options}")

    def crash(self) -> None:
        """End it as a power cut would: at once, nothing written out."""
        self.run("pg_ctl", "stop", "--mode=immediate")

    @property
    def url(self) -> str:
        """Where its one database is."""
        return f"postgresql://postgres@/postgres?host={self._folder}"

    def new_database(self) -> str:
        """The URL of an empty schema: what a database is to its user, and made in no time."""
        name = next(self._names)
        engine = open_database(self.url)
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {name}"))
        engine.dispose()
        return f"{self.url}&options=-csearch_path%3D{name}"


@contextmanager
def postgres_cluster(binaries: Path) -> Iterator[PostgresCluster]:
    """A cluster of its own, whose collation is not that of bytes; stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="convrec-pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = PostgresCluster(binaries, folder)
    try:
        cluster.run(
            "initdb",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en",
            "--no-sync",
        )
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
