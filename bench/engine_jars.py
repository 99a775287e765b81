"""The jars with which Spark reads Iceberg tables: fetched with Maven into a folder, once.

`CITYHUB_TEST_JARS` names the folder; without it they are kept in the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SPARK = "4.1"
"""Iceberg's newest module for Spark is for this version; with a newer Spark it does not load (seen with 4.3)."""
ARTIFACTS = (
    f"org.apache.iceberg:iceberg-spark-runtime-{SPARK}_2.13:1.12.0",
    "org.xerial:sqlite-jdbc:3.50.3.0",
    "org.apache.iceberg:iceberg-aws-bundle:1.12.0",
)
FOR_FILES = 2
"""So many of them are needed for tables in folders."""
VARIABLE = "CITYHUB_TEST_JARS"


class Missing(Exception):
    """What Spark needs is not to be had here; the text says what."""


def jars(count: int = FOR_FILES) -> list[Path]:
    """The first jars of the list, fetched where they are not there yet. Raises Missing."""
    if shutil.which("java") is None:
        raise Missing("Spark needs Java (Debian: default-jre-headless)")
    folder = Path(os.environ.get(VARIABLE) or Path.home() / ".cache" / "cityhub" / "jars")
    folder.mkdir(parents=True, exist_ok=True)
    return [_jar(artifact, folder) for artifact in ARTIFACTS[:count]]


def _jar(artifact: str, folder: Path) -> Path:
    _, name, version = artifact.split(":")
    file = folder / f"{name}-{version}.jar"
    if not file.is_file():
        maven = shutil.which("mvn")
        if maven is None:
            raise Missing(f"{file.name} is not in {VARIABLE}, and there is no Maven to fetch it (Debian: maven)")
        try:
            done = subprocess.run(
                [maven, "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"],
                capture_output=True, text=True, timeout=240, check=False, cwd=folder,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Missing(f"Maven did not bring {artifact} within four minutes") from None
        if not file.is_file():
            raise Missing(f"Maven could not bring {artifact}: {(done.stdout + done.stderr)[-300:]}")
    return file
