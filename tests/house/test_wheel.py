"""What is installed is what stands in the repository: every module and every data file of every package."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, repository_files


@pytest.mark.slow
def test_the_wheel_carries_every_file_of_every_package(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr

    (wheel,) = tmp_path.glob("holdback-*.whl")
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    standing = {path.relative_to(ROOT).as_posix() for path in repository_files()}
    # `holdback demo` reads one of the business files.
    assert carried == {name for name in standing if name.split("/")[0] in {*PACKAGES, "businesses"}}
